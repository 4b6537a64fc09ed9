//! `tallyho report RUN…`: renders what was recorded again, in any format.
//!
//! Several runs of one test, its tasks, become one report: counts and histograms add, so every
//! percentile is that of all requests together.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::recorded;
use crate::cli;
use crate::exit::Exit;
use crate::output;
use crate::report::text::{self, Colour};
use crate::report::{Report, hgrm, html, junit, k6_summary, markdown};

/// What `tallyho report` takes.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folders of runs, their run.json, or a folder that holds those of a test's tasks
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,

    /// What to make
    #[arg(short = 'f', long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    /// The file to write [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Exit as the run would: 99 when a threshold failed, 4 when the run is invalid
    #[arg(long)]
    pub check: bool,

    /// Print no colour (also with the variable NO_COLOR)
    #[arg(long)]
    pub no_color: bool,
}

/// The renderings of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, as at the end of a run
    Text,
    /// run.json, of several runs their sum
    Json,
    /// One file with charts and tables
    Html,
    /// As k6's --summary-export
    K6Summary,
    /// For a comment on a pull request
    Markdown,
    /// Thresholds as test cases, for CI
    Junit,
    /// The percentile distribution, for HdrHistogram plotters
    Hgrm,
}

/// Renders a report.
///
/// # Errors
///
/// [`crate::exit::BadUsage`] when there is no such report; anything else when it cannot be written.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let report = recorded::load(&args.runs)?;
    let rendered = render(&report, args.format, colour(args));
    match &args.output {
        Some(file) => std::fs::write(file, rendered)
            .with_context(|| format!("cannot write {}", file.display()))?,
        None => output::print(&rendered),
    }
    Ok(match () {
        () if args.check && report.has_failed_threshold() => Exit::Threshold,
        () if args.check && report.is_invalid() => Exit::Invalid,
        () => Exit::Ok,
    })
}

fn render(report: &Report, format: Format, colour: Colour) -> String {
    match format {
        Format::Text => text::render(report, &text::Options { colour, ..text::Options::default() }),
        Format::Json => format!("{}\n", report.to_json()),
        Format::Html => html::render(report),
        Format::K6Summary => k6_summary::render(report),
        Format::Markdown => markdown::render(report),
        Format::Junit => junit::render(report),
        Format::Hgrm => hgrm::render(report),
    }
}

fn colour(args: &ReportArgs) -> Colour {
    if args.output.is_some() {
        Colour::Plain
    } else {
        cli::colour_on(&std::io::stdout(), args.no_color)
    }
}

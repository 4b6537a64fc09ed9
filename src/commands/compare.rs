//! `tallyho compare A B`: two runs side by side, and what differs beyond noise.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::recorded;
use crate::cli;
use crate::exit::Exit;
use crate::output;
use crate::report::compare::Comparison;
use crate::report::text;

/// What `tallyho compare` takes.
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// The run to compare with: its folder, its run.json, or a folder that holds those of its tasks
    #[arg(value_name = "A")]
    pub a: PathBuf,

    /// The run to judge
    #[arg(value_name = "B")]
    pub b: PathBuf,

    /// What to make
    #[arg(short = 'f', long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    /// Differences below this share do not count, whatever the noise; for example 1%
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "5%")]
    pub at_least: f64,

    /// Exit with 99 when B is worse than A in any figure
    #[arg(long)]
    pub check: bool,

    /// Print no colour (also with the variable NO_COLOR)
    #[arg(long)]
    pub no_color: bool,
}

/// The renderings of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: shares, times in µs, rates per second
    Json,
}

/// Compares two runs.
///
/// # Errors
///
/// [`crate::exit::BadUsage`] when one of them cannot be read.
pub fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    let load = |path: &Path| recorded::load(&[path.to_owned()]);
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let (name_a, name_b) = (args.a.display().to_string(), args.b.display().to_string());
    let comparison = Comparison::of((&name_a, &a), (&name_b, &b), args.at_least);
    match args.format {
        Format::Json => output::print(&format!("{}\n", comparison.to_json())),
        Format::Text => {
            let colour = cli::colour_on(&std::io::stdout(), args.no_color);
            let options = text::Options { colour, ..text::Options::default() };
            output::print(&text::compare::render(&comparison, &options));
        }
    }
    Ok(if args.check && comparison.has_worse() { Exit::Threshold } else { Exit::Ok })
}

/// Reads `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    match number.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value / scale),
        _ => Err(format!("`{text}` is no share; write for example 5%")),
    }
}

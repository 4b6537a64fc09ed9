//! The report as text, for the end of a run.
//!
//! In this order: thresholds, whether the load was what was planned, response and service time
//! side by side, failures, failing sessions with how to replay them, the generator's health, k6's
//! totals, each request, warnings, how to find and repeat the run, and last, where a terminal shows
//! it, what it came to. Reads well at 80 columns; without a width the k6 part has k6's long lines.
//! Colour is a parameter: whoever calls knows the terminal and `NO_COLOR`.

pub mod compare;
mod k6;
mod layout;
mod outcome;
mod sections;

use super::run_json::Report;
use super::units::TimeUnit;
use layout::Paint;

/// Whether text is painted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    Plain,
    /// ANSI escape codes.
    Ansi,
}

/// How much of k6's part is shown, as in `--summary-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Without blocked, connecting, TLS, sending, waiting and receiving.
    #[default]
    Compact,
    /// Everything.
    Full,
}

/// How the text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether it is painted.
    pub colour: Colour,
    /// The unit of times in k6's part.
    pub time_unit: TimeUnit,
    /// How much of k6's part is shown.
    pub mode: Mode,
    /// The width of a line; none for k6's long lines.
    pub columns: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            colour: Colour::Plain,
            time_unit: TimeUnit::Fitting,
            mode: Mode::Compact,
            columns: Some(80),
        }
    }
}

impl Options {
    /// The width that paragraphs are wrapped to.
    fn width(&self) -> usize {
        self.columns.unwrap_or(80).max(40)
    }
}

/// The whole report.
pub fn render(report: &Report, options: &Options) -> String {
    let mut out = String::from("\n");
    k6::thresholds(&mut out, report, options);
    sections::load(&mut out, report, options);
    outcome::planted(&mut out, report, options);
    sections::failures(&mut out, report, options);
    sections::failing(&mut out, report, options);
    sections::generator(&mut out, report, options);
    k6::total_results(&mut out, report, options);
    sections::requests(&mut out, report, options);
    sections::actions(&mut out, report, options);
    sections::warnings(&mut out, report, options);
    sections::run(&mut out, report, options);
    outcome::result(&mut out, report, options);
    out
}

fn title(out: &mut String, text: &str, options: &Options) {
    out.push_str(&format!("  █ {}\n\n", options.colour.paint(Paint::Title, text)));
}

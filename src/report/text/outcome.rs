//! What a run came to, in the words of whoever started it: passed or not, and what was planted.
//!
//! A report is long and a terminal shows its end, so the last line says what the exit code says.

use super::layout::{NO_BREAK, Paint, wrapped};
use super::{Options, title};
use crate::metrics::threshold::Outcome;
use crate::report::planted::{Planted, WITHOUT};
use crate::report::run_json::Report;

/// What the stand-in API did wrong on purpose, before the failures that follow from it.
pub(super) fn planted(out: &mut String, report: &Report, options: &Options) {
    let told = Planted::told(report);
    if told.is_empty() {
        return;
    }
    title(out, "PLANTED FAULTS", options);
    let whole = WITHOUT.replace(' ', &NO_BREAK.to_string());
    for words in told {
        text(out, &words.replace(WITHOUT, &whole), options);
    }
    out.push('\n');
}

/// The last words: whether the run passed, and how many sessions failed.
pub(super) fn result(out: &mut String, report: &Report, options: &Options) {
    out.push('\n');
    title(out, "RESULT", options);
    let (paint, mark, words) = passed(report);
    let failed = report.summary.failed;
    let sessions = match failed {
        0 => "no session failed".to_owned(),
        _ => format!("{failed} of {} sessions failed", report.summary.started),
    };
    let words = format!("{words}; {sessions}");
    let columns = options.width().saturating_sub(6);
    for (index, line) in wrapped(&words, columns).iter().enumerate() {
        let mark = if index == 0 { mark } else { " " };
        let line = format!("{mark} {line}");
        out.push_str(&format!("    {}\n", options.colour.paint(paint, &line)));
    }
}

fn passed(report: &Report) -> (Paint, &'static str, String) {
    let all = report.thresholds.len();
    let failed = report.thresholds.iter().filter(|threshold| threshold.failed).count();
    let held = report.thresholds.iter().filter(|one| one.outcome == Outcome::Pass).count();
    let of = |count: usize| match all {
        1 => "its threshold".to_owned(),
        _ => format!("{count} of {all} thresholds"),
    };
    if failed > 0 {
        return (Paint::Bad, "✗", format!("failed: {} did not hold", of(failed)));
    }
    if let Some(reason) = &report.run.stopped_by {
        return (Paint::Bad, "✗", format!("stopped early by {reason}"));
    }
    if report.is_invalid() {
        let words = "invalid: the load was not what was planned, see the verdict above";
        return (Paint::Bad, "✗", words.to_owned());
    }
    match (all, held) {
        (0, _) => {
            (Paint::Good, "✓", "done; without thresholds there is nothing to fail".to_owned())
        }
        (_, 0) => (Paint::Caution, "?", format!("no data for {}", of(all))),
        _ => (Paint::Good, "✓", format!("passed: {} held", of(held))),
    }
}

fn text(out: &mut String, words: &str, options: &Options) {
    for line in wrapped(words, options.width().saturating_sub(4)) {
        out.push_str(&format!("    {line}\n"));
    }
}

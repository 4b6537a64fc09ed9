//! Thresholds as JUnit XML, which every CI system shows.
//!
//! One suite; a test case per threshold, and one for the verdict: an invalid run is an error, since
//! its numbers mean nothing whichever way the thresholds went. No data is skipped, unless the
//! threshold says that it fails.

use super::judge::State;
use super::run_json::{Report, ThresholdReport};
use super::units::TimeUnit;
use crate::metrics::threshold::Outcome;

/// The XML.
pub fn render(report: &Report) -> String {
    let failures = report.thresholds.iter().filter(|threshold| threshold.failed).count();
    let is_skipped =
        |threshold: &&ThresholdReport| threshold.outcome == Outcome::NoData && !threshold.failed;
    let skipped = report.thresholds.iter().filter(is_skipped).count();
    let errors = usize::from(report.verdict.state == State::Invalid);
    let tests = report.thresholds.len() + 1;
    let seconds =
        format!("{}.{:03}", report.duration_us / 1_000_000, report.duration_us / 1000 % 1000);
    let title = escaped(&report.run.title);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!(
        "<testsuites tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         time=\"{seconds}\">\n  \
         <testsuite name=\"{title}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\" time=\"{seconds}\" timestamp=\"{}\">\n",
        escaped(&report.started_at)
    ));
    out.push_str(&verdict(report));
    for threshold in &report.thresholds {
        out.push_str(&case(threshold, report));
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn verdict(report: &Report) -> String {
    let evidence = escaped(&report.verdict.evidence.join("\n"));
    match report.verdict.state {
        State::Invalid => format!(
            "    <testcase classname=\"run\" name=\"the run is valid\">\n      \
             <error message=\"the run is invalid\">{evidence}</error>\n    </testcase>\n"
        ),
        State::Degraded => format!(
            "    <testcase classname=\"run\" name=\"the run is valid\">\n      \
             <system-out>degraded: {evidence}</system-out>\n    </testcase>\n"
        ),
        State::Ok => "    <testcase classname=\"run\" name=\"the run is valid\"/>\n".to_owned(),
    }
}

fn case(threshold: &ThresholdReport, report: &Report) -> String {
    let (metric, expression) = (escaped(&threshold.metric), escaped(&threshold.expression));
    let start = format!("    <testcase classname=\"{metric}\" name=\"{expression}\"");
    let seen = threshold.seen(report, TimeUnit::Fitting);
    let seen = seen.map_or_else(|| "no data".to_owned(), |(_, seen)| escaped(&seen));
    if threshold.failed {
        return format!(
            "{start}>\n      <failure message=\"expected {expression}, seen {seen}\" \
             type=\"threshold\"/>\n    </testcase>\n"
        );
    }
    match threshold.outcome {
        Outcome::NoData => {
            format!("{start}>\n      <skipped message=\"no data\"/>\n    </testcase>\n")
        }
        _ => format!("{start}/>\n"),
    }
}

/// Text for an attribute or an element. XML 1.0 has no way to write control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

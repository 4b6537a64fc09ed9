//! The report as Markdown, short enough for a comment on a pull request.

use super::judge::State;
use super::planted::Planted;
use super::run_json::Report;
use super::units::{TimeUnit, duration_us, number, share_percent};
use crate::metrics::threshold::Outcome;
use crate::metrics::{Histogram, carried_us};

/// Rows of a table; the rest is counted.
const ROWS_MAX: usize = 20;
/// What the tables show.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// The report as Markdown.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    thresholds(&mut out, report);
    load(&mut out, report);
    requests(&mut out, report);
    planted(&mut out, report);
    failures(&mut out, report);
    warnings(&mut out, report);
    let run = &report.run;
    out.push_str(&format!(
        "\n<sub>run {}, seed {}, tallyho {}: <code>{}</code></sub>\n",
        escaped(&run.run_id),
        escaped(&run.seed),
        escaped(&run.version),
        escaped(&run.command_again())
    ));
    out
}

fn head(out: &mut String, report: &Report) {
    let failed = report.thresholds.iter().filter(|threshold| threshold.failed).count();
    let outcome = match (failed, report.thresholds.len()) {
        (0, 0) => "no thresholds".to_owned(),
        (0, count) => format!("{count} of {count} thresholds hold"),
        (failed, count) => format!("**{failed} of {count} thresholds failed**"),
    };
    let verdict = match report.verdict.state {
        State::Ok => "the run is valid",
        State::Degraded => "**the run is degraded**",
        State::Invalid => "**the run is invalid**",
    };
    out.push_str(&format!("## {}\n\n{outcome}; {verdict}.\n", escaped(&report.run.title)));
    for evidence in &report.verdict.evidence {
        out.push_str(&format!("- {}\n", escaped(evidence)));
    }
}

fn thresholds(out: &mut String, report: &Report) {
    if report.thresholds.is_empty() {
        return;
    }
    out.push_str("\n| | metric | threshold | seen |\n|---|---|---|--:|\n");
    for threshold in &report.thresholds {
        let mark = match threshold.outcome {
            Outcome::Pass => "✓",
            Outcome::Fail => "✗",
            Outcome::NoData if threshold.failed => "✗",
            Outcome::NoData => "?",
        };
        let seen = threshold
            .seen(report, TimeUnit::Fitting)
            .map_or_else(|| "no data".to_owned(), |(method, seen)| format!("{method}={seen}"));
        let (metric, expression) = (escaped(&threshold.metric), escaped(&threshold.expression));
        out.push_str(&format!("| {mark} | {metric} | {expression} | {seen} |\n"));
    }
}

fn times(histogram: &Histogram<u64>) -> String {
    let cell = |percentile: f64| {
        carried_us(histogram, percentile).map_or_else(|| "-".to_owned(), duration_us)
    };
    PERCENTILES.map(cell).join(" | ")
}

fn load(out: &mut String, report: &Report) {
    let summary = &report.summary;
    out.push_str(&format!(
        "\n{} iterations offered ({}/s), {} achieved ({}/s), {} dropped ({}); {} requests ({}/s), \
         {} failed ({}).\n",
        summary.due,
        number(summary.offered_per_sec, 2),
        summary.completed,
        number(summary.completed_per_sec, 2),
        summary.dropped,
        share_percent(summary.dropped, summary.due),
        summary.requests,
        number(summary.requests_per_sec, 2),
        summary.requests_failed,
        share_percent(summary.requests_failed, summary.requests),
    ));
    out.push_str("\n| | p50 | p90 | p99 | p99.9 | max |\n|---|--:|--:|--:|--:|--:|\n");
    out.push_str(&format!("| response time | {} |\n", times(&summary.response_time)));
    out.push_str(&format!("| service time | {} |\n", times(&summary.http_req_duration)));
    out.push_str(&format!("| schedule lag | {} |\n", times(&report.totals.schedule_lag)));
}

fn requests(out: &mut String, report: &Report) {
    let by_name = report.totals.requests_by_name();
    if by_name.is_empty() {
        return;
    }
    out.push_str("\n| request | count | failed | p50 | p90 | p99 | p99.9 | max |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    let mut rows: Vec<_> = by_name.iter().collect();
    rows.sort_by(|a, b| b.1.count().cmp(&a.1.count()).then(a.0.cmp(b.0)));
    for (name, series) in rows.iter().take(ROWS_MAX) {
        let failed = share_percent(series.failed, series.count());
        let times = times(&series.response_time());
        out.push_str(&format!("| {} | {} | {failed} | {times} |\n", escaped(name), series.count()));
    }
    if rows.len() > ROWS_MAX {
        out.push_str(&format!("\nand {} more requests\n", rows.len() - ROWS_MAX));
    }
}

fn planted(out: &mut String, report: &Report) {
    for (index, words) in Planted::told(report).iter().enumerate() {
        let title = if index == 0 { "**Planted faults.** " } else { "" };
        out.push_str(&format!("\n{title}{}\n", escaped(words)));
    }
}

fn failures(out: &mut String, report: &Report) {
    let mut rows: Vec<_> = report.totals.failures.iter().collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
    out.push_str("\n| failure | count | share | first example |\n|---|--:|--:|---|\n");
    for (kind, failure) in rows.iter().take(ROWS_MAX) {
        let share = share_percent(failure.count, report.summary.requests);
        let example = failure.example.as_ref().map_or_else(String::new, |example| {
            format!("session {}: {}", escaped(&example.session), escaped(&example.text))
        });
        out.push_str(&format!("| {} | {} | {share} | {example} |\n", escaped(kind), failure.count));
    }
}

fn warnings(out: &mut String, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    out.push('\n');
    for warning in &report.warnings {
        let (what, advice) = (escaped(&warning.to_string()), escaped(warning.advice()));
        out.push_str(&format!("> **warning:** {what}\\\n> help: {advice}\n>\n"));
    }
}

/// Text in which nothing is markup: it comes from scenarios and servers.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

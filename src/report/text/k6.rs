//! The part of the text that k6 users know: thresholds, checks and metrics in the layout of k6 2.
//!
//! Names are dotted to the longest of their block plus three; trends show avg min med max p(90)
//! p(95); CUSTOM comes first. With a line width, what does not fit goes on the next line; without
//! one, lines are as long as k6's, for scripts that read them.

use super::layout::{Paint, left, width};
use super::{Colour, Mode, Options};
use crate::metrics::threshold::Outcome;
use crate::metrics::{Contains, Histogram, built_in, is_carried};
use crate::report::k6_metrics::{K6Metric, Value, k6_metrics};
use crate::report::run_json::{Report, ThresholdReport};
use crate::report::units::{
    TimeUnit, bytes, duration_in, number, per_second, share_percent, whole_percent,
};

/// Metrics that k6 shows in full mode only.
const FULL_ONLY: &[&str] = &[
    "http_req_blocked",
    "http_req_connecting",
    "http_req_receiving",
    "http_req_sending",
    "http_req_tls_handshaking",
    "http_req_waiting",
];
const INDENT: usize = 4;

/// The thresholds, one block per metric.
pub(super) fn thresholds(out: &mut String, report: &Report, options: &Options) {
    if report.thresholds.is_empty() {
        return;
    }
    super::title(out, "THRESHOLDS", options);
    let mut last = None;
    for threshold in &report.thresholds {
        if last != Some(&threshold.metric) {
            if last.is_some() {
                out.push('\n');
            }
            out.push_str(&format!("    {}\n", threshold.metric));
            last = Some(&threshold.metric);
        }
        out.push_str(&threshold_line(threshold, report, options));
    }
    out.push('\n');
}

fn threshold_line(threshold: &ThresholdReport, report: &Report, options: &Options) -> String {
    let colour = options.colour;
    let mark = match (threshold.outcome, threshold.failed) {
        (Outcome::Pass, _) => colour.paint(Paint::Good, "✓"),
        (Outcome::Fail, _) => colour.paint(Paint::Bad, "✗"),
        (Outcome::NoData, true) => colour.paint(Paint::Bad, "✗"),
        (Outcome::NoData, false) => colour.paint(Paint::Caution, "?"),
    };
    let seen = match threshold.seen(report, options.time_unit) {
        Some((method, seen)) => format!("{method}={}", colour.paint(Paint::Value, &seen)),
        None => colour.paint(Paint::Caution, "no data"),
    };
    format!("    {mark} '{}' {seen}\n", threshold.expression)
}

/// All metrics, in blocks.
pub(super) fn total_results(out: &mut String, report: &Report, options: &Options) {
    super::title(out, "TOTAL RESULTS", options);
    checks(out, report, options);
    let metrics = k6_metrics(report);
    let is_shown = |metric: &&K6Metric| {
        options.mode == Mode::Full || !FULL_ONLY.contains(&metric.name.as_str())
    };
    for block in [Block::Custom, Block::Http, Block::Execution, Block::Network] {
        let of_block = metrics.iter().filter(|metric| Block::of(&metric.name) == block);
        let shown: Vec<&K6Metric> = of_block.filter(is_shown).collect();
        if !shown.is_empty() {
            let title = options.colour.paint(Paint::Title, block.title());
            out.push_str(&format!("    {title}\n"));
            metric_lines(out, &shown, report.duration_us, options);
            out.push('\n');
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Checks,
    Custom,
    Http,
    Execution,
    Network,
}

impl Block {
    fn of(name: &str) -> Self {
        match name.split('{').next().unwrap_or_default() {
            "checks" => Self::Checks,
            "data_received" | "data_sent" => Self::Network,
            "iterations" | "iteration_duration" | "dropped_iterations" | "vus" | "vus_max"
            | "action_duration" | "schedule_lag" => Self::Execution,
            "response_time" => Self::Http,
            name if built_in(name).is_some() => Self::Http,
            _ => Self::Custom,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Checks => "CHECKS",
            Self::Custom => "CUSTOM",
            Self::Http => "HTTP",
            Self::Execution => "EXECUTION",
            Self::Network => "NETWORK",
        }
    }
}

fn checks(out: &mut String, report: &Report, options: &Options) {
    let all = report.totals.all_checks();
    if all.total() == 0 {
        return;
    }
    let rate = number(per_second(all.total(), report.duration_us), 6);
    let lines = [
        ("checks_total", all.total().to_string(), format!("{rate}/s")),
        (
            "checks_succeeded",
            share_percent(all.passes, all.total()),
            format!("{} out of {}", all.passes, all.total()),
        ),
        (
            "checks_failed",
            share_percent(all.fails, all.total()),
            format!("{} out of {}", all.fails, all.total()),
        ),
    ];
    let name_width = lines.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let value_width = lines.iter().map(|(_, value, _)| width(value)).max().unwrap_or(0);
    for (name, value, extra) in &lines {
        let value = options.colour.paint(Paint::Value, &left(value, value_width));
        out.push_str(&format!(
            "    {}: {value} {extra}\n",
            dotted(name, name_width, options.colour)
        ));
    }
    out.push('\n');
    for (name, check) in &report.totals.checks {
        if check.fails == 0 {
            let line = options.colour.paint(Paint::Good, &format!("✓ {name}"));
            out.push_str(&format!("    {line}\n"));
            continue;
        }
        let percent = whole_percent(check.passes, check.total());
        let line = options.colour.paint(Paint::Bad, &format!("✗ {name}"));
        let detail = format!("↳  {percent}% — ✓ {} / ✗ {}", check.passes, check.fails);
        out.push_str(&format!("    {line}\n      {}\n", options.colour.paint(Paint::Bad, &detail)));
    }
    out.push('\n');
}

/// The name with dots up to the block's width and three more.
fn dotted(name: &str, name_width: usize, colour: Colour) -> String {
    let dots = ".".repeat(name_width + 3 - width(name));
    format!("{name}{}", colour.paint(Paint::Faint, &dots))
}

/// What a metric is called in its block: a part of one is shown below it by its tags.
fn display_name(metric: &K6Metric) -> String {
    match metric.name.split_once('{') {
        Some((_, tags)) => format!("  {{ {} }}", tags.trim_end_matches('}')),
        None => metric.name.clone(),
    }
}

fn metric_lines(out: &mut String, metrics: &[&K6Metric], duration_us: u64, options: &Options) {
    let name_width = metrics.iter().map(|metric| width(&display_name(metric))).max().unwrap_or(0);
    let cells: Vec<Vec<String>> =
        metrics.iter().map(|metric| cells(metric, duration_us, options)).collect();
    let is_trend = |index: usize| matches!(metrics[index].value, Value::Trend(_));
    let column_width = |trend: bool, column: usize| {
        let of_kind = cells.iter().enumerate().filter(|(index, _)| is_trend(*index) == trend);
        of_kind
            .filter_map(|(_, cells)| cells.get(column))
            .map(|cell| width(cell))
            .max()
            .unwrap_or(0)
    };
    for (index, metric) in metrics.iter().enumerate() {
        let name = dotted(&display_name(metric), name_width, options.colour);
        let start = INDENT + name_width + 3 + 2;
        out.push_str(&format!("    {name}:"));
        let mut column_at = start - 1;
        let last = cells[index].len() - 1;
        for (column, cell) in cells[index].iter().enumerate() {
            let columns = column_width(is_trend(index), column);
            let too_long = options.columns.is_some_and(|max| column_at + 1 + columns > max);
            if too_long && column > 0 {
                trim_end(out);
                out.push('\n');
                out.push_str(&" ".repeat(start - 1));
                column_at = start - 1;
            }
            out.push(' ');
            out.push_str(&if column == last { cell.clone() } else { left(cell, columns) });
            column_at += 1 + columns;
        }
        trim_end(out);
        out.push('\n');
    }
}

/// Spaces at the end of a line are noise: a cell was padded for one that went elsewhere.
fn trim_end(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

fn cells(metric: &K6Metric, duration_us: u64, options: &Options) -> Vec<String> {
    match &metric.value {
        Value::Counter(count) => {
            let per_second = per_second(*count, duration_us);
            match metric.contains {
                Contains::Data => vec![bytes(*count), format!("{}/s", bytes(whole(per_second)))],
                _ => vec![count.to_string(), format!("{}/s", number(per_second, 6))],
            }
        }
        Value::Gauge { value, min, max } => vec![
            number(*value, 6),
            format!("min={}", number(*min, 6)),
            format!("max={}", number(*max, 6)),
        ],
        Value::Rate(share) => vec![
            share_percent(share.passes, share.total()),
            format!("{} out of {}", share.passes, share.total()),
        ],
        Value::Trend(trend) => trend_cells(trend, metric.contains, options.time_unit),
    }
}

/// `avg=… min=… med=… max=… p(90)=… p(95)=…`; a percentile that too few samples carry is left out.
fn trend_cells(trend: &Histogram<u64>, contains: Contains, unit: TimeUnit) -> Vec<String> {
    let shown = |thousandths: u64, of_unit: u64| match contains {
        Contains::Time => duration_in(thousandths.saturating_mul(1000) / of_unit, unit),
        _ => number(thousandths_as_number(thousandths) / thousandths_as_number(of_unit * 1000), 6),
    };
    let figures = trend.figures();
    // In thousandths of a µs: an average has fractions.
    let average = u128::from(figures.sum_us) * 1000 / u128::from(figures.count.max(1));
    let average = u64::try_from(average).unwrap_or(u64::MAX);
    let mut cells =
        vec![format!("avg={}", shown(average, 1000)), format!("min={}", shown(figures.min_us, 1))];
    let mut percentile = |name: &str, percentile: f64| {
        if is_carried(percentile, figures.count)
            && let Some(value) = trend.percentile_us(percentile)
        {
            cells.push(format!("{name}={}", shown(value, 1)));
        }
    };
    percentile("med", 50.0);
    percentile("max", 100.0);
    percentile("p(90)", 90.0);
    percentile("p(95)", 95.0);
    cells
}

#[expect(clippy::cast_precision_loss, reason = "shown with six decimals")]
fn thousandths_as_number(thousandths: u64) -> f64 {
    thousandths as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes per second")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

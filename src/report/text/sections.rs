//! The parts of the text report that k6 does not have.

use super::layout::{NO_BREAK, Paint, cut, left, paragraph, right, wrapped};
use super::{Options, title};
use crate::metrics::{Histogram, LATE_US, carried_us};
use crate::report::judge::State;
use crate::report::run_json::{Report, Task, Worker, quoted};
use crate::report::trace::VerifiedReport;
use crate::report::units::{bytes, clock, duration_us, number, per_second, share_percent};

/// The percentiles of every table.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];
/// The longest time that is not cut is 8 columns (148.21ms).
const TIME_COLUMNS: usize = 9;
/// Label, count and share before the times: with the indent of 4, a line has 79 columns.
const LABEL_COLUMNS: usize = 13;
const COUNT_COLUMNS: usize = 9;
const SHARE_COLUMNS: usize = 8;
/// Failures, requests and actions that are listed; the rest is counted.
const ROWS_MAX: usize = 20;
/// Kinds of failing sessions that are listed, so that the rest of the report stays in sight.
const FAILING_MAX: usize = 8;
/// Workers that are listed: those with the greatest lag.
const WORKERS_MAX: usize = 8;

/// One figure per line: name, dots, value.
pub(super) fn figure(out: &mut String, name: &str, value: &str, options: &Options) {
    const NAME_COLUMNS: usize = 22;
    let dots = ".".repeat(NAME_COLUMNS.saturating_sub(name.chars().count()));
    let name = format!("{name}{}:", options.colour.paint(Paint::Faint, &dots));
    let label_columns = 4 + NAME_COLUMNS + 1;
    let columns = options.width().saturating_sub(label_columns + 1);
    for (index, line) in wrapped(value, columns).iter().enumerate() {
        let label = if index == 0 { format!("    {name}") } else { " ".repeat(label_columns) };
        out.push_str(&format!("{label} {line}\n"));
    }
}

fn header(out: &mut String, first: &str, count: &str, share: &str, options: &Options) {
    let mut line = left(first, LABEL_COLUMNS);
    line.push_str(&right(count, COUNT_COLUMNS));
    line.push_str(&right(share, SHARE_COLUMNS));
    for (name, _) in PERCENTILES {
        line.push_str(&right(name, TIME_COLUMNS));
    }
    out.push_str(&format!("    {}\n", options.colour.paint(Paint::Faint, line.trim_end())));
}

fn times(
    out: &mut String,
    label: &str,
    counted: (&str, &str),
    histogram: &Histogram<u64>,
    options: &Options,
) {
    let mut line = left(&cut(label, LABEL_COLUMNS), LABEL_COLUMNS);
    line.push_str(&right(counted.0, COUNT_COLUMNS));
    line.push_str(&right(counted.1, SHARE_COLUMNS));
    for (_, percentile) in PERCENTILES {
        let text = carried_us(histogram, percentile).map_or_else(|| "-".to_owned(), duration_us);
        line.push_str(&options.colour.paint(Paint::Value, &right(&text, TIME_COLUMNS)));
    }
    out.push_str(&format!("    {line}\n"));
}

fn per_sec(value: f64) -> String {
    number(value, 2)
}

/// Whether the load was what was planned, and how long responses took.
pub(super) fn load(out: &mut String, report: &Report, options: &Options) {
    title(out, "LOAD", options);
    let summary = &report.summary;
    let state = report.verdict.state;
    let paint = match state {
        State::Ok => Paint::Good,
        State::Degraded => Paint::Caution,
        State::Invalid => Paint::Bad,
    };
    let mut verdict = options.colour.paint(paint, state.as_str());
    if let Some(second) = report.verdict.since_second {
        verdict.push_str(&format!(" from {}", clock(second)));
    }
    figure(out, "verdict", &verdict, options);
    for evidence in &report.verdict.evidence {
        figure(out, "  because", evidence, options);
    }
    if let Some(reason) = &report.run.stopped_by {
        figure(out, "stopped early", reason, options);
    }
    let line = |count: u64, per_second: f64| {
        format!(
            "{}/s, {count} iterations in {}",
            per_sec(per_second),
            duration_us(report.duration_us)
        )
    };
    figure(out, "offered", &line(summary.due, summary.offered_per_sec), options);
    figure(out, "achieved", &line(summary.completed, summary.completed_per_sec), options);
    let dropped = format!(
        "{}  {} out of {}",
        share_percent(summary.dropped, summary.due),
        summary.dropped,
        summary.due
    );
    figure(out, "dropped", &dropped, options);
    let requests =
        format!("{}/s, {} requests", per_sec(summary.requests_per_sec), summary.requests);
    figure(out, "requests", &requests, options);
    out.push('\n');
    header(out, "", "", "", options);
    let none = ("", "");
    times(out, "response time", none, &summary.response_time, options);
    times(out, "service time", none, &summary.http_req_duration, options);
    let text = "Response time counts from when a request was due, service time from when it was \
                sent: the difference is what waited.";
    for line in wrapped(text, options.width().saturating_sub(4)) {
        out.push_str(&format!("    {}\n", options.colour.paint(Paint::Faint, &line)));
    }
    out.push('\n');
}

/// Failures by kind, the most frequent first.
pub(super) fn failures(out: &mut String, report: &Report, options: &Options) {
    let mut failures: Vec<_> = report.totals.failures.iter().collect();
    if failures.is_empty() {
        return;
    }
    title(out, "FAILURES", options);
    failures.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
    let columns = options.width();
    for (kind, failure) in failures.iter().take(ROWS_MAX) {
        let (from, to) = (failure.first_us / 1_000_000, failure.last_us / 1_000_000);
        let share = share_percent(failure.count, report.summary.requests);
        let kind = options.colour.paint(Paint::Bad, kind);
        let count = format!("{}  {share}", failure.count);
        out.push_str(&format!("    {kind}  {count}  from {} to {}\n", clock(from), clock(to)));
        let mut requests: Vec<_> = failure.requests.iter().collect();
        requests.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let named = |(name, count): &(&String, &u64)| {
            format!("{name} ({count})").replace(' ', &NO_BREAK.to_string())
        };
        let mut named: Vec<String> = requests.iter().take(5).map(named).collect();
        if requests.len() > 5 {
            named.push(format!("and {} more", requests.len() - 5));
        }
        paragraph(out, "      in", "      in", &named.join(", "), columns);
        if let Some(example) = &failure.example {
            let text = format!("at {}: {}", duration_us(example.at_us), example.text);
            let label = format!("      session {}", example.session);
            paragraph(out, &label, &label, &text, columns);
            if let Some(command) = &report.run.replay_command {
                let command = command.replace("{session}", &example.session);
                out.push_str(&format!("      {}\n", options.colour.paint(Paint::Value, &command)));
            }
        }
    }
    more(out, failures.len(), "kinds of failure");
    out.push('\n');
}

/// Failing sessions by what failed, the most frequent first, each kind with the command that
/// replays the shortest. The others are counted, with the command that lists them.
pub(super) fn failing(out: &mut String, report: &Report, options: &Options) {
    if report.failing.is_empty() {
        return;
    }
    title(out, "FAILING SESSIONS", options);
    let columns = options.width();
    let (shown, rest) = report.failing.split_at(report.failing.len().min(FAILING_MAX));
    for group in shown {
        let label = format!("    {:>7}", group.count);
        let painted = options.colour.paint(Paint::Bad, &label);
        let steps = if group.steps == 1 { "step" } else { "steps" };
        let text = format!("{}, {}\u{a0}{steps} or more", group.signature, group.steps);
        paragraph(out, &label, &painted, &text, columns);
        let command = match &group.replay {
            Some(command) => command.clone(),
            None => format!("session {} is not recorded", group.example),
        };
        out.push_str(&format!("            {}\n", options.colour.paint(Paint::Value, &command)));
    }
    if !rest.is_empty() {
        let label = format!("    {:>7}", rest.iter().map(|group| group.count).sum::<u64>());
        let text = format!("that failed in {} other ways; all of them are listed by", rest.len());
        paragraph(out, &label, &label, &text, columns);
        let run = report.run.directory.as_deref().unwrap_or("RUN");
        let command = format!("tallyho sessions {} --failing", quoted(run));
        out.push_str(&format!("            {}\n", options.colour.paint(Paint::Value, &command)));
    }
    out.push('\n');
}

/// What was recorded, in one figure.
fn recorded(out: &mut String, report: &Report, options: &Options) {
    let Some(trace) = &report.trace else {
        figure(out, "recorded", "nothing (--record off)", options);
        return;
    };
    let mut text = format!(
        "{} exact + {} exact up to a step + {} not = {} sessions, {}",
        trace.exact,
        trace.partial,
        trace.not_recorded(),
        trace.started,
        bytes(trace.bytes)
    );
    if trace.requests > 0 {
        let each = trace.bytes as f64 / trace.requests as f64;
        text.push_str(&format!(" ({} B per request)", number(each, 1)));
    }
    figure(out, "recorded", &text, options);
    if trace.limit_reached {
        let limited = "only failing sessions and a sample since --trace-max-bytes was reached";
        figure(out, "", limited, options);
    }
    if let Some(verified) = &trace.verified {
        figure(out, "replayed", &replayed(verified, trace.started), options);
    }
}

/// What became of the replays at the end of the run.
fn replayed(verified: &VerifiedReport, started: u64) -> String {
    let VerifiedReport { sessions, different, difference, capsules, error, .. } = verified;
    if let Some(error) = error {
        return format!("nothing: {error}");
    }
    if *different == 0 {
        return format!("{sessions} of {started} sessions, all exact");
    }
    let first = difference.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    format!(
        "{different} of {sessions} sessions DIFFER, a bug of Tallyho or of the bot; please report \
         it with {} ({first})",
        capsules.join(", ")
    )
}

fn more(out: &mut String, count: usize, what: &str) {
    if count > ROWS_MAX {
        out.push_str(&format!("    and {} more {what}, see run.json\n", count - ROWS_MAX));
    }
}

/// How the generator fared.
pub(super) fn generator(out: &mut String, report: &Report, options: &Options) {
    title(out, "GENERATOR", options);
    header(out, "", "", "late", options);
    let late = share_percent(report.totals.late, report.summary.requests);
    times(out, "schedule lag", ("", &late), &report.totals.schedule_lag, options);
    let mut workers: Vec<&Worker> = report.workers.iter().collect();
    workers.sort_by_key(|worker| {
        let lag = worker.measured.schedule_lag.figures().max_us;
        (std::cmp::Reverse((worker.measured.late, lag)), worker.key())
    });
    if workers.len() > 1 {
        for worker in workers.iter().take(WORKERS_MAX) {
            let measured = &worker.measured;
            let late = share_percent(measured.late, measured.requests);
            let label = format!("worker {}/{}", worker.task, worker.worker);
            times(out, &label, ("", &late), &measured.schedule_lag, options);
        }
        if workers.len() > WORKERS_MAX {
            let more = workers.len() - WORKERS_MAX;
            out.push_str(&format!("    and {more} more workers that were late less often\n"));
        }
    }
    let text = format!(
        "Late is a request sent {} or more after it was due by the generator's fault.",
        duration_us(LATE_US)
    );
    for line in wrapped(&text, options.width().saturating_sub(4)) {
        out.push_str(&format!("    {}\n", options.colour.paint(Paint::Faint, &line)));
    }
    out.push('\n');
    for task in report.tasks.iter().take(WORKERS_MAX) {
        self::task(out, report, task, options);
    }
    if report.tasks.len() > WORKERS_MAX {
        let more = report.tasks.len() - WORKERS_MAX;
        out.push_str(&format!("    and {more} more tasks, see run.json\n"));
    }
    out.push('\n');
}

fn task(out: &mut String, report: &Report, task: &Task, options: &Options) {
    let of_task = report.workers.iter().filter(|worker| worker.task == task.index);
    let cpu_us: u64 = of_task.clone().map(|worker| worker.measured.cpu_us).sum();
    let workers = of_task.count() as u64;
    let capacity_us = report.duration_us.saturating_mul(workers);
    let pinned = if task.pinned { "pinned" } else { "not pinned" };
    let name =
        if report.tasks.len() > 1 { format!("task {}", task.index) } else { "task".to_owned() };
    let of_workers =
        if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
    let machine = format!(
        "{}, {} CPUs, {of_workers} ({pinned}), kernel {}",
        task.host,
        number(task.cpus, 2),
        task.kernel
    );
    figure(out, &name, &machine, options);
    let driver = format!("{} ({})", task.io_driver, task.io_driver_reason);
    figure(out, "  io driver", &driver, options);
    if let Some(trusted) = &task.tls {
        figure(out, "  tls", trusted, options);
    }
    let health = &task.health;
    let mut cpu = format!("workers busy {}", share_percent(cpu_us, capacity_us));
    if health.cpu_periods > 0 {
        cpu.push_str(&format!(
            ", throttled in {} of {} periods",
            health.cpu_periods_throttled, health.cpu_periods
        ));
    }
    if health.cpu_stolen_us > 0 {
        let stolen = share_percent(health.cpu_stolen_us, health.cpu_machine_us);
        cpu.push_str(&format!(", {stolen} stolen by other machines"));
    }
    figure(out, "  cpu", &cpu, options);
    if health.files_open_max > 0 {
        let files = format!("{} of at most {}", health.files_open_max, task.files_limit);
        figure(out, "  files open", &files, options);
    }
    if health.ports > 0 {
        let (sockets, ports) = (health.sockets_max, health.ports);
        let ports = format!("{sockets} sockets at most, {ports} ports for a pair of addresses");
        figure(out, "  tcp", &ports, options);
    }
    if health.memory_bytes_max > 0 {
        figure(out, "  memory", &bytes(health.memory_bytes_max), options);
    }
}

/// Every request: response time over service time.
pub(super) fn requests(out: &mut String, report: &Report, options: &Options) {
    let by_name = report.totals.requests_by_name();
    if by_name.is_empty() {
        return;
    }
    title(out, "REQUESTS", options);
    header(out, "", "count", "failed", options);
    let mut rows: Vec<_> = by_name.iter().collect();
    rows.sort_by(|a, b| b.1.count().cmp(&a.1.count()).then(a.0.cmp(b.0)));
    for (name, series) in rows.iter().take(ROWS_MAX) {
        let rate = per_sec(per_second(series.count(), report.duration_us));
        let name = cut(name, options.width().saturating_sub(8 + rate.len()));
        out.push_str(&format!("    {}  {rate}/s\n", options.colour.paint(Paint::Title, &name)));
        let failed = share_percent(series.failed, series.count());
        let count = series.count().to_string();
        times(out, "  response", (&count, &failed), &series.response_time(), options);
        times(out, "  service", ("", ""), &series.http_req_duration(), options);
    }
    more(out, rows.len(), "requests");
    out.push('\n');
}

/// Every action that bots chose.
pub(super) fn actions(out: &mut String, report: &Report, options: &Options) {
    let actions = &report.totals.actions;
    if actions.is_empty() {
        return;
    }
    title(out, "ACTIONS", options);
    header(out, "", "count", "", options);
    let mut rows: Vec<_> = actions.iter().collect();
    rows.sort_by(|a, b| b.1.count().cmp(&a.1.count()).then(a.0.cmp(b.0)));
    for (name, duration) in rows.iter().take(ROWS_MAX) {
        out.push_str(&format!("    {}\n", cut(name, options.width().saturating_sub(4))));
        times(out, "", (&duration.count().to_string(), ""), duration, options);
    }
    more(out, rows.len(), "actions");
    out.push('\n');
}

/// What whoever reads the numbers must know.
pub(super) fn warnings(out: &mut String, report: &Report, options: &Options) {
    if report.warnings.is_empty() {
        return;
    }
    title(out, "WARNINGS", options);
    let columns = options.width();
    for warning in &report.warnings {
        let label = "    warning:";
        let painted = options.colour.paint(Paint::Caution, label);
        paragraph(out, label, &painted, &warning.to_string(), columns);
        let label = "    help:   ";
        let painted = options.colour.paint(Paint::Good, label);
        paragraph(out, label, &painted, warning.advice(), columns);
    }
    out.push('\n');
}

/// How to find and repeat the run.
pub(super) fn run(out: &mut String, report: &Report, options: &Options) {
    title(out, "RUN", options);
    let run = &report.run;
    figure(out, "of", &run.title, options);
    figure(out, "id", &format!("{}, tallyho {}", run.run_id, run.version), options);
    figure(out, "started", &format!("{}, ended {}", report.started_at, report.ended_at), options);
    figure(out, "seed", &run.seed, options);
    if let Some(directory) = &run.directory {
        figure(out, "files", directory, options);
    }
    recorded(out, report, options);
    if !run.command.is_empty() {
        figure(out, "again", &run.command_again(), options);
    }
}

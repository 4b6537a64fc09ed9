//! What is shown while a run goes on, on standard error.
//!
//! On a terminal one line that is drawn again; elsewhere a line every few seconds, which suits a
//! log. Nothing with `--quiet`.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use super::ground::Ground;
use crate::cli::RunArgs;
use crate::engine::{Control, DriverReport, Observer, RunPlan};
use crate::metrics::Collector;

/// How often a line is printed where there is no terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how a run goes.
pub(super) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    heading: String,
    duration: Duration,
    next_line: Duration,
    control: Arc<Control>,
    signals_shown: u8,
}

impl Progress {
    pub(super) fn new(args: &RunArgs, title: &str, ground: &Ground, plan: &RunPlan) -> Self {
        let mut heading = format!("run      {title}\ntarget   {}\n", ground.target);
        for scenario in &plan.scenarios {
            heading.push_str(&format!("load     {}: {}\n", scenario.name, scenario.profile));
        }
        let (machine, seed) = (ground.machine.describe(), ground.identity.seed);
        heading.push_str(&format!("machine  {machine}\nseed     {seed}\n"));
        Self {
            is_quiet: args.output.quiet,
            is_terminal: std::io::stderr().is_terminal(),
            heading,
            duration: plan.duration(),
            next_line: LOG_INTERVAL,
            control: Arc::clone(&ground.control),
            signals_shown: 0,
        }
    }

    /// Leaves the terminal's cursor at the beginning of a line.
    pub(super) fn finish(&self) {
        if self.is_terminal && !self.is_quiet {
            eprint!("\r\x1b[K");
        }
    }

    fn show(&mut self, elapsed: Duration, line: &str) {
        if self.is_terminal {
            eprint!("\r\x1b[K{line}");
            let _terminal_is_gone = std::io::stderr().flush();
        } else if elapsed >= self.next_line {
            eprintln!("{line}");
            self.next_line = elapsed + LOG_INTERVAL;
        }
    }

    fn show_signals(&mut self) {
        let signals = self.control.signals();
        if signals > self.signals_shown {
            self.signals_shown = signals;
            self.finish();
            eprintln!(
                "{}",
                match signals {
                    1 => "stopping: no new sessions, waiting for running ones; again to stop now",
                    _ => "stopping now: running requests are cut off",
                }
            );
        }
    }
}

impl Observer for Progress {
    fn started(&mut self, drivers: &[DriverReport]) {
        if self.is_quiet {
            return;
        }
        eprint!("{}", self.heading);
        if let Some(driver) = drivers.first() {
            eprintln!("driver   {driver}\n");
        }
    }

    fn tick(&mut self, elapsed: Duration, active_bots: u64, collector: &Collector) {
        if self.is_quiet {
            return;
        }
        self.show_signals();
        let sessions = collector.totals().all_iterations().completed;
        let latest = collector.latest();
        let (rate, failed) = latest.map_or((0, 0), |row| (row.requests, row.requests_failed));
        let p99 = latest.and_then(|row| row.response_time.percentile_us(99.0));
        let p99 = p99.map_or_else(|| "-".to_owned(), |us| format!("{:.2}ms", us as f64 / 1_000.0));
        let left = self.duration.saturating_sub(elapsed).as_secs();
        let line = format!(
            "{:>4}s  {rate:>7}/s  {failed:>5} failed/s  p99 {p99:>9}  {active_bots} bots  \
             {sessions} sessions  {left}s left",
            elapsed.as_secs(),
        );
        self.show(elapsed, &line);
    }
}

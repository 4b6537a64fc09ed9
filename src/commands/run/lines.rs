//! A line every few seconds, for logs and pipes: plain ASCII in aligned columns.
//!
//! A line stands for the whole time since the one before, so the lines of a run miss no second.
//! The header is repeated, since a log is read from its end.

use std::time::Duration;

use super::live::Live;
use crate::report::units::{clock, duration_us};

/// How often a line is printed.
const INTERVAL: Duration = Duration::from_secs(5);
/// Lines between two headers.
const HEADER_EVERY: u64 = 20;

/// When which line comes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines that have been printed.
    printed: u64,
    /// The newest second that a line has stood for, counted from 1.
    told: u64,
}

impl Lines {
    /// The text to print now, if it is time.
    pub(super) fn next(&mut self, live: &Live) -> Option<String> {
        let newest = live.seconds.back()?.second + 1;
        if newest < self.told + INTERVAL.as_secs() {
            return None;
        }
        let header = self.printed.is_multiple_of(HEADER_EVERY).then(header).unwrap_or_default();
        let seconds = newest - self.told;
        (self.told, self.printed) = (newest, self.printed + 1);
        Some(header + &line(live, seconds))
    }
}

fn header() -> String {
    row(["elapsed", "offered/s", "achieved/s", "failed/s", "bots", "p50", "p99", "max", "lag p99"])
}

/// The line for the last `seconds`.
fn line(live: &Live, seconds: u64) -> String {
    let span = live.span(usize::try_from(seconds).unwrap_or(usize::MAX));
    let per_sec = |count: u64| match span.seconds {
        0 => "-".to_owned(),
        seconds => ((count + seconds / 2) / seconds).to_string(),
    };
    let time = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), |us| ascii(&duration_us(us)));
    row([
        &clock(live.elapsed.as_secs()),
        &per_sec(span.offered),
        &per_sec(span.achieved),
        &per_sec(span.failed),
        &live.bots_busy.to_string(),
        &time(span.times.map(|times| times.p50_us)),
        &time(span.times.and_then(|times| times.p99_us)),
        &time(span.times.map(|times| times.max_us)),
        &time(span.lag_us_p99),
    ])
}

fn row(cells: [&str; 9]) -> String {
    let [elapsed, offered, achieved, failed, bots, p50, p99, max, lag] = cells;
    format!(
        "{elapsed:>7} {offered:>9} {achieved:>10} {failed:>8} {bots:>6} \
         {p50:>8} {p99:>8} {max:>8} {lag:>8}\n"
    )
}

/// `us` for `µs`, for logs that know no other letters.
fn ascii(text: &str) -> String {
    text.replace('µ', "u")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::run::live::{About, Stage};
    use crate::metrics::{Collector, Recorder, Snapshot};

    #[test]
    fn there_is_a_line_for_each_five_seconds_in_columns_under_a_repeated_header() {
        let mut live = Live::new(About { duration: Duration::from_secs(600), ..About::default() });
        let (mut collector, mut recorder) = (Collector::new(1), Recorder::new());
        let (mut lines, mut text) = (Lines::default(), String::new());
        for second in 0..106 {
            let scenario = recorder.scenario("default");
            recorder.due(scenario, 1_000 + second);
            recorder.started(scenario, 3);
            collector.add(0, second, &mut recorder.swap(Snapshot::default()));
            live.take(Duration::from_secs(second + 1), Stage::Running, &collector);
            text.push_str(&lines.next(&live).unwrap_or_default());
            assert_eq!(lines.next(&live), None, "once");
        }
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 21, "{text}");
        assert!(text.is_ascii(), "{text}");
        assert!(lines[0].len() <= 80, "a terminal's width: {text}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        assert!(lines[0].starts_with("elapsed"), "{text}");
        assert_eq!(lines[0], lines[21], "a header after 20 lines");
        // (1000 + 1001 + … + 1004) / 5
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(cells, ["00:05", "1002", "0", "0", "15", "-", "-", "-", "-"]);
    }
}

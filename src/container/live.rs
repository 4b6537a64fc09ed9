//! The line that dashboards live on: `12 succ 0 fail 0.182346 avg rt`, every ten seconds.
//!
//! A metric filter of the log group reads it: five words with `succ` second and `fail` fourth, of
//! which the fifth is the mean response time in seconds. Successes and failures count from the
//! start of the load; the mean is of the requests that ended since the line before. Response time
//! counts from when a request was due. While no request ends there is no mean, and no such line.

use std::time::Duration;

use crate::metrics::Totals;

/// How often the line comes, as dashboards expect it.
const INTERVAL: Duration = Duration::from_secs(10);

/// When the next line comes, and what it counts from.
#[derive(Debug)]
pub struct LiveLine {
    next: Duration,
    before: Sums,
}

/// Requests that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    count: u64,
    failed: u64,
    /// Response times, and how many.
    sum_us: u64,
    timed: u64,
}

impl Default for LiveLine {
    fn default() -> Self {
        Self { next: INTERVAL, before: Sums::default() }
    }
}

impl LiveLine {
    /// The line, if it is time for one.
    pub fn next(&mut self, elapsed: Duration, totals: &Totals) -> Option<String> {
        if elapsed < self.next {
            return None;
        }
        while self.next <= elapsed {
            self.next += INTERVAL;
        }
        self.line(totals)
    }

    /// The line for what ended after the last one, at the end of the load.
    pub fn last(&mut self, totals: &Totals) -> Option<String> {
        self.line(totals)
    }

    fn line(&mut self, totals: &Totals) -> Option<String> {
        let now = Sums::of(totals);
        let before = std::mem::replace(&mut self.before, now);
        let (timed, sum_us) = (now.timed - before.timed, now.sum_us - before.sum_us);
        let Sums { count, failed, .. } = now;
        let micros = (sum_us + timed / 2).checked_div(timed)?;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let succeeded = count - failed;
        Some(format!("{succeeded} succ {failed} fail {seconds}.{micros:06} avg rt"))
    }
}

impl Sums {
    fn of(totals: &Totals) -> Self {
        let mut sums = Self::default();
        for (_, _, series) in totals.requests() {
            sums.count += series.count();
            sums.failed += series.failed;
            for timing in [&series.expected, &series.unexpected] {
                let figures = timing.response_time.figures();
                sums.sum_us += figures.sum_us;
                sums.timed += figures.count;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Collector, Exchange, Recorder, Snapshot};

    fn exchange(due_us: u64, completed_us: u64, status: u16) -> Exchange {
        Exchange { due_us, sent_us: due_us, completed_us, status, expected: status < 400, ..EMPTY }
    }

    const EMPTY: Exchange = Exchange {
        due_us: 0,
        sent_us: 0,
        completed_us: 0,
        waited_us: 0,
        blocked_us: 0,
        connecting_us: 0,
        tls_us: 0,
        sending_us: 0,
        waiting_us: 0,
        receiving_us: 0,
        status: 0,
        expected: true,
        failure: None,
        bytes_sent: 0,
        bytes_received: 0,
    };

    #[test]
    fn the_line_counts_from_the_start_and_its_mean_is_of_the_last_ten_seconds() {
        let (mut collector, mut recorder) = (Collector::new(1), Recorder::new());
        let scenario = recorder.scenario("default");
        let name = tallyho_replay::Name::Static("home");
        let series = recorder.series(scenario, &name);
        let mut line = LiveLine::default();
        let seconds = Duration::from_secs;
        for (second, took, status) in [(1, 100_000, 200), (2, 264_692, 200), (3, 182_346, 200)] {
            recorder.exchange(series, &exchange(5, 5 + took, status));
            collector.add(0, second, &mut recorder.swap(Snapshot::default()));
            assert_eq!(line.next(seconds(second), collector.totals()), None);
        }
        let text = line.next(seconds(10), collector.totals()).expect("a line");
        assert_eq!(text, "3 succ 0 fail 0.182346 avg rt");
        assert_eq!(line.next(seconds(11), collector.totals()), None, "once");
        assert_eq!(line.next(seconds(20), collector.totals()), None, "nothing ended");
        recorder.exchange(series, &exchange(5, 5 + 61_000_007, 503));
        collector.add(0, 21, &mut recorder.swap(Snapshot::default()));
        let text = line.next(seconds(30), collector.totals()).expect("a line");
        assert_eq!(text, "3 succ 1 fail 61.000007 avg rt");
        assert!(crate::container::is_live_line(&text));
        assert_eq!(line.last(collector.totals()), None);
    }
}

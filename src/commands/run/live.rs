//! How a run goes at this moment: the figures behind everything that is shown while it goes on.
//!
//! Taken from the collector several times a second, so taking is cheap: totals are read without
//! adding histograms, and a second's percentiles are computed once, when it is complete.
//! Knows nothing of terminals, widgets or clocks.

use std::collections::VecDeque;
use std::time::Duration;

use crate::metrics::{
    CoarseHistogram, Collector, LATE_US, Row, Strain, Totals, WorkerMeasured, is_carried,
};
use crate::report::{LAG_US_LATE, units};

/// What is fixed before the first request.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The URL, or the scenario.
    pub(super) target: String,
    /// The load profile in words.
    pub(super) load: String,
    pub(super) seed: u64,
    pub(super) workers: usize,
    /// The IO driver's name.
    pub(super) driver: String,
    /// For how long sessions start, at most.
    pub(super) duration: Duration,
    /// How many sessions there are in all, where a number ends the run.
    pub(super) sessions: Option<u64>,
    /// The most bots that run at once.
    pub(super) bots: u64,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Sessions start.
    #[default]
    Running,
    /// The time is over; running sessions may end.
    Over,
    /// A bot or a threshold has ended the run; running sessions may end.
    Aborting,
    /// A signal has come; running sessions may end.
    Stopping,
    /// A second signal has come.
    Cut,
    /// All bots have ended.
    Ended,
}

/// How long requests took in the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// How many seconds these are the times of.
    pub(super) seconds: u64,
    pub(super) p50_us: u64,
    /// None where there are too few requests for it.
    pub(super) p99_us: Option<u64>,
    pub(super) max_us: u64,
}

/// One second, for the charts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    /// Counted from the start of the run.
    pub(super) second: u64,
    /// Sessions that were due, and those that began.
    pub(super) offered: u64,
    pub(super) started: u64,
    pub(super) requests: u64,
    /// None where no request ended.
    pub(super) times: Option<Times>,
}

/// The last few seconds together; counts are of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) seconds: u64,
    pub(super) offered: u64,
    pub(super) achieved: u64,
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) times: Option<Times>,
    pub(super) lag_us_p99: Option<u64>,
}

/// A kind of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) count: u64,
    /// In the last second.
    pub(super) now: u64,
}

/// Whether the generator keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    Ok,
    /// Still on time, but not for long.
    Strained,
    /// Requests are sent late: response times are upper bounds.
    Late,
    /// Something kept a worker from running at all.
    HeldUp,
}

/// The generator's own state in the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// None without a request.
    pub(super) lag_us_p99: Option<u64>,
    /// The worker with the greatest schedule lag, and that lag.
    pub(super) latest: (usize, u64),
    /// The worker with most CPU time, and its share of a core in percent.
    pub(super) busiest: (usize, u64),
    /// What kept it from its work.
    pub(super) strain: Strain,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) about: About,
    pub(super) stage: Stage,
    pub(super) elapsed: Duration,
    pub(super) bots_busy: u64,
    pub(super) completed: u64,
    pub(super) dropped: u64,
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// The most frequent first.
    pub(super) kinds: Vec<Kind>,
    /// None before the first second is over.
    pub(super) health: Option<Health>,
    /// The newest last; a second that a worker slept through may be missing.
    pub(super) seconds: VecDeque<Second>,
    recent: VecDeque<Row>,
    cpu_us: Vec<u64>,
}

/// Seconds that are kept for the charts: as many as the widest chart has columns.
const SECONDS_MAX: usize = 120;
/// Seconds that percentiles may be made of.
const RECENT_MAX: usize = 10;
/// From this share of a core on a worker has no room left, in percent.
const STRAINED_CPU: u64 = 90;

impl Live {
    pub(super) fn new(about: About) -> Self {
        Self { about, ..Self::default() }
    }

    /// Takes what the collector has at `elapsed`, and what has been asked of the run.
    pub(super) fn take(&mut self, elapsed: Duration, asked: Stage, collector: &Collector) {
        self.elapsed = elapsed;
        let is_over = asked == Stage::Running && elapsed >= self.about.duration;
        self.stage = if is_over { Stage::Over } else { asked };
        self.take_totals(collector.totals());
        let newest = self.seconds.back().map(|second| second.second);
        // The last report of a run is of a part of a second, whose rates would be too low.
        let is_new = |row: &&Row| newest < Some(row.second) && elapsed.as_secs() > row.second;
        if let Some(row) = collector.latest().filter(is_new) {
            self.take_second(row, collector.workers());
        }
        let Some(row) = self.recent.back() else { return };
        for kind in &mut self.kinds {
            kind.now = row.failures.get(&kind.name).copied().unwrap_or(0);
        }
    }

    fn take_totals(&mut self, totals: &Totals) {
        let (mut started, mut ended) = (0, 0);
        (self.completed, self.dropped) = (0, 0);
        for scenario in totals.scenarios.values() {
            started += scenario.started;
            ended += scenario.completed + scenario.interrupted;
            self.completed += scenario.completed;
            self.dropped += scenario.dropped;
        }
        self.bots_busy = started.saturating_sub(ended);
        (self.requests, self.failed) = (0, 0);
        for (_, _, series) in totals.requests() {
            self.requests += series.count();
            self.failed += series.failed;
        }
        self.kinds.clear();
        self.kinds.extend(totals.failures.iter().map(|(name, failures)| Kind {
            name: name.clone(),
            count: failures.count,
            now: 0,
        }));
        self.kinds.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    }

    fn take_second(&mut self, row: &Row, workers: &[WorkerMeasured]) {
        let before = self.seconds.back().map(|second| second.second);
        self.recent.push_back(row.clone());
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        let second = Second {
            second: row.second,
            offered: row.due,
            started: row.started,
            requests: row.requests,
            times: self.times(),
        };
        self.seconds.push_back(second);
        if self.seconds.len() > SECONDS_MAX {
            self.seconds.pop_front();
        }
        let passed = before.map_or(row.second + 1, |before| row.second - before);
        self.take_health(row, passed, workers);
    }

    fn take_health(&mut self, row: &Row, passed: u64, workers: &[WorkerMeasured]) {
        let before = std::mem::take(&mut self.cpu_us);
        self.cpu_us = workers.iter().map(|worker| worker.cpu_us).collect();
        let mut health = Health {
            lag_us_p99: row.schedule_lag.percentile_us(99.0),
            strain: row.strain,
            ..Health::default()
        };
        for (index, worker) in workers.iter().enumerate() {
            let lag = worker.timeline.lag_us_max.last().copied().unwrap_or(0);
            if lag > health.latest.1 {
                health.latest = (index, lag);
            }
            let used = worker.cpu_us - before.get(index).copied().unwrap_or(0);
            // Reports are not exactly a second apart, and a thread has one core at most.
            let percent = (used / (passed * 10_000)).min(100);
            if percent > health.busiest.1 {
                health.busiest = (index, percent);
            }
        }
        self.health = Some(health);
    }

    /// The times of the newest second, or of as many as carry a p99.
    fn times(&self) -> Option<Times> {
        self.recent.back().filter(|row| row.response_time.figures().count > 0)?;
        let mut sum = CoarseHistogram::default();
        let mut seconds = 0;
        for row in self.recent.iter().rev() {
            sum.add(&row.response_time);
            seconds += 1;
            if is_carried(99.0, sum.figures().count) {
                break;
            }
        }
        times(seconds, &sum)
    }

    /// The newest `seconds` together, as far as there are so many; at most ten.
    pub(super) fn span(&self, seconds: usize) -> Span {
        let mut span = Span::default();
        let mut response_time = CoarseHistogram::default();
        let mut lag = CoarseHistogram::default();
        for row in self.recent.iter().rev().take(seconds) {
            span.seconds += 1;
            span.offered += row.due;
            span.achieved += row.completed;
            span.requests += row.requests;
            span.failed += row.requests_failed;
            response_time.add(&row.response_time);
            lag.add(&row.schedule_lag);
        }
        span.times = times(span.seconds, &response_time);
        span.lag_us_p99 = lag.percentile_us(99.0);
        span
    }

    /// How much of the run is done, 0..=1: by time or by number, whichever is further.
    pub(super) fn done(&self) -> f64 {
        let by_time = self.elapsed.as_secs_f64() / self.about.duration.as_secs_f64().max(1e-9);
        let share = |sessions| units::share(self.completed, sessions);
        by_time.max(self.about.sessions.map_or(0.0, share)).clamp(0.0, 1.0)
    }

    /// For how long sessions still start, at most.
    pub(super) fn left(&self) -> Duration {
        self.about.duration.saturating_sub(self.elapsed)
    }
}

fn times(seconds: u64, response_time: &CoarseHistogram) -> Option<Times> {
    let figures = response_time.figures();
    let p99_us = response_time.percentile_us(99.0);
    Some(Times {
        seconds,
        p50_us: response_time.percentile_us(50.0)?,
        p99_us: p99_us.filter(|_| is_carried(99.0, figures.count)),
        max_us: figures.max_us,
    })
}

impl Health {
    pub(super) fn light(&self) -> Light {
        let lag = self.lag_us_p99.unwrap_or(0);
        if self.held_up_by().is_some() {
            Light::HeldUp
        } else if lag >= LAG_US_LATE {
            Light::Late
        } else if lag >= LATE_US || self.busiest.1 >= STRAINED_CPU {
            Light::Strained
        } else {
            Light::Ok
        }
    }

    /// What kept a worker from running.
    pub(super) fn held_up_by(&self) -> Option<String> {
        let Strain { stalled_us, cpu_wait_us, cpu_throttled_us, cpu_stolen_ppm, .. } = self.strain;
        Some(match &self.strain {
            strain if strain.is_stalled() => {
                format!("a worker stood still for {}", units::duration_us(stalled_us))
            }
            strain if strain.is_throttled() => {
                format!("CPU limit: stopped for {}", units::duration_us(cpu_throttled_us))
            }
            strain if strain.is_stolen() => {
                format!("stolen CPU: {}", units::share_percent(cpu_stolen_ppm, 1_000_000))
            }
            strain if strain.is_starved() => {
                format!("a worker waited {} for a CPU", units::duration_us(cpu_wait_us))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Ended, Recorder, Snapshot};

    fn second(collector: &mut Collector, recorder: &mut Recorder, second: u64, sessions: u64) {
        let scenario = recorder.scenario("default");
        recorder.due(scenario, sessions);
        recorder.started(scenario, sessions);
        for _ in 1..sessions {
            recorder.iteration(scenario, 10, Ended::Completed);
        }
        recorder.iteration(scenario, 10, Ended::Interrupted);
        collector.add(0, second, &mut recorder.swap(Snapshot::default()));
    }

    #[test]
    fn a_part_of_a_second_counts_in_the_totals_and_is_no_second() {
        let about = About { duration: Duration::from_millis(1_500), ..About::default() };
        let (mut live, mut collector) = (Live::new(about), Collector::new(1));
        let mut recorder = Recorder::new();
        second(&mut collector, &mut recorder, 0, 100);
        live.take(Duration::from_millis(1_001), Stage::Running, &collector);
        assert_eq!((live.stage, live.seconds.len(), live.completed), (Stage::Running, 1, 99));
        second(&mut collector, &mut recorder, 1, 50);
        live.take(Duration::from_millis(1_502), Stage::Running, &collector);
        assert_eq!((live.stage, live.seconds.len(), live.completed), (Stage::Over, 1, 148));
        assert_eq!((live.bots_busy, live.span(1).offered), (0, 100));
    }

    #[test]
    fn what_was_asked_of_the_run_goes_before_the_end_of_its_time() {
        let mut live = Live::new(About::default());
        for asked in [Stage::Aborting, Stage::Stopping, Stage::Cut] {
            live.take(Duration::from_secs(1), asked, &Collector::new(1));
            assert_eq!(live.stage, asked);
        }
    }

    #[test]
    fn the_light_is_as_the_lag_and_the_busiest_core_are() {
        for (lag_us, cpu, expected) in [
            (LATE_US - 1, STRAINED_CPU - 1, Light::Ok),
            (LATE_US, 0, Light::Strained),
            (0, STRAINED_CPU, Light::Strained),
            (LAG_US_LATE, 0, Light::Late),
        ] {
            let mut health = Health {
                lag_us_p99: Some(lag_us),
                latest: (0, lag_us),
                busiest: (0, cpu),
                ..Health::default()
            };
            assert_eq!(health.light(), expected, "{lag_us} us, {cpu} %");
            health.strain.stalled_us = 150_000;
            assert_eq!(health.light(), Light::HeldUp);
            let why = health.held_up_by();
            assert_eq!(why.as_deref(), Some("a worker stood still for 150ms"));
        }
    }
}

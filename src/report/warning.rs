//! Warnings about the result: what was seen, and what to do about it.
//!
//! Each is data first, so that `run.json` keeps the evidence, and two sentences second. How much a
//! warning takes from the result's worth is its [`Severity`]; the verdict is the worst of them.

mod advice;
mod words;

use serde::{Deserialize, Serialize};

use crate::metrics::Seconds;

/// How much a warning takes from the worth of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the numbers stand.
    Note,
    /// Some numbers are worse than what the target did.
    Degrades,
    /// The run did not measure what it was meant to.
    Invalidates,
}

/// Something about a run that whoever reads its numbers must know. Times are µs or whole seconds
/// since its start, as the names say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// No request was made.
    NothingMeasured,
    /// The generator was late in its own schedule.
    GeneratorLimit {
        /// The first second in which it was.
        from_second: u64,
        /// The second after the last in which it was.
        to_second: u64,
        /// How many seconds between them it was.
        seconds: u64,
        /// How many seconds of the run had requests.
        seconds_of_run: u64,
        /// Schedule lag of those seconds: p99, or the greatest with too few requests.
        lag_us: u64,
        /// What `lag_us` is: "p99" or "max".
        lag_is: String,
        /// The worker that was late most often, as TASK/WORKER.
        worker: String,
    },
    /// A worker stood still: what was to happen meanwhile, happened later.
    GeneratorStalled {
        /// The first second in which one did.
        from_second: u64,
        /// The second after the last in which one did.
        to_second: u64,
        /// The worker that did for longest, as TASK/WORKER.
        worker: String,
        /// Its longest standstill, µs.
        longest_us: u64,
        /// All of them, µs.
        total_us: u64,
        /// CPU time that it used in them, µs.
        cpu_us: u64,
        /// The length of the run, µs.
        run_us: u64,
    },
    /// A worker was ready to run and had no CPU.
    GeneratorStarved {
        /// The first second in which one waited for long.
        from_second: u64,
        /// The second after the last in which one did.
        to_second: u64,
        /// How many seconds between them one did.
        seconds: u64,
        /// The most that one waited in a second, µs.
        wait_us_max: u64,
        /// The worker that waited most, as TASK/WORKER.
        worker: String,
    },
    /// A worker used all of its core.
    GeneratorBusy {
        /// The first second in which one did.
        from_second: u64,
        /// The second after the last in which one did.
        to_second: u64,
        /// How many seconds between them one did.
        seconds: u64,
        /// The worker with most CPU time, as TASK/WORKER.
        worker: String,
    },
    /// Arrivals for which no bot was free.
    DroppedIterations {
        /// How many.
        dropped: u64,
        /// Of how many.
        due: u64,
        /// The first second with one.
        from_second: u64,
        /// The second after the last with one.
        to_second: u64,
    },
    /// Requests that failed because the generator's machine ran out of something.
    GeneratorFailures {
        /// The kind of failure.
        failure: String,
        /// How many.
        count: u64,
        /// Of how many.
        requests: u64,
    },
    /// The container's CPU limit stopped the process.
    CpuThrottled {
        /// Which task.
        task: u32,
        /// Periods in which it was stopped.
        periods_throttled: u64,
        /// Of how many.
        periods: u64,
        /// For how long in all, added over its CPUs, µs.
        throttled_us: u64,
        /// The first second in which it was stopped for long, and the second after the last.
        seconds: Option<Seconds>,
    },
    /// The hypervisor gave CPU time to others.
    CpuStolen {
        /// Which task.
        task: u32,
        /// How much, µs.
        stolen_us: u64,
        /// Of how much CPU time of the machine, µs.
        machine_us: u64,
        /// The first second in which much was stolen, and the second after the last.
        seconds: Option<Seconds>,
    },
    /// The machine had nearly as many TCP sockets as ports for one target.
    PortsNearLimit {
        /// Which task.
        task: u32,
        /// The most sockets it had, closing ones included.
        sockets: u64,
        /// Ports for connections to one address from one source address.
        ports: u64,
    },
    /// The process came near its limit of open files.
    FilesNearLimit {
        /// Which task.
        task: u32,
        /// The most it had open.
        open: u64,
        /// The limit.
        limit: u64,
    },
    /// The wanted IO driver is not to be had here.
    DriverFallback {
        /// The driver in use.
        driver: String,
        /// Why.
        reason: String,
    },
    /// A threshold speaks of something that never happened.
    ThresholdWithoutData {
        /// Its metric.
        metric: String,
        /// Its condition.
        expression: String,
    },
    /// A threshold asks for a percentile that too few samples carry.
    ThresholdOfFewSamples {
        /// Its metric.
        metric: String,
        /// Its condition.
        expression: String,
        /// How many samples there were.
        samples: u64,
    },
    /// More request names than are kept apart.
    RequestNames {
        /// Requests that went into "(other)".
        requests: u64,
    },
    /// More checks, actions or custom metrics than are kept apart.
    OtherNames {
        /// Uses that went into "(other)".
        uses: u64,
    },
    /// Sessions that cannot be replayed, because they could not be written down.
    NotRecorded {
        /// How many.
        sessions: u64,
        /// Of how many.
        started: u64,
        /// What went wrong with the file, if anything did; else the writer was too slow.
        error: Option<String>,
    },
    /// Custom values under the name of a built-in metric.
    NamesTaken {
        /// How many were not counted.
        values: u64,
    },
    /// Custom values that no metric can hold.
    OutOfRange {
        /// How many.
        values: u64,
    },
    /// Times above one hour, which were counted as one hour.
    Overflow {
        /// The metric.
        metric: String,
        /// How many.
        values: u64,
    },
    /// Any certificate was accepted.
    CertificatesUnchecked {
        /// Which task.
        task: u32,
    },
    /// The name of a target stood for other addresses than before.
    AddressesChanged {
        /// Which task.
        task: u32,
        /// The target.
        origin: String,
        /// Its addresses before.
        before: Vec<String>,
        /// Its addresses after that.
        after: Vec<String>,
        /// When, in seconds of the run.
        second: u64,
    },
    /// The name of a target could no longer be looked up.
    LookupFailed {
        /// Which task.
        task: u32,
        /// The target.
        origin: String,
        /// Why.
        error: String,
        /// When, in seconds of the run.
        second: u64,
    },
    /// Iterations stopped at the end of the run.
    Interrupted {
        /// How many.
        iterations: u64,
    },
    /// Tasks of the test whose reports are not here.
    TasksMissing {
        /// How many there are.
        present: u32,
        /// How many there should be.
        expected: u32,
    },
    /// Tasks that did not start together: rows of the timeline are aligned on each one's start.
    TasksApart {
        /// Between the first start and the last, µs.
        apart_us: u64,
    },
    /// A warning of a newer version.
    #[serde(other)]
    Unknown,
}

impl Warning {
    /// How much it takes from the result's worth.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NothingMeasured => Severity::Invalidates,
            Self::GeneratorLimit { seconds, seconds_of_run, .. } => {
                if exceeds(*seconds, *seconds_of_run, super::judge::LATE_SECONDS_SHARE_MAX) {
                    Severity::Invalidates
                } else {
                    Severity::Degrades
                }
            }
            Self::DroppedIterations { dropped, due, .. } => {
                if exceeds(*dropped, *due, super::judge::LOST_SHARE_MAX) {
                    Severity::Invalidates
                } else {
                    Severity::Degrades
                }
            }
            Self::GeneratorFailures { count, requests, .. } => {
                if exceeds(*count, *requests, super::judge::LOST_SHARE_MAX) {
                    Severity::Invalidates
                } else {
                    Severity::Degrades
                }
            }
            Self::GeneratorStalled { total_us, run_us, .. } => {
                if exceeds(*total_us, *run_us, super::judge::LATE_SECONDS_SHARE_MAX) {
                    Severity::Invalidates
                } else {
                    Severity::Degrades
                }
            }
            Self::GeneratorStarved { .. }
            | Self::GeneratorBusy { .. }
            | Self::CpuThrottled { .. }
            | Self::CpuStolen { .. }
            | Self::TasksMissing { .. } => Severity::Degrades,
            _ => Severity::Note,
        }
    }

    /// The first second and the second after the last, for those that have a place in time.
    pub fn window(&self) -> Option<(u64, u64)> {
        match self {
            Self::GeneratorLimit { from_second, to_second, .. }
            | Self::GeneratorStalled { from_second, to_second, .. }
            | Self::GeneratorStarved { from_second, to_second, .. }
            | Self::GeneratorBusy { from_second, to_second, .. }
            | Self::DroppedIterations { from_second, to_second, .. } => {
                Some((*from_second, *to_second))
            }
            Self::CpuThrottled { seconds, .. } | Self::CpuStolen { seconds, .. } => {
                seconds.map(|seconds| (seconds.from, seconds.to))
            }
            _ => None,
        }
    }
}

fn exceeds(part: u64, whole: u64, share: f64) -> bool {
    super::units::share(part, whole) > share
}

//! Warnings about the result: what was seen, and what to do about it.
//!
//! Each is data first, so that `run.json` keeps the evidence, and two sentences second. How much a
//! warning takes from the result's worth is its [`Severity`]; the verdict is the worst of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::{clock, duration_us, share_percent};
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

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NothingMeasured => {
                "check the target's address, that the plan lasts longer than zero, and the failures"
            }
            Self::GeneratorLimit { .. } => {
                "lower the rate, or give the generator more cores or tasks; treat response times \
                 in that window as upper bounds"
            }
            Self::GeneratorStalled { .. }
            | Self::GeneratorStarved { .. }
            | Self::GeneratorBusy { .. } => self.advice_of_workers(),
            Self::DroppedIterations { .. } => {
                "raise maxVUs, or set onNoFreeBot to wait; the load was lower than planned, and \
                 response times leave out what was never sent"
            }
            Self::GeneratorFailures { .. } => {
                "keep connections open, raise the limit of open files (ulimit -n), widen \
                 net.ipv4.ip_local_port_range, or use more tasks"
            }
            Self::CpuThrottled { .. } => {
                "give the container more CPU, or run fewer workers than its limit allows; response \
                 times contain the pauses"
            }
            Self::CpuStolen { .. } => {
                "use a machine that shares its CPUs with nobody; response times contain the pauses"
            }
            Self::PortsNearLimit { .. } => {
                "keep connections open, widen net.ipv4.ip_local_port_range, or spread connections \
                 over more source addresses (--local-ips)"
            }
            Self::FilesNearLimit { .. } => "raise the limit of open files (ulimit -n)",
            Self::DriverFallback { .. } => {
                "nothing needs doing; containers block io_uring by default, and epoll is a few \
                 percent slower"
            }
            Self::CertificatesUnchecked { .. }
            | Self::AddressesChanged { .. }
            | Self::LookupFailed { .. } => self.advice_on_network(),
            Self::ThresholdWithoutData { .. } => {
                "check the metric's name and tags; to fail on no data, say so in the threshold"
            }
            Self::ThresholdOfFewSamples { .. } => {
                "run longer, or use a lower percentile or max: this one rests on chance"
            }
            Self::RequestNames { .. } => {
                "give requests a name without ids, for example \"GET /items/{id}\""
            }
            Self::OtherNames { .. } => "give checks, actions and metrics names without ids",
            Self::NotRecorded { .. } => {
                "write to a faster disk with more room (--out), or record less (--record failing); \
                 the numbers are right, these sessions cannot be replayed"
            }
            Self::NamesTaken { .. } => "rename the metric: this name is a built-in one",
            Self::OutOfRange { .. } => {
                "use a greater unit: a trend keeps 0 to 3600000, at three digits after the point"
            }
            Self::Overflow { .. } => "set a timeout below one hour",
            Self::Interrupted { .. } => {
                "raise gracefulStop to let them end; their requests are counted, their durations \
                 not"
            }
            Self::TasksMissing { .. } => {
                "merge again when they have arrived; counts and percentiles are those of the \
                 present"
            }
            Self::TasksApart { .. } => {
                "give all tasks the same start time; the load rose more slowly than planned"
            }
            Self::Unknown => "read this report with a newer version",
        }
    }

    fn advice_of_workers(&self) -> &'static str {
        match self {
            Self::GeneratorStalled { cpu_us, total_us, .. } if *cpu_us * 2 < *total_us => {
                "look for what stopped it: a signal, a CPU limit, other processes, a suspended \
                 machine; response times of that window contain the pause"
            }
            Self::GeneratorStalled { .. } => {
                "give the generator more cores, or let bots begin one after the other (a ramp): \
                 one turn of a worker's loop took that long"
            }
            Self::GeneratorStarved { .. } => {
                "leave the generator's cores to it: move the target or other processes elsewhere, \
                 or use fewer workers (--cores); response times contain the waits"
            }
            _ => {
                "give the generator more cores or tasks, or lower the load: a faster target would \
                 not have shown"
            }
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

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingMeasured => f.write_str("no request was made"),
            Self::GeneratorLimit { from_second, to_second, lag_us, lag_is, worker, .. } => write!(
                f,
                "the generator, not the target, was the limit from {} to {} (schedule lag {lag_is} \
                 {}, worst on worker {worker})",
                clock(*from_second),
                clock(*to_second),
                duration_us(*lag_us),
            ),
            Self::DroppedIterations { dropped, due, from_second, to_second } => write!(
                f,
                "{dropped} of {due} due iterations ({}) were dropped from {} to {}: no bot was \
                 free",
                share_percent(*dropped, *due),
                clock(*from_second),
                clock(*to_second),
            ),
            Self::GeneratorFailures { failure, count, requests } => write!(
                f,
                "{count} of {requests} requests ({}) failed on the generator's side: {failure}",
                share_percent(*count, *requests),
            ),
            Self::CpuThrottled { task, periods_throttled, periods, throttled_us, seconds } => {
                write!(
                    f,
                    "task {task} was stopped by its CPU limit in {periods_throttled} of {periods} \
                     periods, for {} in all{}",
                    duration_us(*throttled_us),
                    span(*seconds),
                )
            }
            Self::CpuStolen { task, stolen_us, machine_us, seconds } => write!(
                f,
                "{} of the CPU time of task {task}'s machine went to other machines{}",
                share_percent(*stolen_us, *machine_us),
                span(*seconds),
            ),
            Self::PortsNearLimit { task, sockets, ports } => write!(
                f,
                "task {task}'s machine had {sockets} TCP sockets, and {ports} ports for each pair \
                 of addresses"
            ),
            Self::FilesNearLimit { task, open, limit } => {
                write!(f, "task {task} had {open} of at most {limit} files open")
            }
            Self::DriverFallback { driver, reason } => {
                write!(f, "the IO driver is {driver}: {reason}")
            }
            Self::TasksMissing { present, expected } => {
                let missing = expected.saturating_sub(*present);
                write!(f, "the reports of {missing} of {expected} tasks are missing")
            }
            Self::TasksApart { apart_us } => {
                write!(f, "the tasks started {} apart", duration_us(*apart_us))
            }
            Self::CertificatesUnchecked { .. }
            | Self::AddressesChanged { .. }
            | Self::LookupFailed { .. } => self.fmt_of_network(f),
            Self::GeneratorStalled { .. }
            | Self::GeneratorStarved { .. }
            | Self::GeneratorBusy { .. } => self.fmt_of_workers(f),
            _ => self.fmt_of_metrics(f),
        }
    }
}

/// `, from 00:12 to 00:47`, where that is known.
fn span(seconds: Option<Seconds>) -> String {
    seconds.map_or_else(String::new, |Seconds { from, to }| {
        format!(", between {} and {}", clock(from), clock(to))
    })
}

impl Warning {
    /// The sentences of warnings about targets.
    fn fmt_of_network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificatesUnchecked { task } => {
                write!(f, "task {task} accepted any certificate: no server was checked")
            }
            Self::AddressesChanged { task, origin, before, after, second } => write!(
                f,
                "task {task} found other addresses for {origin} at {}: {} instead of {}",
                clock(*second),
                after.join(", "),
                before.join(", "),
            ),
            Self::LookupFailed { task, origin, error, second } => {
                write!(f, "task {task} could not look {origin} up at {}: {error}", clock(*second))
            }
            _ => f.write_str("a warning that this version does not know"),
        }
    }

    fn advice_on_network(&self) -> &'static str {
        match self {
            Self::AddressesChanged { .. } => {
                "connections that were open stayed where they were; new ones went to the new \
                 addresses"
            }
            Self::LookupFailed { .. } => "the addresses found before stayed in use",
            _ => "the target may have been anybody; give its authority with --cacert to be sure",
        }
    }

    /// The sentences of warnings about workers.
    fn fmt_of_workers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((from, to)) = self.window() else { return Ok(()) };
        let (from, to) = (clock(from), clock(to));
        match self {
            Self::GeneratorStalled { worker, longest_us, total_us, cpu_us, .. } => write!(
                f,
                "worker {worker} stood still between {from} and {to}, for {} in all and {} at a \
                 time (CPU time meanwhile: {})",
                duration_us(*total_us),
                duration_us(*longest_us),
                duration_us(*cpu_us),
            ),
            Self::GeneratorStarved { worker, seconds, wait_us_max, .. } => write!(
                f,
                "worker {worker} had to wait for a CPU in {seconds} seconds between {from} and \
                 {to}, up to {} in a second",
                duration_us(*wait_us_max),
            ),
            Self::GeneratorBusy { worker, seconds, .. } => write!(
                f,
                "worker {worker} used all of its core in {seconds} seconds between {from} and \
                 {to}: the generator may have been the limit"
            ),
            _ => Ok(()),
        }
    }

    /// The sentences of warnings about single metrics.
    fn fmt_of_metrics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThresholdWithoutData { metric, expression } => {
                write!(f, "threshold '{expression}' of {metric} has no data")
            }
            Self::ThresholdOfFewSamples { metric, expression, samples } => {
                write!(f, "threshold '{expression}' of {metric} rests on {samples} samples")
            }
            Self::RequestNames { requests } => write!(
                f,
                "{requests} requests had more different names than are kept apart; see {}",
                crate::metrics::OTHER
            ),
            Self::OtherNames { uses } => write!(
                f,
                "{uses} checks, actions or custom values had more different names than are kept \
                 apart"
            ),
            Self::NotRecorded { sessions, started, error } => {
                let share = share_percent(*sessions, *started);
                let why = error.as_deref().unwrap_or("the writer could not keep up");
                write!(f, "{sessions} sessions ({share}) were not recorded: {why}")
            }
            Self::NamesTaken { values } => {
                write!(f, "{values} custom values bear the name of a built-in metric: not counted")
            }
            Self::OutOfRange { values } => {
                write!(f, "{values} custom values are outside what a metric keeps")
            }
            Self::Overflow { metric, values } => {
                write!(f, "{values} values of {metric} were above one hour and count as one hour")
            }
            Self::Interrupted { iterations: 1 } => {
                f.write_str("1 iteration was stopped at the end of the run")
            }
            Self::Interrupted { iterations } => {
                write!(f, "{iterations} iterations were stopped at the end of the run")
            }
            _ => f.write_str("a warning that this version does not know"),
        }
    }
}

//! What a warning says was seen.

use std::fmt;

use super::Warning;
use crate::metrics::Seconds;
use crate::report::units::{clock, duration_us, share_percent};

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

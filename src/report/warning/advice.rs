//! What to do about a warning.

use super::Warning;

impl Warning {
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
}

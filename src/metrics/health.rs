//! What kept the generator from its work: its workers standing still, its machine busy elsewhere.
//!
//! Plain figures with their limits beside them, so that whoever looks while the run goes on and
//! whoever judges it afterwards have the same ones. Zero is "not known" where it cannot be a count.

use serde::{Deserialize, Serialize};

/// A second in which a worker waited this long for a CPU: at a fifth the wait is in every figure.
const CPU_WAIT_US_MAX: u64 = 200_000;
/// A worker that uses more of its core than this has no room left: its bots wait for each other.
const CPU_US_MAX: u64 = 950_000;
/// Half of one period of 100 ms, as containers have them.
const CPU_THROTTLED_US_MAX: u64 = 50_000;
/// Stolen time is counted in ticks of 10 ms: on two cores, 5 % of a second are ten of them.
const CPU_STOLEN_PPM_MAX: u64 = 50_000;

/// What kept the generator from its work in a second: of each the worst that a worker, or a task's
/// machine, met. In a longer row that of its worst second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Strain {
    /// For how long a worker stood still: its timer came that much too late, µs.
    pub stalled_us: u64,
    /// For how long a worker was ready to run and had no CPU, µs.
    pub cpu_wait_us: u64,
    /// CPU time of a worker, µs.
    pub cpu_us: u64,
    /// For how long the container's CPU limit stopped a task, added over its CPUs, µs.
    pub cpu_throttled_us: u64,
    /// The share of a machine's CPU time that the hypervisor gave to others, in millionths.
    pub cpu_stolen_ppm: u64,
}

impl Strain {
    /// Takes the worse of both, figure by figure.
    pub fn worsen(&mut self, other: &Self) {
        self.stalled_us = self.stalled_us.max(other.stalled_us);
        self.cpu_wait_us = self.cpu_wait_us.max(other.cpu_wait_us);
        self.cpu_us = self.cpu_us.max(other.cpu_us);
        self.cpu_throttled_us = self.cpu_throttled_us.max(other.cpu_throttled_us);
        self.cpu_stolen_ppm = self.cpu_stolen_ppm.max(other.cpu_stolen_ppm);
    }

    /// A worker stood still. What counts as that is decided where it is measured.
    pub const fn is_stalled(&self) -> bool {
        self.stalled_us > 0
    }

    /// A worker had too little of a CPU.
    pub const fn is_starved(&self) -> bool {
        self.cpu_wait_us >= CPU_WAIT_US_MAX
    }

    /// A worker used all of its core.
    pub const fn is_busy(&self) -> bool {
        self.cpu_us >= CPU_US_MAX
    }

    /// A CPU limit stopped a task.
    pub const fn is_throttled(&self) -> bool {
        self.cpu_throttled_us >= CPU_THROTTLED_US_MAX
    }

    /// A machine was not there for a task.
    pub const fn is_stolen(&self) -> bool {
        self.cpu_stolen_ppm >= CPU_STOLEN_PPM_MAX
    }
}

/// For how long a worker stood still: its timer came that much later than it should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Stalls {
    /// In all, µs.
    pub total_us: u64,
    /// The longest at a time, µs.
    pub longest_us: u64,
    /// CPU time that it used meanwhile, µs: little when it was stopped, much when it was busy.
    pub cpu_us: u64,
}

impl Stalls {
    /// Adds what else stood still, or when else.
    pub fn add(&mut self, other: &Self) {
        self.total_us += other.total_us;
        self.longest_us = self.longest_us.max(other.longest_us);
        self.cpu_us += other.cpu_us;
    }
}

/// A window of a run, in seconds since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Seconds {
    /// The first of them.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
}

/// How a process and its machine fared during a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Health {
    /// CPU time of the whole process, µs.
    pub cpu_us: u64,
    /// Periods of the container's CPU limit; 0 without a limit.
    pub cpu_periods: u64,
    /// Those of them in which the process was stopped.
    pub cpu_periods_throttled: u64,
    /// For how long in all, added over its CPUs, µs.
    pub cpu_throttled_us: u64,
    /// The first second in which it was stopped for long, and the second after the last.
    pub cpu_throttled_seconds: Option<Seconds>,
    /// CPU time that the hypervisor gave to others while the machine wanted it, µs.
    pub cpu_stolen_us: u64,
    /// Of how much CPU time of the machine, idle time included, µs; 0 when not known.
    pub cpu_machine_us: u64,
    /// The first second in which much was stolen, and the second after the last.
    pub cpu_stolen_seconds: Option<Seconds>,
    /// The most files it had open; 0 when not known.
    pub files_open_max: u64,
    /// The most TCP sockets its machine (or its network namespace) had, closing ones included; 0
    /// when not known.
    pub sockets_max: u64,
    /// Ports for connections to one address from one source address; 0 when not known.
    pub ports: u64,
    /// The most memory it had, bytes.
    pub memory_bytes_max: u64,
}

impl Health {
    /// Takes in what the machine did in these seconds.
    pub fn add_seconds(&mut self, from: u64, to: u64, strain: &Strain) {
        for (is_so, seconds) in [
            (strain.is_throttled(), &mut self.cpu_throttled_seconds),
            (strain.is_stolen(), &mut self.cpu_stolen_seconds),
        ] {
            if is_so {
                *seconds = Some(Seconds { from: seconds.map_or(from, |seconds| seconds.from), to });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_did_has_a_place_in_time() {
        let throttled = Strain { cpu_throttled_us: CPU_THROTTLED_US_MAX, ..Strain::default() };
        let stolen = Strain { cpu_stolen_ppm: CPU_STOLEN_PPM_MAX, ..Strain::default() };
        let mut health = Health::default();
        health.add_seconds(0, 3, &Strain::default());
        health.add_seconds(3, 4, &throttled);
        health.add_seconds(4, 6, &stolen);
        health.add_seconds(7, 8, &throttled);
        assert_eq!(health.cpu_throttled_seconds, Some(Seconds { from: 3, to: 8 }));
        assert_eq!(health.cpu_stolen_seconds, Some(Seconds { from: 4, to: 6 }));
    }
}

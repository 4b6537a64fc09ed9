//! What this machine gives the generator: cores, CPU quota, open files, CPU time.
//!
//! Read once before a run and shown in every report, because a limit of the machine looks like a
//! slow target.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use super::cgroup::Groups;

/// The cores that this process may use, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Numbers of the cores in the process's affinity mask, ascending.
    pub allowed: Vec<usize>,
    /// The cgroup's CPU quota in thousandths of a core, if there is one.
    pub quota_millicores: Option<u64>,
}

impl Cores {
    /// Reads the affinity mask and the cgroup.
    #[must_use]
    pub fn detect() -> Self {
        let allowed = match sched_getaffinity(None) {
            Ok(mask) => (0..CpuSet::MAX_CPU).filter(|&core| mask.is_set(core)).collect(),
            Err(_) => vec![0],
        };
        Self { allowed, quota_millicores: Groups::detect().quota_millicores() }
    }

    /// These cores under a limit that the cgroup does not show, in thousandths of a core. A limit
    /// that leaves all of them is none.
    #[must_use]
    pub fn limited_to(mut self, millicores: Option<u64>) -> Self {
        let all = self.allowed.len() as u64 * 1_000;
        let limits = [self.quota_millicores, millicores].into_iter().flatten();
        self.quota_millicores = limits.filter(|&limit| limit < all).min();
        self
    }

    /// How many workers make use of these cores: all of them, but no more than the quota feeds.
    #[must_use]
    pub fn workers(&self) -> usize {
        let by_quota = self.quota_millicores.map_or(usize::MAX, |quota| {
            usize::try_from(quota.div_ceil(1_000)).unwrap_or(usize::MAX)
        });
        self.allowed.len().min(by_quota).max(1)
    }

    /// CPUs that this process may use; under a quota a fraction.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "machines have few cores")]
    pub fn cpus(&self) -> f64 {
        let allowed = self.allowed.len() as f64;
        self.quota_millicores.map_or(allowed, |quota| allowed.min(quota as f64 / 1_000.0))
    }

    /// The core to pin each of `workers` threads to. Under a quota nothing is pinned: the scheduler
    /// then moves a throttled thread to where there is time left.
    #[must_use]
    pub fn pins(&self, workers: usize) -> Vec<Option<usize>> {
        let can_pin = self.quota_millicores.is_none() && workers <= self.allowed.len();
        (0..workers).map(|worker| can_pin.then(|| self.allowed[worker])).collect()
    }
}

/// Pins the calling thread to one core.
///
/// # Errors
///
/// When the core is not in the process's mask.
pub(super) fn pin_thread(core: usize) -> io::Result<()> {
    let mut mask = CpuSet::new();
    mask.set(core);
    Ok(sched_setaffinity(None, &mask)?)
}

/// The limit on open files, raised as far as this process may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// The soft limit before.
    pub before: u64,
    /// The soft limit now, which is the hard limit.
    pub now: u64,
}

impl FileLimit {
    /// Raises the soft limit to the hard limit.
    #[must_use]
    pub fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let before = limit.current.unwrap_or(u64::MAX);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let now = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum.unwrap_or(u64::MAX),
            Err(_) => before,
        };
        Self { before, now }
    }

    /// How many connections fit beside the files that the process itself needs.
    #[must_use]
    pub fn connections_max(self) -> u64 {
        self.now.saturating_sub(FILES_RESERVED)
    }
}

/// Standard streams, result files, rings, timers, the control thread, and room to spare.
const FILES_RESERVED: u64 = 200;

/// CPU time that the calling thread has used.
pub(super) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// For how long the calling thread was ready to run and had no CPU: others had it, or the
/// container's CPU limit was used up. None where the kernel does not count it.
pub(super) fn thread_cpu_wait() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// CPU time that the whole process has used.
pub(super) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_limits_the_workers_and_stops_pinning() {
        let mut cores = Cores { allowed: vec![0, 2, 4, 6], quota_millicores: Some(1_500) };
        assert_eq!(cores.workers(), 2);
        assert_eq!(cores.pins(2), [None, None]);
        let limited = |limit| cores.clone().limited_to(Some(limit)).quota_millicores;
        assert_eq!(
            (limited(500), limited(2_000), limited(4_000)),
            (Some(500), Some(1_500), Some(1_500))
        );
        cores.quota_millicores = None;
        assert_eq!(cores.clone().limited_to(Some(4_000)).pins(4), cores.pins(4), "all cores");
        assert_eq!(cores.clone().limited_to(Some(250)).pins(1), [None]);
        assert_eq!(cores.workers(), 4);
        assert_eq!(cores.pins(2), [Some(0), Some(2)]);
    }

    #[test]
    fn the_file_limit_is_raised_to_the_hard_limit() {
        let raised = FileLimit::raise();
        assert!(raised.now >= raised.before);
        assert_eq!(FileLimit::raise().before, raised.now);
    }
}

//! How the machine treated the generator during a run: CPU, quota, stolen time, files, ports,
//! memory.
//!
//! Counters are read before and after; what has a greatest value (files, sockets) is looked at
//! about once a second. All of it comes from files that any process may read; a file that is not
//! there leaves its figures at zero, which stands for "not known".
//! Knows nothing of requests.

use std::time::{Duration, Instant};

use super::clock::micros;
use super::machine;

/// What was seen of the machine. Zero is "not known" where it cannot be a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// CPU time of the whole process, µs.
    pub cpu_us: u64,
    /// Periods of the container's CPU limit; 0 without a limit.
    pub cpu_periods: u64,
    /// Those of them in which the process was stopped.
    pub cpu_periods_throttled: u64,
    /// For how long in all, µs.
    pub cpu_throttled_us: u64,
    /// CPU time that the hypervisor gave to others while this machine wanted it, µs.
    pub cpu_stolen_us: u64,
    /// Of how much CPU time of the machine, idle time included, µs.
    pub cpu_machine_us: u64,
    /// The most files the process had open.
    pub files_open_max: u64,
    /// The most TCP sockets the machine (or its network namespace) had, closing ones included.
    pub sockets_max: u64,
    /// Ports for connections to one address from one source address.
    pub ports: u64,
    /// The most memory the process had, bytes.
    pub memory_bytes_max: u64,
}

/// Looks at the machine while a run goes on.
pub(super) struct Meter {
    before: Counters,
    health: Health,
    next_look: Instant,
}

/// What only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    cpu_us: u64,
    quota: Quota,
    stolen_us: u64,
    machine_us: u64,
}

/// A cgroup's `cpu.stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quota {
    periods: u64,
    throttled: u64,
    throttled_us: u64,
}

/// How often files and sockets are counted.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Meter {
    /// Begins to look.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self { before: Counters::read(), health: Health::default(), next_look: now }
    }

    /// Counts what has a greatest value, when it is time.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if now >= self.next_look {
            self.next_look = now + LOOK_INTERVAL;
            self.health.files_open_max = self.health.files_open_max.max(files_open());
            let sockets = read("/proc/net/sockstat").as_deref().map_or(0, sockets);
            self.health.sockets_max = self.health.sockets_max.max(sockets);
        }
    }

    /// What was seen, until now.
    pub(super) fn finish(self) -> Health {
        let (before, after) = (self.before, Counters::read());
        Health {
            cpu_us: after.cpu_us - before.cpu_us,
            cpu_periods: after.quota.periods.saturating_sub(before.quota.periods),
            cpu_periods_throttled: after.quota.throttled.saturating_sub(before.quota.throttled),
            cpu_throttled_us: after.quota.throttled_us.saturating_sub(before.quota.throttled_us),
            cpu_stolen_us: after.stolen_us.saturating_sub(before.stolen_us),
            cpu_machine_us: after.machine_us.saturating_sub(before.machine_us),
            ports: read("/proc/sys/net/ipv4/ip_local_port_range").as_deref().map_or(0, ports),
            memory_bytes_max: read("/proc/self/status").as_deref().map_or(0, memory_bytes),
            ..self.health
        }
    }
}

impl Counters {
    fn read() -> Self {
        let (stolen_us, machine_us) = read("/proc/stat").as_deref().map_or((0, 0), stolen);
        // Version 2 of cgroups, as in a container's own namespace, then version 1.
        let places = ["/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"];
        let quota = places.iter().find_map(|place| read(place));
        Self {
            cpu_us: micros(machine::process_cpu()),
            quota: quota.as_deref().map_or_else(Quota::default, quota_of),
            stolen_us,
            machine_us,
        }
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The number after a word at the beginning of a line, such as `nr_periods 12`.
fn number(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
}

fn quota_of(text: &str) -> Quota {
    let in_us = number(text, "throttled_usec");
    let in_ns = || number(text, "throttled_time").map(|ns| ns / 1_000);
    Quota {
        periods: number(text, "nr_periods").unwrap_or(0),
        throttled: number(text, "nr_throttled").unwrap_or(0),
        throttled_us: in_us.or_else(in_ns).unwrap_or(0),
    }
}

/// Stolen and all CPU time since boot: the eighth column of the first line of `/proc/stat`, and the
/// sum of the first eight (the two after them are in the first already).
fn stolen(text: &str) -> (u64, u64) {
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).map_while(|word| word.parse().ok()).collect();
    let us = |ticks: u64| ticks * US_PER_TICK;
    (ticks.get(7).copied().map_or(0, us), us(ticks.iter().sum()))
}

/// `USER_HZ` is 100 on all of Linux.
const US_PER_TICK: u64 = 10_000;

/// Sockets in use, and those that wait for the last packets of a closed connection: both hold a
/// port.
fn sockets(text: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let of = |name| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    of("inuse").unwrap_or(0) + of("tw").unwrap_or(0)
}

fn ports(text: &str) -> u64 {
    let mut bounds = text.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        _ => 0,
    }
}

fn memory_bytes(text: &str) -> u64 {
    number(text, "VmHWM").unwrap_or(0) * 1_024
}

/// Files that this process has open. Since Linux 6.2 the folder's size says so; before, its entries
/// are counted.
fn files_open() -> u64 {
    let size = std::fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    let count = || std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    if size > 0 { size } else { count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_read_from_both_versions_of_cgroups() {
        let expected = Quota { periods: 120, throttled: 7, throttled_us: 35_000 };
        let second = "usage_usec 9\nnr_periods 120\nnr_throttled 7\nthrottled_usec 35000\n";
        let first = "nr_periods 120\nnr_throttled 7\nthrottled_time 35000999\n";
        assert_eq!(quota_of(second), expected);
        assert_eq!(quota_of(first), expected);
        assert_eq!(quota_of("usage_usec 9\n"), Quota::default());
    }

    #[test]
    fn stolen_time_is_the_eighth_column_and_guests_are_not_counted_twice() {
        let text = "cpu  100 0 50 800 10 0 5 35 90 9\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(stolen(text), (350_000, 10_000_000));
        assert_eq!(stolen(""), (0, 0));
    }

    #[test]
    fn sockets_that_are_closing_hold_ports_too() {
        let text = "sockets: used 9\nTCP: inuse 4 orphan 0 tw 38 alloc 4 mem 0\nUDP: inuse 0\n";
        assert_eq!(sockets(text), 42);
        assert_eq!(ports("32768\t60999\n"), 28_232);
        assert_eq!(ports("none"), 0);
    }

    #[test]
    fn a_running_process_has_files_and_memory() {
        let mut meter = Meter::start();
        let held: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null")).collect();
        meter.look();
        let health = meter.finish();
        assert!(health.files_open_max >= held.len() as u64, "{health:?}");
        assert!(health.memory_bytes_max > 1_000_000 && health.ports > 0, "{health:?}");
    }
}

//! How the machine treated the generator during a run: CPU, quota, stolen time, files, ports,
//! memory.
//!
//! Counters are read before and after, and about once a second, so that what the machine did has a
//! place in time; so often too what has a greatest value (files, sockets) is looked at. All of it
//! comes from files that any process may read; a file that is not there leaves its figures at zero,
//! which stands for "not known".
//! Knows nothing of requests.

use std::ops::Range;
use std::time::Instant;

use super::cgroup::{Groups, Throttling};
use super::clock::micros;
use super::machine;
use crate::metrics::{Health, Strain};

/// Looks at the machine while a run goes on.
pub(super) struct Meter {
    groups: Groups,
    start: Instant,
    before: Counters,
    /// At the end of the second that was looked at last, and how many seconds had passed.
    last: Counters,
    seconds: u64,
    health: Health,
}

/// What only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    cpu_us: u64,
    throttling: Throttling,
    stolen_us: u64,
    machine_us: u64,
}

impl Meter {
    /// Begins to look at the start of the run.
    pub(super) fn start(start: Instant) -> Self {
        let groups = Groups::detect();
        let before = Counters::read(&groups);
        let health = Health::default();
        let mut meter = Self { groups, start, before, last: before, seconds: 0, health };
        meter.count();
        meter
    }

    /// Looks about once a second, and says which seconds have passed since the last time and what
    /// the machine did in them.
    pub(super) fn look(&mut self) -> Option<(Range<u64>, Strain)> {
        let seconds = self.start.elapsed().as_secs();
        if seconds <= self.seconds {
            return None;
        }
        self.count();
        let now = Counters::read(&self.groups);
        let spent = now.since(&self.last);
        let stolen = (spent.stolen_us * 1_000_000).checked_div(spent.machine_us);
        let strain = Strain {
            cpu_throttled_us: spent.throttling.throttled_us / (seconds - self.seconds),
            cpu_stolen_ppm: stolen.unwrap_or(0),
            ..Strain::default()
        };
        let passed = self.seconds..seconds;
        self.health.add_seconds(passed.start, passed.end, &strain);
        (self.last, self.seconds) = (now, seconds);
        Some((passed, strain))
    }

    /// Counts what has a greatest value.
    fn count(&mut self) {
        self.health.files_open_max = self.health.files_open_max.max(files_open());
        let sockets = read("/proc/net/sockstat").as_deref().map_or(0, sockets);
        self.health.sockets_max = self.health.sockets_max.max(sockets);
    }

    /// What was seen, until now.
    pub(super) fn finish(self) -> Health {
        let spent = Counters::read(&self.groups).since(&self.before);
        Health {
            cpu_us: spent.cpu_us,
            cpu_periods: spent.throttling.periods,
            cpu_periods_throttled: spent.throttling.throttled,
            cpu_throttled_us: spent.throttling.throttled_us,
            cpu_stolen_us: spent.stolen_us,
            cpu_machine_us: spent.machine_us,
            ports: read("/proc/sys/net/ipv4/ip_local_port_range").as_deref().map_or(0, ports),
            memory_bytes_max: read("/proc/self/status").as_deref().map_or(0, memory_bytes),
            ..self.health
        }
    }
}

impl Counters {
    fn read(groups: &Groups) -> Self {
        let (stolen_us, machine_us) = read("/proc/stat").as_deref().map_or((0, 0), stolen);
        let cpu_us = micros(machine::process_cpu());
        Self { cpu_us, throttling: groups.throttling(), stolen_us, machine_us }
    }

    /// What was added since; a counter that went back counts as not known.
    fn since(&self, before: &Self) -> Self {
        let (now, then) = (&self.throttling, &before.throttling);
        Self {
            cpu_us: self.cpu_us.saturating_sub(before.cpu_us),
            throttling: Throttling {
                periods: now.periods.saturating_sub(then.periods),
                throttled: now.throttled.saturating_sub(then.throttled),
                throttled_us: now.throttled_us.saturating_sub(then.throttled_us),
            },
            stolen_us: self.stolen_us.saturating_sub(before.stolen_us),
            machine_us: self.machine_us.saturating_sub(before.machine_us),
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
        let held: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null")).collect();
        let meter = Meter::start(Instant::now());
        let health = meter.finish();
        assert!(health.files_open_max >= held.len() as u64, "{health:?}");
        assert!(health.memory_bytes_max > 1_000_000 && health.ports > 0, "{health:?}");
    }
}

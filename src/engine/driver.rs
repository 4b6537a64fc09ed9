//! The IO driver of a worker: io_uring where it is allowed, epoll where it is not.
//!
//! Every mode is tried for real, inside the thread that will run it, because a small probe ring can
//! succeed where the real one fails, and because any error at all means "not here": containers
//! answer EPERM, old kernels ENOSYS, some hosts EOPNOTSUPP. Which driver runs, and why, is part of
//! every report.
//! Knows nothing of bots or requests.

use std::fmt;
use std::future::Future;
use std::io;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use rustix::io::Errno;

/// What the user asked for with `--io-driver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DriverChoice {
    /// io_uring when it pays, else epoll.
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll, also where io_uring would work.
    Epoll,
}

/// The driver that runs, and the reason, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverReport {
    /// `io_uring` or `epoll`.
    pub name: &'static str,
    /// Why this one: the ring's flags, what was asked for, or what stood in the way of io_uring.
    pub reason: String,
    /// True for io_uring without its flags, which loses to epoll.
    pub is_slow_mode: bool,
}

impl fmt::Display for DriverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.reason)
    }
}

/// A monoio runtime on either driver. Timers are the worker's own, so monoio's stay off.
pub(super) enum Runtime {
    Uring(monoio::Runtime<IoUringDriver>),
    Epoll(monoio::Runtime<LegacyDriver>),
}

impl Runtime {
    pub(super) fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        match self {
            Self::Uring(runtime) => runtime.block_on(future),
            Self::Epoll(runtime) => runtime.block_on(future),
        }
    }
}

/// Forces epoll in `auto`, as in every monoio program.
const FORCE_EPOLL_VARIABLE: &str = "MONOIO_FORCE_LEGACY_DRIVER";

/// Builds the runtime of this thread. `connections` is the most sockets the worker will hold.
///
/// # Errors
///
/// With [`DriverChoice::Uring`] when no ring can be made, else when even epoll fails.
pub(super) fn build(
    choice: DriverChoice,
    connections: usize,
) -> Result<(Runtime, DriverReport), String> {
    let forced = || std::env::var(FORCE_EPOLL_VARIABLE).is_ok_and(|value| value != "0");
    match choice {
        DriverChoice::Epoll => epoll("asked for".to_owned()),
        DriverChoice::Auto if forced() => epoll(format!("{FORCE_EPOLL_VARIABLE} is set")),
        DriverChoice::Auto => match uring(connections, &[RingMode::Defer, RingMode::Coop]) {
            Ok(built) => Ok(built),
            Err(error) => epoll(format!("io_uring unavailable: {}", explain(&error))),
        },
        DriverChoice::Uring => {
            uring(connections, &[RingMode::Defer, RingMode::Coop, RingMode::Plain]).map_err(
                |error| {
                    format!(
                        "no io_uring here: {}; use --io-driver auto to fall back to epoll",
                        explain(&error)
                    )
                },
            )
        }
    }
}

#[derive(Clone, Copy)]
enum RingMode {
    /// Completions are worked off when the worker waits: Linux 6.1.
    Defer,
    /// No interrupt of the running thread for a completion: Linux 6.0.
    Coop,
    /// No flags: costs a third more per request than either.
    Plain,
}

impl RingMode {
    fn words(self) -> &'static str {
        match self {
            Self::Defer => "single issuer, defer taskrun",
            Self::Coop => "single issuer, coop taskrun",
            Self::Plain => "no ring flags, slower than epoll",
        }
    }
}

fn uring(connections: usize, modes: &[RingMode]) -> io::Result<(Runtime, DriverReport)> {
    let mut failure = io::Error::other("no ring mode tried");
    for &mode in modes {
        let mut ring = io_uring::IoUring::builder();
        ring.setup_cqsize(completions(connections));
        match mode {
            RingMode::Defer => ring.setup_single_issuer().setup_defer_taskrun(),
            RingMode::Coop => ring.setup_single_issuer().setup_coop_taskrun(),
            RingMode::Plain => &mut ring,
        };
        let builder = RuntimeBuilder::<IoUringDriver>::new();
        match builder.uring_builder(ring).with_entries(SUBMISSIONS).build() {
            Ok(runtime) => {
                let is_slow_mode = matches!(mode, RingMode::Plain);
                let reason = mode.words().to_owned();
                let report = DriverReport { name: "io_uring", reason, is_slow_mode };
                return Ok((Runtime::Uring(runtime), report));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn epoll(reason: String) -> Result<(Runtime, DriverReport), String> {
    let builder = RuntimeBuilder::<LegacyDriver>::new();
    let runtime = builder
        .with_entries(EVENTS)
        .build()
        .map_err(|error| format!("cannot start the epoll driver: {error}"))?;
    Ok((Runtime::Epoll(runtime), DriverReport { name: "epoll", reason, is_slow_mode: false }))
}

/// Submission queue entries; a full queue is submitted early, so this only bounds a batch.
const SUBMISSIONS: u32 = 1024;
/// Events that one epoll_wait may return.
const EVENTS: u32 = 1024;
/// The kernel's own limit for a completion queue that it does not clamp.
const COMPLETIONS_MAX: usize = 65_536;

/// Two completions (send and receive) may be waiting for each connection.
fn completions(connections: usize) -> u32 {
    let wanted = (2 * connections).next_power_of_two();
    let wanted = wanted.clamp(2 * SUBMISSIONS as usize, COMPLETIONS_MAX);
    u32::try_from(wanted).unwrap_or(u32::MAX)
}

/// What an errno of `io_uring_setup` means to the person who sees epoll instead.
fn explain(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    explain_with(error, disabled.ok().as_deref().map(str::trim))
}

fn explain_with(error: &io::Error, disabled: Option<&str>) -> String {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    let words = match code {
        Some(Errno::PERM) if matches!(disabled, Some("1" | "2")) => {
            "EPERM, switched off by the sysctl kernel.io_uring_disabled"
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            "EPERM, blocked by the container's seccomp profile; \
             expected on AWS Fargate and Docker >= 25"
        }
        Some(Errno::NOSYS) => "ENOSYS, the kernel or sandbox has none",
        Some(Errno::NOMEM) => "ENOMEM, raise the memlock limit (ulimit -l)",
        Some(Errno::INVAL) => {
            "EINVAL, the kernel is older than 6.0 and lacks the ring flags that make it pay"
        }
        _ => return error.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_falls_back_with_a_reason_and_uring_does_not() {
        let (_, report) = build(DriverChoice::Epoll, 10).expect("epoll is everywhere");
        assert_eq!((report.name, report.reason.as_str()), ("epoll", "asked for"));
        if let Ok((_, report)) = build(DriverChoice::Uring, 10) {
            assert_eq!(report.name, "io_uring");
        }
    }

    #[test]
    fn each_errno_of_a_blocked_ring_is_explained() {
        let of = |errno: Errno, disabled| {
            explain_with(&io::Error::from_raw_os_error(errno.raw_os_error()), disabled)
        };
        assert!(of(Errno::PERM, Some("2")).contains("sysctl"));
        assert!(of(Errno::PERM, Some("0")).contains("seccomp"));
        assert!(of(Errno::NOSYS, None).contains("kernel"));
        assert!(of(Errno::NOMEM, None).contains("memlock"));
        assert!(of(Errno::OPNOTSUPP, None).contains("not supported"));
    }

    #[test]
    fn the_completion_queue_holds_two_events_a_connection_within_the_kernels_limit() {
        assert_eq!(completions(64), 2048);
        assert_eq!(completions(9_000), 32_768);
        assert_eq!(completions(1_000_000), 65_536);
    }
}

//! A child process, pinned to a core, and the CPU time that all its threads used.
//!
//! `wait4` tells user and system time of the whole process, from its start to its end: what it
//! costs to begin and to report is in it. A child that does not end in time is killed.
#![allow(unsafe_code, reason = "wait4 is the only way to one child's CPU times")]

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a child used.
pub(crate) struct Used {
    pub(crate) cpu_us: u64,
    /// The most that was resident at any time.
    pub(crate) rss_kib_max: u64,
    /// What was resident at the instants of the watch.
    pub(crate) rss_kib_at: Vec<u64>,
    pub(crate) stdout: String,
    stderr: String,
    /// Ended by itself, with success.
    pub(crate) is_success: bool,
}

impl Used {
    /// Why it failed, as far as it said so.
    pub(crate) fn last_words(&self) -> &str {
        self.stderr.trim().lines().last().unwrap_or("it said nothing")
    }
}

/// When a child is looked at, and how long it may take in all.
pub(crate) struct Watch {
    pub(crate) looks: Vec<Duration>,
    pub(crate) patience: Duration,
}

impl Watch {
    pub(crate) fn until(patience: Duration) -> Self {
        Self { looks: Vec::new(), patience }
    }
}

/// A command that will run on these cores (as taskset writes them).
pub(crate) fn pinned(cores: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program.as_ref());
    command
}

/// Runs a command to its end. Its output goes through a file, so that nobody waits for a reader.
pub(crate) fn run(mut command: Command, work: &Path, watch: &Watch) -> io::Result<Used> {
    let (stdout, stderr) = (work.join("stdout"), work.join("stderr"));
    let child = command
        .stdin(Stdio::null())
        .stdout(File::create(&stdout)?)
        .stderr(File::create(&stderr)?)
        .spawn()
        .map_err(|error| io::Error::other(format!("{:?}: {error}", command.get_program())))?;
    let id = i32::try_from(child.id()).map_err(io::Error::other)?;
    let (ended, watched) = channel::<()>();
    let rss_kib_at = std::thread::scope(|scope| {
        let watcher = scope.spawn(move || look_on(id, &watched, watch));
        wait_until_ended(id);
        drop(ended);
        watcher.join().unwrap_or_default()
    });
    let (status, usage) = reap(id)?;
    Ok(Used {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        rss_kib_max: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        rss_kib_at,
        stdout: std::fs::read_to_string(stdout)?,
        stderr: std::fs::read_to_string(stderr)?,
        is_success: libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
    })
}

/// Looks at a child's memory when it is time, and ends it when it has had all of it.
fn look_on(id: i32, ended: &Receiver<()>, watch: &Watch) -> Vec<u64> {
    let started = Instant::now();
    let left = |until: Duration| until.saturating_sub(started.elapsed());
    let mut seen = Vec::new();
    for look in &watch.looks {
        if ended.recv_timeout(left(*look)) != Err(RecvTimeoutError::Timeout) {
            return seen;
        }
        seen.push(rss_kib(id));
    }
    if ended.recv_timeout(left(watch.patience)) == Err(RecvTimeoutError::Timeout) {
        // SAFETY: the child is not reaped before this thread has ended, so the id is its.
        let _ended_now = unsafe { libc::kill(id, libc::SIGKILL) };
    }
    seen
}

fn rss_kib(id: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Waits for the end and leaves the process to be reaped, so that its id stays its own.
fn wait_until_ended(id: i32) {
    let (Ok(number), flags) = (libc::id_t::try_from(id), libc::WEXITED | libc::WNOWAIT) else {
        return;
    };
    loop {
        // SAFETY: `info` is plain data that the call fills.
        let waited = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, number, &raw mut info, flags)
        };
        let is_interrupted = io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if waited == 0 || !is_interrupted {
            return;
        }
    }
}

fn reap(id: i32) -> io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    // SAFETY: both are plain data that the call fills; the child has not been waited for.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(id, &raw mut status, 0, &raw mut usage), usage)
    };
    if waited == id { Ok((status, usage)) } else { Err(io::Error::last_os_error()) }
}

fn micros(time: libc::timeval) -> u64 {
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    whole(time.tv_sec) * 1_000_000 + whole(time.tv_usec)
}

//! The stand-in API as a process of its own, which ends with this one.
//!
//! A process rather than a thread: it can run on a core that the workers leave free, and what it
//! costs does not show in the generator's own CPU time and memory.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{self, Command, Stdio},
};

use crate::demo::{
    duration,
    faults::Faults,
    server::{Options, Parent},
};

/// A running stand-in API; dropping it ends it.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
}

impl Drop for Child {
    fn drop(&mut self) {
        // It keeps nothing that a hard end could damage. Failing means it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Child {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Starts `exe serve` and returns when it listens, with its address.
///
/// `exe` is this program (`std::env::current_exe()`); `cpu` is where the child runs. It follows
/// this process whatever `options` says, by a pipe that closes even when this process is killed.
///
/// # Errors
/// `exe` cannot be started, or ends or says something else before it listens.
pub fn spawn_child(
    exe: &Path,
    options: &Options,
    cpu: Option<usize>,
) -> io::Result<(Child, SocketAddr)> {
    let options = Options { cpu, parent: Parent::Followed, ..options.clone() };
    let process = Command::new(exe)
        .args(arguments(&options))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A group of its own: Ctrl-C in a terminal reaches all of ours, and bots that finish
        // their sessions then still need their API.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {} ({error})", exe.display()))
        })?;
    let mut child = Child { process };
    let stdout = child.process.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim_end().strip_prefix("listening on http://");
    match address.and_then(|address| address.parse().ok()) {
        Some(address) => Ok((child, address)),
        None if line.is_empty() => {
            let status = child.process.wait()?;
            Err(io::Error::other(format!("the stand-in API ended before it listened ({status})")))
        }
        None => Err(io::Error::other(format!("the stand-in API said `{}`", line.trim_end()))),
    }
}

/// The command line that `tallyho` takes for these options.
pub(crate) fn arguments(options: &Options) -> Vec<OsString> {
    let rules = &options.rules;
    let mut arguments = vec![
        "serve".to_owned(),
        format!("--port={}", options.port),
        format!("--seed={}", rules.seed),
        format!("--token-lifetime={}", duration::text(rules.token_lifetime)),
    ];
    if rules.faults != Faults::default() {
        arguments.push(format!("--faults={}", rules.faults));
    }
    if let Some(per_sec_max) = rules.auth_per_sec_max {
        arguments.push(format!("--auth-per-sec-max={per_sec_max}"));
    }
    if let Some(cpu) = options.cpu {
        arguments.push(format!("--cpu={cpu}"));
    }
    if options.parent == Parent::Followed {
        arguments.push("--exit-with-parent".to_owned());
    }
    arguments.into_iter().map(OsString::from).collect()
}

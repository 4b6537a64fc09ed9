//! The stand-in API as the target of a run: a child process on a core of its own.
//!
//! A process and not a thread, so that what the run measures is the generator and not its target,
//! and on a core that the workers leave free.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::demo::{self, Child, Faults, Options, Parent, Rules};
use crate::exit::BadUsage;
use crate::report::Planted;

/// The stand-in API; it ends with this value.
pub(super) struct Embedded {
    _child: Child,
    address: SocketAddr,
    /// What was asked to go wrong.
    faults: String,
}

impl Embedded {
    /// Starts the stand-in API with these faults (`none` for none), pinned to `core`.
    ///
    /// # Errors
    ///
    /// [`BadUsage`] for a list of faults that cannot be read; else what the system refuses.
    pub(super) fn start(faults: &str, seed: u64, core: Option<usize>) -> anyhow::Result<Self> {
        let list = if faults == "none" { "" } else { faults };
        let faults =
            Faults::parse(list).map_err(|error| BadUsage(format!("--faults {list}: {error}")))?;
        let rules = Rules { seed, faults, ..Rules::default() };
        let options = Options { port: 0, rules, cpu: core, parent: Parent::Followed };
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let (child, address) = demo::spawn_child(&program, &options, core)
            .context("cannot start the built-in stand-in API")?;
        Ok(Self { _child: child, address, faults: list.to_owned() })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it did wrong on purpose so far; none if it does not say.
    pub(super) fn planted(&self) -> Option<Planted> {
        let stats = self.stats().ok()?;
        let count = |kind: &str| stats["faults"][kind].as_u64().unwrap_or(0);
        Some(Planted {
            faults: self.faults.clone(),
            status: count("status"),
            reset: count("reset"),
            badjson: count("badjson"),
            slow: count("slow"),
            audit_error: stats["audit_error"].as_str().map(str::to_owned),
        })
    }

    fn stats(&self) -> anyhow::Result<serde_json::Value> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /_stats HTTP/1.1\r\nHost: stats\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        Ok(serde_json::from_str(body)?)
    }
}

/// How long a report waits for the stand-in API's own figures, which are no more than a remark.
const PATIENCE: Duration = Duration::from_secs(5);

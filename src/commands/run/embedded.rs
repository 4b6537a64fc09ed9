//! The stand-in API as the target of a run: a child process on a core of its own.
//!
//! A process and not a thread, so that what the run measures is the generator and not its target,
//! and on a core that the workers leave free.

use std::net::SocketAddr;

use anyhow::Context;

use crate::demo::{self, Child, Faults, Options, Parent, Rules};
use crate::exit::BadUsage;

/// The stand-in API; it ends with this value.
pub(super) struct Embedded {
    _child: Child,
    address: SocketAddr,
}

impl Embedded {
    /// Starts the stand-in API with these faults (`none` for none), pinned to `core`.
    ///
    /// # Errors
    ///
    /// [`BadUsage`] for a list of faults that cannot be read; else what the system refuses.
    pub(super) fn start(faults: &str, seed: u64, core: Option<usize>) -> anyhow::Result<Self> {
        let faults = if faults == "none" { "" } else { faults };
        let faults = Faults::parse(faults)
            .map_err(|error| BadUsage(format!("--faults {faults}: {error}")))?;
        let rules = Rules { seed, faults, ..Rules::default() };
        let options = Options { port: 0, rules, cpu: core, parent: Parent::Followed };
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let (child, address) = demo::spawn_child(&program, &options, core)
            .context("cannot start the built-in stand-in API")?;
        Ok(Self { _child: child, address })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

//! Who runs the run: the command line, or a container, which knows and wants more.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;

use crate::background::{self, Background};
use crate::engine::{Control, NewFailure, Observer};

/// What a run is given besides its arguments.
pub(in crate::commands) struct Host {
    /// Signals end up here, from now on.
    pub(in crate::commands) control: Arc<Control>,
    pub(in crate::commands) background: Background,
    /// A CPU limit that the cgroup does not show, in thousandths of a core.
    pub(in crate::commands) cpu_limit_millicores: Option<u64>,
    /// Where the run's files will be found, if not where they are written.
    pub(in crate::commands) place: Option<String>,
    /// The most time that teardown gets after a signal.
    pub(in crate::commands) teardown_after_signal: Option<Duration>,
    /// Is told of failures of a kind that was not seen before.
    pub(in crate::commands) failures: Option<Sender<NewFailure>>,
    /// Looks on while the run goes on.
    pub(in crate::commands) observer: Option<Box<dyn Observer>>,
}

impl Host {
    /// Listens to signals.
    ///
    /// # Errors
    ///
    /// When the thread for it cannot be started.
    pub(in crate::commands) fn start() -> anyhow::Result<Self> {
        let control = Arc::new(Control::default());
        let background =
            background::start(Arc::clone(&control)).context("cannot listen to signals")?;
        Ok(Self {
            control,
            background,
            cpu_limit_millicores: None,
            place: None,
            teardown_after_signal: None,
            failures: None,
            observer: None,
        })
    }
}

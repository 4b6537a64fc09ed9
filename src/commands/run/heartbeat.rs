//! A bot beside the others, from the first session to the last, that counts as none of them: it
//! looks at the target's health.
//!
//! It is a run of its own, on a thread that sleeps nearly always, so that what it does is in none
//! of the figures of the load, and no bot of the load is lost to it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::job::Part;
use super::part::{self, Role, Unseen};
use super::recorded::Recording;
use crate::engine::{self, Control, Phase};

/// Longer than any run.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// A heartbeat under way.
pub(super) struct Heartbeat {
    control: Arc<Control>,
    thread: JoinHandle<Result<(), String>>,
}

impl Heartbeat {
    /// Starts it.
    pub(super) fn start(recording: &Recording<'_>, part: &Part) -> Self {
        let plan = part::plan((recording, Role::Heartbeat), part);
        let control = Arc::new(Control::default());
        let controlled = Arc::clone(&control);
        let play = move || engine::run(plan, &controlled, &mut Unseen).map(drop);
        Self { control, thread: std::thread::spawn(play) }
    }

    /// Ends it, whatever it is doing.
    pub(super) fn stop(self) {
        self.control.advance(Phase::Interrupt);
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("note: no look at the target's health: {error}"),
            Err(_) => eprintln!("note: the look at the target's health ended in a bug"),
        }
    }
}

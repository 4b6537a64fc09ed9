//! ECS asks with SIGTERM and kills soon after: what is left to do must fit into that time.
//!
//! Before the load there is nothing to keep, so the process ends at once. During the load the
//! engine drains. Whatever hangs, the process ends by itself shortly before it would be killed, and
//! says where the files are.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::container::print;
use crate::engine::Control;
use crate::exit::Exit;

/// How far the task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Nothing has been measured.
    Before = 0,
    /// The load, its report, and the pause.
    Running = 1,
    /// The upload.
    Uploading = 2,
}

/// How often it looks for a signal.
const LOOK: Duration = Duration::from_millis(20);
/// What an end takes by itself.
const MARGIN: Duration = Duration::from_secs(2);
/// How long an upload may take when nobody asks for an end: a full trace over a slow link.
const UPLOAD_MAX: Duration = Duration::from_secs(3_600);

/// Watches the time after a signal.
pub(super) struct Stopper {
    shared: Arc<Shared>,
}

struct Shared {
    control: Arc<Control>,
    stage: AtomicU8,
    /// When the process must have ended, once a signal has come.
    deadline: Mutex<Option<Instant>>,
}

impl Stopper {
    /// Starts to watch.
    ///
    /// # Errors
    ///
    /// When the thread for it cannot be started.
    pub(super) fn start(control: &Arc<Control>, timeout: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            control: Arc::clone(control),
            stage: AtomicU8::new(Stage::Before as u8),
            deadline: Mutex::new(None),
        });
        let watching = Arc::clone(&shared);
        let budget = timeout.saturating_sub(MARGIN).max(timeout / 2);
        std::thread::Builder::new()
            .name("stopper".to_owned())
            .spawn(move || watching.watch(budget))?;
        Ok(Self { shared })
    }

    /// The task has come to another stage.
    pub(super) fn enter(&self, stage: Stage) {
        self.shared.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// The time that is left for an upload.
    pub(super) fn left(&self) -> Duration {
        let deadline = *self.shared.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.map_or(UPLOAD_MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN / 2)
        })
    }

    /// Ends the process if it was a signal that ended the run before it could begin.
    pub(super) fn exit_if_stopped(&self) {
        if self.shared.control.signals() > 0 {
            exit(Exit::Signal, "Stopped before the load began: there are no results.");
        }
    }
}

impl Shared {
    fn watch(&self, budget: Duration) {
        while self.control.signals() == 0 {
            std::thread::sleep(LOOK);
        }
        let deadline = Instant::now() + budget;
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        if self.stage.load(Ordering::Relaxed) == Stage::Before as u8 {
            exit(Exit::Signal, "Stopped before the load began: there are no results.");
        }
        print("Stopping: running sessions may end, then results are uploaded.");
        std::thread::sleep(budget);
        exit(Exit::CouldNotRun, "Out of time after SIGTERM: not everything was uploaded.");
    }
}

fn exit(exit: Exit, why: &str) -> ! {
    print(why);
    std::process::exit(i32::from(exit as u8))
}

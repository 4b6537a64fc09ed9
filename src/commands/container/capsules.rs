//! Sessions that failed in a new way, uploaded while the run goes on.
//!
//! Whoever watches the log can replay a failure at once, without waiting for the end of the load. A
//! thread of its own reads what the trace's writer has written so far, a few seconds after it was
//! told of the failure, so that most sessions have ended by then; one that goes on is exact up to
//! where it was. Nothing here may disturb the load: what fails is said and left to the end, when
//! the whole trace goes up.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tallyho_replay::trace::{TraceReader, Wanted};

use crate::commands::trace::write_capsule;
use crate::container::{Task, print};
use crate::engine::NewFailure;
use crate::report::quoted;
use crate::s3::{Body, NewObject, Store};

/// How long a failing session may go on before it is cut out of the trace.
const WAIT: Duration = Duration::from_secs(2);
/// A trace longer than this is not read while the load goes on: that would take a core for seconds.
const TRACE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long an upload may take.
const WITHIN: Duration = Duration::from_secs(60);

/// The thread.
pub(super) struct Capsules {
    thread: JoinHandle<()>,
}

/// What it works with.
pub(super) struct Source {
    pub(super) store: Store,
    pub(super) task: Task,
    /// The task's folder, with its trace in it.
    pub(super) folder: PathBuf,
}

impl Capsules {
    /// Starts the thread, and says whom to tell of failures. It ends when nobody can any more.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(super) fn start(source: Source) -> io::Result<(Self, Sender<NewFailure>)> {
        let (sender, failures) = channel();
        let thread = std::thread::Builder::new()
            .name("capsules".to_owned())
            .spawn(move || source.work(&failures))?;
        Ok((Self { thread }, sender))
    }

    /// Waits for what is under way.
    pub(super) fn finish(self) {
        let _has_panicked = self.thread.join();
    }
}

impl Source {
    fn work(&self, failures: &Receiver<NewFailure>) {
        while let Ok(first) = failures.recv() {
            std::thread::sleep(WAIT);
            let mut new = vec![first];
            new.extend(failures.try_iter());
            for failure in new {
                if let Err(error) = self.upload(&failure) {
                    print(&format!(
                        "new failure: {}, session {}; it will be in the trace: {error:#}\n",
                        failure.signature, failure.who
                    ));
                }
            }
        }
    }

    /// Cuts the session out and uploads it.
    fn upload(&self, NewFailure { signature, who }: &NewFailure) -> anyhow::Result<()> {
        let trace = self.folder.join(format!("trace-{}.tly", self.task.index));
        let file = File::open(&trace).with_context(|| trace.display().to_string())?;
        let size = file.metadata()?.len();
        anyhow::ensure!(size <= TRACE_BYTES_MAX, "the trace has {size} bytes already");
        let mut reader = TraceReader::open(file)?;
        let wanted = Wanted {
            scenario: Some(who.scenario),
            bot: Some(who.bot),
            session: Some(who.session),
            ..Wanted::default()
        };
        let mut found = None;
        reader.sessions(&wanted, |session| {
            found = Some(session);
            ControlFlow::Break(())
        })?;
        let session = found.context("it is not written yet")?;
        let exchange = reader.exchange(*who)?;
        let name = format!("capsule-{}-{}.tly", who.bot, who.session);
        let path = self.folder.join(&name);
        write_capsule(&path, reader.header(), session, exchange)?;
        let address = self.task.file(&name);
        let replay = quoted(&address.to_string());
        let metadata = Vec::new();
        let content_type = "application/octet-stream";
        let object = NewObject { address, content_type, metadata, body: Body::File(path) };
        self.store.write(object, WITHIN)?;
        print(&format!("new failure: {signature}; tallyho replay {replay} --session {who}\n"));
        Ok(())
    }
}

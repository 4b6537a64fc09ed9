//! Sessions that failed in a new way, uploaded while the run goes on.
//!
//! Whoever watches the log can replay a failure at once, without waiting for the end of the load. A
//! thread of its own reads what the trace's writer has written so far, a few seconds after it was
//! told of the failure, so that most sessions have ended by then; one that goes on is exact up to
//! where it was. Nothing here may disturb the load: what fails is said and left to the end, when
//! the whole trace goes up.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tallyho_replay::trace::{TraceError, TraceReader};

use crate::commands::trace::write_capsule;
use crate::container::{Task, print};
use crate::engine::NewFailure;
use crate::report::quoted;
use crate::s3::{Body, NewObject, Store};

/// How long a failing session may go on before it is cut out of the trace.
const WAIT: Duration = Duration::from_secs(2);
/// How often the thread looks at what was added to the trace: all of it at the first failure could
/// take a core for seconds.
const FOLLOW: Duration = Duration::from_secs(5);
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
        let mut trace = None;
        loop {
            let first = match failures.recv_timeout(FOLLOW) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    // What is wrong with the trace is said when a session is wanted of it.
                    let _said_later = self.follow(&mut trace);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            std::thread::sleep(WAIT);
            let mut new = vec![first];
            new.extend(failures.try_iter());
            for failure in new {
                let uploaded =
                    self.follow(&mut trace).and_then(|trace| self.upload(&failure, trace));
                if let Err(error) = uploaded {
                    print(&format!(
                        "new failure: {}, session {}; it will be in the trace: {error:#}\n",
                        failure.signature, failure.who
                    ));
                }
            }
        }
    }

    /// The trace, read up to its end.
    fn follow<'a>(
        &self,
        reader: &'a mut Option<TraceReader<File>>,
    ) -> anyhow::Result<&'a mut TraceReader<File>> {
        let path = self.folder.join(format!("trace-{}.tly", self.task.index));
        let trace = match reader.take() {
            Some(mut trace) => trace.advance().map(|()| trace),
            None => File::open(&path).map_err(TraceError::Io).and_then(TraceReader::open),
        };
        Ok(reader.insert(trace.with_context(|| path.display().to_string())?))
    }

    /// Cuts the session out and uploads it.
    fn upload(
        &self,
        NewFailure { signature, who }: &NewFailure,
        trace: &mut TraceReader<File>,
    ) -> anyhow::Result<()> {
        let session = trace.latest(*who)?.context("it is not written yet")?;
        let exchange = trace.exchange(*who)?;
        let name = format!("capsule-{}-{}.tly", who.bot, who.session);
        let path = self.folder.join(&name);
        write_capsule(&path, trace.header(), session, exchange)?;
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

//! The thread that writes the trace: batches in, a file out.
//!
//! One per process, not pinned. It is fed through a bounded channel: when it falls behind, workers
//! notice that the channel is full and start sessions unrecorded; they never wait. When the disk is
//! full the batch is lost and counted, the file is cut back to its last whole block, and the next
//! batch is tried again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tallyho_replay::Who;
use tallyho_replay::trace::{Batch, Header, NotRecorded, Totals, TraceWriter};

/// What of a run is recorded, and where.
pub struct TracePlan {
    /// What the trace says about the run.
    pub header: Header,
    /// The file.
    pub path: PathBuf,
    /// Which sessions.
    pub record: Record,
    /// Beyond this, only failing sessions and a sample are recorded.
    pub bytes_max: u64,
    /// Who is told of failures of a kind that was not seen before, when they are in the file.
    pub failures: Option<Sender<NewFailure>>,
    /// What the run does when sessions cannot be recorded.
    pub on_not_recorded: OnNotRecorded,
}

/// The first session of a run that failed in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFailure {
    /// What failed.
    pub signature: String,
    /// The session, which may still go on.
    pub who: Who,
}

/// How many kinds of failures are told of: a target that breaks in every way breaks in a few first.
const FAILURES_MAX: usize = 20;

/// What a run does when sessions cannot be recorded: the writer has fallen behind, or the file
/// cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnNotRecorded {
    /// Go on, count them, and say so in the report
    #[default]
    Continue,
    /// Hold the load back until the writer has caught up; a full disk is tried again and again
    Wait,
    /// End the run
    Abort,
}

/// How long after a write that failed the next one is tried, if the run waits for it.
const RETRY: Duration = Duration::from_millis(100);

/// Which sessions are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// All of them.
    All,
    /// Those that fail.
    Failing,
}

/// What became of the trace.
#[derive(Clone, Debug, Default)]
pub struct TraceResult {
    /// What became of the sessions.
    pub totals: Totals,
    /// The size of the file.
    pub bytes: u64,
    /// Whether the limit of its size was reached.
    pub limit_reached: bool,
    /// Sessions that were written although they might not fail: they had grown too long to be
    /// held in memory.
    pub written_anyway: u64,
    /// The first thing that went wrong with the file.
    pub error: Option<String>,
    /// Whether the run was ended since sessions could not be recorded.
    pub has_aborted: bool,
}

/// Batches that wait for the writer, for each worker: with 64 KiB each, the writer may stand still
/// for about half a second at the highest rate that a worker reaches.
const BATCHES_WAITING_MAX: usize = 64;

/// Beyond this share of the limit nothing at all is written: failing sessions alone filled it.
const LIMIT_HARD: f64 = 1.25;

/// How long the end of a run waits for a writer that makes no progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the writer tells the workers, and they it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The limit was reached.
    pub(super) is_full: AtomicBool,
    /// Nothing more will be written.
    pub(super) is_closed: AtomicBool,
    /// Sessions could not be recorded.
    pub(super) has_failed: AtomicBool,
    pub(super) started: AtomicU64,
    pub(super) not_wanted: AtomicU64,
    pub(super) writer_behind: AtomicU64,
    pub(super) written_anyway: AtomicU64,
    /// What the writer has done so far.
    progress: Mutex<TraceResult>,
}

/// A worker's way to the writer.
pub(super) struct Outlet {
    pub(super) batches: SyncSender<Batch>,
    /// Batches that have been written, to be filled again.
    pub(super) spares: Receiver<Batch>,
    pub(super) shared: Arc<Shared>,
    pub(super) record: Record,
    /// The load is held back while the writer is behind.
    pub(super) waits: bool,
}

/// The writer, seen from the coordinator.
pub(super) struct Scribe {
    done: Receiver<()>,
    shared: Arc<Shared>,
    on_not_recorded: OnNotRecorded,
    has_aborted: bool,
}

impl Scribe {
    /// Opens the file and starts the thread.
    pub(super) fn start(plan: &TracePlan, workers: usize) -> Result<(Self, Vec<Outlet>), String> {
        let failed = |error| format!("cannot write the trace {}: {error}", plan.path.display());
        let file = File::create(&plan.path).map_err(failed)?;
        let writer = TraceWriter::new(file, &plan.header).map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let (batches, inbox) = sync_channel(BATCHES_WAITING_MAX * workers);
        let on_not_recorded = plan.on_not_recorded;
        let (mut outlets, mut spares) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (spare, receiver) = channel();
            spares.push(spare);
            let (batches, shared) = (batches.clone(), Arc::clone(&shared));
            let (record, waits) = (plan.record, on_not_recorded == OnNotRecorded::Wait);
            outlets.push(Outlet { batches, spares: receiver, shared, record, waits });
        }
        let (finished, done) = channel();
        let thread = Writing {
            writer,
            inbox,
            spares,
            shared: Arc::clone(&shared),
            bytes_max: plan.bytes_max,
            failures: plan.failures.clone(),
            known: BTreeSet::new(),
            tries_again: on_not_recorded == OnNotRecorded::Wait,
        };
        std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || {
                thread.run();
                let _coordinator_gone = finished.send(());
            })
            .map_err(failed)?;
        Ok((Self { done, shared, on_not_recorded, has_aborted: false }, outlets))
    }

    /// Whether the run is to end now, since sessions could not be recorded.
    pub(super) fn aborts(&mut self) -> bool {
        self.has_aborted |= self.on_not_recorded == OnNotRecorded::Abort
            && self.shared.has_failed.load(Ordering::Relaxed);
        self.has_aborted
    }

    /// Waits for the end of the file, as long as there is progress. All outlets must be gone.
    pub(super) fn finish(self) -> TraceResult {
        let mut last = self.result().bytes;
        let mut since = Instant::now();
        while let Err(RecvTimeoutError::Timeout) = self.done.recv_timeout(PATIENCE / 20) {
            let bytes = self.result().bytes;
            if bytes != last {
                (last, since) = (bytes, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return self.abandoned();
            }
        }
        let mut result = self.result();
        result.has_aborted = self.has_aborted;
        result.written_anyway = self.shared.written_anyway.load(Ordering::Relaxed);
        result
    }

    /// What is known when the writer hangs: whatever it had not reported counts as lost.
    fn abandoned(self) -> TraceResult {
        let mut result = self.result();
        result.has_aborted = self.has_aborted;
        let totals = &mut result.totals;
        totals.started = self.shared.started.load(Ordering::Relaxed);
        totals.not_recorded = self.shared.not_recorded();
        let explained = totals.exact + totals.partial + totals.not_recorded.sum();
        totals.not_recorded.lost += totals.started.saturating_sub(explained);
        result.error.get_or_insert_with(|| "writing it took too long and was given up".to_owned());
        result
    }

    fn result(&self) -> TraceResult {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn not_recorded(&self) -> NotRecorded {
        NotRecorded {
            not_wanted: self.not_wanted.load(Ordering::Relaxed),
            writer_behind: self.writer_behind.load(Ordering::Relaxed),
            lost: 0,
        }
    }
}

/// The thread's own.
struct Writing {
    writer: TraceWriter<File>,
    inbox: Receiver<Batch>,
    spares: Vec<Sender<Batch>>,
    shared: Arc<Shared>,
    bytes_max: u64,
    failures: Option<Sender<NewFailure>>,
    /// Signatures that were told of.
    known: BTreeSet<String>,
    /// What cannot be written is tried again.
    tries_again: bool,
}

impl Writing {
    fn run(mut self) {
        let begun = self.writer.begin();
        self.note(begun);
        while let Ok(mut batch) = self.inbox.recv() {
            if self.shared.is_closed.load(Ordering::Relaxed) {
                self.writer.lose(&batch.pieces);
            } else {
                self.write(&batch);
                self.look_at_limit();
            }
            let worker = batch.counts.worker as usize;
            batch.clear();
            if let Some(spares) = self.spares.get(worker) {
                let _worker_has_ended = spares.send(batch);
            }
        }
        let started = self.shared.started.load(Ordering::Relaxed);
        let (totals, closed) = self.writer.finish(started, self.shared.not_recorded());
        self.note(closed);
        let synced = self.writer.get_mut().sync_all();
        // Pipes and devices cannot be synced, and need not be.
        let synced = synced.or_else(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::INVAL.raw_os_error() => Ok(()),
            _ => Err(error),
        });
        self.note(synced);
        self.progress(|result| result.totals = totals);
    }

    /// Tells of failures of kinds that were not seen before.
    fn tell(&mut self, batch: &Batch) {
        let Some(failures) = &self.failures else { return };
        for piece in &batch.pieces {
            let Some(signature) = &piece.signature else { continue };
            if self.known.len() < FAILURES_MAX && !self.known.contains(signature) {
                self.known.insert(signature.clone());
                let failure = NewFailure { signature: signature.clone(), who: piece.who };
                let _nobody_listens = failures.send(failure);
            }
        }
    }

    fn write(&mut self, batch: &Batch) {
        loop {
            let written = self.writer.try_write(batch);
            let has_failed = written.is_err();
            self.note(written);
            if !has_failed {
                break;
            }
            if !self.tries_again {
                self.writer.lose(&batch.pieces);
                return;
            }
            std::thread::sleep(RETRY);
        }
        let written = self.writer.exchanges(batch);
        self.note(written);
        self.tell(batch);
    }

    /// Remembers the first error, and cuts off what was half written.
    fn note(&mut self, written: std::io::Result<()>) {
        let bytes = self.writer.bytes();
        let (exact, partial) = self.writer.written();
        if let Err(error) = written {
            self.shared.has_failed.store(true, Ordering::Relaxed);
            let file = self.writer.get_mut();
            let cut = file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes)));
            let _cannot_be_cut = cut;
            self.progress(|result| {
                let _first = result.error.get_or_insert_with(|| error.to_string());
            });
        }
        self.progress(|result| {
            result.bytes = bytes;
            result.totals.exact = exact;
            result.totals.partial = partial;
        });
    }

    fn look_at_limit(&mut self) {
        let bytes = self.writer.bytes();
        if bytes >= self.bytes_max && !self.shared.is_full.swap(true, Ordering::Relaxed) {
            self.progress(|result| result.limit_reached = true);
        }
        if bytes as f64 >= self.bytes_max as f64 * LIMIT_HARD {
            self.shared.is_closed.store(true, Ordering::Relaxed);
        }
    }

    fn progress(&self, change: impl FnOnce(&mut TraceResult)) {
        change(&mut self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

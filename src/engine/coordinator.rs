//! Starts the workers together, gathers what they measure, and ends the run.
//!
//! Runs on the calling thread and is never on a request's path: workers report about once a second,
//! and what they report is added up here, per second and in total.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::DriverReport;
use super::clock::RunClock;
use super::control::{Control, Phase};
use super::health::Meter;
use super::origin::Notice;
use super::pacing::first_numbers;
use super::plan::RunPlan;
use super::schedule::Piece;
use super::scribe::{Outlet, Scribe, TraceResult};
use super::tracer::{Failing, add_group};
use super::worker::{Message, Report, Setup, Shared, run_thread};
use crate::metrics::{Collector, Health, Measured, Snapshot, Threshold};

/// What a finished run measured.
pub struct RunResult {
    /// Everything, added up, and second by second.
    pub measured: Measured,
    /// The driver of each worker.
    pub drivers: Vec<DriverReport>,
    /// When the workers started, by the wall clock.
    pub started_at: SystemTime,
    /// From the start to the end of the last session.
    pub elapsed: Duration,
    /// How the machine treated the process during the run.
    pub health: Health,
    /// Why a bot ended the run, if one did.
    pub abort_reason: Option<String>,
    /// The threshold that ended the run, if one did.
    pub failed_threshold: Option<String>,
    /// A worker that was lost to a bug in the generator.
    pub lost_workers: usize,
    /// What was planned for the scenarios of these names, counted from the start of the run.
    pub planned: Vec<(String, Piece)>,
    /// How many scenarios were played.
    pub scenarios: usize,
    /// What became of the trace, if one was written.
    pub trace: Option<TraceResult>,
    /// Failing sessions by what failed.
    pub failing: Failing,
    /// What happened around the run.
    pub notices: Vec<Notice>,
}

/// What the coordinator passes on while the run goes on.
pub trait Observer {
    /// The drivers are known and the load starts now.
    fn started(&mut self, drivers: &[DriverReport]);
    /// Something happened around the run.
    fn noticed(&mut self, _notice: &Notice) {}
    /// Called several times a second.
    fn tick(&mut self, elapsed: Duration, active_bots: u64, collector: &Collector);
}

/// Runs the plan to its end.
///
/// # Errors
///
/// When a worker cannot start: no driver, no file descriptor, no thread.
pub fn run(
    plan: RunPlan,
    control: &Arc<Control>,
    observer: &mut dyn Observer,
) -> Result<RunResult, String> {
    for scenario in &plan.scenarios {
        let refused = |error| format!("scenario {}: {error}", scenario.name);
        scenario.profile.check().map_err(refused)?;
    }
    let claimed = plan.scenarios.iter().map(|_| Arc::default()).collect();
    let first_numbers = first_numbers(&plan)?;
    let control_of_all = Arc::clone(control);
    let shared = Shared { plan: Arc::new(plan), control: control_of_all, claimed, first_numbers };
    let (messages, inbox) = channel();
    let workers = shared.plan.pins.len();
    let trace =
        shared.plan.trace.as_ref().map(|trace| Scribe::start(trace, workers)).transpose()?;
    let (mut scribe, outlets) = trace.unzip();
    let mut crew = Crew::start(&shared, &messages, outlets.unwrap_or_default())?;
    drop(messages);
    let drivers = crew.wait_until_ready(&inbox)?;
    wait_until(shared.plan.start_at, control);
    observer.started(&drivers);
    let mut judge = Judge::new(&shared.plan.thresholds);
    let (started_at, origin) = (SystemTime::now(), Instant::now());
    let mut meter = Meter::start(origin);
    crew.release(RunClock::starting_at(origin));
    let mut gathered = Gathered::new(crew.threads.len());
    while gathered.done < crew.threads.len() {
        match inbox.recv_timeout(TICK) {
            Ok(Message::Notice(notice)) => gathered.note(notice, observer),
            Ok(message) => gathered.take(message, &crew)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if let Some((seconds, strain)) = meter.look() {
            seconds.for_each(|second| gathered.collector.add_strain(second, &strain));
        }
        let elapsed = origin.elapsed();
        judge.look(elapsed, &gathered.collector, control);
        if scribe.as_mut().is_some_and(Scribe::aborts) {
            control.advance(Phase::Drain);
        }
        observer.tick(elapsed, control.active_bots(), &gathered.collector);
    }
    let elapsed = origin.elapsed();
    let lost_workers = crew.join();
    Ok(RunResult {
        measured: gathered.collector.finish(),
        drivers,
        started_at,
        elapsed,
        health: meter.finish(),
        abort_reason: control.abort_reason(),
        failed_threshold: judge.failed,
        lost_workers,
        planned: planned(&shared.plan),
        scenarios: shared.plan.scenarios.len(),
        trace: scribe.map(Scribe::finish),
        failing: gathered.failing,
        notices: gathered.notices,
    })
}

/// The pieces of all scenarios.
fn planned(plan: &RunPlan) -> Vec<(String, Piece)> {
    let pieces = plan.scenarios.iter().flat_map(|scenario| {
        scenario.profile.pieces().into_iter().map(|Piece { from, to, load }| {
            let (from, to) = (scenario.start + from, scenario.start + to);
            (scenario.name.clone(), Piece { from, to, load })
        })
    });
    pieces.collect()
}

/// Waits for the instant at which all tasks of a test start, unless the run is stopped before.
fn wait_until(start_at: Option<SystemTime>, control: &Control) {
    let Some(start_at) = start_at else { return };
    while control.phase() == Phase::Run {
        match start_at.duration_since(SystemTime::now()) {
            Ok(left) if !left.is_zero() => std::thread::sleep(left.min(TICK)),
            _ => return,
        }
    }
}

/// How long the coordinator waits for a message before it lets the display be drawn again.
const TICK: Duration = Duration::from_millis(100);

/// Looks at thresholds that are to end the run, as often as k6 does.
struct Judge<'a> {
    thresholds: Vec<&'a Threshold>,
    next_look: Duration,
    failed: Option<String>,
}

/// How often thresholds are looked at while the run goes on.
const JUDGE_INTERVAL: Duration = Duration::from_secs(2);

impl<'a> Judge<'a> {
    fn new(thresholds: &'a [Threshold]) -> Self {
        let thresholds = thresholds.iter().filter(|threshold| threshold.abort_on_fail).collect();
        Self { thresholds, next_look: JUDGE_INTERVAL, failed: None }
    }

    /// Ends the run when a threshold fails whose time has come.
    fn look(&mut self, elapsed: Duration, collector: &Collector, control: &Control) {
        if elapsed < self.next_look || self.failed.is_some() || self.thresholds.is_empty() {
            return;
        }
        self.next_look = elapsed + JUDGE_INTERVAL;
        let view = collector.view(elapsed);
        let fails =
            |threshold: &&&Threshold| threshold.aborts(threshold.evaluate(&view).outcome, elapsed);
        if let Some(threshold) = self.thresholds.iter().find(fails) {
            self.failed = Some(format!("{}: {}", threshold.key, threshold.expression));
            // As in k6: what still runs is cut off, so that no time is spent on a lost run.
            control.advance(Phase::Interrupt);
        }
    }
}

/// The workers' threads and the ways to them.
struct Crew {
    threads: Vec<JoinHandle<()>>,
    starts: Vec<Sender<RunClock>>,
    spares: Vec<Sender<Snapshot>>,
}

impl Crew {
    fn start(
        shared: &Shared,
        messages: &Sender<Message>,
        outlets: Vec<Outlet>,
    ) -> Result<Self, String> {
        let mut crew = Self { threads: Vec::new(), starts: Vec::new(), spares: Vec::new() };
        let mut outlets = outlets.into_iter();
        for (index, &core) in shared.plan.pins.iter().enumerate() {
            let (start, start_receiver) = channel();
            let (spare, spares) = channel();
            let setup = Setup {
                index,
                core,
                shared: shared.clone(),
                messages: messages.clone(),
                start: start_receiver,
                spares,
                outlet: outlets.next(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || run_thread(setup))
                .map_err(|error| format!("cannot start a thread for worker {index}: {error}"))?;
            crew.threads.push(thread);
            crew.starts.push(start);
            crew.spares.push(spare);
        }
        Ok(crew)
    }

    fn wait_until_ready(&mut self, inbox: &Receiver<Message>) -> Result<Vec<DriverReport>, String> {
        let mut drivers = vec![None; self.threads.len()];
        while drivers.iter().any(Option::is_none) {
            match inbox.recv() {
                Ok(Message::Ready(index, driver)) => drivers[index] = Some(driver),
                Ok(Message::Failed(error)) => return Err(error),
                Ok(Message::Second(..) | Message::Notice(_) | Message::Done(..)) => {
                    unreachable!("no worker reports before the start")
                }
                Err(_) => return Err("a worker ended before it started".to_owned()),
            }
        }
        Ok(drivers.into_iter().flatten().collect())
    }

    fn release(&mut self, clock: RunClock) {
        for start in self.starts.drain(..) {
            let _lost_worker = start.send(clock);
        }
    }

    /// Waits for the threads and counts those that panicked.
    fn join(self) -> usize {
        self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
    }
}

/// Enough to see that the names of a test keep changing.
const NOTICES_MAX: usize = 100;

/// What has been reported so far.
struct Gathered {
    collector: Collector,
    failing: Failing,
    notices: Vec<Notice>,
    done: usize,
}

impl Gathered {
    fn new(workers: usize) -> Self {
        Self {
            collector: Collector::new(workers),
            failing: Failing::new(),
            notices: Vec::new(),
            done: 0,
        }
    }

    fn take(&mut self, message: Message, crew: &Crew) -> Result<(), String> {
        match message {
            Message::Ready(..) | Message::Notice(_) => {
                unreachable!("every worker was ready before the start, and notices are passed on")
            }
            Message::Failed(error) => return Err(error),
            Message::Second(worker, report) => self.add(worker, *report, crew),
            Message::Done(worker, report, failing) => {
                self.add(worker, *report, crew);
                for (signature, group) in failing {
                    add_group(&mut self.failing, signature, group);
                }
                self.done += 1;
            }
        }
        Ok(())
    }

    /// Passes a notice on, once: each worker looks names up for itself.
    fn note(&mut self, notice: Notice, observer: &mut dyn Observer) {
        let is_known = self.notices.iter().any(|known| known.is_like(&notice));
        if !is_known && self.notices.len() < NOTICES_MAX {
            observer.noticed(&notice);
            self.notices.push(notice);
        }
    }

    fn add(&mut self, worker: usize, mut report: Report, crew: &Crew) {
        self.collector.add(worker, report.second, &mut report.snapshot);
        let _worker_has_ended = crew.spares[worker].send(report.snapshot);
    }
}

//! A worker: one core's thread with its own runtime, bots, connections, timer and recorder.
//!
//! The only place where sessions meet IO. A bot is one task: it takes the next session that the
//! load profile gives it, performs the session's commands one by one, and reports each to the
//! recorder. Nothing is shared with other workers but the atomics of [`Control`].

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;

use tallyho_replay::{BotType, Failure, Outcome, RunFacts, Scratch, Session};

use super::ahead::Ahead;
use super::buffers::{BUFFER_BYTES, Buffers, HELD_BYTES};
use super::clock::{Micros, RunClock, micros};
use super::connection::Connections;
use super::connector::{Connector, Place};
use super::control::{Control, Phase};
use super::exchange::Timing;
use super::origin::{Notice, Origin};
use super::pacing::{Next, Pace, Pacing, Position};
use super::plan::RunPlan;
use super::player::Player;
use super::readiness::Readiness;
use super::scribe::Outlet;
use super::sockets::Sockets;
use super::timer::{NEVER, SCAN_INTERVAL_US, SlotIndex, Slots, Timer, Woken};
use super::tracer::{Failing, Tracer};
use super::{DriverReport, driver, machine};
use crate::metrics::{Recorder, ScenarioIndex, Snapshot, Stalls};

/// What a worker tells the coordinator.
pub(super) enum Message {
    /// The runtime stands and waits for the start.
    Ready(usize, DriverReport),
    /// The runtime could not be built.
    Failed(String),
    /// What happened since the last report, about once a second; the second counts from the start
    /// of the run.
    Second(usize, Box<Report>),
    /// Something that whoever watches the run should know.
    Notice(Notice),
    /// The last report: all bots have ended.
    Done(usize, Box<Report>, Failing),
}

/// A worker's account of about a second.
pub(super) struct Report {
    pub(super) second: u64,
    pub(super) snapshot: Snapshot,
}

/// What all workers of a run share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) plan: Arc<RunPlan>,
    pub(super) control: Arc<Control>,
    /// For each scenario, how many of the sessions that all bots share have been claimed.
    pub(super) claimed: Vec<Arc<AtomicU64>>,
    /// For each scenario, where its numbers start.
    pub(super) first_numbers: Vec<u64>,
}

/// What a worker's thread is given.
pub(super) struct Setup {
    pub(super) index: usize,
    pub(super) core: Option<usize>,
    pub(super) shared: Shared,
    pub(super) messages: Sender<Message>,
    /// The run's clock, sent once when all workers are ready.
    pub(super) start: Receiver<RunClock>,
    /// Snapshots that the coordinator has read, to be filled again.
    pub(super) spares: Receiver<Snapshot>,
    /// The way to the trace, if there is one.
    pub(super) outlet: Option<Outlet>,
}

/// Runs a worker on the calling thread until all its bots have ended.
pub(super) fn run_thread(setup: Setup) {
    let Setup { index, core, shared, messages, start, spares, outlet } = setup;
    let _pinned = core.map(machine::pin_thread);
    let (io_driver, connections) = (shared.plan.io_driver, shared.plan.connections_per_worker());
    let (mut runtime, report) = match driver::build(io_driver, connections) {
        Ok(built) => built,
        Err(error) => {
            let _coordinator_gone = messages.send(Message::Failed(error));
            return;
        }
    };
    let is_epoll = report.name == "epoll";
    let _coordinator_gone = messages.send(Message::Ready(index, report));
    // No clock means that another worker could not start: there is nothing to do.
    let Ok(clock) = start.recv() else { return };
    let link = Link { index, messages, spares };
    let tracer = Tracer::new(outlet, index);
    runtime.block_on(async {
        match Worker::new(&shared, (index, tracer), clock, is_epoll) {
            Ok(worker) => Rc::new(worker).run(link).await,
            Err(error) => {
                let error = format!("worker {index} cannot start: {error}");
                let _coordinator_gone = link.messages.send(Message::Failed(error));
            }
        }
    });
}

/// The way to the coordinator.
struct Link {
    index: usize,
    messages: Sender<Message>,
    spares: Receiver<Snapshot>,
}

/// What a worker's bots share.
pub(super) struct Worker {
    pub(super) plan: Arc<RunPlan>,
    pub(super) control: Arc<Control>,
    pub(super) clock: RunClock,
    pub(super) slots: Slots,
    pub(super) timer: Timer,
    pub(super) connector: Connector,
    /// None on io_uring.
    pub(super) sockets: Option<Rc<Sockets>>,
    ahead: Rc<Ahead>,
    pub(super) buffers: Buffers,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) tracer: Tracer,
    pub(super) setup: Option<Rc<[u8]>>,
    scenarios: Vec<Rc<Scenario>>,
    origins: RefCell<Vec<Rc<Origin>>>,
    facts: Rc<RunFacts>,
    scratch: Rc<Scratch>,
    bots_alive: Cell<u64>,
    bots_made: Cell<u64>,
    /// Bots in a session.
    bots_playing: Cell<u64>,
}

/// A scenario, as this worker plays it.
pub(super) struct Scenario {
    pub(super) pacing: Pacing,
    pub(super) index: ScenarioIndex,
    pub(super) name: String,
    /// What the scenario's name is in the key of every draw.
    pub(super) key: u64,
    bot_type: Rc<BotType>,
    /// What the first session of each bot starts with, if anything.
    pub(super) carry: Option<Arc<[u8]>>,
    /// Due sessions that have been reported.
    due_reported: Cell<u64>,
}

impl Worker {
    fn new(
        shared: &Shared,
        (index, tracer): (usize, Tracer),
        clock: RunClock,
        is_epoll: bool,
    ) -> io::Result<Self> {
        let plan = &shared.plan;
        let mut recorder = Recorder::new();
        let scenarios = scenarios(shared, index, &mut recorder);
        let origin = |(key, addresses): &(String, Vec<_>)| {
            let found = (addresses.clone(), &plan.resolver);
            Origin::new(key.clone(), found, &plan.tls, 0).map(Rc::new)
        };
        let origins: io::Result<Vec<_>> = plan.origins.iter().map(origin).collect();
        let place = Place { worker: index, workers: plan.pins.len() };
        let timer = Timer::new(clock)?;
        let sockets = is_epoll.then(|| Sockets::new(clock, timer.descriptor())).transpose()?;
        Ok(Self {
            control: Arc::clone(&shared.control),
            clock,
            slots: Slots::new(),
            timer,
            connector: Connector::new(plan, place),
            sockets,
            ahead: Rc::default(),
            buffers: Buffers::new(if is_epoll { BUFFER_BYTES } else { HELD_BYTES }),
            recorder: RefCell::new(recorder),
            tracer,
            setup: plan.setup.as_deref().map(Rc::from),
            scenarios,
            origins: RefCell::new(origins?),
            facts: Rc::new(plan.facts.clone()),
            scratch: scratch(plan),
            bots_alive: Cell::new(0),
            bots_made: Cell::new(0),
            bots_playing: Cell::new(0),
            plan: Arc::clone(plan),
        })
    }

    /// Starts the bots and keeps time until the last of them has ended.
    async fn run(self: Rc<Self>, link: Link) {
        if let Some(sockets) = &self.sockets {
            for ender in 0..2 {
                let (worker, sockets) = (Rc::clone(&self), Rc::clone(sockets));
                monoio::spawn(async move { sockets.run(ender, &worker.slots).await });
            }
        }
        for scenario in &self.scenarios {
            for _ in 0..scenario.pacing.bots_prepared() {
                self.make_bot(scenario);
            }
        }
        let readiness = match &self.sockets {
            Some(sockets) => Readiness::Set(Rc::clone(sockets)),
            None => Readiness::by_runtime(self.timer.descriptor())
                .expect("the timer's descriptor can be registered"),
        };
        let mut watch = Watch::new();
        while self.bots_alive.get() > 0 {
            let next_arrival = self.pump(self.clock.now(), NEVER);
            let also = watch.next_scan.min(next_arrival).min(watch.second * SECOND);
            let woken = self.timer.wait(&readiness, also).await;
            self.report_seconds(&mut watch, &link, woken);
            self.timer.fire(&self.slots, woken.now);
            self.keep_watch(&mut watch, &link, woken.now);
        }
        let now = self.clock.now();
        for scenario in &self.scenarios {
            self.dropped(scenario, scenario.pacing.unstarted(now));
        }
        let report = self.report(&link, watch.second, now);
        let failing = self.tracer.finish();
        if let Some(sockets) = &self.sockets {
            sockets.stop();
        }
        let message = Message::Done(link.index, Box::new(report), failing);
        let _coordinator_gone = link.messages.send(message);
    }

    /// Starts one more bot.
    fn make_bot(self: &Rc<Self>, scenario: &Rc<Scenario>) {
        let slot = self.slots.add();
        self.bots_alive.set(self.bots_alive.get() + 1);
        self.bots_made.set(self.bots_made.get() + 1);
        // Counted in before it first runs, so that an arrival meanwhile makes no bot too many.
        let pace = scenario.pacing.enrol();
        let task = Rc::clone(self).run_bot(Rc::clone(scenario), pace, slot);
        monoio::spawn(self.ahead.lead(slot, task));
    }

    /// Hands out what is due now and was due before `end`, and returns when the next arrival is.
    fn pump(self: &Rc<Self>, now: Micros, end: Micros) -> Micros {
        let mut again = NEVER;
        for scenario in &self.scenarios {
            let pumped = scenario.pacing.pump(&self.slots, now, end);
            (0..pumped.make).for_each(|_| self.make_bot(scenario));
            self.dropped(scenario, pumped.dropped);
            again = again.min(pumped.again);
        }
        again
    }

    fn dropped(&self, scenario: &Scenario, sessions: u64) {
        let mut recorder = self.recorder.borrow_mut();
        recorder.dropped(scenario.index, sessions);
        if !scenario.pacing.is_open() {
            recorder.due(scenario.index, sessions);
        }
    }

    /// Reports every second that is over. One that the worker slept through is reported like any
    /// other: what was due in it, and was dropped, counts where it was due.
    fn report_seconds(self: &Rc<Self>, watch: &mut Watch, link: &Link, woken: Woken) {
        let Woken { now, late } = woken;
        let mut still_since = now;
        if late >= STALL_US {
            still_since = now - late;
            let cpu_us = micros(machine::thread_cpu().saturating_sub(watch.cpu));
            let stalls = Stalls { total_us: 0, longest_us: late, cpu_us };
            self.recorder.borrow_mut().stalled(&stalls);
        }
        let stood_still = |from: Micros, to: Micros| {
            let stalls = Stalls { total_us: to.saturating_sub(from), ..Stalls::default() };
            self.recorder.borrow_mut().stalled(&stalls);
        };
        while now >= watch.second * SECOND {
            let end = watch.second * SECOND;
            let _looked_at_again = self.pump(now, end);
            stood_still(still_since, end);
            still_since = still_since.max(end);
            let report = self.report(link, watch.second, end - 1);
            watch.second += 1;
            let message = Message::Second(link.index, Box::new(report));
            let _coordinator_gone = link.messages.send(message);
        }
        stood_still(still_since, now);
    }

    /// Deadlines and phases, each when it is time.
    fn keep_watch(&self, watch: &mut Watch, link: &Link, now: Micros) {
        if now < watch.next_scan {
            return;
        }
        watch.next_scan = now + SCAN_INTERVAL_US;
        watch.cpu = machine::thread_cpu();
        self.slots.scan(now);
        self.tracer.tick(now);
        for origin in &*self.origins.borrow() {
            if let Some(notice) = origin.refresh(&self.plan.resolver, now) {
                let _coordinator_gone = link.messages.send(Message::Notice(notice));
            }
        }
        let phase = self.control.phase();
        if phase != watch.phase {
            watch.phase = phase;
            watch.cut_off = watch.cut_off.min(now + micros(self.plan.drain));
            self.slots.stop_all();
        }
        if phase == Phase::Interrupt || now >= watch.cut_off {
            self.slots.interrupt_all();
        }
    }

    /// What happened since the last report, and was due until and at `now`.
    fn report(&self, link: &Link, second: u64, now: Micros) -> Report {
        let spare = link.spares.try_recv().unwrap_or_default();
        let mut recorder = self.recorder.borrow_mut();
        for scenario in &self.scenarios {
            let due = scenario.pacing.due(now);
            recorder.due(scenario.index, due - scenario.due_reported.replace(due));
        }
        recorder.bots(self.bots_playing.get(), self.bots_made.get());
        let waited = machine::thread_cpu_wait().unwrap_or_default();
        recorder.cpu(micros(machine::thread_cpu()), micros(waited));
        Report { second: second - 1, snapshot: recorder.swap(spare) }
    }

    /// The origin of that key, if its addresses are known.
    pub(super) fn known_origin(&self, key: &str) -> Option<Rc<Origin>> {
        let origins = self.origins.borrow();
        origins.iter().find(|origin| origin.key == key).map(Rc::clone)
    }

    /// Has an origin's host looked up on the background thread, and remembers the answer.
    ///
    /// The answer is looked for every few milliseconds: waking a worker from another thread would
    /// cost every turn of its loop a check, for something that happens once per host.
    pub(super) async fn look_up(
        &self,
        key: String,
        (slot, timeout): (SlotIndex, Duration),
        timing: &mut Timing,
    ) -> Result<Rc<Origin>, Failure> {
        let mut answer = self.plan.resolver.resolve_origin(&key);
        let deadline = timing.started + micros(timeout);
        let addresses = loop {
            match answer.try_recv() {
                Ok(addresses) => break addresses.map_err(|_| Failure::Dns),
                Err(TryRecvError::Closed) => break Err(Failure::Dns),
                Err(TryRecvError::Empty) => {}
            }
            if self.slots.is_interrupted(slot) {
                break Err(Failure::Interrupted);
            }
            if timing.completed >= deadline {
                break Err(Failure::Dns);
            }
            self.timer.sleep(&self.slots, (slot, timing.completed + LOOK_UP_US), || false).await;
            timing.completed = self.clock.now();
        };
        timing.sent = timing.completed;
        let found = (addresses?, &self.plan.resolver);
        let origin = Origin::new(key, found, &self.plan.tls, timing.completed).map_err(|error| {
            timing.reason = Some(error.to_string());
            Failure::Tls
        });
        let origin = Rc::new(origin?);
        self.origins.borrow_mut().push(Rc::clone(&origin));
        Ok(origin)
    }

    /// One bot: session after session, until the profile has no more for it.
    async fn run_bot(self: Rc<Self>, scenario: Rc<Scenario>, mut pace: Pace, slot: SlotIndex) {
        self.slots.attach(slot).await;
        self.control.bot_started();
        let mut session = Session::new(&scenario.bot_type, &self.facts, &self.scratch);
        self.tracer.attach(slot, &session);
        self.ahead.attach(slot, &session);
        let mut connections = Connections::default();
        let mut watch = self.plan.watch.as_ref().map(|make| make());
        let mut now = self.clock.now();
        loop {
            let assignment = match scenario.pacing.next(&mut pace, now) {
                Next::Session(assignment) => Some(assignment),
                Next::Arrival => scenario.pacing.arrival(&self.slots, slot, now).await,
                Next::End => None,
                Next::At(at) => {
                    now = self.rest(slot, at).await;
                    continue;
                }
            };
            let Some(assignment) = assignment else { break };
            now = if assignment.due > now { self.clock.now() } else { now };
            self.slots.begin_session(slot, assignment.stop_at, assignment.cut_off);
            let (connections, watch) = (&mut connections, &mut watch);
            let scenario = &scenario;
            let (request, body) = (Vec::new(), 0..0);
            let worker = &self;
            let mut player =
                Player { worker, scenario, slot, connections, now, request, body, watch };
            self.bots_playing.set(self.bots_playing.get() + 1);
            let outcome = player.play(&mut session, &assignment).await;
            self.bots_playing.set(self.bots_playing.get() - 1);
            now = player.now;
            self.slots.end_session(slot);
            match outcome {
                Some(Outcome::StopBot) => break,
                Some(Outcome::AbortRun(reason)) => self.control.abort(reason.as_str()),
                _ => {}
            }
        }
        self.tracer.detach(slot);
        self.ahead.detach(slot);
        drop(session);
        self.dropped(&scenario, scenario.pacing.left_out(&pace, now));
        self.control.bot_ended();
        self.bots_alive.set(self.bots_alive.get() - 1);
        if self.bots_alive.get() == 0 {
            self.timer.arm(now);
        }
    }

    /// Waits until `at`, or until the run stops, and returns the time. A bot that the profile has
    /// no use for now is not an active one.
    async fn rest(&self, slot: SlotIndex, at: Micros) -> Micros {
        self.control.bot_ended();
        self.slots.rest(slot);
        let is_over = || self.slots.is_stopping(slot);
        self.timer.sleep(&self.slots, (slot, at), is_over).await;
        self.control.bot_started();
        self.clock.now()
    }
}

/// What the worker's sessions share; it holds the secrets that all of them do.
fn scratch(plan: &RunPlan) -> Rc<Scratch> {
    let scratch = Scratch::new();
    let secrets = plan.shared_secrets.iter().map(String::as_str);
    scratch.share_secrets(plan.facts.secret_key, secrets);
    scratch
}

/// The worker's share of every scenario.
fn scenarios(shared: &Shared, worker: usize, recorder: &mut Recorder) -> Vec<Rc<Scenario>> {
    let plan = &shared.plan;
    let workers = plan.pins.len();
    let mut scenarios = Vec::with_capacity(plan.scenarios.len());
    let lots = shared.claimed.iter().zip(&shared.first_numbers);
    for (scenario, (claimed, &first_number)) in plan.scenarios.iter().zip(lots) {
        let begin = scenario.begin.as_ref();
        let position = Position {
            worker,
            workers,
            task_index: plan.task_index,
            first_number,
            first_session: begin.map_or(0, |begin| begin.session),
            seed: plan.facts.seed,
        };
        let control = Arc::clone(&shared.control);
        scenarios.push(Rc::new(Scenario {
            pacing: Pacing::new(scenario, position, control, Arc::clone(claimed)),
            index: recorder.scenario(&scenario.name),
            name: scenario.name.clone(),
            key: scenario.key,
            bot_type: (scenario.bot)(),
            carry: begin.map(|begin| Arc::clone(&begin.carry)).filter(|carry| !carry.is_empty()),
            due_reported: Cell::new(0),
        }));
    }
    scenarios
}

const SECOND: Micros = 1_000_000;
/// A timer that comes this late was not late because of one turn of the loop, which takes
/// milliseconds when thousands of answers wait: the worker stood still.
const STALL_US: Micros = 100_000;
/// How often a bot looks for the addresses that it waits for.
const LOOK_UP_US: Micros = 2_000;

/// What the worker's watch will do next, and when.
struct Watch {
    next_scan: Micros,
    /// The second, counted from the start of the run, at whose beginning the next report is due.
    second: u64,
    phase: Phase,
    /// When running sessions are cut off.
    cut_off: Micros,
    /// The CPU time of the thread at the last scan.
    cpu: Duration,
}

impl Watch {
    fn new() -> Self {
        let (phase, cpu) = (Phase::Run, machine::thread_cpu());
        Self { next_scan: 0, second: 1, phase, cut_off: NEVER, cpu }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How large the future is that an asynchronous function returns.
    fn future_size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_bot_is_small() {
        let bytes = future_size(Worker::run_bot);
        eprintln!("{bytes} bytes, of which a session takes {}", size_of::<Session>());
        assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes for each bot");
    }

    /// Every bot holds its task, whatever it waits for.
    const TASK_BYTES_MAX: usize = 2_816;
}

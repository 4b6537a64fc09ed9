//! A worker: one core's thread with its own runtime, bots, connections, timer and recorder.
//!
//! The only place where sessions meet IO. A bot is one task: it takes the next session that the
//! load profile gives it, performs the session's commands one by one, and reports each to the
//! recorder. Nothing is shared with other workers but the atomics of [`Control`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;

use tallyho_replay::{BotType, Failure, Outcome, RunFacts, Scratch, Session};

use super::buffers::Buffers;
use super::clock::{Micros, RunClock, micros};
use super::connection::{Connections, Connector, Origin};
use super::control::{Control, Phase};
use super::exchange::Timing;
use super::pacing::Pacing;
use super::player::Player;
use super::timer::{NEVER, SCAN_INTERVAL_US, SlotIndex, Slots, Timer};
use super::{DriverReport, RunPlan, driver, machine};
use crate::metrics::{Recorder, ScenarioIndex, Snapshot};

/// What a worker tells the coordinator.
pub(super) enum Message {
    /// The runtime stands and waits for the start.
    Ready(usize, DriverReport),
    /// The runtime could not be built.
    Failed(String),
    /// What happened since the last report, about once a second; the second counts from the start
    /// of the run.
    Second(usize, Box<Report>),
    /// The last report: all bots have ended.
    Done(usize, Box<Report>),
}

/// A worker's account of about a second.
pub(super) struct Report {
    pub(super) second: u64,
    pub(super) snapshot: Snapshot,
}

/// What a worker's thread is given.
pub(super) struct Setup {
    pub(super) index: usize,
    pub(super) core: Option<usize>,
    pub(super) plan: Arc<RunPlan>,
    pub(super) control: Arc<Control>,
    pub(super) messages: Sender<Message>,
    /// The run's clock, sent once when all workers are ready.
    pub(super) start: Receiver<RunClock>,
    /// Snapshots that the coordinator has read, to be filled again.
    pub(super) spares: Receiver<Snapshot>,
}

/// Runs a worker on the calling thread until all its bots have ended.
pub(super) fn run_thread(setup: Setup) {
    let Setup { index, core, plan, control, messages, start, spares } = setup;
    let _pinned = core.map(machine::pin_thread);
    let pacing_share = plan.connections_per_worker();
    let (mut runtime, report) = match driver::build(plan.io_driver, pacing_share) {
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
    runtime.block_on(async {
        match Worker::new(&link, &plan, control, clock, is_epoll) {
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
    pub(super) pacing: Pacing,
    pub(super) slots: Slots,
    pub(super) timer: Timer,
    pub(super) connector: Connector,
    pub(super) buffers: Buffers,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) scenario: ScenarioIndex,
    /// What the scenario's name is in the key of every draw.
    pub(super) scenario_key: u64,
    pub(super) origins: RefCell<Vec<Rc<Origin>>>,
    facts: Rc<RunFacts>,
    bot_type: Rc<BotType>,
    scratch: Rc<Scratch>,
    bots_alive: Cell<usize>,
    /// Due sessions that have been reported.
    due_reported: Cell<u64>,
}

impl Worker {
    fn new(
        link: &Link,
        plan: &Arc<RunPlan>,
        control: Arc<Control>,
        clock: RunClock,
        is_epoll: bool,
    ) -> std::io::Result<Self> {
        let position = (link.index, plan.pins.len());
        let profile = plan.profile.clone();
        let pacing = Pacing::new(profile, Arc::clone(&control), plan.task_index, position);
        let origins = plan
            .origins
            .iter()
            .map(|(key, addresses)| Rc::new(Origin::new(key.clone(), addresses.clone())));
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario(&plan.scenario);
        Ok(Self {
            control,
            clock,
            pacing,
            slots: Slots::new(),
            timer: Timer::new(clock)?,
            connector: Connector::new(plan.sources.clone(), is_epoll),
            buffers: Buffers::default(),
            recorder: RefCell::new(recorder),
            scenario,
            scenario_key: plan.scenario_key,
            origins: RefCell::new(origins.collect()),
            facts: Rc::new(plan.facts.clone()),
            bot_type: (plan.bot)(),
            scratch: Scratch::new(),
            bots_alive: Cell::new(0),
            due_reported: Cell::new(0),
            plan: Arc::clone(plan),
        })
    }

    /// Starts the bots and keeps time until the last of them has ended.
    async fn run(self: Rc<Self>, link: Link) {
        for _ in 0..self.pacing.bots() {
            let slot = self.slots.add();
            self.bots_alive.set(self.bots_alive.get() + 1);
            monoio::spawn(Rc::clone(&self).run_bot(slot));
        }
        let readiness = self.timer.readiness().expect("the timer's descriptor can be registered");
        let mut watch = Watch { next_scan: 0, second: 1, phase: Phase::Run, cut_off: NEVER };
        while self.bots_alive.get() > 0 {
            let next_arrival = self.pacing.pump(&self.slots, self.clock.now());
            let also = watch.next_scan.min(next_arrival).min(watch.second * SECOND);
            let now = self.timer.wait(&readiness, also).await;
            self.timer.fire(&self.slots, now);
            self.keep_watch(&mut watch, &link, now);
        }
        let now = self.clock.now();
        let unstarted = self.pacing.unstarted(now.min(self.pacing.end()));
        self.recorder.borrow_mut().dropped(self.scenario, unstarted);
        let report = self.report(&link, watch.second, now);
        let _coordinator_gone = link.messages.send(Message::Done(link.index, Box::new(report)));
    }

    /// Deadlines, phases and the report of the second, each when it is time.
    fn keep_watch(&self, watch: &mut Watch, link: &Link, now: Micros) {
        if now >= watch.second * SECOND {
            let report = self.report(link, watch.second, now);
            watch.second = now / SECOND + 1;
            let _coordinator_gone =
                link.messages.send(Message::Second(link.index, Box::new(report)));
        }
        if now < watch.next_scan {
            return;
        }
        watch.next_scan = now + SCAN_INTERVAL_US;
        self.slots.expire_deadlines(now);
        let phase = self.control.phase();
        if watch.cut_off == NEVER && (phase != Phase::Run || now >= self.pacing.end()) {
            watch.cut_off = now + micros(self.plan.drain);
        }
        if phase != watch.phase {
            watch.phase = phase;
            self.slots.wake_all();
        }
        if phase == Phase::Interrupt || now >= watch.cut_off {
            self.slots.interrupt_all();
        }
    }

    fn report(&self, link: &Link, second: u64, now: Micros) -> Report {
        let spare = link.spares.try_recv().unwrap_or_default();
        let due = self.pacing.due(now.min(self.pacing.end()));
        let mut recorder = self.recorder.borrow_mut();
        recorder.due(self.scenario, due - self.due_reported.replace(due));
        recorder.bots(self.bots_alive.get() as u64, self.pacing.bots() as u64);
        recorder.cpu(micros(machine::thread_cpu()));
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
        let origin = Rc::new(Origin::new(key, addresses?));
        self.origins.borrow_mut().push(Rc::clone(&origin));
        Ok(origin)
    }

    /// One bot: session after session, until the profile has no more for it.
    async fn run_bot(self: Rc<Self>, slot: SlotIndex) {
        self.slots.attach(slot).await;
        self.control.bot_started();
        let mut session = Session::new(&self.bot_type, &self.facts, &self.scratch);
        let mut connections = Connections::default();
        let mut watch = self.plan.watch.as_ref().map(|make| make());
        let (mut sessions, mut now) = (0, self.clock.now());
        while let Some(assignment) = self.pacing.next(&self.slots, slot, sessions, now).await {
            now = if assignment.due > now { self.clock.now() } else { now };
            let watch = &mut watch;
            let connections = &mut connections;
            let mut player = Player { worker: &self, slot, connections, now, watch };
            let outcome = player.play(&mut session, assignment).await;
            now = player.now;
            sessions += 1;
            match outcome {
                None | Some(Outcome::StopBot) => break,
                Some(Outcome::AbortRun(reason)) => self.control.abort(reason.as_str()),
                Some(_) => {}
            }
        }
        drop(session);
        self.control.bot_ended();
        self.bots_alive.set(self.bots_alive.get() - 1);
        if self.bots_alive.get() == 0 {
            self.timer.arm(now);
        }
    }
}

const SECOND: Micros = 1_000_000;
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
}

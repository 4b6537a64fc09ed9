//! Which session a worker's bots run next, and when: one scenario's load profile, as one worker
//! sees it.
//!
//! Workers divide a run without talking to each other: bots and arrivals are dealt out by their
//! number, so that who does what follows from the plan alone. Only sessions that all bots share are
//! claimed from a common counter.
//!
//! Numbers are global, so neither tasks nor scenarios overlap: a bot's is its scenario's first
//! number (see [`first_numbers`]) plus its own. Where which bot runs next is a matter of timing,
//! sessions are numbered instead, by arrival or by iteration. Knows nothing of IO: it is told the
//! time and answers with sessions.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use super::arrivals::{Arrivals, Key};
use super::clock::{Micros, micros};
use super::control::{Control, Phase};
use super::plan::{RunPlan, ScenarioPlan};
use super::ramp::{self, Stretch};
use super::schedule::{OnNoFreeBot, Profile, Supply};
use super::timer::{NEVER, SlotIndex, Slots};

/// A session to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) bot: u64,
    pub(super) session: u64,
    pub(super) due: Micros,
    /// For how long it was due while no bot was free.
    pub(super) waited: Micros,
    /// The bot's session before was this one's predecessor, so what it carried is handed on.
    pub(super) is_continued: bool,
    /// From then on it should come to an end.
    pub(super) stop_at: Micros,
    /// Then it is cut off.
    pub(super) cut_off: Micros,
}

/// What a bot does next.
pub(super) enum Next {
    /// It runs this session.
    Session(Assignment),
    /// It waits until then, and asks again.
    At(Micros),
    /// It waits for an arrival: [`Pacing::arrival`].
    Arrival,
    /// Nothing any more.
    End,
}

/// A bot's own place in the profile.
pub(super) struct Pace {
    /// Its number within the scenario of this task.
    local: u64,
    /// How many sessions it has begun.
    sessions: u64,
    /// When it runs, where bots come and go.
    stretches: Vec<Stretch>,
}

/// A worker's share of a scenario's load profile.
pub(super) struct Pacing {
    profile: Profile,
    control: Arc<Control>,
    /// Sessions that all workers' bots share, claimed so far.
    claimed: Arc<AtomicU64>,
    /// The number of the scenario's first bot, or of its first session where those are numbered.
    first_number: u64,
    /// The number of each bot's first session.
    first_session: u64,
    worker: u64,
    workers: u64,
    open: Option<OpenModel>,
    start: Micros,
    end: Micros,
    graceful_stop: Micros,
    bots_made: Cell<u64>,
}

/// The state of an open model: arrivals that are due whether or not a bot is free.
struct OpenModel {
    arrivals: Arrivals,
    supply: Supply,
    /// The next arrival of this worker, by its number in the task, and when it is due; no time
    /// when there will be no more.
    next: Cell<(u64, Option<Micros>)>,
    /// When arrivals were last looked at while the run went on.
    pumped_at: Cell<Micros>,
    idle: RefCell<VecDeque<SlotIndex>>,
    /// Sessions handed to bots that are about to wake.
    assigned: RefCell<Vec<Option<Assignment>>>,
    /// Sessions for bots that are about to be made.
    fresh: RefCell<VecDeque<Assignment>>,
}

/// What is to be done after arrivals were handed out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pumped {
    /// When to look again.
    pub(super) again: Micros,
    /// Bots to make.
    pub(super) make: u64,
    /// Arrivals that found no bot.
    pub(super) dropped: u64,
}

/// Which worker of how many, and where a scenario's numbers start.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) worker: usize,
    pub(super) workers: usize,
    pub(super) task_index: u32,
    /// The number of the scenario's first bot, or of its first session where those are numbered.
    pub(super) first_number: u64,
    /// The number of each bot's first session.
    pub(super) first_session: u64,
    /// What Poisson arrivals are drawn from.
    pub(super) seed: u64,
}

/// Where the numbers of each scenario start in this task: one behind the other, so that accounts
/// and whatever else a bot derives from its number are its own.
///
/// # Errors
///
/// When there are more numbers than 64 bits hold.
pub(super) fn first_numbers(plan: &RunPlan) -> Result<Vec<u64>, String> {
    let too_many = || "the scenarios have more sessions than can be numbered".to_owned();
    let mut next = 0_u64;
    let mut firsts = Vec::with_capacity(plan.scenarios.len());
    for scenario in plan.scenarios.iter().filter(|scenario| scenario.begin.is_none()) {
        firsts.push(next);
        next = next.checked_add(scenario.profile.numbers()).ok_or_else(too_many)?;
    }
    let per_task = next.max(plan.facts.bots_per_task);
    let first = per_task.checked_mul(u64::from(plan.task_index)).ok_or_else(too_many)?;
    first.checked_add(per_task).ok_or_else(too_many)?;
    let mut firsts = firsts.into_iter().map(|number| first + number);
    let numbers = plan.scenarios.iter().map(|scenario| match &scenario.begin {
        Some(begin) => begin.bot,
        None => firsts.next().expect("one for each that has no number of its own"),
    });
    Ok(numbers.collect())
}

impl Pacing {
    pub(super) fn new(
        plan: &ScenarioPlan,
        position: Position,
        control: Arc<Control>,
        claimed: Arc<AtomicU64>,
    ) -> Self {
        let (worker, mut workers) = (position.worker as u64, position.workers as u64);
        let profile = plan.profile.clone();
        let Position { seed, task_index, .. } = position;
        let key = Key { seed, scenario: plan.key, task_index };
        let open = profile.arrivals(key).zip(profile.supply()).map(|(arrivals, supply)| {
            // With fewer bots than workers, those without one have no part in the arrivals.
            workers = workers.min(supply.max).max(1);
            let first = if worker < workers { worker } else { u64::MAX };
            OpenModel {
                next: Cell::new((first, arrivals.due(first))),
                arrivals,
                supply,
                pumped_at: Cell::new(0),
                idle: RefCell::default(),
                assigned: RefCell::default(),
                fresh: RefCell::default(),
            }
        });
        let start = micros(plan.start);
        let end = start.saturating_add(profile.duration_us());
        let graceful_stop = micros(plan.graceful_stop);
        let bots_made = Cell::new(0);
        Self {
            profile,
            control,
            claimed,
            first_number: position.first_number,
            first_session: position.first_session,
            worker,
            workers,
            open,
            start,
            end,
            graceful_stop,
            bots_made,
        }
    }

    /// Whether sessions are due by the profile, and not when a bot is free.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many bots this worker runs from the beginning.
    pub(super) fn bots_prepared(&self) -> u64 {
        self.share(self.open.as_ref().map_or(self.profile.vus(), |open| {
            let supply = open.supply;
            supply.prepared.clamp(self.workers.min(supply.max), supply.max)
        }))
    }

    fn share(&self, all: u64) -> u64 {
        if self.worker >= self.workers {
            return 0;
        }
        all / self.workers + u64::from(self.worker < all % self.workers)
    }

    /// Counts a bot in, and gives it its place.
    pub(super) fn enrol(&self) -> Pace {
        let nth = self.bots_made.replace(self.bots_made.get() + 1);
        let local = nth * self.workers + self.worker;
        let stretches = match &self.profile {
            Profile::RampingVus { start_vus, stages, .. } => {
                ramp::stretches(*start_vus, stages, local)
            }
            _ => Vec::new(),
        };
        Pace { local, sessions: 0, stretches }
    }

    /// What a bot does next. `now` is the latest time that the caller knows.
    pub(super) fn next(&self, pace: &mut Pace, now: Micros) -> Next {
        if self.control.phase() != Phase::Run {
            return Next::End;
        }
        if now < self.start {
            return Next::At(self.start);
        }
        match &self.profile {
            Profile::ConstantArrivalRate { .. } | Profile::RampingArrivalRate { .. } => {
                Next::Arrival
            }
            Profile::RampingVus { graceful_ramp_down, .. } => {
                self.next_on_ramp(pace, now, micros(*graceful_ramp_down))
            }
            _ if now >= self.end => Next::End,
            Profile::SharedIterations { iterations, .. } => {
                let iteration = self.claimed.fetch_add(1, Ordering::Relaxed);
                if iteration >= *iterations {
                    return Next::End;
                }
                Next::Session(Assignment {
                    session: 0,
                    is_continued: false,
                    ..self.immediate(self.first_number + iteration, pace, now)
                })
            }
            Profile::PerVuIterations { iterations, .. } if pace.sessions >= *iterations => {
                Next::End
            }
            Profile::PerVuIterations { .. } | Profile::ConstantVus { .. } => {
                Next::Session(self.immediate(self.first_number + pace.local, pace, now))
            }
        }
    }

    /// A session that a bot takes up as soon as it is free.
    fn immediate(&self, bot: u64, pace: &mut Pace, now: Micros) -> Assignment {
        let session = pace.sessions;
        pace.sessions += 1;
        Assignment {
            bot,
            session: self.first_session + session,
            due: now,
            waited: 0,
            is_continued: session > 0,
            stop_at: self.end,
            cut_off: self.cut_off(),
        }
    }

    fn next_on_ramp(&self, pace: &mut Pace, now: Micros, ramp_down: Micros) -> Next {
        let within = now - self.start;
        let Some(&stretch) = pace.stretches.iter().find(|stretch| within < stretch.end) else {
            return Next::End;
        };
        if within < stretch.start {
            return Next::At(self.start + stretch.start);
        }
        let session = self.immediate(self.first_number + pace.local, pace, now);
        let stop_at = self.start + stretch.end;
        let removed = stop_at.saturating_add(ramp_down).min(session.cut_off);
        let cut_off = if stop_at == self.end { session.cut_off } else { removed };
        Next::Session(Assignment { stop_at, cut_off, ..session })
    }

    /// Waits for an arrival; none when there will be no more.
    pub(super) async fn arrival(
        &self,
        slots: &Slots,
        slot: SlotIndex,
        now: Micros,
    ) -> Option<Assignment> {
        let open = self.open.as_ref()?;
        if let Some(assignment) = open.fresh.borrow_mut().pop_front() {
            return Some(assignment);
        }
        if let Some(assignment) = self.take_due(open, now) {
            // Since all bots were busy when it was due; a free one would have been handed it.
            return Some(Assignment { waited: now - assignment.due, ..assignment });
        }
        open.idle.borrow_mut().push_back(slot);
        poll_fn(|_| {
            let mut assigned = open.assigned.borrow_mut();
            if assigned.len() <= slot {
                assigned.resize(slot + 1, None);
            }
            match assigned[slot].take() {
                Some(assignment) => Poll::Ready(Some(assignment)),
                None if self.has_ended(open) || slots.is_interrupted(slot) => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// When the last sessions are cut off.
    fn cut_off(&self) -> Micros {
        self.end.saturating_add(self.graceful_stop)
    }

    fn has_ended(&self, open: &OpenModel) -> bool {
        self.next_due(open).is_none()
    }

    /// When the worker's next arrival is due; none when there will be no more.
    fn next_due(&self, open: &OpenModel) -> Option<Micros> {
        let (_, due) = open.next.get();
        due.filter(|_| self.control.phase() == Phase::Run).map(|due| self.start.saturating_add(due))
    }

    fn take_due(&self, open: &OpenModel, now: Micros) -> Option<Assignment> {
        let due = self.next_due(open).filter(|&due| due <= now)?;
        let (index, _) = open.next.get();
        if now >= self.cut_off() {
            // What still waits would be cut off as soon as it starts.
            open.next.set((index, None));
            return None;
        }
        let next = index + self.workers;
        open.next.set((next, open.arrivals.due(next)));
        Some(Assignment {
            bot: self.first_number + index,
            session: 0,
            due,
            waited: 0,
            is_continued: false,
            stop_at: self.end,
            cut_off: self.cut_off(),
        })
    }

    /// Hands arrivals that are due at `now`, and were due before `end`, to free bots, asks for more
    /// bots where there are none, and drops what may not wait. Arrivals that wait are taken, oldest
    /// first, by bots that end a session.
    pub(super) fn pump(&self, slots: &Slots, now: Micros, end: Micros) -> Pumped {
        let mut pumped = Pumped { again: NEVER, ..Pumped::default() };
        let Some(open) = &self.open else { return pumped };
        if self.control.phase() == Phase::Run {
            open.pumped_at.set(now);
        }
        let max = self.share(open.supply.max);
        while let Some(due) = self.next_due(open) {
            if due > now || due >= end {
                pumped.again = due;
                return pumped;
            }
            if now >= self.cut_off() {
                let _closed = self.take_due(open, now);
                break;
            }
            let idle = open.idle.borrow_mut().pop_front();
            let may_make = self.bots_made.get() + pumped.make < max;
            match (idle, open.supply.on_no_free_bot) {
                (Some(slot), _) => {
                    open.assigned.borrow_mut()[slot] = self.take_due(open, now);
                    slots.wake(slot);
                }
                (None, _) if may_make => {
                    open.fresh.borrow_mut().extend(self.take_due(open, now));
                    pumped.make += 1;
                }
                (None, OnNoFreeBot::Drop) => {
                    pumped.dropped += u64::from(self.take_due(open, now).is_some());
                }
                (None, OnNoFreeBot::Wait) => return pumped,
            }
        }
        for slot in open.idle.borrow_mut().drain(..) {
            slots.wake(slot);
        }
        pumped
    }

    /// Sessions of this worker that were due by `now`; none where a session is due when a bot is.
    /// Nothing is due any more when the run was told to stop.
    pub(super) fn due(&self, now: Micros) -> u64 {
        let Some(open) = &self.open else { return 0 };
        let is_running = self.control.phase() == Phase::Run;
        let now = if is_running { now } else { now.min(open.pumped_at.get()) };
        if now < self.start {
            return 0;
        }
        if self.worker >= self.workers {
            return 0;
        }
        let arrived = open.arrivals.due_by(now.min(self.end) - self.start);
        arrived.saturating_sub(self.worker).div_ceil(self.workers)
    }

    /// Sessions that were due by `now`, and neither started nor were counted as dropped.
    pub(super) fn unstarted(&self, now: Micros) -> u64 {
        let taken = |open: &OpenModel| open.next.get().0.saturating_sub(self.worker) / self.workers;
        match (&self.open, &self.profile) {
            (Some(open), _) if self.worker < self.workers => {
                let untold = open.fresh.borrow().len() as u64;
                self.due(now).saturating_sub(taken(open)) + untold
            }
            // Of those that all share, the first worker to end after the time is up speaks for all.
            (None, Profile::SharedIterations { iterations, .. }) if now >= self.end => {
                iterations.saturating_sub(self.claimed.fetch_max(*iterations, Ordering::Relaxed))
            }
            _ => 0,
        }
    }

    /// Sessions that a bot which ended at `now` should still have run in the time it had.
    pub(super) fn left_out(&self, pace: &Pace, now: Micros) -> u64 {
        match &self.profile {
            Profile::PerVuIterations { iterations, .. } if now >= self.end => {
                iterations - pace.sessions
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;

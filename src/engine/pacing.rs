//! Which session a worker's bots run next, and when: the load profile, as one worker sees it.
//!
//! Workers divide a run without talking to each other: bots and arrivals are dealt out by their
//! number, so that who does what follows from the plan alone. Only sessions that all bots share are
//! claimed from a common counter. Knows nothing of IO: it is told the time and answers with
//! sessions.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::clock::Micros;
use super::control::{Control, Phase};
use super::schedule::{Arrivals, Profile};
use super::timer::{NEVER, SlotIndex, Slots};

/// A session to run: who it is, and since when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) bot: u64,
    pub(super) session: u64,
    pub(super) due: Micros,
    /// For how long it was due while no bot was free.
    pub(super) waited: Micros,
    /// The bot's session before was this one's predecessor, so what it carried is handed on.
    pub(super) is_continued: bool,
}

impl Assignment {
    /// A session that a bot takes up as soon as it is free.
    fn immediate(bot: u64, session: u64, now: Micros) -> Self {
        Self { bot, session, due: now, waited: 0, is_continued: session > 0 }
    }
}

/// A worker's share of the load profile.
pub(super) struct Pacing {
    profile: Profile,
    control: Arc<Control>,
    /// Bot and arrival numbers of this task start here.
    first_number: u64,
    worker: u64,
    workers: u64,
    open: Option<OpenModel>,
    end: Micros,
}

/// The state of an open model: arrivals that are due whether or not a bot is free.
struct OpenModel {
    arrivals: Arrivals,
    /// The next arrival of this worker, by its number in the task.
    next: Cell<u64>,
    idle: RefCell<VecDeque<SlotIndex>>,
    assigned: RefCell<Vec<Option<Assignment>>>,
}

impl Pacing {
    /// `task_index` shifts the numbers of bots, arrivals and shared sessions, so that tasks never
    /// overlap.
    pub(super) fn new(
        profile: Profile,
        control: Arc<Control>,
        task_index: u32,
        (worker, workers): (usize, usize),
    ) -> Self {
        let (worker, workers) = (worker as u64, workers as u64);
        let open = profile.arrivals().map(|arrivals| OpenModel {
            arrivals,
            next: Cell::new(worker),
            idle: RefCell::default(),
            assigned: RefCell::default(),
        });
        let numbers_per_task = match &profile {
            Profile::ConstantVus { vus, .. } => *vus,
            Profile::SharedIterations { iterations, .. } => *iterations,
            Profile::ConstantArrivalRate { .. } => open.as_ref().map_or(0, |o| o.arrivals.count),
        };
        let first_number = u64::from(task_index) * numbers_per_task;
        let end = profile.duration_us();
        Self { profile, control, first_number, worker, workers, open, end }
    }

    /// Whether sessions are due by the profile, and not when a bot is free.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many bots this worker runs.
    pub(super) fn bots(&self) -> usize {
        let vus = self.profile.vus();
        let share = vus / self.workers + u64::from(self.worker < vus % self.workers);
        usize::try_from(share).expect("bots of one worker fit into memory")
    }

    /// When sessions stop to start by the profile.
    pub(super) fn end(&self) -> Micros {
        self.end
    }

    /// The next session of the bot in `slot`, which has run `sessions` so far; none when it is to
    /// end. In an open model this waits for an arrival. `now` is the latest time that the caller
    /// knows.
    pub(super) async fn next(
        &self,
        slots: &Slots,
        slot: SlotIndex,
        sessions: u64,
        now: Micros,
    ) -> Option<Assignment> {
        match &self.open {
            Some(open) => self.next_arrival(open, slots, slot, now).await,
            None => self.next_closed(slot, sessions, now),
        }
    }

    fn next_closed(&self, slot: SlotIndex, sessions: u64, now: Micros) -> Option<Assignment> {
        if now >= self.end || self.control.phase() != Phase::Run {
            return None;
        }
        if let Profile::SharedIterations { iterations, .. } = &self.profile {
            let iteration = self.control.claim_iteration();
            let bot = self.first_number + iteration;
            return (iteration < *iterations).then(|| Assignment::immediate(bot, 0, now));
        }
        let bot = self.first_number + slot as u64 * self.workers + self.worker;
        Some(Assignment::immediate(bot, sessions, now))
    }

    async fn next_arrival(
        &self,
        open: &OpenModel,
        slots: &Slots,
        slot: SlotIndex,
        now: Micros,
    ) -> Option<Assignment> {
        if self.control.phase() == Phase::Run
            && let Some(assignment) = self.take_due(open, now)
        {
            // Since all bots were busy when it was due; a free one would have been handed it.
            return Some(Assignment { waited: now - assignment.due, ..assignment });
        }
        open.idle.borrow_mut().push_back(slot);
        poll_fn(|_| {
            let assigned = {
                let mut assigned = open.assigned.borrow_mut();
                if assigned.len() <= slot {
                    assigned.resize(slot + 1, None);
                }
                assigned[slot].take()
            };
            if assigned.is_some() {
                return Poll::Ready(assigned);
            }
            if self.has_ended(open) || slots.is_interrupted(slot) {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    fn has_ended(&self, open: &OpenModel) -> bool {
        open.next.get() >= open.arrivals.count || self.control.phase() != Phase::Run
    }

    fn take_due(&self, open: &OpenModel, now: Micros) -> Option<Assignment> {
        let index = open.next.get();
        let due = open.arrivals.due(index);
        if index >= open.arrivals.count || due > now {
            return None;
        }
        open.next.set(index + self.workers);
        let bot = self.first_number + index;
        Some(Assignment { bot, session: 0, due, waited: 0, is_continued: false })
    }

    /// Hands due arrivals to free bots, and returns when the next one is due that a free bot could
    /// take. Without a free bot, arrivals wait: the next bot to end a session takes the oldest.
    pub(super) fn pump(&self, slots: &Slots, now: Micros) -> Micros {
        let Some(open) = &self.open else { return NEVER };
        if self.has_ended(open) {
            for slot in open.idle.borrow_mut().drain(..) {
                slots.wake(slot);
            }
            return NEVER;
        }
        loop {
            let Some(slot) = open.idle.borrow_mut().pop_front() else { return NEVER };
            let Some(assignment) = self.take_due(open, now) else {
                open.idle.borrow_mut().push_front(slot);
                let next = open.next.get();
                return if next < open.arrivals.count { open.arrivals.due(next) } else { now };
            };
            open.assigned.borrow_mut()[slot] = Some(assignment);
            slots.wake(slot);
        }
    }

    /// Sessions of this worker that were due by `now`; none where a session is due when a bot is.
    pub(super) fn due(&self, now: Micros) -> u64 {
        let Some(open) = &self.open else { return 0 };
        let arrived = open.arrivals.due_by(now);
        arrived.saturating_sub(self.worker).div_ceil(self.workers)
    }

    /// Sessions of this worker that have been given to a bot.
    fn taken(&self, open: &OpenModel) -> u64 {
        (open.next.get() - self.worker) / self.workers
    }

    /// Arrivals of this worker that were due by `now` and never started.
    pub(super) fn unstarted(&self, now: Micros) -> u64 {
        self.open.as_ref().map_or(0, |open| self.due(now) - self.taken(open))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::schedule::Rate;
    use super::*;

    fn closed(vus: u64, workers: usize, task_index: u32) -> Vec<Pacing> {
        let profile = Profile::ConstantVus { vus, duration: Duration::from_secs(1) };
        let control = Arc::new(Control::default());
        (0..workers)
            .map(|w| Pacing::new(profile.clone(), Arc::clone(&control), task_index, (w, workers)))
            .collect()
    }

    fn bots_of(pacings: &[Pacing]) -> Vec<u64> {
        let mut bots: Vec<u64> = pacings
            .iter()
            .flat_map(|p| (0..p.bots()).map(|slot| p.next_closed(slot, 0, 0).expect("runs").bot))
            .collect();
        bots.sort_unstable();
        bots
    }

    #[test]
    fn bots_are_the_same_however_many_workers_and_tasks_share_them() {
        let whole: Vec<u64> = (0..10).collect();
        for workers in 1..=4 {
            assert_eq!(bots_of(&closed(10, workers, 0)), whole);
        }
        let mut tasks = bots_of(&closed(5, 2, 0));
        tasks.extend(bots_of(&closed(5, 3, 1)));
        assert_eq!(tasks, whole);
    }

    #[test]
    fn shared_sessions_are_given_out_once_each() {
        let profile = Profile::SharedIterations {
            vus: 3,
            iterations: 7,
            max_duration: Duration::from_secs(1),
        };
        let pacing = Pacing::new(profile, Arc::default(), 1, (0, 1));
        let given: Vec<u64> =
            (0..9).filter_map(|_| pacing.next_closed(0, 0, 0)).map(|a| a.bot).collect();
        assert_eq!(given, [7, 8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn arrivals_are_dealt_to_workers_by_number_and_none_is_lost() {
        let rate = Rate { count: 1_000, unit: Duration::from_secs(1) };
        let profile = Profile::ConstantArrivalRate {
            rate,
            duration: Duration::from_secs(1),
            iterations: None,
            vus: 4,
        };
        let mut seen = Vec::new();
        for worker in 0..3 {
            let pacing = Pacing::new(profile.clone(), Arc::default(), 0, (worker, 3));
            let open = pacing.open.as_ref().expect("an open model");
            assert_eq!(pacing.take_due(open, 0).is_some(), worker == 0);
            seen.extend((worker == 0).then_some(0));
            while let Some(assignment) = pacing.take_due(open, 999_999) {
                assert_eq!(assignment.due, assignment.bot * 1_000);
                seen.push(assignment.bot);
            }
            assert_eq!(pacing.unstarted(999_999), 0);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<u64>>());
    }
}

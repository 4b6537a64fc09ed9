//! A worker's timer and what its bots wait for.
//!
//! One heap and one timerfd instead of the runtime's wheel, for two reasons: the wheel ticks in
//! milliseconds and rounds twice (half of all arrivals a millisecond late), and it costs an entry
//! per request for a deadline that hardly ever fires. Here a wake-up happens at the exact instant
//! when wake-ups are rare and at most every [`WAKE_INTERVAL_MIN_US`] when they are dense (their
//! number, not the timer's code, is what costs CPU), and request deadlines are plain numbers that a
//! scan compares every [`SCAN_INTERVAL_US`].
//! Knows nothing of sessions or sockets: it wakes slots.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Poll, Waker};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::clock::{Micros, RunClock};
use super::readiness::Readiness;

/// The index of a bot's place in its worker.
pub(super) type SlotIndex = usize;

/// Why a wait ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Nothing happened.
    None,
    /// The request's deadline has passed.
    Expired,
    /// The run is over: end what is in flight, now.
    Interrupted,
}

/// The longest that dense wake-ups are put off: late by at most this, half of it on average. At
/// 20,000 arrivals a second it keeps the 99th percentile below 0.6 ms, for a few percent more CPU
/// than a wheel of milliseconds.
const WAKE_INTERVAL_MIN_US: Micros = 500;
/// Another interval, for `benches/compare` alone: 1000 wakes as often as the runtime's wheel would.
const INTERVAL_VARIABLE: &str = "TALLYHO_BENCH_WAKE_INTERVAL_US";
/// How late a request's deadline may be noticed.
pub(super) const SCAN_INTERVAL_US: Micros = 10_000;
/// No deadline, and no instant to wake at.
pub(super) const NEVER: Micros = Micros::MAX;

/// What each bot of a worker waits for. What is scanned lies side by side, 24 bytes a bot.
pub(super) struct Slots {
    limits: RefCell<Vec<Limits>>,
    places: RefCell<Vec<Place>>,
    /// How often a bot was woken or made.
    wakes: Cell<u64>,
    /// The whole run is stopping: no bot goes back to running.
    is_stopping: Cell<bool>,
    /// The whole run is cut off.
    is_halted: Cell<bool>,
}

/// The instants at which a bot's slot is to be told something.
#[derive(Clone, Copy)]
struct Limits {
    /// Its request has run out of time.
    deadline: Micros,
    /// Its session should come to an end.
    stop_at: Micros,
    /// Its session is cut off.
    cut_off: Micros,
}

const NO_LIMITS: Limits = Limits { deadline: NEVER, stop_at: NEVER, cut_off: NEVER };

struct Place {
    waker: Option<Waker>,
    wake_at: Micros,
    signal: Signal,
    is_stopping: bool,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            limits: RefCell::default(),
            places: RefCell::default(),
            wakes: Cell::new(0),
            is_stopping: Cell::new(false),
            is_halted: Cell::new(false),
        }
    }

    /// A place for one more bot.
    pub(super) fn add(&self) -> SlotIndex {
        self.wakes.set(self.wakes.get() + 1);
        self.limits.borrow_mut().push(NO_LIMITS);
        let mut places = self.places.borrow_mut();
        let signal = if self.is_halted.get() { Signal::Interrupted } else { Signal::None };
        let is_stopping = self.is_stopping.get();
        places.push(Place { waker: None, wake_at: NEVER, signal, is_stopping });
        places.len() - 1
    }

    /// Remembers how to wake the task that polls now: once per bot, since a task's waker does not
    /// change.
    pub(super) async fn attach(&self, slot: SlotIndex) {
        poll_fn(|context| {
            self.places.borrow_mut()[slot].waker = Some(context.waker().clone());
            Poll::Ready(())
        })
        .await;
    }

    pub(super) fn wake(&self, slot: SlotIndex) {
        self.wakes.set(self.wakes.get() + 1);
        if let Some(waker) = &self.places.borrow()[slot].waker {
            waker.wake_by_ref();
        }
    }

    /// How often a bot was woken or made: nobody can run as long as that stays the same.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.get()
    }

    pub(super) fn signal(&self, slot: SlotIndex) -> Signal {
        self.places.borrow()[slot].signal
    }

    pub(super) fn is_interrupted(&self, slot: SlotIndex) -> bool {
        self.signal(slot) == Signal::Interrupted
    }

    /// Whether the bot's session should come to an end.
    pub(super) fn is_stopping(&self, slot: SlotIndex) -> bool {
        self.places.borrow()[slot].is_stopping
    }

    /// Begins a session: from `stop_at` on it should end, and at `cut_off` it is made to.
    pub(super) fn begin_session(&self, slot: SlotIndex, stop_at: Micros, cut_off: Micros) {
        self.limits.borrow_mut()[slot] = Limits { deadline: NEVER, stop_at, cut_off };
        let place = &mut self.places.borrow_mut()[slot];
        place.is_stopping = self.is_stopping.get();
        place.signal = if self.is_halted.get() { Signal::Interrupted } else { Signal::None };
    }

    /// Ends a session: nothing is to be told until the next.
    pub(super) fn end_session(&self, slot: SlotIndex) {
        self.limits.borrow_mut()[slot] = NO_LIMITS;
    }

    /// Forgets what its last session was told, so that the bot can wait for its next one.
    pub(super) fn rest(&self, slot: SlotIndex) {
        self.begin_session(slot, NEVER, NEVER);
    }

    /// Starts a request's deadline.
    pub(super) fn set_deadline(&self, slot: SlotIndex, deadline: Micros) {
        self.limits.borrow_mut()[slot].deadline = deadline;
    }

    /// Ends a deadline; an expiry that nobody has seen yet is taken back, an interrupt stays.
    pub(super) fn clear_deadline(&self, slot: SlotIndex) {
        self.limits.borrow_mut()[slot].deadline = NEVER;
        let place = &mut self.places.borrow_mut()[slot];
        if place.signal == Signal::Expired {
            place.signal = Signal::None;
        }
    }

    /// Wakes every bot for which an instant of its limits has come.
    pub(super) fn scan(&self, now: Micros) {
        let mut limits = self.limits.borrow_mut();
        for (slot, limits) in limits.iter_mut().enumerate() {
            if limits.deadline <= now {
                limits.deadline = NEVER;
                self.tell(slot, |place| place.signal = Signal::Expired);
            }
            if limits.stop_at <= now {
                limits.stop_at = NEVER;
                self.tell(slot, |place| place.is_stopping = true);
            }
            if limits.cut_off <= now {
                limits.cut_off = NEVER;
                self.tell(slot, |place| place.signal = Signal::Interrupted);
            }
        }
    }

    /// Tells every bot that the run is stopping, and wakes those that sleep.
    pub(super) fn stop_all(&self) {
        self.is_stopping.set(true);
        for slot in 0..self.count() {
            self.tell(slot, |place| place.is_stopping = true);
        }
    }

    /// Cuts every bot off.
    pub(super) fn interrupt_all(&self) {
        self.is_halted.set(true);
        for slot in 0..self.count() {
            self.tell(slot, |place| place.signal = Signal::Interrupted);
        }
    }

    fn count(&self) -> usize {
        self.places.borrow().len()
    }

    fn tell(&self, slot: SlotIndex, change: impl FnOnce(&mut Place)) {
        change(&mut self.places.borrow_mut()[slot]);
        self.wake(slot);
    }
}

/// The end of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Woken {
    /// The time.
    pub(super) now: Micros,
    /// How much later that is than what was waited for.
    pub(super) late: Micros,
}

/// The instants at which a worker's bots want to be woken.
pub(super) struct Timer {
    clock: RunClock,
    descriptor: OwnedFd,
    due: RefCell<BinaryHeap<Reverse<(Micros, SlotIndex)>>>,
    armed: Cell<Micros>,
    last_wake: Cell<Micros>,
    wake_interval_min: Micros,
}

impl Timer {
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub(super) fn new(clock: RunClock) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let (armed, last_wake) = (Cell::new(NEVER), Cell::new(0));
        let asked = std::env::var(INTERVAL_VARIABLE).ok().and_then(|value| value.parse().ok());
        let wake_interval_min = asked.unwrap_or(WAKE_INTERVAL_MIN_US);
        let due = RefCell::default();
        Ok(Self { clock, descriptor, due, armed, last_wake, wake_interval_min })
    }

    /// Sleeps until `wake_at`, until `is_over` says so after a wake-up, or until the run is
    /// interrupted.
    pub(super) async fn sleep(
        &self,
        slots: &Slots,
        (slot, wake_at): (SlotIndex, Micros),
        is_over: impl Fn() -> bool,
    ) {
        slots.places.borrow_mut()[slot].wake_at = wake_at;
        self.due.borrow_mut().push(Reverse((wake_at, slot)));
        self.arm(wake_at);
        poll_fn(|_| {
            let is_over = is_over();
            let place = &mut slots.places.borrow_mut()[slot];
            let woken = place.wake_at == NEVER || place.signal == Signal::Interrupted || is_over;
            place.wake_at = if woken { NEVER } else { place.wake_at };
            if woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Wakes the slots that are due. An entry whose sleep ended early no longer matches its slot
    /// and is dropped.
    pub(super) fn fire(&self, slots: &Slots, now: Micros) {
        let mut due = self.due.borrow_mut();
        while let Some(&Reverse((wake_at, slot))) = due.peek() {
            if wake_at > now {
                break;
            }
            due.pop();
            let mut places = slots.places.borrow_mut();
            if places[slot].wake_at == wake_at {
                places[slot].wake_at = NEVER;
                drop(places);
                slots.wake(slot);
            }
        }
    }

    /// Waits until the earliest of the sleeps and `also`.
    pub(super) async fn wait(&self, ready: &Readiness, also: Micros) -> Woken {
        let earliest = self.due.borrow().peek().map_or(NEVER, |&Reverse((wake_at, _))| wake_at);
        self.armed.set(NEVER);
        self.arm(earliest.min(also));
        let mut expirations = [0; 8];
        loop {
            ready.wait().await;
            match rustix::io::read(&self.descriptor, &mut expirations) {
                Err(rustix::io::Errno::AGAIN) => {}
                _ => break,
            }
        }
        let now = self.clock.now();
        self.last_wake.set(now);
        Woken { now, late: now.saturating_sub(self.armed.get()) }
    }

    /// Moves the wake-up forward to `wake_at`, but not closer than [`WAKE_INTERVAL_MIN_US`] to the
    /// last one.
    pub(super) fn arm(&self, wake_at: Micros) {
        let wake_at = wake_at.max(self.last_wake.get() + self.wake_interval_min);
        if wake_at >= self.armed.get() {
            return;
        }
        self.armed.set(wake_at);
        // Zero would disarm the timer, so an instant that has passed becomes the next nanosecond.
        let ahead = wake_at.saturating_sub(self.clock.now());
        let seconds = i64::try_from(ahead / 1_000_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(ahead % 1_000_000 * 1_000).unwrap_or(0).max(1);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)
            .expect("a one-shot time of at least a nanosecond is valid");
    }

    /// What is to be watched for [`wait`](Self::wait).
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

//! The sockets of a worker on epoll, its timer, and the turns of its loop.
//!
//! The runtime's own sockets know neither that all was read (so that a bot asks a socket that is
//! empty) nor that nothing is left to do once a request is written (so that a bot runs to learn
//! it). With many bots that is a good part of a request. So the worker has a set of its own, and
//! waits for it when no bot can run; the runtime has nothing to wait for then, and runs the tasks.
//!
//! Requests go out at the end of a turn, when every bot that can run has run. With the work of
//! other bots between any two of them, they reach a server that has gone to sleep meanwhile, and
//! waking it costs the sender as much as the rest of a request; one right after the other they find
//! it awake. Where answers trickle in, there is nothing to put together, and bots write for
//! themselves. io_uring submits a turn's writes together without any of this.
//!
//! Knows nothing of requests: it moves bytes and wakes slots.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Poll, Waker, ready};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::Timespec;

use super::clock::{Micros, RunClock};
use super::timer::{SlotIndex, Slots};

/// With fewer writes than this in a turn, waiting for its end does not pay.
const WRITES_MIN: usize = 4;
/// So many writes go out at once before it is tried again.
const WRITES_AT_ONCE: u32 = 64;
/// Events that are asked for at a time.
const EVENTS: usize = 1024;

/// What the timer is called in the set; sockets are called by their places.
const TIMER: u64 = u64::MAX;

/// A worker's sockets.
pub(super) struct Sockets {
    clock: RunClock,
    set: OwnedFd,
    inner: RefCell<Inner>,
    /// Writes that will go out at once.
    at_once: Cell<u32>,
    /// The tasks that end turns; none before they first run, and after [`Sockets::stop`].
    enders: RefCell<[Option<Waker>; 2]>,
    /// How often bots were woken by the end of the latest turn.
    wakes_seen: Cell<u64>,
    is_timer_due: Cell<bool>,
    /// The task that waits for the timer.
    at_timer: RefCell<Option<Waker>>,
}

#[derive(Default)]
struct Inner {
    places: Vec<Place>,
    free: Vec<usize>,
    /// Places whose bytes wait for the end of the turn.
    waiting: Vec<usize>,
    events: Vec<epoll::Event>,
}

/// A socket, and what its bot waits for: a line of the cache.
#[derive(Default)]
#[repr(align(64))]
struct Place {
    socket: Option<OwnedFd>,
    slot: u32,
    /// There may be something to read.
    is_readable: bool,
    /// The other side has ended the stream, or it broke: there always is something to read.
    is_ended: bool,
    /// It may take bytes.
    is_writable: bool,
    awaits: Awaits,
    /// Its bytes wait for the end of the turn.
    is_waiting: bool,
    then: Then,
    outgoing: Vec<u8>,
    written: Option<Written>,
}

/// What a bot is to be woken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    #[default]
    Nothing,
    Read,
    Write,
}

/// What follows the bytes that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Then {
    /// More of them.
    #[default]
    More,
    /// An answer: until it comes, there is nothing to do.
    Answer,
}

/// What became of a write: how much went out, or why nothing, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) result: Result<u32, Errno>,
    pub(super) at: Micros,
}

/// One of a worker's sockets. It is closed when this is dropped.
pub(super) struct Polled {
    sockets: Rc<Sockets>,
    index: usize,
}

impl Sockets {
    /// A set that holds the worker's timer.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub(super) fn new(clock: RunClock, timer: BorrowedFd<'_>) -> io::Result<Rc<Self>> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&set, timer, EventData::new_u64(TIMER), flags)?;
        Ok(Rc::new(Self {
            clock,
            set,
            inner: RefCell::default(),
            at_once: Cell::new(0),
            enders: RefCell::default(),
            wakes_seen: Cell::new(0),
            is_timer_due: Cell::new(false),
            at_timer: RefCell::default(),
        }))
    }

    /// Takes a socket that does not block, of the bot that has this slot.
    ///
    /// # Errors
    ///
    /// When the set cannot take it.
    pub(super) fn add(self: &Rc<Self>, slot: SlotIndex, socket: OwnedFd) -> io::Result<Polled> {
        let mut inner = self.inner.borrow_mut();
        let index = inner.free.pop().unwrap_or_else(|| {
            inner.places.push(Place::default());
            inner.places.len() - 1
        });
        // From now on the place is given back, whatever comes of the rest.
        let polled = Polled { sockets: Rc::clone(self), index };
        let place = &mut inner.places[index];
        place.slot = u32::try_from(slot).expect("fewer bots than 2^32");
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let added = epoll::add(&self.set, &socket, EventData::new_u64(index as u64), flags);
        place.socket = Some(socket);
        drop(inner);
        added?;
        Ok(polled)
    }

    /// Ends every other turn, until [`stop`](Self::stop). There are two such tasks, and each wakes
    /// the other: tasks run in the order in which they were woken, but for one that wakes itself.
    pub(super) async fn run(&self, ender: usize, slots: &Slots) {
        let mut is_first = true;
        poll_fn(|context| {
            if std::mem::replace(&mut is_first, false) {
                self.enders.borrow_mut()[ender] = Some(context.waker().clone());
            } else if self.enders.borrow()[ender].is_none() {
                return Poll::Ready(());
            } else {
                self.end_turn(slots);
            }
            if let Some(other) = &self.enders.borrow()[1 - ender] {
                other.wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets the tasks end that hold the worker.
    pub(super) fn stop(&self) {
        self.enders.take().into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until the timer can be read.
    pub(super) async fn timer_due(&self) {
        poll_fn(|context| {
            if self.is_timer_due.replace(false) {
                return Poll::Ready(());
            }
            *self.at_timer.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// All bots have run that could, before this was called for.
    fn end_turn(&self, slots: &Slots) {
        // Those that were woken meanwhile come after this.
        let can_run = slots.wakes() != self.wakes_seen.get() || self.is_timer_due.get();
        let (written, woken) = self.write_all(slots);
        if (1..WRITES_MIN).contains(&written) {
            self.at_once.set(WRITES_AT_ONCE);
        }
        self.gather(slots, can_run || woken > 0);
        self.wakes_seen.set(slots.wakes());
    }

    /// Writes what waits, one right after the other, and returns how many writes that were, and how
    /// many bots it woke.
    fn write_all(&self, slots: &Slots) -> (usize, usize) {
        let Inner { waiting, places, .. } = &mut *self.inner.borrow_mut();
        let (count, mut woken) = (waiting.len(), 0);
        for index in waiting.drain(..) {
            let place = &mut places[index];
            // Not if its bot is gone.
            if std::mem::take(&mut place.is_waiting) && place.write(self.clock) {
                woken += 1;
                slots.wake(place.slot as SlotIndex);
            }
        }
        (count, woken)
    }

    /// Learns what has happened to the sockets, and waits for something to happen unless somebody
    /// can run.
    fn gather(&self, slots: &Slots, can_run: bool) {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let Inner { events, places, .. } = &mut *self.inner.borrow_mut();
        events.clear();
        events.reserve(EVENTS);
        // An error can only be a signal: the next turn asks again.
        let timeout = can_run.then_some(&AT_ONCE);
        let _interrupted = epoll::wait(&self.set, spare_capacity(events), timeout);
        for event in &*events {
            let token = event.data.u64();
            if token == TIMER {
                self.is_timer_due.set(true);
                self.at_timer.take().into_iter().for_each(Waker::wake);
                continue;
            }
            let place = &mut places[usize::try_from(token).expect("a place of ours")];
            if place.hears(event.flags) {
                slots.wake(place.slot as SlotIndex);
            }
        }
    }
}

impl Place {
    /// Writes what waits, and tells whether its bot is to be woken.
    fn write(&mut self, clock: RunClock) -> bool {
        let bytes = std::mem::take(&mut self.outgoing);
        let result = self.send(&bytes);
        self.outgoing = bytes;
        self.written = Some(Written { result, at: clock.now() });
        !self.waits_for_answer()
    }

    /// Writes what the socket takes at once.
    fn send(&mut self, bytes: &[u8]) -> Result<u32, Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let result = rustix::net::send(self.socket(), bytes, flags);
        self.is_writable &= result != Err(Errno::AGAIN);
        // No write is larger: the kernel moves less than 2 GiB at a time.
        result.map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn socket(&self) -> &OwnedFd {
        self.socket.as_ref().expect("open until its handle is dropped")
    }

    /// All is written, and the answer is not there yet.
    fn waits_for_answer(&self) -> bool {
        let is_whole = self.written.is_some_and(|written| {
            written.result.is_ok_and(|count| count as usize == self.outgoing.len())
        });
        is_whole && self.then == Then::Answer && !self.is_readable
    }

    /// Takes an event, and tells whether its bot is to be woken.
    fn hears(&mut self, flags: EventFlags) -> bool {
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.is_ended |= flags.intersects(ended);
        self.is_readable |= flags.intersects(EventFlags::IN | ended);
        self.is_writable |= flags.intersects(EventFlags::OUT | ended);
        match self.awaits {
            Awaits::Nothing => false,
            Awaits::Read => self.is_readable,
            Awaits::Write => self.is_writable,
        }
    }
}

impl Polled {
    fn with<R>(&self, does: impl FnOnce(&mut Place) -> R) -> R {
        does(&mut self.sockets.inner.borrow_mut().places[self.index])
    }

    /// Lends the socket itself.
    pub(super) fn with_socket<R>(&self, does: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
        self.with(|place| does(place.socket().as_fd()))
    }

    /// Writes what the socket takes at once.
    ///
    /// # Errors
    ///
    /// `AGAIN` when that is nothing; else what the socket says.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<u32, Errno> {
        self.with(|place| place.send(bytes))
    }

    /// Writes as much of `bytes` as the socket takes, at the end of the turn if waiting for that
    /// pays. If all went out and an answer is to follow, returns when that has come or `is_over`
    /// says after a wake-up that there is nothing to wait for.
    pub(super) async fn write(
        &self,
        bytes: &mut Vec<u8>,
        then: Then,
        is_over: impl Fn() -> bool,
    ) -> Written {
        self.enter(std::mem::take(bytes), then);
        let written = poll_fn(|_| {
            let is_over = is_over();
            self.with(|place| match place.written {
                Some(written) if is_over || !place.waits_for_answer() => {
                    place.awaits = Awaits::Nothing;
                    *bytes = std::mem::take(&mut place.outgoing);
                    Poll::Ready(written)
                }
                _ => Poll::Pending,
            })
        });
        written.await
    }

    fn enter(&self, bytes: Vec<u8>, then: Then) {
        let sockets = &self.sockets;
        let at_once = sockets.at_once.get();
        let is_at_once = at_once > 0 || sockets.enders.borrow()[1].is_none();
        let inner = &mut *sockets.inner.borrow_mut();
        let place = &mut inner.places[self.index];
        (place.outgoing, place.written, place.then) = (bytes, None, then);
        place.awaits = Awaits::Read;
        if is_at_once {
            sockets.at_once.set(at_once.saturating_sub(1));
            place.write(sockets.clock);
        } else {
            place.is_waiting = true;
            inner.waiting.push(self.index);
        }
    }

    /// Reads what has come to the end of `buffer`, as much as it has room for; 0 at the end of the
    /// stream.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `is_over` says after a wake-up that nothing is to be waited for any more;
    /// else what the socket says.
    pub(super) async fn read(
        &self,
        buffer: &mut Vec<u8>,
        is_over: impl Fn() -> bool,
    ) -> io::Result<usize> {
        poll_fn(|_| {
            let is_over = is_over();
            self.with(|place| place.read(buffer, is_over))
        })
        .await
    }

    /// Waits until the socket takes bytes, or until it is connected.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `is_over` says after a wake-up that nothing is to be waited for any more.
    pub(super) async fn writable(&self, is_over: impl Fn() -> bool) -> io::Result<()> {
        poll_fn(|_| {
            let is_over = is_over();
            self.with(|place| place.wait(Awaits::Write, place.is_writable, is_over))
        })
        .await
    }
}

impl Place {
    fn read(&mut self, buffer: &mut Vec<u8>, is_over: bool) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.wait(Awaits::Read, self.is_readable, is_over))?;
            let room = buffer.capacity() - buffer.len();
            match rustix::net::recv(self.socket(), spare_capacity(buffer), RecvFlags::DONTWAIT) {
                Ok((count, _)) => {
                    // With room left all was read, and what comes next is an event of its own.
                    self.is_readable = count == room || self.is_ended;
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::AGAIN) => self.is_readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn wait(&mut self, awaits: Awaits, is_there: bool, is_over: bool) -> Poll<io::Result<()>> {
        let waits = !is_there && !is_over;
        self.awaits = if waits { awaits } else { Awaits::Nothing };
        match (is_there, is_over) {
            (true, _) => Poll::Ready(Ok(())),
            (false, true) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            (false, false) => Poll::Pending,
        }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        let mut inner = self.sockets.inner.borrow_mut();
        inner.places[self.index] = Place::default();
        inner.free.push(self.index);
    }
}

#[cfg(test)]
mod tests;

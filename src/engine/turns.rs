//! The turns of a worker's loop on epoll: requests go out when every bot that can run has run.
//!
//! On epoll a write goes out at once. With the work of other bots between any two of them, they
//! reach a server that has gone to sleep meanwhile, and waking it costs the sender as much as the
//! rest of a request; one right after the other they find it awake. And a bot that runs again after
//! the last of them often finds its answer there, where a read right after its own write is a
//! system call for nothing. Where answers trickle in, there is nothing to put together, and bots
//! write for themselves. io_uring submits a turn's writes together without any of this.
//! Knows nothing of requests: it gets bytes and a socket, and tells what became of them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use monoio::net::TcpStream;

use super::clock::{Micros, RunClock};
use super::sys::Socket;
use super::timer::{SlotIndex, Slots};

/// With fewer writes than this in a turn, waiting for its end does not pay.
const WRITES_MIN: usize = 4;
/// So many writes go out at once before it is tried again.
const WRITES_AT_ONCE: u32 = 64;

/// Writes that wait for the end of the turn.
pub(super) struct Turns {
    clock: RunClock,
    /// Whose they are.
    waiting: RefCell<Vec<SlotIndex>>,
    /// For each bot.
    writes: RefCell<Vec<Write>>,
    /// Wakes the task that ends turns; none where nobody waits for them.
    end: RefCell<Option<Waker>>,
    /// Writes that will go out at once.
    at_once: Cell<u32>,
}

/// A bot's bytes for its socket, and what became of them.
#[derive(Default)]
struct Write {
    /// None if it is done, or its bot is gone.
    socket: Option<Socket>,
    bytes: Vec<u8>,
    written: Option<Written>,
}

/// What became of a write.
pub(super) struct Written {
    pub(super) result: io::Result<usize>,
    pub(super) at: Micros,
}

impl Turns {
    pub(super) fn new(clock: RunClock) -> Self {
        Self {
            clock,
            waiting: RefCell::default(),
            writes: RefCell::default(),
            end: RefCell::default(),
            at_once: Cell::new(0),
        }
    }

    /// Writes as much of `bytes` as the socket takes when all bots that could run have run; none
    /// if waiting for that does not pay.
    pub(super) async fn write(
        &self,
        slot: SlotIndex,
        stream: &mut TcpStream,
        bytes: &mut Vec<u8>,
    ) -> Option<Written> {
        let at_once = self.at_once.get();
        if at_once > 0 || self.end.borrow().is_none() {
            self.at_once.set(at_once.saturating_sub(1));
            return None;
        }
        self.enter(slot, stream, std::mem::take(bytes));
        let _place = Place { turns: self, slot };
        let written = poll_fn(|_| {
            let write = &mut self.writes.borrow_mut()[slot];
            write.written.take().map_or(Poll::Pending, Poll::Ready)
        });
        let written = written.await;
        *bytes = std::mem::take(&mut self.writes.borrow_mut()[slot].bytes);
        Some(written)
    }

    fn enter(&self, slot: SlotIndex, stream: &mut TcpStream, bytes: Vec<u8>) {
        let mut waiting = self.waiting.borrow_mut();
        if let (true, Some(end)) = (waiting.is_empty(), &*self.end.borrow()) {
            end.wake_by_ref();
        }
        waiting.push(slot);
        let mut writes = self.writes.borrow_mut();
        if writes.len() <= slot {
            writes.resize_with(slot + 1, Write::default);
        }
        writes[slot] = Write { socket: Some(Socket::of(stream)), bytes, written: None };
    }

    /// Ends turn after turn, until [`stop`](Self::stop). The runtime runs its tasks in the order in
    /// which they were woken, so this one runs when those have run that could.
    pub(super) async fn run(&self, slots: &Slots) {
        let mut is_first = true;
        poll_fn(|context| {
            if std::mem::replace(&mut is_first, false) {
                *self.end.borrow_mut() = Some(context.waker().clone());
            } else if self.end.borrow().is_none() {
                return Poll::Ready(());
            }
            if (1..WRITES_MIN).contains(&self.write_all(slots)) {
                self.at_once.set(WRITES_AT_ONCE);
            }
            Poll::Pending
        })
        .await;
    }

    /// Writes what waits, one right after the other, and returns how many writes that were.
    fn write_all(&self, slots: &Slots) -> usize {
        let (mut waiting, mut writes) = (self.waiting.borrow_mut(), self.writes.borrow_mut());
        for slot in &*waiting {
            let write = &mut writes[*slot];
            let Some(socket) = write.socket.take() else { continue };
            let result = socket.send(&write.bytes);
            write.written = Some(Written { result, at: self.clock.now() });
        }
        let count = waiting.len();
        waiting.drain(..).for_each(|slot| slots.wake(slot));
        count
    }

    /// Lets the task end that holds the worker.
    pub(super) fn stop(&self) {
        if let Some(end) = self.end.borrow_mut().take() {
            end.wake();
        }
    }
}

/// A bot's place in a turn, for as long as it waits: a socket whose bot is gone is not written to.
struct Place<'a> {
    turns: &'a Turns,
    slot: SlotIndex,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.writes.borrow_mut()[self.slot].socket = None;
    }
}

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
    /// Those of this turn.
    waiting: RefCell<Vec<Write>>,
    /// Those of the last turn, each until its bot has asked for it.
    done: RefCell<Vec<Write>>,
    /// How many of them have not been asked for.
    unseen: Cell<usize>,
    /// How many turns have ended.
    ended: Cell<u64>,
    /// Wakes the task that ends turns; none where nobody waits for them.
    end: RefCell<Option<Waker>>,
    /// Writes that will go out at once.
    at_once: Cell<u32>,
}

/// Bytes for a socket, and what became of them.
struct Write {
    slot: SlotIndex,
    /// None if its bot is gone.
    socket: Option<Socket>,
    bytes: Vec<u8>,
    written: Written,
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
            done: RefCell::default(),
            unseen: Cell::new(0),
            ended: Cell::new(0),
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
        let entered = Entered {
            turns: self,
            turn: self.ended.get(),
            place: self.enter(slot, stream, std::mem::take(bytes)),
        };
        poll_fn(|_| if entered.is_waiting() { Poll::Pending } else { Poll::Ready(()) }).await;
        let write = &mut self.done.borrow_mut()[entered.place];
        *bytes = std::mem::take(&mut write.bytes);
        Some(std::mem::replace(&mut write.written, NOT_YET))
    }

    fn enter(&self, slot: SlotIndex, stream: &mut TcpStream, bytes: Vec<u8>) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        if let (true, Some(end)) = (waiting.is_empty(), &*self.end.borrow()) {
            end.wake_by_ref();
        }
        let socket = Some(Socket::of(stream));
        waiting.push(Write { slot, socket, bytes, written: NOT_YET });
        waiting.len() - 1
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
            if self.unseen.get() > 0 {
                context.waker().wake_by_ref();
            } else {
                self.end_turn(slots);
            }
            Poll::Pending
        })
        .await;
    }

    fn end_turn(&self, slots: &Slots) {
        let mut writes = self.waiting.borrow_mut();
        if writes.is_empty() {
            return;
        }
        if writes.len() < WRITES_MIN {
            self.at_once.set(WRITES_AT_ONCE);
        }
        for write in &mut *writes {
            let Some(socket) = &write.socket else { continue };
            let result = socket.send(&write.bytes);
            write.written = Written { result, at: self.clock.now() };
        }
        for write in writes.iter().filter(|write| write.socket.is_some()) {
            self.unseen.set(self.unseen.get() + 1);
            slots.wake(write.slot);
        }
        self.ended.set(self.ended.get() + 1);
        let mut done = self.done.borrow_mut();
        done.clear();
        std::mem::swap(&mut *done, &mut *writes);
    }

    /// Lets the task end that holds the worker.
    pub(super) fn stop(&self) {
        if let Some(end) = self.end.borrow_mut().take() {
            end.wake();
        }
    }
}

/// A bot's place in a turn, for as long as it waits: a socket whose bot is gone is not written to.
struct Entered<'a> {
    turns: &'a Turns,
    turn: u64,
    place: usize,
}

impl Entered<'_> {
    fn is_waiting(&self) -> bool {
        self.turns.ended.get() == self.turn
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.is_waiting() {
            self.turns.waiting.borrow_mut()[self.place].socket = None;
        } else {
            self.turns.unseen.set(self.turns.unseen.get() - 1);
        }
    }
}

const NOT_YET: Written = Written { result: Ok(0), at: 0 };

//! The turns of a worker's loop on epoll: requests are written when every bot that can run has run.
//!
//! On epoll a write goes out at once. With the work of other bots between any two of them, they
//! reach a server that has gone to sleep meanwhile, and waking it costs the sender as much as the
//! rest of a request; one right after the other they find it awake. Where answers trickle in, there
//! is nothing to put together, and bots do not wait. io_uring submits a turn's writes together.
//! Knows nothing of sockets: it holds bots back, and lets them go.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::timer::{SlotIndex, Slots};

/// With fewer writes than this in a turn, waiting for its end does not pay.
const WRITES_MIN: usize = 4;
/// So many writes go out at once before it is tried again.
const WRITES_AT_ONCE: u32 = 64;

/// Bots that wait for the end of the turn.
#[derive(Default)]
pub(super) struct Turns {
    waiting: RefCell<Vec<SlotIndex>>,
    /// Wakes the task that ends turns; none where nobody waits for them.
    end: RefCell<Option<Waker>>,
    /// Writes that will go out at once.
    at_once: Cell<u32>,
}

impl Turns {
    /// Waits until all bots that could run have run, if that pays.
    pub(super) async fn wait(&self, slot: SlotIndex) {
        let at_once = self.at_once.get();
        if at_once > 0 || self.end.borrow().is_none() {
            self.at_once.set(at_once.saturating_sub(1));
            return;
        }
        let mut has_waited = false;
        poll_fn(|_| {
            if std::mem::replace(&mut has_waited, true) {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if let (true, Some(end)) = (waiting.is_empty(), &*self.end.borrow()) {
                end.wake_by_ref();
            }
            waiting.push(slot);
            Poll::Pending
        })
        .await;
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
            let mut waiting = self.waiting.borrow_mut();
            if (1..WRITES_MIN).contains(&waiting.len()) {
                self.at_once.set(WRITES_AT_ONCE);
            }
            waiting.drain(..).for_each(|slot| slots.wake(slot));
            Poll::Pending
        })
        .await;
    }

    /// Lets the task end that holds the worker.
    pub(super) fn stop(&self) {
        if let Some(end) = self.end.borrow_mut().take() {
            end.wake();
        }
    }
}

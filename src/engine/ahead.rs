//! Fetches what the next bot will need into the processor's caches while this one runs.
//!
//! With a thousand bots a bot's state has left the near caches when its answer comes, and every
//! piece of it that is touched then waits for memory: most of what a request costs here beyond
//! what it costs with few bots. Bots that one server answers run in much the same order every time,
//! so each remembers who ran after it the last time, and that one's memory is asked for. A guess
//! that is wrong costs little. Knows nothing of what bots do.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tallyho_replay::Session;

use super::sys;
use super::timer::SlotIndex;

/// The memory of so many bots, some 6 KB each, is in the near caches anyway, and asking for it
/// costs about 15 ns a request.
const FEW_BOTS: usize = 96;

/// Where the bots of a worker have their state, and who runs after whom.
#[derive(Default)]
pub(super) struct Ahead {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    bots: Vec<Bot>,
    latest: SlotIndex,
}

/// What is known of a bot.
#[derive(Default)]
struct Bot {
    /// Who ran after it the last time.
    next: SlotIndex,
    /// Its task, its state and its future: addresses, and how many bytes there are.
    memory: [(usize, usize); 3],
}

impl Ahead {
    /// A bot's task is to be run.
    pub(super) fn lead<F: Future>(self: &Rc<Self>, slot: SlotIndex, task: F) -> Led<F> {
        Led { ahead: Rc::clone(self), slot, is_placed: false, task }
    }

    /// A bot has a session.
    pub(super) fn attach(&self, slot: SlotIndex, session: &Session) {
        let [state, future] = session.memory();
        let mut inner = self.inner.borrow_mut();
        let memory = &mut inner.bot(slot).memory;
        (memory[1], memory[2]) = (state, future);
    }

    /// A bot has ended.
    pub(super) fn detach(&self, slot: SlotIndex) {
        *self.inner.borrow_mut().bot(slot) = Bot::default();
    }

    /// A bot runs, and the memory of the one that is likely to be next is asked for.
    fn runs(&self, slot: SlotIndex) {
        let mut inner = self.inner.borrow_mut();
        let latest = std::mem::replace(&mut inner.latest, slot);
        inner.bot(latest).next = slot;
        if inner.bots.len() <= FEW_BOTS {
            return;
        }
        let next = inner.bot(slot).next;
        inner.bot(next).memory.into_iter().for_each(sys::prefetch);
    }
}

impl Inner {
    fn bot(&mut self, slot: SlotIndex) -> &mut Bot {
        if self.bots.len() <= slot {
            self.bots.resize_with(slot + 1, Bot::default);
        }
        &mut self.bots[slot]
    }
}

pin_project! {
    /// A bot's task, which says when it runs.
    pub(super) struct Led<F> {
        ahead: Rc<Ahead>,
        slot: SlotIndex,
        is_placed: bool,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Led<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let address = (&raw const *self).addr();
        let this = self.project();
        if !std::mem::replace(this.is_placed, true) {
            let task = (address, size_of::<Self>());
            this.ahead.inner.borrow_mut().bot(*this.slot).memory[0] = task;
        }
        this.ahead.runs(*this.slot);
        this.task.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[test]
    fn each_bot_remembers_where_it_is_and_who_ran_after_it() {
        let ahead = Rc::new(Ahead::default());
        let mut tasks: Vec<_> =
            (0..3).map(|slot| Box::pin(ahead.lead(slot, pending::<()>()))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for slot in [0, 2, 1, 0, 2, 1, 0] {
            assert!(tasks[slot].as_mut().poll(&mut context).is_pending());
        }
        let next: Vec<_> = ahead.inner.borrow().bots.iter().map(|bot| bot.next).collect();
        assert_eq!(next, [2, 0, 1]);
        for (slot, task) in tasks.iter().enumerate() {
            let place = ((&raw const **task).addr(), size_of_val(&**task));
            assert_eq!(ahead.inner.borrow().bots[slot].memory[0], place);
        }
        ahead.detach(2);
        assert_eq!(ahead.inner.borrow().bots[2].memory, [(0, 0); 3]);
        // A bot that has ended and the guess that named it do no harm.
        assert!(tasks[0].as_mut().poll(&mut context).is_pending());
    }

    #[test]
    fn one_bot_alone_follows_itself() {
        let ahead = Rc::new(Ahead::default());
        let mut task = pin!(ahead.lead(0, pending::<()>()));
        for _ in 0..3 {
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(ahead.inner.borrow().bots[0].next, 0);
    }
}

//! A way to a session's record while its future is elsewhere.
//!
//! Whoever writes the trace takes what a session has recorded while the session waits for a
//! response, and does not own it. Knows nothing of traces.

use std::fmt;
use std::rc::Rc;

use super::{Fault, Who};
use crate::state::State;
use crate::trace::record::PlainStart;

/// A way to a session's record while the session waits for something.
pub struct RecordTap(pub(super) Rc<State>);

impl RecordTap {
    /// As [`record_size`](crate::Session::record_size).
    #[must_use]
    pub fn record_size(&self) -> usize {
        self.0.own.borrow().recorder.size()
    }

    /// Appends the session's events since the last call, for a [`Piece`](crate::trace::Piece): a
    /// start that is given is not among the bytes.
    pub fn take_piece(&self, out: &mut Vec<u8>) -> Option<PlainStart> {
        self.0.own.borrow_mut().recorder.take_piece(out)
    }

    /// Throws away what waits to be taken.
    pub fn drop_record(&self) {
        self.0.own.borrow_mut().recorder.forget();
    }

    /// Whose session it is.
    #[must_use]
    pub fn who(&self) -> Who {
        self.0.who.get()
    }

    /// Why it counts as failing, if it does.
    #[must_use]
    pub fn first_failure(&self) -> Option<Fault> {
        self.0.own.borrow().fault.clone()
    }

    /// Whether it counts as failing.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.own.borrow().fault.is_some()
    }
}

impl fmt::Debug for RecordTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordTap({})", self.who())
    }
}

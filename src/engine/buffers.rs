//! Byte buffers that a worker lends to operations in flight.
//!
//! A bot that waits holds none; a returned buffer that has grown large is let go, so memory follows
//! what is in flight and not what once was.

use std::cell::RefCell;

/// What a lent buffer can hold at first: one read of a common response with its head.
pub(super) const BUFFER_BYTES: usize = 8 * 1024;
/// A buffer that grew beyond this is freed when it comes back.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Free buffers kept: more than a burst needs, at most 8 MiB.
const KEPT_MAX: usize = 1024;

/// A worker's free buffers.
#[derive(Default)]
pub(super) struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer of at least [`BUFFER_BYTES`].
    pub(super) fn lend(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        let mut free = self.free.borrow_mut();
        let fits = (BUFFER_BYTES..=KEPT_BYTES_MAX).contains(&buffer.capacity());
        if fits && free.len() < KEPT_MAX {
            buffer.clear();
            free.push(buffer);
        }
    }
}

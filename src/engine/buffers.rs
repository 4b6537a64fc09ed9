//! Byte buffers that a worker lends to operations in flight.
//!
//! A bot that waits holds none; a returned buffer that has grown large is let go, so memory follows
//! what is in flight and not what once was.

use std::cell::RefCell;

use super::exchange::READ_BYTES_MAX;

/// What a lent buffer can hold at first: one read of a common response with its head.
pub(super) const BUFFER_BYTES: usize = 8 * 1024;
/// What a buffer for a request can hold at first. Thousands of bots that start at once hold one
/// each until their turn to connect, and what they held stays with the process.
const REQUEST_BYTES: usize = 256;
/// A buffer that grew beyond this is freed when it comes back: a large read and a head before it.
const KEPT_BYTES_MAX: usize = READ_BYTES_MAX + BUFFER_BYTES;
/// Free buffers kept of each kind: more than a burst needs, at most 8 MiB and 1 MiB.
const KEPT_MAX: usize = 1024;

/// A worker's free buffers.
#[derive(Default)]
pub(super) struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
    for_requests: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer of at least [`BUFFER_BYTES`].
    pub(super) fn lend(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// An empty buffer that has room for most requests.
    pub(super) fn lend_for_request(&self) -> Vec<u8> {
        self.for_requests.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(REQUEST_BYTES))
    }

    /// Takes a buffer back, of whichever kind it has become.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        let free = match buffer.capacity() {
            REQUEST_BYTES..BUFFER_BYTES => &self.for_requests,
            BUFFER_BYTES..=KEPT_BYTES_MAX => &self.free,
            _ => return,
        };
        let mut free = free.borrow_mut();
        if free.len() < KEPT_MAX {
            buffer.clear();
            free.push(buffer);
        }
    }
}

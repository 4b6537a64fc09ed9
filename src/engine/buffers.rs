//! Byte buffers that a worker lends to operations in flight.
//!
//! A bot that waits holds none; a returned buffer that has grown large is let go, so memory follows
//! what is in flight and not what once was.

use std::cell::RefCell;

use super::exchange::READ_BYTES_MAX;

/// What a buffer for reads has room for where it is lent when there is something to read, so that a
/// few serve all bots: one read of a common response with its head.
pub(super) const BUFFER_BYTES: usize = 8 * 1024;
/// The same on io_uring, where every bot that waits for an answer holds one, and a thousand large
/// ones do not fit into the caches. One that was too small comes back larger, and is lent again.
pub(super) const HELD_BYTES: usize = 2 * 1024;
/// What a buffer for a request can hold at first. Thousands of bots that start at once hold one
/// each until their turn to connect, and what they held stays with the process.
const REQUEST_BYTES: usize = 256;
/// A buffer that grew beyond this is freed when it comes back: a large read and a head before it.
const KEPT_BYTES_MAX: usize = READ_BYTES_MAX + BUFFER_BYTES;
/// Free buffers kept of each kind: more than a burst needs, at most 8 MiB and 1 MiB.
const KEPT_MAX: usize = 1024;

/// A worker's free buffers.
pub(super) struct Buffers {
    /// What a new one for reads has room for.
    read_bytes: usize,
    free: RefCell<Vec<Vec<u8>>>,
    for_requests: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// Buffers for reads have room for at least `read_bytes`, which is more than a request takes.
    pub(super) fn new(read_bytes: usize) -> Self {
        Self { read_bytes, free: RefCell::default(), for_requests: RefCell::default() }
    }

    /// An empty buffer for reads.
    pub(super) fn lend(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(self.read_bytes))
    }

    /// An empty buffer that has room for most requests.
    pub(super) fn lend_for_request(&self) -> Vec<u8> {
        self.for_requests.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(REQUEST_BYTES))
    }

    /// Takes a buffer back, of whichever kind it has become.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        let free = match buffer.capacity() {
            ..REQUEST_BYTES | KEPT_BYTES_MAX.. => return,
            room if room < self.read_bytes => &self.for_requests,
            _ => &self.free,
        };
        let mut free = free.borrow_mut();
        if free.len() < KEPT_MAX {
            buffer.clear();
            free.push(buffer);
        }
    }
}

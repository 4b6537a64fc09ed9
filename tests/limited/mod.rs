//! How much memory something takes at once: shared by the fuzz targets and the corpus test.
//!
//! Counted by thread, so that tests side by side do not count each other's.
#![allow(dead_code, unreachable_pub, reason = "each user takes its own part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What reading any file may take, by the limits in docs/trace.md: a block as it is stored, 32 MiB,
/// unpacked, 64 MiB, and put together, 64 MiB, twice that while it grows; what is gathered of
/// sessions in several pieces, twice 256 MiB; and the values of a header.
pub const PEAK_BYTES_MAX: usize = 1024 * 1024 * 1024;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn grown(by: usize) {
    let live = LIVE.get().wrapping_add(by);
    LIVE.set(live);
    // Below zero when something is freed here that was made elsewhere.
    if live <= isize::MAX.unsigned_abs() && live > PEAK.get() {
        PEAK.set(live);
    }
}

fn shrunk(by: usize) {
    LIVE.set(LIVE.get().wrapping_sub(by));
}

#[allow(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while the bytes are moved.
        grown(size);
        shrunk(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most that this thread holds at once in `something`, beyond what it held before.
pub fn peak_bytes(something: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(0);
    LIVE.set(0);
    something();
    LIVE.set(before.wrapping_add(LIVE.get()));
    PEAK.get()
}

/// Checks an input, and that it takes no more memory than it may.
pub fn within_limits(check: impl FnOnce(&[u8]), input: &[u8]) {
    let peak = peak_bytes(|| check(input));
    assert!(peak <= PEAK_BYTES_MAX, "{peak} bytes at once");
}

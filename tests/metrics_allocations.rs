//! Recording allocates nothing once every name and every octave of times has been seen.

#![allow(unsafe_code, reason = "a global allocator that counts can be written in no other way")]

mod fixture;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fixture::{Event, Worker, events};
use tallyho::metrics::Collector;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn recording_and_swapping_allocate_nothing_after_warm_up() {
    let events: Vec<Event> = events(11, 300).into_iter().flatten().collect();
    let tell = |worker: &mut Worker| {
        for event in &events {
            // An example is text, made at most once per kind of failure and second.
            if !matches!(event, Event::Exchange { exchange, .. } if !exchange.expected) {
                worker.tell(event);
            }
        }
    };
    let mut worker = Worker::new();
    let mut collector = Collector::new(1);
    // Two rounds, as two snapshots take turns.
    for second in 0..2 {
        tell(&mut worker);
        worker.report(&mut collector, 0, second, 1);
    }
    assert_eq!(allocations(|| tell(&mut worker)), 0);
    let mut swaps = 0;
    for _ in 0..4 {
        swaps += allocations(|| worker.swap_alone());
        tell(&mut worker);
    }
    assert_eq!(swaps, 0);
}

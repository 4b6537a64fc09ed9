//! How much memory a player of TallyUp holds while it idles in its think time.
//!
//! What is freed when the sessions of a crowd are dropped is what they held: futures, documents
//! that were read, secrets, buffers. A connection's memory comes on top of that.

mod drive;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drive::crowd::{Play, play};

/// Counts the bytes that are allocated.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Of the 16 KiB that an idle bot may take, so much is its player's; the rest is for its task, its
/// two connections, its record, and its part of what is in flight.
const BYTES_MAX: usize = 5 * 1024 + 512;

#[test]
fn an_idle_player_holds_little_memory() {
    let bots = 20;
    let crowd = play(&Play {
        config: r#"{"playAsync": true, "enableDelays": true, "events": [
            {"type": "surge", "name": "Surge"}, {"type": "adhoc", "endTs": "10m"},
            {"type": "adhocBG", "endTs": "10m"}, {"type": "adhocQF", "endTs": "10m"}]}"#,
        bots,
        duration: Duration::from_secs(60),
        weigh: Some(|| BYTES.load(Ordering::Relaxed)),
        ..Play::default()
    });
    let each = crowd.seen.session_bytes / usize::try_from(bots).expect("small");
    eprintln!("{each} bytes for each bot");
    assert!(each > 1024, "{each} bytes: the bots are not there");
    assert!(each <= BYTES_MAX, "{each} bytes for each bot");
}

//! The single request allocates nothing once it runs: it is what the generator's own limit is
//! measured with.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

use tallyho_replay::{
    Carry, Command, Event, Input, Outcome, ResponseParts, RunFacts, Scratch, Session, Start, Who,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: everything is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // While a thread ends, its counter is gone; nobody asks for it then.
        let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_session_allocates_nothing_with_recording_on() {
    let bot = tallyho_bots::registry().bot("single-request", r#"{"url": "http://a/b"}"#);
    let bot = Rc::new(bot.expect("known").expect("good"));
    let mut session = Session::new(&bot, &Rc::new(RunFacts::default()), &Scratch::new());
    let mut parts = Some(ResponseParts { status: 200, ..ResponseParts::default() });
    let mut record = Vec::with_capacity(4096);
    let mut live = |number| {
        let who = Who { scenario: 1, bot: number, session: number };
        let start = Start { who, carry: Carry::Own, setup: None, at_us: number, stopping: false };
        assert_eq!(session.start(start), Command::Send);
        let event = Event::Response(parts.take().expect("it came back"));
        let command = session.step(Input { at_us: number + 900, stopping: false, event });
        assert_eq!(command, Command::End(Outcome::Done));
        parts = session.reclaim_response();
        record.clear();
        session.take_record(&mut record);
    };
    live(0);
    let before = ALLOCATIONS.get();
    (1..1000).for_each(live);
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

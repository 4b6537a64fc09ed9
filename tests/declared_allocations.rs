//! What a declared bot allocates: nothing for a request, once it runs.

mod drive;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

use drive::declared;
use drive::script::checked;
use tallyho::config::{BotKind, Options};
use tallyho_replay::{
    Carry, Command, Event, Input, ResponseParts, RunFacts, Scratch, Session, Start, Who,
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

/// Allocations of one turn of a loop, after a hundred turns to warm up.
fn allocations_per_turn(steps: &str) -> u64 {
    let text = format!(
        r#"{{"metrics": {{"c": "counter"}}, "variables": {{"name": "ada", "n": 5}},
            "steps": [{{"while": "n < 10", "max": 1000000, "steps": [{steps}]}}]}}"#
    );
    let plan = checked(&text, &Options::default()).plan;
    let BotKind::Declared(definition) = &plan.bots[0].kind else { panic!("declared") };
    let run = RunFacts { target: Some("http://a.test".into()), ..RunFacts::default() };
    let mut session = Session::new(&declared(definition), &Rc::new(run), &Scratch::new());
    session.set_recording(tallyho_replay::Recording::Off);
    let mut parts = Some(ResponseParts { status: 200, ..ResponseParts::default() });
    let who = Who { scenario: 0, bot: 1, session: 0 };
    let mut command =
        session.start(Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false });
    let mut at_us = 0;
    let mut turns = |count: u64| {
        for _ in 0..count {
            at_us += 100;
            let event = match command {
                Command::Send => Event::Response(parts.take().expect("given back")),
                Command::Sleep(_) => Event::Woke,
                ref other => panic!("{other:?}"),
            };
            command = session.step(Input { at_us, stopping: false, event });
            parts = session.reclaim_response().or(parts.take());
        }
    };
    turns(100);
    let before = ALLOCATIONS.get();
    turns(1000);
    (ALLOCATIONS.get() - before).div_ceil(1000)
}

#[test]
fn requests_allocate_nothing_once_they_run() {
    for steps in [
        r#"{"get": "/items?x=1"}"#,
        r#"{"get": "/items/${name}/${n}", "query": {"q": "${name}"}, "name": "item"}"#,
        r#"{"get": "/", "headers": {"X-Name": "${name}"}, "check": {"ok": "status == 200"}}"#,
        r#"{"post": "/", "json": {"a": "${name}", "b": "${n}", "c": "${draw.d.between(1, 9)}"}}"#,
        r#"{"get": "/"}, {"add": {"c": 1}}"#,
        r#"{"get": "/"}, {"if": "n > 3 && status == 200", "then": [{"think": "1s..2s"}]}"#,
        r#"{"get": "/", "retry": {"tries": 2}, "timeout": "5s", "expect": [200, 404]}"#,
    ] {
        assert_eq!(allocations_per_turn(steps), 0, "{steps}");
    }
}

#[test]
fn text_made_at_run_time_costs_an_allocation_for_each_text() {
    let made = allocations_per_turn(r#"{"get": "/${bot | pad 5}", "name": "item"}"#);
    assert!((1..=3).contains(&made), "{made}");
}

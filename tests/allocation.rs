//! No allocation per request: the heap is touched when a run starts, not while it runs.
//!
//! Counted over the whole process (engine, codec, sessions, metrics), as the difference between a
//! short run and a long one with the same bots.

mod servers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use servers::Nginx;
use tallyho::background;
use tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Observer, Profile, RunPlan, ScenarioPlan,
};
use tallyho::http::Limits;
use tallyho::metrics::Collector;
use tallyho_bots::{SingleRequest, SingleRequestConfig, SingleRequestSettings};
use tallyho_replay::{BotType, RunFacts};

/// Counts what the system's allocator is asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

/// Allocations of a run of so many single requests by 8 bots on one worker.
fn allocations(driver: DriverChoice, url: &str, iterations: u64) -> u64 {
    let control = Arc::new(Control::default());
    let settings = SingleRequestSettings { url: url.to_owned(), ..Default::default() };
    let plan = RunPlan {
        limits: Limits::default(),
        scenarios: vec![ScenarioPlan {
            name: "default".to_owned(),
            key: 0,
            bot: Box::new(move || {
                let config = SingleRequestConfig::try_from(settings.clone()).expect("valid");
                Rc::new(BotType::new::<SingleRequest>(Rc::new(config)))
            }),
            profile: Profile::SharedIterations {
                vus: 8,
                iterations,
                max_duration: Duration::from_secs(60),
            },
            start: Duration::ZERO,
            graceful_stop: Duration::from_secs(5),
            begin: None,
        }],
        facts: RunFacts::default(),
        setup: None,
        thresholds: Vec::new(),
        task_index: 0,
        pins: vec![None],
        io_driver: driver,
        origins: Vec::new(),
        resolver: background::start(Arc::clone(&control)).expect("a background thread").resolver,
        tls: engine::Tls::default(),
        sources: Vec::new(),
        watch: None,
        traceparent: false,
        trace: None,
        shared_secrets: Vec::new(),
        timeout: Duration::from_secs(10),
        drain: Duration::from_secs(5),
        start_at: None,
    };
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let result = engine::run(plan, &control, &mut Silent).expect("the run starts");
    assert_eq!(result.measured.totals.all_iterations().completed, iterations);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn no_allocation_is_made_for_a_request_once_buffers_are_warm() {
    let locations = "location / { return 200 'a body'; }";
    let Some(nginx) = Nginx::start("allocation", locations) else { return };
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        allocations(driver, &nginx.url("/"), 2_000);
        let short = allocations(driver, &nginx.url("/"), 2_000);
        let long = allocations(driver, &nginx.url("/"), 22_000);
        // Pages of histograms and the report of another second are a few hundred at most.
        let more = long.saturating_sub(short);
        assert!(more < 1_000, "{driver:?}: 20,000 more requests made {more} more allocations");
    }
}

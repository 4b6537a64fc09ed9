//! No allocation per request: the heap is touched when a run starts, not while it runs.
//!
//! Counted over the whole process (engine, codec, sessions, metrics), as the difference between a
//! short run and a long one with the same bots.

#[path = "tls/certificates.rs"]
#[allow(dead_code, reason = "certificates of all kinds are for tests/tls")]
mod certificates;
mod servers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use certificates::Authority;
use servers::{Nginx, Scratch};
use tallyho::background;
use tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Observer, OnNotRecorded, Profile, Record, RunPlan,
    ScenarioPlan, Tls, TlsOptions, TracePlan, Trust,
};
use tallyho::http::Limits;
use tallyho::metrics::Collector;
use tallyho_bots::{SingleRequest, SingleRequestConfig, SingleRequestSettings};
use tallyho_replay::trace::Header;
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

/// Allocations of a run of so many single requests by 8 bots on one worker, all of them recorded.
fn allocations(driver: DriverChoice, url: &str, iterations: u64) -> u64 {
    let control = Arc::new(Control::default());
    let scratch = Scratch::new("allocation-trace");
    let facts = RunFacts::default();
    let trace = TracePlan {
        header: Header::new(&facts),
        path: scratch.path().join("trace.tly"),
        record: Record::All,
        bytes_max: 1 << 30,
        failures: None,
        on_not_recorded: OnNotRecorded::Continue,
    };
    let tls = TlsOptions { trust: Trust::Anyone, ..TlsOptions::default() };
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
        facts,
        setup: None,
        thresholds: Vec::new(),
        task_index: 0,
        pins: vec![None],
        io_driver: driver,
        origins: Vec::new(),
        resolver: background::start(Arc::clone(&control)).expect("a background thread").resolver,
        tls: Tls::new(&tls).expect("options that fit together"),
        sources: Vec::new(),
        watch: None,
        traceparent: false,
        trace: Some(trace),
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

/// What 20,000 more requests make more of, on both drivers.
fn expect_at_most(allocations_max: u64, url: &str) {
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        allocations(driver, url, 2_000);
        let short = allocations(driver, url, 2_000);
        let long = allocations(driver, url, 22_000);
        let more = long.saturating_sub(short);
        eprintln!("{driver:?}, {url}: 20,000 more requests made {more} more allocations");
        assert!(more < allocations_max, "{driver:?}, {url}: {more} more allocations");
    }
}

#[test]
fn no_allocation_is_made_for_a_request_once_buffers_are_warm() {
    let locations = "location / { return 200 'a body'; }";
    let Some(nginx) = Nginx::start("allocation", locations) else { return };
    // Pages of histograms and the report of a second are a few hundred; a busy machine takes some.
    expect_at_most(5_000, &nginx.url("/"));
    let authority = Authority::new("allocation");
    let signed = authority.server(&["localhost"]);
    let files = (signed.cert.as_path(), signed.key.as_path());
    let nginx = Nginx::start_tls("allocation-tls", locations, files).expect("nginx is installed");
    // rustls makes a vector of each record that it encrypts and of each that it has decrypted.
    expect_at_most(2 * 20_000 + 5_000, &nginx.url("/"));
}

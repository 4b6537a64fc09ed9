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
    ScenarioPlan, Tls, TlsOptions, TlsVersion, TracePlan, Trust,
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
fn allocations(driver: DriverChoice, (url, version): (&str, TlsVersion), iterations: u64) -> u64 {
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
    let tls =
        TlsOptions { trust: Trust::Anyone, min: version, max: version, ..TlsOptions::default() };
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

/// Holds that so many more requests make no more allocations, on both drivers.
fn expect_none_per_request(url: &str, version: TlsVersion, more_requests: u64) {
    // Pages of histograms and the report of a second are a few hundred; a busy machine takes some.
    let elsewhere_max = more_requests / 4;
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        let allocations = |iterations| allocations(driver, (url, version), iterations);
        allocations(2_000);
        let short = allocations(2_000);
        let long = allocations(2_000 + more_requests);
        let more = long.saturating_sub(short);
        eprintln!("{driver:?}, {url}: {more_requests} more requests made {more} more allocations");
        assert!(more < elsewhere_max, "{driver:?}, {url}: {more} more allocations");
    }
}

#[test]
fn no_allocation_is_made_for_a_request_once_buffers_are_warm_with_tls_or_without() {
    // More than a read takes; over TLS this is 13 records, of which a read may bring parts.
    let scratch = Scratch::new("allocation-files");
    scratch.file("large", &"x".repeat(200_000));
    let root = scratch.path().display();
    let locations =
        format!("location / {{ return 200 'a body'; }} location /large {{ root {root}; }}");
    let Some(nginx) = Nginx::start("allocation", &locations) else { return };
    expect_none_per_request(&nginx.url("/"), TlsVersion::Tls13, 20_000);
    expect_none_per_request(&nginx.url("/large"), TlsVersion::Tls13, 6_000);
    let authority = Authority::new("allocation");
    let signed = authority.server(&["localhost"]);
    let files = (signed.cert.as_path(), signed.key.as_path());
    let nginx = Nginx::start_tls("allocation-tls", &locations, files).expect("nginx is installed");
    for version in [TlsVersion::Tls13, TlsVersion::Tls12] {
        expect_none_per_request(&nginx.url("/"), version, 20_000);
        expect_none_per_request(&nginx.url("/large"), version, 6_000);
    }
}

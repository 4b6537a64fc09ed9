//! Thousands of bots, held by one worker: each costs little while it is idle, with TLS or without.

use std::time::{Duration, Instant};

use crate::certificates::Authority;
use crate::servers::{Nginx, Scratch};
use crate::tallyho::{DRIVERS, Run, file_limit};

/// What a bot may hold without TLS, and with.
const PLAIN_MAX: u64 = 6 * 1024;
const WITH_TLS_MAX: u64 = 11 * 1024;

/// As many as the machine lets two processes hold, at most 9,000.
fn bots() -> u64 {
    9_000.min(file_limit().saturating_sub(1_000))
}

/// Resident memory of a process, in bytes, without the pages of its program.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a line");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<u64>().expect("a number") * 1024
}

/// Memory of a recorded run whose bots have all had an answer and now wait.
fn memory_while_idle(bots: u64, url: &str, driver: &str, nginx: &Nginx) -> u64 {
    let scratch = Scratch::new("hold");
    let scenario = format!(
        r#"{{ "executor": "per-vu-iterations", "vus": {bots}, "iterations": 1,
             "steps": [ {{ "get": "/" }}, {{ "think": "5m" }} ] }}"#
    );
    let file = scratch.file("idle.json", &scenario).display().to_string();
    let before = nginx.access_log().len() as u64;
    let run = Run::start(&[
        &file,
        "--target",
        url,
        "--insecure",
        "--cores",
        "1",
        "--io-driver",
        driver,
        "--timeout",
        "100s",
        "--drain",
        "0s",
    ]);
    let deadline = Instant::now() + Duration::from_secs(100);
    while (nginx.access_log().len() as u64) < before + bots {
        assert!(Instant::now() < deadline, "{} answers", nginx.access_log().len() as u64 - before);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    let memory = resident(run.pid());
    run.interrupt();
    let ended = run.finish();
    assert_eq!(ended.report().number("/summary/requests_failed"), 0, "{}", ended.stderr);
    assert_eq!(ended.report().counter("connections_opened"), bots);
    memory
}

#[test]
fn nine_thousand_idle_bots_on_one_worker_cost_at_most_6_kib_each_and_little_more_with_tls() {
    const LOCATIONS: &str = "location / { return 200 'a body'; }";
    let authority = Authority::new("hold");
    let signed = authority.server(&["127.0.0.1"]);
    let Some(secured) = Nginx::start_tls("tls-hold", LOCATIONS, (&signed.cert, &signed.key)) else {
        return;
    };
    let plain = Nginx::start("plain-hold", LOCATIONS).expect("nginx");
    for driver in DRIVERS {
        let each = |nginx: &Nginx| {
            let few = memory_while_idle(10, &nginx.url(""), driver, nginx);
            let many = memory_while_idle(bots(), &nginx.url(""), driver, nginx);
            many.saturating_sub(few) / (bots() - 10)
        };
        let (without, with) = (each(&plain), each(&secured));
        eprintln!("{driver}: {without} bytes for each of {} bots, {with} with TLS", bots());
        assert!(without <= PLAIN_MAX, "{driver}: {without} bytes for a bot");
        assert!(with <= WITH_TLS_MAX, "{driver}: {with} bytes for a bot with TLS");
        assert!(with.saturating_sub(without) <= 6 * 1024, "{driver}: {with} against {without}");
    }
}

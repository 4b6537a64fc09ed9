//! Thousands of secured connections, held by one worker: each costs little while it is idle.

use std::time::{Duration, Instant};

use crate::certificates::Authority;
use crate::servers::{Nginx, Scratch};
use crate::tallyho::{DRIVERS, Run, file_limit};

/// As many as the machine lets two processes hold, at most 9,000.
fn bots() -> u64 {
    9_000.min(file_limit().saturating_sub(1_000))
}

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<u64>().expect("a number") * 1024
}

/// Memory of a run whose bots have all had an answer and now wait.
fn memory_while_idle(url: &str, driver: &str, nginx: &Nginx) -> u64 {
    let scratch = Scratch::new("hold");
    let bots = bots();
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
        "--record",
        "off",
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
fn nine_thousand_idle_connections_cost_at_most_13_kib_each_on_one_worker() {
    const LOCATIONS: &str = "location / { return 200 'a body'; }";
    let authority = Authority::new("hold");
    let signed = authority.server(&["127.0.0.1"]);
    let Some(secured) = Nginx::start_tls("tls-hold", LOCATIONS, (&signed.cert, &signed.key)) else {
        return;
    };
    let plain = Nginx::start("plain-hold", LOCATIONS).expect("nginx");
    for driver in DRIVERS {
        let without = memory_while_idle(&plain.url(""), driver, &plain);
        let with = memory_while_idle(&secured.url(""), driver, &secured);
        let each = with.saturating_sub(without) / bots();
        eprintln!("{driver}: {each} bytes more for each of {} secured connections", bots());
        assert!(each <= 13 * 1024, "{driver}: {each} bytes for a secured connection");
    }
}

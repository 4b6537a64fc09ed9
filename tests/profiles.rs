//! Load profiles as a user meets them: stalls, drops, ramps, thresholds and exit codes, on both IO
//! drivers.

mod servers;
mod tallyho;

use std::io::Write;
use std::time::{Duration, Instant};

use servers::{RawServer, Scratch, answer_all, read_request};
use tallyho::{DRIVERS, Report, Run, run, tallyho};

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn no_content() -> RawServer {
    RawServer::start(|stream| answer_all(stream, ANSWER))
}

/// A server that answers at once, except for a time after its start in which it answers nothing.
fn stalling(from: Duration, to: Duration) -> RawServer {
    let start = Instant::now();
    RawServer::start(move |mut stream| {
        while read_request(&mut stream).is_some() {
            let now = start.elapsed();
            if (from..to).contains(&now) {
                std::thread::sleep(to - now);
            }
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    })
}

/// 50 bots and 1,000 arrivals a second, against a server that stalls for 2 s, on both drivers at
/// once.
fn with_a_stall(words: &[&str], check: impl Fn(Run, &str) + Sync) {
    let ms = Duration::from_millis;
    std::thread::scope(|scope| {
        for driver in DRIVERS {
            let check = &check;
            scope.spawn(move || {
                let server = stalling(ms(700), ms(2_700));
                let url = server.url("/");
                let load = [&url, "-c", "50", "-q", "1000/s", "-d", "3500ms"];
                let words = [&load[..], &["--io-driver", driver], words].concat();
                check(Run::start_judged(&words), driver);
            });
        }
    });
}

#[test]
fn a_stall_of_2_s_is_in_the_response_times_of_arrivals_that_wait() {
    let thresholds = [
        "response_time: p(99.9)>1600",
        "response_time: p(99.9)<2600",
        "http_req_duration: med<100",
        "dropped_iterations: count==0",
    ];
    let mut words: Vec<&str> = thresholds.iter().flat_map(|t| ["--threshold", t]).collect();
    words.push("--allow-degraded");
    with_a_stall(&words, |run, driver| {
        let report = run.finish().expect_exit(0).report();
        assert_eq!(report.number("/summary/due"), 3_500, "{driver}");
        assert_eq!(report.number("/summary/requests"), 3_500, "{driver}: none is left out");
        assert_eq!(report.number("/totals/counters/connections_opened"), 50, "{driver}");
    });
}

#[test]
fn a_stall_of_2_s_makes_a_run_that_drops_arrivals_invalid() {
    with_a_stall(&["--on-no-free-bot", "drop"], |run, driver| {
        let report = run.finish().expect_exit(4).report();
        assert_eq!(report.text("/verdict/state"), "invalid", "{driver}");
        let since = report.number("/verdict/since_second");
        assert!(since <= 2, "{driver}: since {since}");
        let (due, dropped) = (report.number("/summary/due"), report.number("/summary/dropped"));
        assert!((1_000..3_000).contains(&dropped), "{driver}: {dropped} dropped");
        assert_eq!(due, 3_500, "{driver}");
        assert_eq!(report.number("/summary/requests"), due - dropped, "{driver}");
    });
}

#[test]
fn without_a_number_of_bots_a_stall_makes_more_of_them_and_no_arrival_waits() {
    for driver in DRIVERS {
        let ms = Duration::from_millis;
        let server = stalling(ms(500), ms(1_500));
        let url = server.url("/");
        let words = [&url, "-q", "500/s", "-d", "2s", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/requests"), 1_000, "{driver}");
        let connections = report.number("/totals/counters/connections_opened");
        assert!((150..=1_000).contains(&connections), "{driver}: {connections} connections");
    }
}

#[test]
fn invalid_runs_exit_with_4_unless_degraded_ones_are_allowed() {
    // One bot, and answers that take 20 ms: of 500 arrivals per second 50 can be served.
    let server = RawServer::start(|mut stream| {
        while read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(20));
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    });
    let url = server.url("/");
    let words = [url.as_str(), "-q", "500/s", "-d", "1s", "-c", "1", "--on-no-free-bot", "drop"];
    let ended = Run::start_judged(&words).finish().expect_exit(4);
    assert!(ended.stdout.contains("invalid from 00:00"), "{}", ended.stdout);
    assert!(ended.stdout.contains("no bot was free"), "{}", ended.stdout);
    let report = run(&words).expect_exit(0).report();
    assert_eq!(report.text("/verdict/state"), "invalid");
}

#[test]
fn a_failed_threshold_exits_with_99_and_one_that_holds_does_not() {
    let server = no_content();
    let url = server.url("/");
    let load = [url.as_str(), "-n", "100", "-c", "2"];
    let with = |threshold| [&load[..], &["--threshold", threshold]].concat();
    run(&with("http_reqs: count==100")).expect_exit(0);
    run(&with("http_reqs{status:204}: count<100")).expect_exit(99);
    // Nothing was measured: neither, unless the threshold says so.
    run(&with("http_req_duration{name:nobody}: p(95)<500")).expect_exit(0);
    run(&with("http_req_duration{name:nobody}: p(95)<500, failOnNoData")).expect_exit(99);
    let refused = tallyho(&["run", &url, "--threshold", "http_reqs: p(95)<500"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_threshold_can_end_the_run_early_but_not_before_its_delay() {
    let server = no_content();
    for driver in DRIVERS {
        let url = server.url("/");
        let threshold = "http_reqs: count<1, abortOnFail, delayAbortEval 1s";
        let words = [&url, "-d", "60s", "-c", "2", "--threshold", threshold];
        let ended = run(&[&words[..], &["--io-driver", driver]].concat()).expect_exit(99);
        let report = ended.report();
        assert_eq!(report.text("/run/stopped_by"), "a threshold: http_reqs: count<1");
        let took = report.number("/duration_us");
        assert!((1_900_000..10_000_000).contains(&took), "{driver}: {took} µs");
    }
}

#[test]
fn a_threshold_that_ends_the_run_cuts_off_what_still_runs() {
    // Answers only after a minute: draining would take the 20 s of --drain.
    let server = RawServer::start(|mut stream| {
        while read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_secs(60));
        }
    });
    for driver in DRIVERS {
        let url = server.url("/");
        let load = [&url, "-q", "100/s", "-d", "60s", "--io-driver", driver];
        let threshold = ["--threshold", "vus: value<1, abortOnFail"];
        let report = run(&[&load[..], &threshold].concat()).expect_exit(99).report();
        let took = report.number("/duration_us");
        assert!((1_900_000..10_000_000).contains(&took), "{driver}: {took} µs");
        let interrupted = report.number("/summary/interrupted");
        assert!(interrupted >= 100, "{driver}: {interrupted} interrupted");
        // What was due when nothing started any more is not held against the run; a worker may
        // have an arrival in its hands at that moment.
        assert!(report.number("/summary/dropped") <= 2, "{driver}");
    }
}

#[test]
fn a_signal_beats_a_failed_threshold() {
    let server = no_content();
    let url = server.url("/");
    let running = Run::start(&[&url, "-d", "60s", "-c", "2", "--threshold", "http_reqs: count<1"]);
    running.wait_for_start();
    running.interrupt();
    running.finish().expect_exit(105);
}

/// The most bots that were in a session at the end of each second.
fn bots_by_second(report: &Report) -> Vec<u64> {
    let rows = report.0["timeline"]["rows"].as_array().expect("rows");
    rows.iter().map(|row| row["bots_active"].as_u64().expect("a count")).collect()
}

#[test]
fn stages_ramp_bots_up_and_down_and_a_stage_of_no_time_jumps() {
    let server = no_content();
    for driver in DRIVERS {
        let url = server.url("/");
        let stages = ["-s", "0s:20", "-s", "1500ms:20", "-s", "0s:5", "-s", "1500ms:5"];
        let words = [&[url.as_str()], &stages[..], &["--io-driver", driver]].concat();
        let report = run(&words).expect_exit(0).report();
        let bots = bots_by_second(&report);
        assert_eq!((bots[0], bots[1]), (20, 5), "{driver}: {bots:?}");
        assert_eq!(report.number("/totals/counters/connections_opened"), 20, "{driver}");
        assert_eq!(report.number("/summary/requests_failed"), 0, "{driver}");
    }
}

#[test]
fn a_ramp_of_the_rate_starts_as_many_sessions_as_its_area() {
    let server = no_content();
    for driver in DRIVERS {
        let url = server.url("/");
        // 0.5 s from 100 to 500, then 0.5 s at 500, then 0.5 s down to 0: 150 + 250 + 125.
        let stages = ["-s", "500ms:500", "-s", "500ms:500", "-s", "500ms:0"];
        let words = [&[url.as_str(), "-q", "100/s"], &stages[..], &["--io-driver", driver]];
        let report = run(&words.concat()).expect_exit(0).report();
        assert_eq!(report.number("/summary/due"), 525, "{driver}");
        assert_eq!(report.number("/summary/completed"), 525, "{driver}");
    }
}

#[test]
fn poisson_arrivals_are_those_of_the_seed() {
    let server = no_content();
    let url = server.url("/");
    let due = |seed: &str, cores: &str| {
        let words = [&url, "-q", "400/s", "-d", "1s", "--poisson", "--seed", seed];
        let report = run(&[&words[..], &["--cores", cores]].concat()).expect_exit(0).report();
        assert_eq!(report.number("/summary/due"), report.number("/summary/completed"));
        report.number("/summary/due")
    };
    let one = due("7", "1");
    assert!((320..480).contains(&one), "{one}");
    assert_eq!(one, due("7", "2"));
    assert_ne!(one, due("8", "1"), "seeds 7 and 8 happen to differ");
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for words in [
        &["-s", "1s:5", "-d", "5s"][..],
        &["-s", "1s:5", "-n", "5"],
        &["-s", "soon"],
        &["--max-vus", "5"],
        &["--poisson"],
        &["-q", "10/s", "--on-no-free-bot", "hope"],
        &["-q", "1/s", "-d", "40000d"],
    ] {
        let ended = tallyho(&[&["run", "http://127.0.0.1:1/"], words].concat());
        assert_eq!(ended.status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn the_summary_of_k6_can_be_written_too() {
    let server = no_content();
    let scratch = Scratch::new("summary");
    let path = scratch.path().join("summary.json");
    let (url, file) = (server.url("/"), path.to_str().expect("text"));
    run(&[&url, "-n", "10", "--summary-export", file]).expect_exit(0);
    let text = std::fs::read_to_string(&path).expect("a summary");
    let summary = Report(serde_json::from_str(&text).expect("JSON"));
    assert_eq!(summary.number("/metrics/http_reqs/count"), 10);
    assert!(summary.0["metrics"]["http_req_duration"]["p(90)"].is_f64(), "{text}");
}

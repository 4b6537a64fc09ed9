//! TallyUp bots over real sockets whose API does what it should not: answers that never come are
//! counted as timeouts and survived, and what the bot ends the run for ends it with its code.

mod servers;
mod standin;
mod tallyho;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tallyho::demo::Rules;
use servers::{RawServer, Scratch};
use standin::Fate;
use tallyho::{DRIVERS, Ended, run, tallyho};

const BOTS: u64 = 8;

/// A few bots, with these weights and options.
fn play(server: &RawServer, options: &str, words: &[&str]) -> Ended {
    let text = format!(
        r#"{{ "bot": "tallyup", "executor": "constant-vus", "vus": {BOTS}, "vusMax": {BOTS},
              "duration": "4s", "gracefulStop": "10s", "delayScale": 0.02,
              "config": {{ "heartbeat": false, "setUpPauseSec": 0, {options} }} }}"#
    );
    let scratch = Scratch::new("tallyup-faults");
    let file = scratch.file("faults.json", &text);
    let url = server.url("");
    run(&[&[file.to_str().expect("text"), "--target", &url], words].concat())
}

#[test]
fn a_request_without_an_answer_in_time_is_a_timeout_and_the_bot_plays_on() {
    for driver in DRIVERS {
        // What the bot asks for again and again and can do without; every other answer is withheld.
        let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let (asked, withheld) = (&counts.0, &counts.1);
        let shared = Arc::clone(&counts);
        let server = standin::start(Rules::default(), move |target, _| {
            let is_it = target == "/api/v1/users/active_count";
            if !is_it || shared.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return Fate::Sent;
            }
            shared.1.fetch_add(1, Ordering::Relaxed);
            Fate::Withheld
        });
        let options = r#""loginsPerSec": 0, "actionWeights": {
            "session": { "exit": 0, "homeScreen": 100, "goalsScreen": 0, "activityScreen": 100 },
            "homeScreen": { "playRandom": 0, "newTab": 500 }, "goalsScreen": { "practice": 0 },
            "activityScreen": { "newTab": 500 } }"#;
        let ended = play(&server, options, &["--timeout", "200ms", "--io-driver", driver]);
        let ended = ended.expect_exit(0);
        let report = ended.report();
        let timeouts = report.counter("timeouts");
        let withheld = withheld.load(Ordering::Relaxed);
        assert!(timeouts > 1, "{driver}: {timeouts} timeouts of {withheld}");
        assert_eq!(timeouts, withheld, "{driver}: {}", report.failure_kinds());
        assert_eq!(timeouts, report.failures("first byte timeout"), "{driver}");
        assert_eq!(report.counter("network_errors"), 0, "{driver}: {}", report.failure_kinds());
        // No session ended by it: each bot has one, from the start of the run to its end.
        assert_eq!(report.counter("sessions"), BOTS, "{driver}");
        assert_eq!(report.number("/summary/interrupted"), 0, "{driver}");
        let answered = asked.load(Ordering::Relaxed) - withheld;
        assert!(answered >= timeouts, "{driver}: {answered} answers beside {timeouts} timeouts");
        // Sessions have failed by it, at their end, and replay.
        assert!((1..=BOTS).contains(&report.number("/summary/failed")), "{driver}");
        let folder = ended.path("");
        let replayed = tallyho(&["replay", folder.to_str().expect("text"), "--all"]);
        let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
        assert_eq!(replayed.status.code(), Some(0), "{driver}: {text}");
    }
}

/// Bots that play live games and nothing else.
const LIVE: &str =
    r#""loginsPerSec": 0, "actionWeights": { "homeScreen": { "playRandom": 1000 } }"#;

#[test]
fn a_match_that_is_not_the_user_s_or_has_no_status_ends_the_run_with_exit_code_108() {
    type Change = fn(&str, &str) -> Option<String>;
    let other_session: Change = |target, answer| {
        let is_it = target == "/api/v1/games/request_match";
        is_it.then(|| answer.replace("\"sessionId\":\"s", "\"sessionId\":\"x"))
    };
    let no_status: Change = |target, answer| {
        let is_it = target.starts_with("/api/v1/users?");
        is_it.then(|| answer.replace("\"waiting_opponent\"", "\"\""))
    };
    for (change, reason) in [
        (other_session, "request_match gave session x"),
        (no_status, "the live session has no status while a match is waited for"),
    ] {
        let server = standin::start(Rules::default(), move |target, answer| {
            if let Some(changed) = change(target, &String::from_utf8_lossy(answer)) {
                *answer = changed.into_bytes();
            }
            Fate::Sent
        });
        let report = play(&server, LIVE, &[]).expect_exit(108).report();
        let stopped_by = report.text("/run/stopped_by");
        assert!(stopped_by.contains(reason), "{reason}: {stopped_by}");
    }
    let server = standin::start(Rules::default(), |_, _| Fate::Sent);
    let report = play(&server, LIVE, &[]).expect_exit(0).report();
    assert!(report.counter("live_games") > 0, "without the faults games are played");
}

#[test]
fn a_throttled_login_ends_the_run_in_the_original_s_way_only() {
    let throttled = || {
        // Set-up takes three calls; the bots, all at once, many more.
        let rules = Rules { auth_per_sec_max: Some(3), ..Rules::default() };
        standin::start(rules, |_, _| Fate::Sent)
    };
    let old = r#""loginsPerSec": 0, "loginThrottles": "abort""#;
    let report = play(&throttled(), old, &[]).expect_exit(99).report();
    let stopped_by = report.text("/run/stopped_by");
    assert!(stopped_by.contains("cognitoThrottles"), "{stopped_by}");
    let report = play(&throttled(), r#""loginsPerSec": 0"#, &[]).expect_exit(0).report();
    assert!(report.counter("cognitoThrottles") > 0, "{}", report.failure_kinds());
    assert!(report.counter("home_screen") > 0, "nobody got in who had been told to wait");
}

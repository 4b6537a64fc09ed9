//! Ramp-down: players are asked to stop from the highest number down, and each finishes the action
//! that it is in.
//!
//! Read from the trace of a real run: when each bot was told, and what it did after that.

mod servers;
mod tallyho;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;

use servers::Scratch;
use tallyho::{DRIVERS, Ended, run};
use tallyho_replay::trace::record::{Event, Events};
use tallyho_replay::trace::{FoundEnd, TraceReader, Wanted};

const BOTS: u64 = 8;
/// Every 600 ms one bot is asked to stop.
const RAMP_MS: u64 = 4_800;
/// Bots that are told within this time of each other may be seen in any order: on a busy machine
/// two get their turn at once, and one hears of it with the response that it waits for.
const TOGETHER_US: u64 = 300_000;

fn scenario(weights: &str) -> String {
    format!(
        r#"{{
  "bot": "tallyup", "vusMax": {BOTS}, "startVUs": {BOTS}, "gracefulRampDown": "2m",
  "gracefulStop": "2m", "delayScale": 0.1,
  "stages": [
    {{ "duration": "3s", "target": {BOTS} }}, {{ "duration": "{RAMP_MS}ms", "target": 0 }}
  ],
  "config": {{
    "heartbeat": false, "setUpPauseSec": 0, "loginsPerSec": 0, "enableDelays": true,
    "actionWeights": {{ {weights} }}
  }}
}}"#
    )
}

fn ramp(weights: &str, driver: &str) -> Ended {
    play(&scenario(weights), driver)
}

fn play(scenario: &str, driver: &str) -> Ended {
    let scratch = Scratch::new("ramp");
    let file = scratch.file("ramp.json", scenario);
    let file = file.to_str().expect("text");
    let words = [file, "--faults", "none", "--io-driver", driver, "--cores", "1"];
    run(&words).expect_exit(0)
}

/// The end of a bot's last session.
#[derive(Default)]
struct Last {
    session: u64,
    /// When it was told to stop.
    told_us: u64,
    ended_us: u64,
    /// Responses that it got after that.
    responses: u64,
    is_whole: bool,
    outcome: &'static str,
}

fn last_sessions(ended: &Ended) -> BTreeMap<u64, Last> {
    let file = File::open(ended.path("trace-0.tly")).expect("a trace");
    let mut reader = TraceReader::open(file).expect("it is whole");
    let mut bots: BTreeMap<u64, Last> = BTreeMap::new();
    let read = reader.sessions(&Wanted::default(), |found| {
        let mut last = Last { session: found.who.session, ..Last::default() };
        last.is_whole = found.end == FoundEnd::Whole;
        for event in Events::new(&found.record).map_while(Result::ok) {
            match event {
                Event::Input { at_us, stopping: true, .. } => {
                    if last.told_us == 0 {
                        last.told_us = at_us;
                    } else {
                        last.responses += 1;
                    }
                    last.ended_us = at_us;
                }
                Event::Command(command) => last.outcome = command.outcome(),
                _ => {}
            }
        }
        let known = bots.entry(found.who.bot).or_default();
        if last.told_us > 0 && last.session >= known.session {
            *known = last;
        }
        ControlFlow::Continue(())
    });
    read.expect("it can be read");
    // Set-up is in a file of its own.
    assert_eq!(bots.len() as u64, BOTS);
    bots
}

/// Of any two bots the one with the higher number comes first, if they are not together.
fn assert_descending(what: &str, instants: &BTreeMap<u64, u64>) {
    for (low, low_us) in instants {
        for (high, high_us) in instants.range(low + 1..) {
            assert!(
                *high_us <= low_us + TOGETHER_US,
                "{what}: bot {high} at {high_us} us, bot {low} at {low_us} us: {instants:?}"
            );
        }
    }
}

#[test]
fn players_are_asked_to_stop_from_the_highest_number_down_and_end_in_that_order() {
    // Actions of a few milliseconds, so that a bot ends when it is told to.
    let weights = r#"
        "session": { "exit": 0, "homeScreen": 0, "goalsScreen": 0, "activityScreen": 100 },
        "homeScreen": { "playRandom": 0, "powerPlaySettings": 0, "newTab": 100 },
        "goalsScreen": { "practice": 0 },
        "activityScreen": { "newTab": 0, "settings": 0, "walletDetails": 0, "feed": 0 }"#;
    for driver in DRIVERS {
        let ended = ramp(weights, driver);
        let bots = last_sessions(&ended);
        let told = bots.iter().map(|(bot, last)| (*bot, last.told_us)).collect();
        assert_descending("told", &told);
        let ends = bots.iter().map(|(bot, last)| (*bot, last.ended_us)).collect();
        assert_descending("ended", &ends);
        for (bot, last) in &bots {
            assert!(last.is_whole && last.outcome == "done", "{driver}: {bot}: {}", last.outcome);
            // By the plan bot 7 goes first, at 3 s, and bot 0 last; nobody goes too early.
            let planned_us = 3_000_000 + (BOTS - 1 - bot) * RAMP_MS * 1_000 / BOTS;
            assert!(last.told_us + 50_000 >= planned_us, "{driver}: {bot}: {}", last.told_us);
        }
    }
}

#[test]
fn whoever_plays_a_game_when_asked_to_stop_plays_it_to_its_end() {
    let weights = r#""homeScreen": { "playRandom": 1000 }"#;
    let ended = ramp(weights, "auto");
    let bots = last_sessions(&ended);
    let told = bots.iter().map(|(bot, last)| (*bot, last.told_us)).collect();
    assert_descending("told", &told);
    for (bot, last) in &bots {
        assert!(last.is_whole && last.outcome == "done", "{bot}: {}", last.outcome);
    }
    let went_on = bots.values().filter(|last| last.responses > 3).count();
    assert!(went_on > 0, "all of them stopped in the middle of a game, or none was in one");
    let report = ended.report();
    assert_eq!(report.number("/summary/interrupted"), 0, "nobody was cut off");
    assert_eq!(report.number("/summary/failed"), 0, "{}", report.failure_kinds());
}

#[test]
fn graceful_stop_lets_games_be_played_to_their_end_and_without_it_they_are_cut_off() {
    // The load ends with all bots in games; a ramp-down would have asked them before.
    let stop = |graceful_stop: &str| {
        let text = scenario(r#""homeScreen": { "playRandom": 1000 }"#)
            .replace(r#""gracefulStop": "2m""#, &format!(r#""gracefulStop": "{graceful_stop}""#))
            .replace(&format!(r#", {{ "duration": "{RAMP_MS}ms", "target": 0 }}"#), "");
        assert!(!text.contains("ms"), "{text}");
        play(&text, "auto")
    };
    let ended = stop("2m");
    let bots = last_sessions(&ended);
    for (bot, last) in &bots {
        assert!(last.is_whole && last.outcome == "done", "{bot}: {}", last.outcome);
        assert!(last.told_us >= 2_900_000, "{bot}: told at {} us", last.told_us);
    }
    let went_on = bots.values().filter(|last| last.responses > 3).count();
    assert!(went_on > 0, "all of them stopped in the middle of a game, or none was in one");
    let report = ended.report();
    assert_eq!(report.number("/summary/interrupted"), 0, "nobody was cut off");
    assert_eq!(report.number("/summary/failed"), 0, "{}", report.failure_kinds());
    let report = stop("0s").report();
    assert!(report.number("/summary/interrupted") > 0, "nobody was in a game");
}

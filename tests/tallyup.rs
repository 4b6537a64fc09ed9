//! The TallyUp bot against the stand-in API, in virtual time.

mod drive;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use drive::crowd::{Crowd, Play, Preparation, play};
use tallyho::config::{self, BotKind, Options};
use tallyho::demo::{Faults, Rules};
use tallyho_replay::replayer::{ReplayEnd, replay};

fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// All that a run has to do with, in a few lines.
fn summary(crowd: &Crowd) -> String {
    let seen = &crowd.seen;
    let trends: Vec<_> =
        seen.trends.iter().map(|(name, values)| format!("{name}: {}", values.len())).collect();
    format!(
        "{} sessions\nrequests {:#?}\nstatuses {:?}\nrefused {:#?}\nactions {:#?}\ncounters {:#?}\n\
         rates {:?}\ntrends {trends:?}\nchecks {:?}\noutcomes {:#?}\nfailing {:#?}\nlogs {:#?}",
        seen.sessions,
        seen.requests,
        seen.statuses,
        seen.refused,
        seen.actions,
        seen.counters,
        seen.rates,
        seen.failed_checks,
        seen.outcomes,
        seen.failing,
        &seen.logs[..seen.logs.len().min(20)]
    )
}

/// The configuration that scenarios/tallyup.json gives to its bots, and its weights.
fn scenario(scale_ppm: Option<u32>) -> (String, Vec<(String, String, u32)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tallyup.json");
    let registered_bots = tallyho::built_in_bots().names().map(str::to_owned).collect();
    let options = Options { registered_bots, delay_scale_ppm: scale_ppm, ..Options::default() };
    let plan = config::check(&path, &options).expect("it is valid").plan;
    let BotKind::Registered { config, .. } = &plan.bots[0].kind else { panic!("it is in code") };
    let weights = plan.weights.iter().map(|w| (w.set.clone(), w.action.clone(), w.weight));
    (config.clone(), weights.collect())
}

fn borrowed(weights: &[(String, String, u32)]) -> Vec<(&str, &str, u32)> {
    weights.iter().map(|(set, action, weight)| (&**set, &**action, *weight)).collect()
}

/// Replays everything that was recorded; the records of sessions that ended are whole.
fn replay_all(crowd: &Crowd) {
    assert!(!crowd.seen.records.is_empty());
    for record in &crowd.seen.records {
        let replayed = replay(crowd.bot(), &crowd.facts, record);
        let replayed = replayed.unwrap_or_else(|error| panic!("SEED={}: {error}", seed()));
        assert!(matches!(replayed.end, ReplayEnd::Whole { .. }), "{:?}", replayed.end);
    }
}

/// How often each of the bot's metrics must be counted: every screen and every kind of game.
const COUNTED: &[&str] = &[
    "sessions",
    "home_screen",
    "activity_screen",
    "settings_screen",
    "goals_screen",
    "events_screen",
    "event_details_screen",
    "social_screen",
    "pvp_screen",
    "powerplay_settings_screen",
    "powerplay_enabled",
    "powerplay_disabled",
    "goal_awards_claimed",
    "event_prizes_claimed",
    "replays_watched",
    "basic_spins",
    "mega_spins",
    "live_games",
    "async_game_starts",
    "async_game_moves",
    "event_game_moves",
    "event_game_completes",
    "quickfire_games",
    "event_joins",
    "hidden_event_joins",
];

const TRENDS: &[&str] = &[
    "session_duration",
    "matching_delay",
    "live_game_duration",
    "round_delay",
    "quickfire_game_duration",
];

/// Actions by set. `pvpScreen.move` and the like need a match with whoever is looked up.
const ACTIONS: &[(&str, &[&str])] = &[
    ("session", &["exit", "activityScreen", "goalsScreen", "homeScreen", "eventsScreen"]),
    ("session", &["socialScreen"]),
    ("homeScreen", &["playRandom", "powerPlaySettings", "newTab", "settings", "walletDetails"]),
    ("homeScreen", &["jumpToGoals"]),
    ("powerPlaySettings", &["back", "toggleActive", "setMinimum", "setMaximum"]),
    ("settings", &["back", "setInviter", "recentGames", "toggleIncludeBots"]),
    ("settings", &["powerPlaySettings"]),
    ("walletDetails", &["cashOut", "spin"]),
    ("activityScreen", &["feed", "WinningsToday", "WinningsYesterday"]),
    ("activityScreen", &["SurgeScore", "newTab"]),
    ("feed", &["back", "idle", "watchReplay"]),
    ("goalsScreen", &["claim", "practice", "newTab"]),
    ("eventsScreen", &["idle", "selectEventDetails", "selectHiddenEventDetails", "newTab"]),
    ("eventsScreen", &["jumpToEvents"]),
    ("eventDetailsScreen", &["back", "leaderboard", "feed", "idle", "eventAction"]),
    ("socialScreen", &["searchForUser", "idle", "matchupAction", "newTab"]),
    ("pvpScreen", &["back", "startChallenge"]),
    ("gameOver", &["matchupAgainst", "back"]),
];

/// What even a small crowd reaches in two minutes.
const COUNTED_SOON: &[&str] = &[
    "sessions",
    "home_screen",
    "goals_screen",
    "events_screen",
    "event_details_screen",
    "social_screen",
    "pvp_screen",
    "live_games",
    "async_game_starts",
    "event_game_moves",
    "event_joins",
    "hidden_event_joins",
];

fn assert_all_reached(crowd: &Crowd) {
    let missing = missing(crowd);
    assert!(missing.is_empty(), "no {missing:?}: {}", summary(crowd));
}

/// What was not reached.
fn missing(crowd: &Crowd) -> Vec<String> {
    let seen = &crowd.seen;
    let counted = COUNTED.iter().filter(|name| !seen.counters.contains_key(**name));
    let trends = TRENDS.iter().filter(|name| !seen.trends.contains_key(**name));
    let mut missing: Vec<String> = counted.chain(trends).map(|name| (*name).to_owned()).collect();
    let actions = ACTIONS.iter().flat_map(|(set, actions)| actions.iter().map(move |a| (set, a)));
    let actions = actions.map(|(set, action)| format!("{set}.{action}"));
    missing.extend(actions.filter(|name| !seen.actions.contains_key(name)));
    if !seen.rates.contains_key("bots_percent") {
        missing.push("bots_percent".to_owned());
    }
    missing
}

/// As the scenario, ten times as fast as people, and with what is rare made frequent.
#[test]
fn every_screen_action_and_game_is_reached() {
    let (config, weights) = scenario(None);
    let mut weights = borrowed(&weights);
    weights.extend([
        ("session", "activityScreen", 30_000),
        ("session", "exit", 5_000),
        ("homeScreen", "settings", 20_000),
        ("homeScreen", "walletDetails", 20_000),
        ("homeScreen", "playRandom", 15_000),
        ("gameOver", "matchupAgainst", 50_000),
    ]);
    let crowd = play(&Play {
        config: &config,
        seed: seed(),
        weights: &weights,
        bots: 40,
        duration: Duration::from_secs(240),
        recorded_each: 20,
        ..Play::default()
    });
    let requests: u64 = crowd.seen.requests.values().sum();
    eprintln!("{requests} requests");
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    assert_all_reached(&crowd);
    replay_all(&crowd);
}

#[test]
fn a_move_that_comes_too_late_ends_no_session() {
    // A live round lasts 30 s; whoever thinks for up to 50 s is often late.
    let crowd = play(&Play {
        config: r#"{"enableDelays": true, "delayScale": 5}"#,
        seed: seed(),
        bots: 4,
        duration: Duration::from_secs(1_500),
        weights: &[("homeScreen", "playRandom", 900_000)],
        preparation: Preparation::None,
        ..Play::default()
    });
    let late = crowd.seen.refused.keys().any(|key| key.starts_with("games/{id}/answer: 409"));
    assert!(late, "{}", summary(&crowd));
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    assert!(crowd.seen.trends.contains_key("live_game_duration"), "{}", summary(&crowd));
}

#[test]
fn a_match_that_nobody_joins_is_taken_back() {
    let tamper: fn(&str, &mut Vec<u8>) = |name, body| {
        let text = String::from_utf8_lossy(body);
        let changed = match name {
            "users" => text.replace("\"playing\"", "\"waiting_opponent\""),
            "games/cancel_request_level" => text.replace("User is already matched.", ""),
            _ => return,
        };
        *body = changed.into_bytes();
    };
    let crowd = play(&Play {
        seed: seed(),
        duration: Duration::from_secs(400),
        weights: &[("homeScreen", "playRandom", 900_000)],
        preparation: Preparation::None,
        tamper: Some(tamper),
        ..Play::default()
    });
    assert!(crowd.seen.counters.contains_key("live_game_cancel_requests"), "{}", summary(&crowd));
}

#[test]
fn the_scenario_plays_without_a_failure_and_replays() {
    let (config, weights) = scenario(None);
    let weights = borrowed(&weights);
    let crowd = play(&Play {
        config: &config,
        seed: seed(),
        weights: &weights,
        bots: 30,
        duration: Duration::from_secs(120),
        recorded_each: 10,
        ..Play::default()
    });
    for name in COUNTED_SOON {
        assert!(crowd.seen.counters.contains_key(*name), "no {name}: {}", summary(&crowd));
    }
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    crowd.audit().expect("no money comes from nothing");
    replay_all(&crowd);
}

/// Whether actions that can always be chosen were chosen as often as they weigh. Others of the
/// same set do not matter: the choice among these is in proportion to their weights anyway. One
/// that may find nothing to do would: another is chosen then, and it does not count.
fn chi_square(crowd: &Crowd, set: &str, weights: &[(&str, u32)]) {
    let count = |action: &str| {
        let name = format!("{set}.{action}");
        f64::from(u32::try_from(crowd.seen.actions.get(&name).copied().unwrap_or(0)).expect("few"))
    };
    let all: f64 = weights.iter().map(|(action, _)| count(action)).sum();
    let weight_all: f64 = weights.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let chi: f64 = weights
        .iter()
        .map(|(action, weight)| {
            let expected = all * f64::from(*weight) / weight_all;
            (count(action) - expected).powi(2) / expected
        })
        .sum();
    // By Wilson and Hilferty: 1 in 100,000 is beyond z = 4.265.
    let freedom = f64::from(u32::try_from(weights.len() - 1).expect("few"));
    let spread = 2.0 / (9.0 * freedom);
    let bound = freedom * (1.0 - spread + 4.265 * spread.sqrt()).powi(3);
    assert!(all >= 60.0, "{set}: only {all} choices");
    assert!(chi < bound, "{set}: chi-square {chi} of at most {bound}; SEED={}", seed());
}

/// Bots that play for an hour: thousands in a release build, or as many as `TALLYUP_BOTS` says;
/// else, where a request costs twelve times as much, what takes half a minute.
fn bots_of_the_hour() -> u64 {
    let asked = std::env::var("TALLYUP_BOTS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 30 } else { 2_000 })
}

const LEADERBOARDS: [&str; 8] = [
    "WinningsToday",
    "WinningsYesterday",
    "WinningsThisWeek",
    "WinningsLastWeek",
    "HighestBalance",
    "CurrentBalance",
    "MostDonated",
    "SurgeScore",
];

/// From so many on a crowd reaches everything within an hour.
const CROWD: u64 = 1_000;

#[test]
fn an_hour_of_play_by_a_crowd_takes_seconds() {
    let bots = bots_of_the_hour();
    let (config, weights) = scenario(Some(1_000_000));
    let weights = borrowed(&weights);
    let began = std::time::Instant::now();
    let crowd = play(&Play {
        config: &config,
        seed: seed(),
        weights: &weights,
        bots,
        duration: Duration::from_secs(3_600),
        recorded_each: 500,
        ..Play::default()
    });
    let requests: u64 = crowd.seen.requests.values().sum();
    eprintln!("{bots} bots, {requests} requests in {:?}", began.elapsed());
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    assert!(requests > 250 * bots, "{}", summary(&crowd));
    crowd.audit().expect("no money comes from nothing");
    replay_all(&crowd);
    let weight = |set: &str, action: &str, own: u32| {
        let given = weights.iter().find(|(s, a, _)| (*s, *a) == (set, action));
        given.map_or(own, |(_, _, weight)| *weight)
    };
    let home = [
        ("newTab", 41_665),
        ("settings", 5_000),
        ("walletDetails", 3_335),
        ("playRandom", 45_000),
        ("powerPlaySettings", 5_000),
    ];
    chi_square(&crowd, "homeScreen", &home.map(|(a, own)| (a, weight("homeScreen", a, own))));
    let social = [("newTab", weight("socialScreen", "newTab", 24_999)), ("idle", 10_000)];
    chi_square(&crowd, "socialScreen", &social);
    if bots >= CROWD {
        chi_square(&crowd, "activityScreen", &LEADERBOARDS.map(|board| (board, 6_000)));
        chi_square(&crowd, "walletDetails", &[("back", 25), ("spin", 65)]);
        chi_square(&crowd, "goalsScreen", &[("newTab", 24_999), ("practice", 35_000)]);
        chi_square(&crowd, "powerPlaySettings", &[("setMinimum", 25), ("setMaximum", 25)]);
        assert_all_reached(&crowd);
        for name in ["async_game_accepts", "async_game_declines", "async_game_completes"] {
            assert!(crowd.seen.counters.contains_key(name), "no {name}: {}", summary(&crowd));
        }
        for action in ["pvpScreen.move", "pvpScreen.seeResult"] {
            assert!(crowd.seen.actions.contains_key(action), "no {action}: {}", summary(&crowd));
        }
    }
}

#[test]
fn faults_are_counted_as_what_they_are_and_every_failing_session_replays() {
    let faults = "status=2%,reset=1%,badjson=0.5%";
    let rules = Rules { faults: Faults::parse(faults).expect("a list"), ..Rules::default() };
    let crowd = play(&Play {
        config: r#"{"playAsync": true, "enableDelays": true, "delayScale": 0.2}"#,
        seed: seed(),
        rules,
        bots: 30,
        duration: Duration::from_secs(240),
        recorded_each: 1,
        preparation: Preparation::None,
        ..Play::default()
    });
    let seen = &crowd.seen;
    let of = |names: &[&str]| -> u64 {
        names.iter().map(|name| seen.counters.get(*name).copied().unwrap_or(0)).sum()
    };
    let resets: u64 =
        seen.refused.iter().filter(|(name, _)| name.ends_with(": reset")).map(|(_, n)| n).sum();
    assert!(resets > 0 && of(&["network_errors"]) == resets, "{}", summary(&crowd));
    assert_eq!(of(&["timeouts"]), 0);
    // A session fails by what was planted, and by what follows from it, and by nothing else.
    let planted = |fault: &str| {
        fault.contains("unexpected status 503")
            || fault.contains("connection reset")
            || fault.contains("check failed: answers can be read")
            || fault.contains("start: cognito")
            || fault.contains("not json")
    };
    assert!(seen.failing.keys().all(|fault| planted(fault)), "{}", summary(&crowd));
    assert!(seen.failing.len() > 5 && seen.sessions > 40, "{}", summary(&crowd));
    crowd.audit().expect("no money comes from nothing");
    replay_all(&crowd);
}

#[test]
fn a_bot_decides_the_same_in_any_company_of_its_process() {
    // Each bot alone with a server of its own: nothing of another bot can reach it. Together they
    // share the process, the scratch and the turns.
    let config = r#"{"playAsync": true, "enableDelays": true}"#;
    let alone = |number: u64| {
        let crowd = play(&Play {
            config,
            seed: seed(),
            first: number,
            duration: Duration::from_secs(400),
            preparation: Preparation::None,
            ..Play::default()
        });
        crowd.seen.choices[&number]
    };
    let choices: Vec<u64> = (0..12).map(alone).collect();
    // Two threads, as two cores have them, and three, as tasks do.
    for threads in [2_u64, 3] {
        let parted: Vec<(u64, u64)> = std::thread::scope(|scope| {
            let part = |of: u64| {
                let alone = &alone;
                scope.spawn(move || {
                    let mine = (0..12).filter(|number| number % threads == of);
                    mine.map(|number| (number, alone(number))).collect::<Vec<_>>()
                })
            };
            let parts: Vec<_> = (0..threads).map(part).collect();
            parts.into_iter().flat_map(|part| part.join().expect("it ends")).collect()
        });
        for (number, choice) in parted {
            let index = usize::try_from(number).expect("small");
            assert_eq!(choice, choices[index], "bot {number}; rerun with SEED={}", seed());
        }
    }
    assert!(choices.windows(2).all(|pair| pair[0] != pair[1]), "bots differ");
}

#[test]
fn logins_are_renewed_before_they_expire_and_carried_to_the_next_session() {
    let rules = Rules { token_lifetime: Duration::from_secs(200), ..Rules::default() };
    let run = |config: &str| {
        play(&Play {
            config,
            seed: seed(),
            rules: rules.clone(),
            bots: 10,
            duration: Duration::from_secs(2_400),
            weights: &[("session", "exit", 200_000)],
            preparation: Preparation::None,
            ..Play::default()
        })
    };
    let crowd = run("{}");
    let requests = &crowd.seen.requests;
    assert!(crowd.seen.sessions > 20, "{}", summary(&crowd));
    assert_eq!(requests["cognito SignUp"], 10, "one for each bot, not for each session");
    assert!(requests["cognito refresh"] > 50, "{}", summary(&crowd));
    assert!(!crowd.seen.statuses.contains_key(&401), "{}", summary(&crowd));
    let crowd = run(r#"{"carryLogins": false}"#);
    assert_eq!(crowd.seen.requests["cognito SignUp"], crowd.seen.sessions, "the original's way");
}

#[test]
fn throttled_logins_back_off_or_fail_in_the_original_s_way() {
    let rules = Rules { auth_per_sec_max: Some(5), ..Rules::default() };
    let run = |config: &str| {
        play(&Play {
            config,
            seed: seed(),
            rules: rules.clone(),
            bots: 40,
            duration: Duration::from_secs(400),
            preparation: Preparation::None,
            ..Play::default()
        })
    };
    let crowd = run(r#"{"loginsPerSec": 0}"#);
    assert!(crowd.seen.counters["cognitoThrottles"] > 50, "{}", summary(&crowd));
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    assert!(crowd.seen.counters["home_screen"] >= 40, "{}", summary(&crowd));
    let crowd = run(r#"{"loginsPerSec": 1}"#);
    assert!(!crowd.seen.counters.contains_key("cognitoThrottles"), "{}", summary(&crowd));
    let crowd = run(r#"{"loginsPerSec": 0, "loginThrottles": "abort"}"#);
    let failed = crowd.seen.outcomes.keys().any(|outcome| outcome.contains("too many requests"));
    assert!(failed, "{}", summary(&crowd));
}

#[test]
fn a_match_that_is_not_the_user_s_ends_the_run() {
    let other_session: fn(&str, &mut Vec<u8>) = |name, body| {
        if name == "games/request_match" {
            let text =
                String::from_utf8_lossy(body).replace("\"sessionId\":\"s", "\"sessionId\":\"x");
            *body = text.into_bytes();
        }
    };
    let no_status: fn(&str, &mut Vec<u8>) = |name, body| {
        if name == "users" {
            let text = String::from_utf8_lossy(body).replace("waiting_opponent", "");
            *body = text.into_bytes();
        }
    };
    for (tamper, reason) in [(other_session, "request_match gave"), (no_status, "no status")] {
        let crowd = play(&Play {
            seed: seed(),
            bots: 3,
            duration: Duration::from_secs(120),
            weights: &[("homeScreen", "playRandom", 900_000)],
            preparation: Preparation::None,
            tamper: Some(tamper),
            ..Play::default()
        });
        let found = crowd
            .seen
            .failing
            .keys()
            .any(|fault| fault.contains("the bot ended the run") && fault.contains(reason));
        assert!(found, "{}", summary(&crowd));
    }
}

#[test]
fn the_planted_bug_pays_a_prize_twice_and_a_bot_sees_it() {
    let run = |faults: &str| {
        play(&Play {
            config: r#"{"playAsync": true, "events": [
                {"type": "adhoc", "name": "A", "endTs": "3m", "prizePoolTotal": 100},
                {"type": "adhoc", "name": "B", "endTs": "4m", "prizePoolTotal": 100}]}"#,
            seed: seed(),
            rules: Rules { faults: Faults::parse(faults).expect("a list"), ..Rules::default() },
            bots: 12,
            duration: Duration::from_secs(600),
            weights: &[("session", "eventsScreen", 900_000)],
            recorded_each: 1,
            ..Play::default()
        })
    };
    let crowd = run("prizerace=5m");
    let fault = crowd.seen.failing.keys().find(|fault| fault.contains("pays its prize once"));
    assert!(fault.is_some(), "{}", summary(&crowd));
    assert!(crowd.audit().is_err(), "money came from nothing");
    replay_all(&crowd);
    let crowd = run("");
    assert!(crowd.seen.failing.is_empty(), "{}", summary(&crowd));
    crowd.audit().expect("without the bug the books add up");
}

#[test]
fn other_tasks_wait_until_task_0_has_prepared_the_test() {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    // Task 0 raises the flag between the second look and the third.
    let raised: fn(&str, &mut Vec<u8>) = |name, body| {
        if name.starts_with("testing/flags/") && LOOKS.fetch_add(1, Ordering::Relaxed) == 2 {
            *body = br#"{"data":true}"#.to_vec();
        }
    };
    let crowd = play(&Play {
        config: EVENTS,
        seed: seed(),
        task_index: 1,
        bots: 0,
        tamper: Some(raised),
        ..Play::default()
    });
    let requests = &crowd.seen.requests;
    assert_eq!(requests["testing/flags/{id}/setup"], 3, "{}", summary(&crowd));
    assert!(!requests.contains_key("testing/special_events"), "only task 0 makes events");
    let crowd = play(&Play { config: EVENTS, seed: seed(), bots: 0, ..Play::default() });
    let requests = &crowd.seen.requests;
    assert_eq!(requests["testing/flags"], 2, "lowered, then raised");
    assert_eq!(requests["testing/special_events"], 1 + 1, "one list, one event");
    assert_eq!(requests["testing/users/clean_sessions"], 1);
}

const EVENTS: &str = r#"{"vusMax": 10, "events": [{"type": "adhoc", "endTs": "10m"}]}"#;

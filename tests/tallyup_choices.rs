//! Whether the TallyUp bot chooses its actions as often as they weigh: every choice of a crowd,
//! compared with the weights of what could be chosen at that moment.
//!
//! What can be chosen depends on guards (money, a match, a required move), on what was done before
//! and on what had nothing to do, so shares of a whole set say little. Recorded sessions are
//! replayed instead: a replay tells what each choice was among. Choices among the same actions with
//! the same weights are one group, with a chi-square of its own; those of a set are added up. So
//! conditional actions are compared under their condition, and none is left out.

mod drive;

use std::collections::BTreeMap;
use std::time::Duration;

use drive::crowd::{Crowd, Play, play};
use tallyho_replay::replayer::{Replayer, Trail};

/// What a choice was among, with weights.
type Among = Vec<(String, u32)>;

/// How often each action was chosen, by set and by what it was among.
type Groups = BTreeMap<String, BTreeMap<Among, BTreeMap<String, u64>>>;

/// Cells of which fewer are expected are put together: chi-square is about large numbers.
const EXPECTED_MIN: f64 = 5.0;

fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Every choice of every recorded session.
fn choices(crowd: &Crowd) -> Groups {
    let mut groups = Groups::new();
    for record in &crowd.seen.records {
        let mut replayer = Replayer::new(crowd.bot(), &crowd.facts, record);
        while replayer.next_step().expect("it replays").is_some() {
            for trail in replayer.trail() {
                let Trail::Pick { set, action, among } = trail else { continue };
                let among: Among =
                    among.into_iter().map(|(name, weight)| (name.to_string(), weight)).collect();
                let group = groups.entry(set).or_default().entry(among).or_default();
                *group.entry(action).or_default() += 1;
            }
        }
    }
    groups
}

/// The chi-square of a group, its degrees of freedom, and the actions with a cell of their own.
fn chi_square<'a>(
    among: &'a [(String, u32)],
    chosen: &BTreeMap<String, u64>,
) -> (f64, f64, Vec<&'a str>) {
    let float = |number: u64| f64::from(u32::try_from(number).expect("few"));
    let all = float(chosen.values().sum());
    let weight_all: f64 = among.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let (mut chi, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
    let mut compared = Vec::new();
    for (action, weight) in among {
        let expected = all * f64::from(*weight) / weight_all;
        let seen = float(chosen.get(action).copied().unwrap_or(0));
        if expected < EXPECTED_MIN {
            rest = (rest.0 + seen, rest.1 + expected);
            continue;
        }
        chi += (seen - expected).powi(2) / expected;
        cells += 1.0;
        compared.push(action.as_str());
    }
    let mut left_out = 0.0;
    if rest.1 >= EXPECTED_MIN {
        chi += (rest.0 - rest.1).powi(2) / rest.1;
        cells += 1.0;
    } else {
        // What is left out varies with the others, so their sum is not wholly fixed.
        left_out = rest.1 / all.max(1.0);
    }
    (chi, cells - 1.0 + left_out, compared)
}

/// What chi-square exceeds once in 100,000 times, by Wilson and Hilferty.
fn bound(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 4.265 * spread.sqrt()).powi(3)
}

/// All actions of all sets.
const ACTIONS: &[(&str, &[&str])] = &[
    ("session", &["exit", "activityScreen", "goalsScreen", "homeScreen", "eventsScreen"]),
    ("session", &["socialScreen"]),
    ("homeScreen", &["playRandom", "powerPlaySettings", "newTab", "settings", "walletDetails"]),
    ("homeScreen", &["jumpToGoals", "jumpToEvents", "jumpToSocial"]),
    ("powerPlaySettings", &["back", "toggleActive", "setMinimum", "setMaximum"]),
    ("settings", &["back", "setInviter", "recentGames", "toggleIncludeBots", "cashOut"]),
    ("settings", &["powerPlaySettings"]),
    ("walletDetails", &["back", "cashOut", "spin"]),
    ("activityScreen", &["feed", "WinningsToday", "WinningsYesterday", "WinningsThisWeek"]),
    ("activityScreen", &["WinningsLastWeek", "HighestBalance", "CurrentBalance", "MostDonated"]),
    ("activityScreen", &["SurgeScore", "newTab"]),
    ("feed", &["back", "idle", "watchReplay"]),
    ("goalsScreen", &["claim", "practice", "newTab"]),
    ("eventsScreen", &["idle", "selectEventDetails", "selectHiddenEventDetails", "newTab"]),
    ("eventDetailsScreen", &["back", "leaderboard", "feed", "idle", "eventAction"]),
    ("socialScreen", &["searchForUser", "idle", "matchupAction", "newTab"]),
    ("pvpScreen", &["back", "startChallenge", "accept", "reject", "move", "ack", "seeResult"]),
    ("gameOver", &["matchupAgainst", "back"]),
];

#[test]
fn every_action_is_chosen_as_often_as_it_weighs_among_what_could_be_chosen() {
    let crowd = play(&Play {
        config: r#"{"playAsync": true, "enableDelays": true, "delayScale": 0.1,
            "minBalance": 1500, "events": [
            {"type": "surge", "name": "Surge"}, {"type": "adhocBG", "name": "Best Of Three"},
            {"type": "adhocQF", "name": "Quickfire"}, {"type": "adhocMini", "name": "Private 1",
            "isHidden": true, "inviteCode": "INVITE1"}]}"#,
        seed: seed(),
        weights: &[
            // What is rare is made frequent, and what is long is made rare.
            ("session", "exit", 20_000),
            ("session", "activityScreen", 60_000),
            ("session", "homeScreen", 60_000),
            ("homeScreen", "settings", 50_000),
            ("homeScreen", "walletDetails", 50_000),
            ("homeScreen", "playRandom", 5_000),
            ("settings", "cashOut", 50_000),
            ("walletDetails", "cashOut", 50_000),
            ("activityScreen", "newTab", 10_000),
            ("goalsScreen", "practice", 5_000),
            ("socialScreen", "matchupAction", 100_000),
            ("socialScreen", "searchForUser", 300_000),
            ("socialScreen", "newTab", 10_000),
            ("gameOver", "matchupAgainst", 50_000),
            ("pvpScreen", "reject", 75_000),
        ],
        bots: 20,
        duration: Duration::from_secs(900),
        recorded_each: 1,
        ..Play::default()
    });
    let mut compared: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (set, groups) in &choices(&crowd) {
        let (mut chi_all, mut freedom_all) = (0.0, 0.0);
        for (among, chosen) in groups.iter().filter(|(among, _)| among.len() > 1) {
            let (chi, freedom, actions) = chi_square(among, chosen);
            if freedom < 1.0 {
                continue;
            }
            (chi_all, freedom_all) = (chi_all + chi, freedom_all + freedom);
            for action in actions {
                let count = chosen.get(action).copied().unwrap_or(0);
                *compared.entry((set.clone(), action.to_owned())).or_default() += count;
            }
        }
        let seed = seed();
        assert!(freedom_all >= 1.0, "{set}: too few choices; SEED={seed}");
        let bound = bound(freedom_all);
        eprintln!("{set}: chi-square {chi_all:.1} of {freedom_all} degrees, at most {bound:.1}");
        assert!(chi_all < bound, "{set}: {chi_all} of at most {bound}; SEED={seed} {groups:?}");
    }
    let all = ACTIONS.iter().flat_map(|(set, actions)| actions.iter().map(move |a| (*set, *a)));
    let is_missing = |(set, action): &(&str, &str)| {
        !compared.contains_key(&((*set).to_owned(), (*action).to_owned()))
    };
    let missing: Vec<_> = all.filter(is_missing).collect();
    assert!(missing.is_empty(), "not compared: {missing:?} in {compared:?}");
}

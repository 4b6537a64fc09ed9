//! The TallyUp bot against the stand-in API, in virtual time.

mod drive;

use std::time::{Duration, Instant};

use drive::crowd::{Crowd, Play, play};
use tallyho::demo::Rules;

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

const EVENTS: &str = r#"{"playAsync": true, "enableDelays": true, "vusMax": 100, "events": [
    {"type": "adhoc", "name": "Quick", "endTs": "10m", "joinCost": 5},
    {"type": "adhocQF", "name": "Quickfire", "startTs": "2m", "endTs": "20m"},
    {"type": "adhocBG", "name": "Private 0001", "isHidden": true, "inviteCode": "INVITE0001"}
]}"#;

#[test]
fn a_crowd_plays() {
    let began = Instant::now();
    let crowd = play(&Play {
        bot: "tallyup",
        config: EVENTS,
        seed: seed(),
        rules: Rules::default(),
        bots: 50,
        duration: Duration::from_secs(1_800),
        recorded_each: 1,
    });
    eprintln!("{}\n{:?}", summary(&crowd), began.elapsed());
}

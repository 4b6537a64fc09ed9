//! Every file in scenarios/ is checked and run, against the stand-in API in virtual time.

mod drive;

use std::path::{Path, PathBuf};
use std::time::Duration;

use drive::{Driver, check};
use tallyho::config::{BotKind, Options};
use tallyho::demo::Rules;
use tallyho_replay::replayer::{ReplayEnd, replay};

fn scenario_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn options() -> Options {
    let registered_bots = tallyho::built_in_bots().names().map(str::to_owned).collect();
    Options { registered_bots, ..Options::default() }
}

#[test]
fn every_scenario_is_without_errors_and_warnings() {
    let files = scenario_files();
    assert!(files.len() >= 4, "{files:?}");
    for path in files {
        let checked = check(&path, &options());
        let found = checked.findings.render(tallyho::config::Colour::Never);
        assert!(checked.findings.diagnostics.is_empty(), "{found}");
    }
}

#[test]
fn every_scenario_runs_without_a_failing_session_and_replays_exactly() {
    for path in scenario_files() {
        let checked = check(&path, &options());
        // tests/tallyup.rs plays the bots written in code.
        if checked.plan.bots.iter().any(|bot| matches!(bot.kind, BotKind::Registered { .. })) {
            continue;
        }
        let mut driver = Driver::new(checked, 1, Rules::default());
        driver.run(8, Duration::from_secs(300));
        let seen = &driver.seen;
        let shown = format!("{}: {}", path.display(), seen.summary());
        assert!(seen.records.len() >= 8, "{shown}");
        assert_eq!(seen.failing, 0, "{shown}");
        assert!(!seen.logs.iter().any(|line| line.contains("no value")), "{shown}");
        for (kind, record) in &seen.records {
            let replayed = replay(&driver.bots[*kind], &driver.run, record);
            let replayed = replayed.unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert!(matches!(replayed.end, ReplayEnd::Whole { .. }), "{shown}");
        }
    }
}

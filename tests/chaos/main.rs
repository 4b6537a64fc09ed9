//! Record and replay are the identity, whatever the server does: random scenarios, and a bot in
//! Rust, on both drivers, one to seven workers where there are as many cores, in one task or
//! several. (tests/trace has seven workers on any machine, with one scenario.)
//!
//! On failure, rerun with SEED=n; CHAOS_SEEDS=n plays more.

mod bot;
mod dice;
mod fickle;
mod scenario;
mod server;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../tallyho/mod.rs"]
mod tallyho;

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use ::tallyho::cli::Cli;
use clap::Parser;
use serde_json::Value;

use bot::Chaotic;
use dice::Dice;
use fickle::Fickle;
use server::chaos;
use servers::Scratch;
use tallyho::DRIVERS;

/// Seeds that are played by default.
const SEEDS: u64 = 14;
/// Sessions of a task.
const SESSIONS: u64 = 60;

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Player {
    /// A declared bot, by the program as it is shipped.
    Declared,
    /// A bot in Rust, by this test's own program.
    InRust,
}

/// The command line with the chaotic bot: what [`Player::InRust`] runs, and else nothing.
#[test]
fn as_tallyho() {
    let Ok(words) = std::env::var("CHAOS_WORDS") else { return };
    let words: Vec<String> = serde_json::from_str(&words).expect("words");
    let mut bots = ::tallyho::built_in_bots();
    bots.register::<Chaotic>();
    bots.register::<Fickle>();
    let cli = Cli::parse_from(std::iter::once("tallyho".to_owned()).chain(words));
    let exit = ::tallyho::run(cli, &bots).unwrap_or_else(|error| ::tallyho::exit::report(&error));
    std::process::exit(exit as i32);
}

#[test]
fn a_bot_that_no_replay_can_repeat_is_told_in_the_report_with_its_capsule() {
    let scratch = Scratch::new("fickle");
    let server = servers::RawServer::start(|stream| {
        servers::answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    let text = r#"{ "bot": "fickle", "vus": 2, "iterations": 30 }"#;
    let file = scratch.file("fickle.json", text);
    let folder = scratch.path().join("run");
    let target = server.url("");
    let words = ["run", utf8(&file), "--target", &target, "--out", utf8(&folder)];
    let told = Player::InRust.expect(3, &[&words[..], &["--allow-degraded"]].concat());
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected =
        "sessions DIFFER, a bug of Tallyho or of the bot; please report it with differs-";
    assert!(told.contains(expected), "{told}");
    let report = std::fs::read_to_string(folder.join("run.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let verified = &report["trace"]["verified"];
    assert_eq!(verified["different"], verified["sessions"], "{verified}");
    let capsule = verified["capsules"][0].as_str().expect("a capsule");
    let capsule = folder.join(capsule);
    let again = Player::InRust.expect(3, &["replay", utf8(&capsule), "--all"]);
    assert!(again.contains("differs at step 0") && again.contains("1 differ"), "{again}");
}

impl Player {
    fn scenario(self, seed: u64, elsewhere: &str) -> String {
        match self {
            Self::Declared => scenario::scenario(seed),
            Self::InRust => format!(
                r#"{{ "bot": "chaotic", "vus": 14, "iterations": 60,
                      "executor": "shared-iterations", "config": {{ "elsewhere": "{elsewhere}" }},
                      "metrics": {{ "silent": "counter", "size": "trend", "found": "rate",
                                    "members": "gauge", "since_start": "trend" }} }}"#
            ),
        }
    }

    /// Runs a command that must end with `code`; what it printed.
    fn expect(self, code: i32, words: &[&str]) -> String {
        let mut command = match self {
            Self::Declared => Command::new(env!("CARGO_BIN_EXE_tallyho")),
            Self::InRust => Command::new(std::env::current_exe().expect("a path")),
        };
        match self {
            Self::Declared => command.args(words),
            Self::InRust => command
                .args(["--exact", "as_tallyho", "--nocapture"])
                .env("CHAOS_WORDS", serde_json::to_string(words).expect("JSON")),
        };
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
        stdout + &stderr
    }
}

fn seeds() -> Range<u64> {
    let number = |name: &str| Some(std::env::var(name).ok()?.parse::<u64>().expect("a number"));
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAOS_SEEDS").unwrap_or(SEEDS),
    }
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Plays a seed's scenario as its tasks; how many kinds of failures the reports show.
fn play(seed: u64, scratch: &Scratch) -> usize {
    let player = if seed.is_multiple_of(2) { Player::Declared } else { Player::InRust };
    let mut dice = Dice::new(seed ^ 0xD1CE);
    let (server, elsewhere) = (chaos(seed), chaos(!seed));
    let file = scratch
        .file(&format!("{seed}.json"), &player.scenario(seed, &elsewhere.url("")))
        .display()
        .to_string();
    let together = scratch.path().join(format!("together-{seed}"));
    std::fs::create_dir_all(&together).expect("a folder");
    let driver = DRIVERS[usize::from(seed / 2 % 2 == 1)];
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let (workers, tasks) = ((1 + dice.below(cores.min(7))).to_string(), 1 + dice.below(3));
    eprintln!("SEED={seed}: {player:?}, {driver}, {workers} workers, {tasks} tasks");
    let mut failures = 0;
    let mut folders = Vec::new();
    for task in 0..tasks {
        let folder = scratch.path().join(format!("{seed}-{task}"));
        let seed = seed.to_string();
        let task = task.to_string();
        let target = server.url("");
        player.expect(
            0,
            &[
                "run",
                &file,
                "--target",
                &target,
                "--seed",
                &seed,
                "--run-id",
                "chaos",
                "--io-driver",
                driver,
                "--cores",
                &workers,
                "--task-index",
                &task,
                "--out",
                utf8(&folder),
                "--allow-degraded",
            ],
        );
        let report = std::fs::read_to_string(folder.join("run.json")).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        failures += report["failing"].as_array().map_or(0, Vec::len);
        assert_eq!(report["trace"]["verified"]["different"], 0);
        let trace = format!("trace-{task}.tly");
        std::fs::copy(folder.join(&trace), together.join(&trace)).expect("a copy");
        folders.push(folder);
    }
    expect_identity(player, (&together, &folders), tasks * SESSIONS);
    failures
}

/// All sessions of all tasks are there, once, and replay; merged, the reports have them all.
fn expect_identity(
    player: Player,
    (together, folders): (&Path, &[std::path::PathBuf]),
    sessions: u64,
) {
    let text = player.expect(0, &["replay", utf8(together), "--all"]);
    assert!(text.contains(&format!("{sessions} exact, 0 exact as far")), "{text}");
    player.expect(0, &["trace", "check", utf8(together)]);
    let listed = player.expect(0, &["sessions", utf8(together), "--json"]);
    let listed = listed.lines().filter(|line| line.starts_with('{'));
    let mut seen: Vec<&str> =
        listed.map(|line| line.split("\"start_us\"").next().expect("the beginning")).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len() as u64, sessions, "no session is missing, or there twice");
    let mut words = vec!["report", "--format", "k6-summary"];
    words.extend(folders.iter().map(|folder| utf8(folder)));
    let merged = player.expect(0, &words);
    assert!(merged.contains(&format!("\"count\": {sessions}")), "{merged}");
}

#[test]
fn what_random_bots_do_against_a_random_server_replays_exactly() {
    let mut failures = 0;
    for seed in seeds() {
        let scratch = Scratch::new("chaos");
        let played = std::panic::catch_unwind(|| play(seed, &scratch));
        failures += played.unwrap_or_else(|_| panic!("rerun with SEED={seed}"));
    }
    assert!(failures as u64 > seeds().count() as u64, "it fails in many ways: {failures}");
}

//! The example has the whole command line: its bot is checked, run, recorded and replayed.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "what a bot must not do, a test may"
)]

use std::path::Path;
use std::process::{Command, Output};

fn own_bot(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_own-bot"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command.output().expect("the example can be started")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}\n{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn a_bot_of_one_s_own_is_checked_run_and_replayed() {
    let checked = own_bot(&["check", "visitor.json"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let folder = std::env::temp_dir().join(format!("own-bot-{}", std::process::id()));
    let out = folder.to_string_lossy().into_owned();
    let ran = own_bot(&["run", "visitor.json", "--out", &out, "--allow-degraded"]);
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(text(&ran).contains("health"), "{}", text(&ran));
    let replayed = own_bot(&["replay", &out, "--all"]);
    assert!(replayed.status.success(), "{}", text(&replayed));
    assert!(text(&replayed).contains(" 0 differ"), "{}", text(&replayed));
    std::fs::remove_dir_all(folder).expect("it was made above");
}

#[test]
fn a_mistake_in_its_configuration_is_found_before_the_run() {
    let folder = std::env::temp_dir().join(format!("own-bot-wrong-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("wrong.json");
    let scenario =
        r#"{"bot": "visitor", "config": {"thinkMillis": 1}, "vus": 1, "duration": "1s"}"#;
    std::fs::write(&file, scenario).expect("a file");
    let checked = own_bot(&["check", &file.to_string_lossy()]);
    assert_eq!(checked.status.code(), Some(2), "{}", text(&checked));
    assert!(text(&checked).contains("thinkMillis"), "{}", text(&checked));
    std::fs::remove_dir_all(folder).expect("it was made above");
}

#[test]
fn the_tutorial_shows_the_example_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tutorial = std::fs::read_to_string(root.join("docs/own-bot.md")).expect("the tutorial");
    for file in ["src/main.rs", "Cargo.toml", "visitor.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let whole = std::fs::read_to_string(path).expect("a part of the example");
        for line in tutorial_lines(&tutorial, file) {
            assert!(whole.lines().any(|own| own == line), "{file} does not have: {line}");
        }
    }
}

/// The lines that the tutorial shows of a file: blocks below a line that names it.
fn tutorial_lines<'a>(tutorial: &'a str, file: &str) -> Vec<&'a str> {
    let mut lines = Vec::new();
    let mark = format!("`{file}`:");
    for part in tutorial.split(&mark).skip(1) {
        let block = part.split("```").nth(1).expect("a block below its name");
        lines.extend(block.lines().skip(1).filter(|line| !line.trim().is_empty()));
    }
    assert!(!lines.is_empty(), "the tutorial shows nothing of {file}");
    lines
}

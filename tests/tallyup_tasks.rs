//! The TallyUp bot in several tasks: each is told its number by the environment, waits for task 0,
//! and ends with the code that says that a bot ended the run.

mod servers;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use servers::Scratch;
use tallyho::demo::{Options, Parent, Rules, spawn_child};

const EXE: &str = env!("CARGO_BIN_EXE_tallyho");

const SCENARIO: &str = r#"{
  "bot": "tallyup", "executor": "constant-vus", "vus": 3, "vusMax": 3, "duration": "1s",
  "gracefulStop": "1s", "delayScale": 0.05, "config": { "heartbeat": false, "setUpPauseSec": 0 }
}"#;

fn play(scratch: &Scratch, target: &str, task: &str) -> Output {
    Command::new(EXE)
        .args(["run", "three.json", "--target", target, "--quiet", "--allow-degraded"])
        .args(["--out", task])
        .env("TASK_INDEX", task)
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .output()
        .expect("tallyho runs")
}

#[test]
fn a_bot_without_an_account_number_ends_the_run_of_its_task() {
    let options = Options { port: 0, rules: Rules::default(), cpu: None, parent: Parent::Ignored };
    let (_server, address) = spawn_child(Path::new(EXE), &options, None).expect("it starts");
    let target = format!("http://{address}");
    let scratch = Scratch::new("tallyup-tasks");
    scratch.file("three.json", SCENARIO);
    let first = play(&scratch, &target, "0");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    // Set-up's account is 3 times the task's number, 99999, and the last; two bots have none.
    let beyond = play(&scratch, &target, "33333");
    let text = String::from_utf8_lossy(&beyond.stdout).into_owned();
    assert_eq!(beyond.status.code(), Some(108), "{text}");
    assert!(text.contains("bot numbers above 99999 have no phone number"), "{text}");
    // One task further even set-up has no account: the run ends before it began, in the same way.
    let beyond = play(&scratch, &target, "33334");
    let text = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert_eq!(beyond.status.code(), Some(108), "{text}");
    let reason = "set-up ended the run: bot numbers above 99999 have no phone number";
    assert!(text.contains(reason), "{text}");
}

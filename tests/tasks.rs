//! Several processes as the tasks of one test: started by hand, merged, and with numbers of their
//! own.

mod servers;
mod tallyho;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use servers::{Nginx, RawServer, Scratch, answer_all};
use tallyho::{DRIVERS, Report, tallyho};

const TASKS: usize = 3;

/// Starts the tasks of one test at the same time, in a folder of their own, and waits for them.
fn play(folder: &Path, words: &[&str], by_variable: bool) {
    let start = |task: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyho"));
        command.arg("run").args(words).args(["--quiet", "--allow-degraded"]);
        command.args(["--task-index", &task.to_string()]);
        if by_variable {
            command.env("TALLYHO_RUN_ID", "nightly-7");
        } else {
            command.args(["--run-id", "nightly-7"]);
        }
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("tallyho starts")
    };
    let tasks: Vec<_> = (0..TASKS).map(start).collect();
    for mut task in tasks {
        assert!(task.wait().expect("it ends").success());
    }
}

fn json(folder: &Path, words: &[&str]) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_tallyho"))
        .args(words)
        .current_dir(folder)
        .output()
        .expect("tallyho runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Report(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn tasks_started_by_hand_with_one_run_id_are_one_test() {
    let server = RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let url = server.url("/items");
    for by_variable in [false, true] {
        let scratch = Scratch::new("tasks");
        play(scratch.path(), &[&url, "-n", "100", "-c", "4", "--cores", "1"], by_variable);
        let merged = json(scratch.path(), &["report", "runs/nightly-7", "--format", "json"]);
        assert_eq!(merged.number("/summary/requests"), 300);
        assert_eq!(merged.text("/run/run_id"), "nightly-7");
        assert_eq!(merged.0["tasks"].as_array().map(Vec::len), Some(TASKS));
        let apart: Vec<String> =
            (0..TASKS).map(|task| format!("runs/nightly-7/task-{task}")).collect();
        let words: Vec<&str> = apart.iter().map(String::as_str).collect();
        let listed = [&["report", "-f", "json"], &words[..]].concat();
        assert_eq!(json(scratch.path(), &listed).0, merged.0, "named one by one");
        // The traces of all tasks are those of one run too.
        let output = Command::new(env!("CARGO_BIN_EXE_tallyho"))
            .args(["sessions", "runs/nightly-7"])
            .current_dir(scratch.path())
            .output()
            .expect("tallyho runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Another run of the same is another one: the id is not part of the command.
        let command = merged.0["run"]["command"].to_string();
        assert!(!command.contains("nightly-7") && command.contains("--seed"), "{command}");
    }
}

#[test]
fn tasks_without_a_common_run_id_are_refused_and_an_id_must_be_the_name_of_a_folder() {
    let server = RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let url = server.url("/");
    let scratch = Scratch::new("strangers");
    let task = |index: &str| {
        let out = scratch.path().join(index).display().to_string();
        let load = ["run", &url, "-n", "1", "--seed", "1", "--task-index", index];
        let output = tallyho(&[&load[..], &["--allow-degraded", "--out", &out]].concat());
        assert!(output.status.success());
        out
    };
    let refused = tallyho(&["report", &task("0"), &task("1")]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the run id"));
    for wrong in ["", "a/b", "..", "a b", &"x".repeat(101)] {
        let refused = tallyho(&["run", &url, "-n", "1", "--run-id", wrong]);
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
    }
}

/// Two loads by arrival, one by shared sessions and one of fixed bots; each asks with its number.
const SCENARIO: &str = r#"{
  "scenarios": {
    "a": { "executor": "constant-arrival-rate", "exec": "one", "rate": 300, "duration": "1s" },
    "b": { "executor": "ramping-arrival-rate", "exec": "one", "startRate": 100,
           "stages": [{ "duration": "1s", "target": 300 }] },
    "c": { "executor": "shared-iterations", "exec": "one", "iterations": 150, "vus": 5 },
    "d": { "executor": "per-vu-iterations", "exec": "one", "iterations": 1, "vus": 40 }
  },
  "bots": { "one": { "steps": [{ "get": "/u/${bot}", "name": "ask" }] } }
}"#;

#[test]
fn the_numbers_of_scenarios_and_tasks_never_meet() {
    for driver in DRIVERS {
        let Some(nginx) = Nginx::start("numbers", "location / { return 204; }") else { return };
        let scratch = Scratch::new("numbers-scenario");
        let file = scratch.file("four.json", SCENARIO);
        let target = nginx.url("");
        let file = file.to_str().expect("text");
        let words = [file, "--target", &target, "--io-driver", driver, "--cores", "1"];
        play(scratch.path(), &words, false);
        let merged = json(scratch.path(), &["report", "runs/nightly-7", "--format", "json"]);
        let sessions = merged.number("/summary/completed");
        assert_eq!(sessions, TASKS as u64 * (300 + 200 + 150 + 40), "{driver}");
        nginx.wait_for_requests(sessions);
        let log = nginx.access_log();
        let asked = log.iter().filter_map(|line| line.split(' ').nth(2)).filter(|p| *p != "/");
        let numbers: Vec<&str> = asked.collect();
        let different: BTreeSet<&&str> = numbers.iter().collect();
        assert_eq!(different.len() as u64, sessions, "{driver}: a number was used twice");
    }
}

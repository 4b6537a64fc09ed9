//! The lines that a task prints, and what it is told by ECS.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::bucket::Bucket;
use crate::results::SCENARIO;
use crate::task;

/// Names that try to look like the live line, twelve seconds of load, and a check that fails.
const LOOKALIKE: &str = r#"{
  "vus": 2, "duration": "12s",
  "steps": [
    { "get": "/health", "name": "a succ b fail 5 c",
      "check": { "x succ 1 fail 2": "status == 418" } },
    { "think": "200ms..300ms" }
  ]
}"#;

/// The filter pattern `[numSucc, succ="succ", numFail, fail="fail", avgRt, ...]`, written anew: its
/// words are separated by spaces, or held together by quotes or brackets.
fn filtered(line: &str) -> Option<(u64, u64, f64)> {
    let (mut words, mut word, mut close) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (close, c) {
            (None, '"') => close = Some('"'),
            (None, '[') => close = Some(']'),
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            (Some(end), c) if c == end => close = None,
            (_, c) => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    if words.len() < 5 || words[1] != "succ" || words[3] != "fail" {
        return None;
    }
    let number = |word: &str| word.parse().unwrap_or(u64::MAX);
    Some((number(&words[0]), number(&words[2]), words[4].parse().unwrap_or(f64::NAN)))
}

#[test]
fn no_line_but_the_live_line_matches_the_metric_filter_whatever_things_are_called() {
    let bucket = Bucket::start("lines");
    bucket.put("test-scenarios/t.json", LOOKALIKE);
    let task = task::start(&bucket.url(), &[("TALLYHO_EMF", "true")]);
    // The failure is new, and so its session goes up while the load goes on.
    task.wait_for("new failure: ");
    assert!(!task.log().contains("sleep for: "), "{}", task.log());
    let ended = task.finish().expect_exit(0);
    let lines: Vec<_> = ended.log.lines().filter(|line| filtered(line).is_some()).collect();
    assert_eq!(lines.len(), 2, "one after 10 s, one at the end: {lines:?}\n{}", ended.log);
    let (first, last) = (filtered(lines[0]).expect("it is"), filtered(lines[1]).expect("it is"));
    assert!(first.0 > 10 && last.0 > first.0 && first.1 == 0, "{lines:?}");
    assert!(first.2 > 0.0 && first.2 < 5.0, "{lines:?}");
    let expected = format!("{} succ {} fail {:.6} avg rt", first.0, first.1, first.2);
    assert_eq!(lines[0], expected, "byte for byte");
    assert!(ended.log.contains("a succ b fail 5 c"), "the report names the request");
    let emf: Vec<&str> = ended.log.lines().filter(|line| line.starts_with("{\"")).collect();
    assert_eq!(emf.len(), 1, "{emf:?}");
    let emf: Value = serde_json::from_str(emf[0]).expect("JSON");
    assert!(emf["Requests"].as_u64() > Some(10), "{emf}");

    let line = ended.log.lines().find(|line| line.contains("new failure: ")).expect("it was there");
    let (_, command) = line.split_once("; tallyho ").expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    let mut replay = Command::new(env!("CARGO_BIN_EXE_tallyho"));
    task::environment(&mut replay, &bucket.url());
    let replayed = replay.args(&words).output().expect("tallyho runs");
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(String::from_utf8_lossy(&replayed.stdout).contains("x succ 1 fail 2"));
    // The whole run, by its address.
    let run = format!("s3://scenarios/runs/t/{}/", ended.uuid());
    for words in [vec!["replay", &run, "--all"], vec!["report", &run], vec!["sessions", &run]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyho"));
        task::environment(&mut command, &bucket.url());
        let output = command.args(&words).output().expect("tallyho runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {errors}");
    }
}

/// Answers as the ECS agent does.
fn metadata_endpoint(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let read = BufReader::new(&stream).read_line(&mut line);
            let found = read.is_ok() && line.starts_with("GET /v4/abc-123/task HTTP/1.");
            let status = if found { "200 OK" } else { "404 Not Found" };
            let _gone = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}/v4/abc-123")
}

#[test]
fn the_cpu_limit_and_the_identity_come_from_the_metadata_endpoint() {
    let bucket = Bucket::start("metadata");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let endpoint = metadata_endpoint(
        r#"{"Cluster":"load","TaskARN":"arn:aws:ecs:us-west-2:1:task/load/0af","Family":"tester",
            "Revision":"7","DesiredStatus":"RUNNING","Limits":{"CPU":0.25,"Memory":512},
            "AvailabilityZone":"us-west-2a","LaunchType":"FARGATE","Containers":[]}"#,
    );
    let variables = [("ECS_CONTAINER_METADATA_URI_V4", endpoint.as_str()), ("TASK_INDEX", "3")];
    let ended = task::start(&bucket.url(), &variables).finish().expect_exit(0);
    ended
        .expect_said("ECS task arn:aws:ecs:us-west-2:1:task/load/0af (0.250 vCPU), task index 3\n");
    let uuid = ended.uuid();
    let json = |name: &str| -> Value {
        serde_json::from_str(&bucket.read(&format!("runs/t/{uuid}/{name}"))).expect("JSON")
    };
    let report = json("run.json");
    assert_eq!(report["tasks"][0]["cpus"], 0.25);
    assert_eq!(report["tasks"][0]["pinned"], false);
    assert_eq!(report["tasks"][0]["index"], 3);
    assert_eq!(report["workers"].as_array().map(Vec::len), Some(1), "a quarter of a core");
    let told = json("task.json");
    assert_eq!(told["task_arn"], "arn:aws:ecs:us-west-2:1:task/load/0af");
    assert_eq!(told["task_definition"], "tester:7");
}

#[test]
fn tasks_with_a_start_instant_start_at_it() {
    let bucket = Bucket::start("start-at");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let at = SystemTime::now() + Duration::from_secs(4);
    let at = tallyho::report::rfc3339(at);
    let tasks = ["0", "1"].map(|index| {
        task::start(&bucket.url(), &[("TASK_INDEX", index), ("TALLYHO_START_AT", &at)])
    });
    for task in tasks {
        let ended = task.finish().expect_exit(0);
        let report = bucket.read(&format!("runs/t/{}/run.json", ended.uuid()));
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let started = report["started_at"].as_str().expect("an instant");
        // At the instant, or later where the machine is busy; never before it.
        assert!(started >= at.as_str(), "{started} for {at}");
    }
}

//! `tallyho run FILE`: scenario files, played for real by the real binary.

mod servers;
mod tallyho;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use servers::{Nginx, Scratch};
use tallyho::{DRIVERS, run, tallyho};

/// `tallyho serve` on a port of its own.
struct Api {
    child: Child,
    address: String,
}

impl Api {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tallyho"))
            .args(["serve", "--port", "0"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("tallyho serves");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a first line");
        let address = line.trim().strip_prefix("listening on http://").expect("an address");
        Self { address: address.to_owned(), child }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the API counted.
    fn stats(&self) -> serde_json::Value {
        let mut stream = TcpStream::connect(&self.address).expect("the API listens");
        let request = b"GET /_stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let paths = files.map(|file| file.expect("a file").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    assert!(paths.len() >= 6, "only {} scenarios", paths.len());
    paths
}

#[test]
fn every_scenario_that_ships_runs_against_the_stand_in_api_without_a_failure() {
    for path in scenarios() {
        let path = path.to_str().expect("a path");
        // Five bots for three seconds, whatever load the file itself asks for.
        let words = [path, "-c", "5", "-d", "3s", "--delay-scale", "0.05", "--faults", "none"];
        let report = run(&words).expect_exit(0).report();
        assert!(report.number("/summary/requests") > 5, "{path}");
        assert_eq!(
            report.number("/summary/requests_failed"),
            0,
            "{path}: {}",
            report.failure_kinds()
        );
        assert_eq!(report.number("/summary/failed"), 0, "{path}");
    }
}

#[test]
fn what_the_report_counts_is_what_the_api_counted() {
    let scenario = "scenarios/tallyup-lite.json";
    for driver in DRIVERS {
        let api = Api::start(&["--faults", "status=2%,reset=1%,badjson=1%"]);
        let url = api.url();
        let words = [
            scenario,
            "--target",
            &url,
            "-c",
            "200",
            "-d",
            "4s",
            "--delay-scale",
            "0.02",
            "--seed",
            "7",
            "--io-driver",
            driver,
        ];
        let report = run(&words).expect_exit(99).report();
        let stats = api.stats();
        let counted = stats["requests"].as_u64().expect("a number");
        // A request over a kept connection that was reset was sent again where it may be.
        let repeated = report.0["totals"]["counters"]["requests_repeated"].as_u64().unwrap_or(0);
        assert_eq!(report.failures("stale connection"), 0, "{driver}: they are called resets");
        assert_eq!(report.number("/summary/requests") + repeated, counted, "{driver}");
        assert!(counted > 2_000, "{driver}: only {counted} requests");
        assert!(repeated <= stats["resets"].as_u64().expect("a number"), "{driver}: {stats}");
        assert_eq!(stats["audit_error"], serde_json::Value::Null, "{driver}");
    }
}

#[test]
fn two_thousand_bots_play_without_one_unexplained_failure() {
    for driver in DRIVERS {
        let api = Api::start(&[]);
        let url = api.url();
        let words = [
            "scenarios/tallyup-lite.json",
            "--target",
            &url,
            "-c",
            "2000",
            "-d",
            "6s",
            "--delay-scale",
            "0.2",
            "--io-driver",
            driver,
        ];
        // Its thresholds on time may fail on a busy machine (99); nothing else may.
        let ended = run(&words);
        assert!(matches!(ended.code, Some(0 | 99)), "{driver}: {}", ended.stderr);
        let report = ended.report();
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
        assert_eq!(report.number("/summary/failed"), 0, "{driver}");
        assert_eq!(report.number("/summary/requests"), api.stats()["requests"], "{driver}");
    }
}

/// A bot that asks for paths which name it and its choices.
const CHOOSY: &str = r#"{
  "name": "choosy",
  "session": { "actions": 6 },
  "actions": [
    { "name": "left", "weight": 3,
      "steps": [{ "get": "/left/${bot}/${draw.l.between(1, 99)}" }] },
    { "name": "right", "weight": 2, "steps": [{ "get": "/right/${bot}/${draw.r.between(1, 9)}" }] },
    { "name": "wait", "weight": 1, "steps": [{ "think": "0s..20ms" }, { "get": "/waited/${bot}" }] }
  ]
}"#;

/// What every bot asked for, in order: the path's second part is its number.
fn requests_by_bot(log: &[String]) -> BTreeMap<u64, Vec<String>> {
    let mut bots: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in log {
        let path = line.split(' ').nth(2).expect("a path");
        let bot = path.split('/').nth(2).expect("a bot").parse().expect("a number");
        bots.entry(bot).or_default().push(path.to_owned());
    }
    bots
}

#[test]
fn the_same_seed_gives_every_bot_the_same_requests_on_one_core_on_two_and_as_two_tasks() {
    let scratch = Scratch::new("choosy");
    let file = scratch.file("choosy.json", CHOOSY);
    let file = file.to_str().expect("a path");
    let played = |name: &str, runs: &[&[&str]]| {
        let nginx = Nginx::start(name, "location / { return 200 'ok'; }")?;
        let url = nginx.url("");
        for words in runs {
            let mut all = vec![file, "--target", &url, "--seed", "42", "--delay-scale", "0.5"];
            all.extend(*words);
            run(&all).expect_exit(0);
        }
        Some(requests_by_bot(&nginx.access_log()))
    };
    let one: &[&str] = &["-c", "20", "-n", "20", "--cores", "1"];
    let Some(whole) = played("one", &[one]) else { return };
    assert_eq!(whole.len(), 20);
    assert!(whole.values().all(|requests| requests.len() == 6));
    let two_cores: &[&str] = &["-c", "20", "-n", "20", "--cores", "2", "--io-driver", "epoll"];
    assert_eq!(played("two", &[two_cores]).expect("nginx"), whole);
    let first: &[&str] = &["-c", "10", "-n", "10", "--task-index", "0"];
    let second: &[&str] = &["-c", "10", "-n", "10", "--task-index", "1"];
    assert_eq!(played("tasks", &[first, second]).expect("nginx"), whole);
    let other_seed: &[&str] = &["-c", "20", "-n", "20", "--seed", "43"];
    let nginx = Nginx::start("other", "location / { return 200 'ok'; }").expect("nginx");
    let url = nginx.url("");
    let mut words = vec![file, "--target", &url];
    words.extend(other_seed);
    run(&words).expect_exit(0);
    assert_ne!(requests_by_bot(&nginx.access_log()), whole);
}

#[test]
fn set_up_runs_once_and_hands_its_results_to_all_bots_and_teardown_follows() {
    let scratch = Scratch::new("setup");
    let file = scratch.file(
        "setup.json",
        r#"{
          "name": "with-setup",
          "setup": [{ "get": "/setup", "capture": { "room": { "json": "/room" } } }],
          "setupKeep": ["room"],
          "steps": [{ "get": "/play/${setup.room}" }],
          "teardown": [{ "get": "/teardown/${setup.room}" }]
        }"#,
    );
    let locations =
        "location / { default_type application/json; return 200 '{\"room\":\"blue\"}'; }";
    let Some(nginx) = Nginx::start("setup", locations) else { return };
    let (file, url) = (file.to_str().expect("a path"), nginx.url(""));
    run(&[file, "--target", &url, "-c", "3", "-n", "9"]).expect_exit(0);
    let log = nginx.access_log();
    let paths: Vec<&str> = log.iter().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(paths.first(), Some(&"/setup"));
    assert_eq!(paths.last(), Some(&"/teardown/blue"));
    assert_eq!(paths[1..paths.len() - 1], ["/play/blue"; 9]);
}

#[test]
fn a_set_up_that_fails_ends_the_run_before_any_bot_plays() {
    let scratch = Scratch::new("failing-setup");
    let file = scratch.file(
        "setup.json",
        r#"{ "name": "x", "setup": [{ "get": "/setup" }], "steps": [{ "get": "/play" }] }"#,
    );
    let locations = "location /setup { return 503; } location / { return 200 'ok'; }";
    let Some(nginx) = Nginx::start("failing-setup", locations) else { return };
    let (file, url) = (file.to_str().expect("a path"), nginx.url(""));
    let ended = run(&[file, "--target", &url, "-n", "5"]).expect_exit(1);
    assert!(ended.stderr.contains("set-up failed"), "{}", ended.stderr);
    assert!(nginx.access_log().iter().all(|line| !line.contains("/play")));
}

#[test]
fn once_prints_every_request_and_response_and_no_secret() {
    let words = ["run", "scenarios/tallyup-lite.json", "--once", "-d", "2s", "--seed", "5"];
    let output = tallyho(&[&words[..], &["--delay-scale", "0.01", "--faults", "none"]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in
        ["session 0/0", "cognito SignUp", "<- 200", "Authorization: Bearer <secret", "ends: "]
    {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains("tallyho-secret-"), "a placeholder is shown: {text}");
}

#[test]
fn check_says_all_that_is_wrong_at_once_and_exits_2() {
    let scratch = Scratch::new("check");
    let file = scratch.file(
        "wrong.json",
        r#"{
  "name": "wrong",
  "stagse": [],
  "actions": [
    { "name": "a", "weight": -1, "steps": [{ "get": "/${nobody}" }] }
  ]
}"#,
    );
    let path = file.to_str().expect("a path");
    for words in [vec!["check", path], vec!["run", path]] {
        let output = tallyho(&words);
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{text}");
        for part in ["stagse", "`stages`", "wrong.json:3", "wrong.json:5", "nobody", "3 errors"] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
    let output = tallyho(&["check", "scenarios/hello.json"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn user_agent_is_the_files_unless_a_request_has_its_own() {
    let (heads, seen) = std::sync::mpsc::channel();
    let server = servers::RawServer::start(move |mut stream| {
        while let Some(head) = servers::read_request(&mut stream) {
            let _test_is_over = heads.send(head);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("sent");
        }
    });
    let scratch = Scratch::new("user-agent");
    let text = r#"{"vus": 1, "iterations": 1, "userAgent": "player ${bot}", "steps": [
        {"get": "/plain"}, {"get": "/own", "headers": {"user-agent": "mine"}}]}"#;
    let file = scratch.file("agent.json", text);
    let file = file.to_str().expect("a plain path");
    run(&[file, "--target", &server.url(""), "--quiet"]).expect_exit(0);
    let lines: Vec<String> = (0..3)
        .filter_map(|_| seen.try_recv().ok())
        .filter(|head| head.starts_with("GET /plain ") || head.starts_with("GET /own "))
        .flat_map(|head| head.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.to_lowercase().starts_with("user-agent:"))
        .collect();
    assert_eq!(lines, ["User-Agent: player 0", "user-agent: mine"]);
}

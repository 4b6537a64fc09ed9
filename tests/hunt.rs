//! Hunting one failing session: kept exchange, timeline, stepping, the server's log, a live rerun.

mod servers;
mod tallyho;
mod terminal;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use servers::{Nginx, RawServer, Scratch, is_installed, read_request};
use tallyho::{DRIVERS, Ended, run, tallyho as command};
use terminal::Terminal;

/// Runs a command and expects how it exits; gives what it prints.
fn expect(code: i32, words: &[&str]) -> String {
    let output = command(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
    stdout + &stderr
}

fn folder(ended: &Ended) -> String {
    ended.path("").to_str().expect("UTF-8").to_owned()
}

/// A shop whose n-th order fails in its own way.
struct Shop {
    server: RawServer,
}

impl Shop {
    /// Orders from the n-th on are refused.
    fn refusing_from(nth: u64) -> Self {
        let orders = Arc::new(AtomicU64::new(0));
        let server = RawServer::start(move |mut stream| {
            while let Some(head) = read_request(&mut stream) {
                let body = read_body(&mut stream, &head);
                let (status, answer) = match head.split_whitespace().nth(1) {
                    Some("/login") => ("200 OK", r#"{"token":"canary-token-0123456789"}"#.into()),
                    Some("/orders") if orders.fetch_add(1, Ordering::Relaxed) >= nth => {
                        let why = format!(r#"{{"error":"sold out","asked":{body:?}}}"#);
                        ("409 Conflict", why)
                    }
                    Some("/orders") => ("201 Created", r#"{"id":17}"#.into()),
                    _ => ("200 OK", r#"{"items":[3,1,4]}"#.into()),
                };
                let size = answer.len();
                let head = format!("HTTP/1.1 {status}\r\nX-Shop: 7\r\nContent-Length: {size}");
                if stream.write_all(format!("{head}\r\n\r\n{answer}").as_bytes()).is_err() {
                    return;
                }
            }
        });
        Self { server }
    }
}

fn read_body(stream: &mut TcpStream, head: &str) -> String {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the body");
    String::from_utf8(body).expect("text")
}

const SCENARIO: &str = r#"{
  "vus": 2, "iterations": 6, "executor": "shared-iterations",
  "steps": [
    { "post": "/login", "json": { "user": "u${bot}" }, "capture": { "token": "/token" } },
    { "get": "/items", "capture": { "first": "/items/0" } },
    { "think": "1ms..5ms" },
    {
      "choose": [
        { "name": "one", "weight": 1, "steps": [{ "set": { "count": 1 } }] },
        { "name": "many", "weight": 1, "steps": [
          { "set": { "count": "${draw.count.between(2, 9)}" } }] }
      ],
      "name": "amount"
    },
    {
      "post": "/orders", "headers": { "Authorization": "Bearer ${token}" },
      "json": { "item": "${first}", "count": "${count}" }, "expect": 201
    }
  ]
}"#;

fn scenario(scratch: &Scratch) -> String {
    scratch.file("shop.json", SCENARIO).to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_failing_exchange_is_kept_whole_and_shown_where_it_failed_and_in_a_capsule() {
    let scratch = Scratch::new("kept");
    let file = scenario(&scratch);
    for driver in DRIVERS {
        let shop = Shop::refusing_from(0);
        let target = shop.server.url("");
        let words = [&file, "--target", &target, "--io-driver", driver, "--seed", "5"];
        let ended = run(&words).expect_exit(0);
        let run = folder(&ended);
        let timeline = expect(0, &["replay", &run, "--session", "3/0"]);
        for part in [
            "the exchange that it failed with, as it went over the wire:",
            "> POST /orders HTTP/1.1",
            "> Authorization: Bearer <secret ",
            "> {\"item\":3,\"count\":",
            "< status 409",
            "< X-Shop: 7",
            "< {\"error\":\"sold out\",\"asked\":",
            "exact: all ",
        ] {
            assert!(timeline.contains(part), "{part}\n{timeline}");
        }
        assert!(!timeline.contains("canary"), "{timeline}");
        // Choices, draws, think times and values are in the timeline too.
        for part in [
            "pick  ",
            " of amount",
            "drew  think.steps = ",
            ".. pauses ",
            "read  response.pointer = 3",
        ] {
            assert!(timeline.contains(part), "{part}\n{timeline}");
        }
        let capsule = scratch.path().join(format!("{driver}.tly"));
        let capsule = capsule.to_str().expect("UTF-8");
        expect(0, &["capsule", &run, "--session", "3/0", "--out", capsule]);
        let again = expect(0, &["replay", capsule, "--session", "3/0"]);
        assert!(again.contains("< status 409"), "{again}");
        expect(0, &["trace", "check", capsule]);
        expect(0, &["trace", "check", &run]);
    }
}

#[test]
fn a_long_body_is_cut_at_256_kib_and_shown_whole_on_request() {
    let server = RawServer::start(|mut stream| {
        while read_request(&mut stream).is_some() {
            let body = "0123456789abcde\n".repeat(20 * 1024);
            let size = body.len();
            let head = format!("HTTP/1.1 500 No\r\nContent-Length: {size}\r\n\r\n");
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    });
    let scratch = Scratch::new("long");
    let text = r#"{ "vus": 1, "iterations": 1, "steps": [
        { "get": "/", "check": { "said": "body contains 'e'" } }] }"#;
    let file = scratch.file("long.json", text);
    let ended = run(&[file.to_str().expect("UTF-8"), "--target", &server.url("")]).expect_exit(0);
    let run = folder(&ended);
    let short = expect(0, &["replay", &run, "--session", "0/0"]);
    assert!(short.contains("bytes; --whole shows them"), "{short}");
    assert!(short.contains("(327680 bytes in all, 262144 of them kept)"), "{short}");
    let whole = expect(0, &["replay", &run, "--session", "0/0", "--whole"]);
    assert_eq!(whole.matches("< 0123456789abcde").count(), 16 * 1024);
}

#[test]
fn the_run_verifies_itself_before_the_report() {
    let scratch = Scratch::new("verified");
    let file = scenario(&scratch);
    let shop = Shop::refusing_from(2);
    let target = shop.server.url("");
    let ended = run(&[&file, "--target", &target, "-n", "60"]).expect_exit(0);
    let report = ended.report();
    // 20 sessions and the example of the one kind of failure.
    assert_eq!(report.number("/trace/verified/sessions"), 21);
    assert_eq!(report.number("/trace/verified/different"), 0);
    assert!(ended.stdout.contains("21 of 60 sessions, all exact"), "{}", ended.stdout);
    let url = shop.server.url("/items");
    let ended = run(&[&url, "-n", "30k", "-c", "20"]).expect_exit(0);
    assert_eq!(ended.report().number("/trace/verified/sessions"), 30);
}

#[test]
fn set_up_and_teardown_and_once_are_recorded_and_replay() {
    let scratch = Scratch::new("parts");
    let text = SCENARIO.replacen(
        '{',
        r#"{ "setup": [{ "post": "/login", "json": {}, "capture": { "token": "/token" } }],
             "setupKeep": ["token"],
             "teardown": [{ "get": "/items", "headers": { "X-Token": "${setup.token}" } }],"#,
        1,
    );
    let file = scratch.file("parts.json", &text);
    let file = file.to_str().expect("UTF-8");
    let shop = Shop::refusing_from(1_000);
    let target = shop.server.url("");
    let ended = run(&[file, "--target", &target]).expect_exit(0);
    let run_folder = folder(&ended);
    // The numbers of set-up and teardown have 20 digits: a table for 80 columns has room for them.
    let table = expect(0, &["sessions", &run_folder]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let listed = expect(0, &["sessions", &run_folder, "--json"]);
    assert_eq!(listed.lines().count(), 8, "{listed}");
    for (part, bot) in [("set-up", u64::MAX), ("teardown", u64::MAX - 1)] {
        let name = format!("{part}:{bot}/0");
        let timeline = expect(0, &["replay", &run_folder, "--session", &name]);
        assert!(timeline.contains("exact: all 2 steps agree"), "{timeline}");
        assert!(!timeline.contains("canary"), "{timeline}");
    }
    expect(0, &["replay", &run_folder, "--all"]);
    expect(0, &["trace", "check", &run_folder]);

    let once = run(&[file, "--target", &target, "--once"]).expect_exit(0);
    assert!(once.stderr.contains("recorded: tallyho replay "), "{}", once.stderr);
    let timeline = expect(0, &["replay", &folder(&once), "--session", "0/0"]);
    assert!(timeline.contains("exact: all "), "{timeline}");
}

#[test]
fn one_session_runs_again_with_the_same_draws_and_says_where_it_goes_another_way() {
    let scratch = Scratch::new("only");
    let file = scenario(&scratch);
    for driver in DRIVERS {
        let shop = Shop::refusing_from(6); // All orders of the run are taken.
        let target = shop.server.url("");
        let words = [&file, "--target", &target, "--seed", "9", "--io-driver", driver];
        let recorded = run(&words).expect_exit(0);
        // In a file of its own: the next run of this test goes to the same folder.
        let from = scratch.path().join(format!("{driver}.tly"));
        let from = from.to_str().expect("UTF-8").to_owned();
        expect(0, &["capsule", &folder(&recorded), "--session", "4/0", "--out", &from]);
        // The shop refuses now: the bot goes the same way until the answer to its order.
        let only = ["--only", "4/0", "--from", &from];
        let again = run(&[&words[..3], &only].concat()).expect_exit(3);
        let text = &again.stdout;
        assert!(text.contains("seed 9"), "the seed is the recorded one: {text}");
        assert!(text.contains("the server's answers: the same in 4 of 5 steps"), "{text}");
        assert!(text.contains("recorded: status 201"), "{text}");
        assert!(text.contains("now:      status 409"), "{text}");
        // The order was refused, so the session ends otherwise.
        assert!(text.contains("the bot's commands: the same in 4 of 5 steps"), "{text}");
        expect(0, &["replay", &folder(&again), "--session", "4/0"]);

        // A shop that takes it: the same from beginning to end, also with the seed alone.
        let shop = Shop::refusing_from(1_000);
        let target = shop.server.url("");
        let words = [file.as_str(), "--target", &target];
        let again = run(&[&words, &only[..]].concat()).expect_exit(0);
        assert!(again.stdout.contains("commands: the same in 5 of 5 steps"), "{}", again.stdout);
        let seeded = run(&[&words[..], &["--seed", "9", "--only", "4/0"]].concat()).expect_exit(0);
        let order = |ended: &Ended| {
            let line = ended.stdout.lines().find(|line| line.contains("\"count\":"));
            line.expect("an order").to_owned()
        };
        assert_eq!(order(&seeded), order(&again));
        assert!(!seeded.stdout.contains("compared with"), "{}", seeded.stdout);
    }
}

#[test]
fn what_cannot_be_run_again_is_said_clearly() {
    let scratch = Scratch::new("only-errors");
    let file = scenario(&scratch);
    let shop = Shop::refusing_from(1_000);
    let target = shop.server.url("");
    let recorded = run(&[&file, "--target", &target]).expect_exit(0);
    let from = folder(&recorded);
    let words = ["run", &file, "--target", &target];
    let text = expect(2, &[&words[..], &["--only", "99/0", "--from", &from]].concat());
    assert!(text.contains("session 99/0 is not in the trace"), "{text}");
    let text = expect(2, &[&words[..], &["--only", "x"]].concat());
    assert!(text.contains("write for example 17/0"), "{text}");
    let text = expect(2, &[&words[..], &["--from", &from]].concat());
    assert!(text.contains("--only"), "{text}");
}

#[test]
fn a_traceparent_joins_the_servers_log_to_the_steps_of_a_session() {
    let format = "$http_traceparent $request_uri";
    let Some(nginx) = Nginx::start_with_log("traceparent", format) else { return };
    let scratch = Scratch::new("traceparent");
    let text = r#"{ "vus": 3, "iterations": 9, "steps": [
        { "get": "/a/${bot}" }, { "get": "/b/${bot}" },
        { "get": "/own", "headers": { "traceparent": "mine" } }] }"#;
    let file = scratch.file("t.json", text);
    let file = file.to_str().expect("UTF-8");
    for driver in DRIVERS {
        let before = nginx.access_log().len();
        let words = [file, "--target", &nginx.url(""), "--traceparent", "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        nginx.wait_for_requests(before as u64 + 27);
        let log = nginx.access_log()[before..].to_vec();
        for bot in 0..9 {
            let session = format!("{bot}/0");
            let timeline = expect(0, &["replay", &folder(&ended), "--session", &session]);
            let parents: Vec<&str> = timeline
                .lines()
                .filter_map(|line| line.trim().strip_prefix("traceparent: "))
                .collect();
            assert_eq!(parents.len(), 3, "{timeline}");
            assert_eq!(parents[0][..35], parents[1][..35], "one trace for a session");
            for (path, parent) in [("a", parents[0]), ("b", parents[1])] {
                let line = format!("{parent} /{path}/{bot}");
                assert_eq!(log.iter().filter(|known| **known == line).count(), 1, "{line}");
            }
        }
        assert_eq!(log.iter().filter(|line| *line == "mine /own").count(), 9, "{log:?}");
        let before = nginx.access_log().len();
        run(&[file, "--target", &nginx.url("")]).expect_exit(0);
        nginx.wait_for_requests(before as u64 + 27);
        let log = nginx.access_log()[before..].to_vec();
        assert_eq!(
            log.iter().filter(|line| line.starts_with("- /a/")).count(),
            9,
            "off by default"
        );
    }
}

#[test]
fn stepping_goes_through_a_session_in_a_terminal_in_both_directions() {
    if !is_installed("tmux") {
        return;
    }
    let scratch = Scratch::new("step");
    let file = scenario(&scratch);
    let shop = Shop::refusing_from(0);
    let ended = run(&[&file, "--target", &shop.server.url("")]).expect_exit(0);
    let run = folder(&ended);
    let binary = env!("CARGO_BIN_EXE_tallyho");
    let terminal = Terminal::open(80, |_| format!("{binary} replay '{run}' --session 2/0 --step"));
    // It opens where the session failed.
    let text = terminal.wait_for(&["step 4 of 0 to 4, fails here", "< status 409", "q quit"]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    terminal.press(&["g"]);
    terminal.wait_for(&["step 0 of 0 to 4, fails at 4", "#0", "POST", "/login"]);
    terminal.press(&["Right"]);
    terminal.wait_for(&["step 1 of", "#1", "/items"]);
    terminal.press(&["n", "n"]);
    terminal.wait_for(&["step 3 of", "woke", "/orders"]);
    terminal.press(&["Left"]);
    terminal.wait_for(&["step 2 of", "response.pointer = 3", ".. pauses"]);
    terminal.press(&["G"]);
    terminal.wait_for(&["step 4 of", "exact: all 5 steps agree"]);
    terminal.resize(60);
    terminal.press(&["b"]);
    let text = terminal.wait_for(&["step 3 of"]);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    // As tmux and the Linux console send them, which is not as xterm does.
    terminal.press(&["Home"]);
    terminal.wait_for(&["step 0 of"]);
    terminal.press(&["End"]);
    terminal.wait_for(&["step 4 of", "exact: all 5 steps agree"]);
    terminal.press(&["b"]);
    terminal.wait_for(&["step 3 of"]);
    terminal.press(&["q"]);
    let text = terminal.wait_for(&["exit 0"]);
    assert!(!text.contains("step 3 of"), "the screen is as it was: {text}");

    let refused = expect(2, &["replay", &run, "--session", "2/0", "--step"]);
    assert!(refused.contains("--step needs a terminal"), "{refused}");
    assert!(Path::new(&run).exists());
}

#[test]
fn a_timeline_is_broken_into_lines_in_a_terminal_and_goes_whole_into_a_pipe() {
    if !is_installed("tmux") {
        return;
    }
    let scratch = Scratch::new("lines");
    let file = scenario(&scratch);
    let shop = Shop::refusing_from(0);
    let ended = run(&[&file, "--target", &shop.server.url("")]).expect_exit(0);
    let run = folder(&ended);
    let whole = expect(0, &["replay", &run, "--session", "2/0"]);
    assert!(whole.lines().any(|line| line.chars().count() > 60), "{whole}");
    let binary = env!("CARGO_BIN_EXE_tallyho");
    let terminal = Terminal::open(60, |_| format!("{binary} replay '{run}' --session 2/0"));
    let text = terminal.wait_for(&["exact: all 5 steps agree", "exit 0"]);
    let (shown, _) = text.split_once("exit 0").expect("it was waited for");
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{text}");
    // A line that the terminal had to break itself would begin in its first column.
    let is_begun = |line: &str| line.starts_with(|c: char| c == '#' || c.is_ascii_digit());
    let is_known = |line: &str| whole.lines().any(|whole| whole.starts_with(line));
    for line in shown.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')) {
        assert!(is_begun(line) || is_known(line), "`{line}` in {text}");
    }
    let letters = |text: &str| text.split_whitespace().collect::<String>();
    assert!(letters(&whole).contains(&letters(shown)), "{text}");
}

#[test]
fn a_breakpoint_in_a_bots_own_code_is_hit_while_its_session_replays() {
    if !is_installed("gdb") {
        return;
    }
    let server = Shop::refusing_from(0).server;
    let ended = run(&[&server.url("/orders"), "-n", "5", "-c", "1"]).expect_exit(0);
    let binary = env!("CARGO_BIN_EXE_tallyho");
    let code = include_str!("../bots/src/single_request.rs");
    let line = code.lines().position(|line| line.contains(".send_prepared(")).expect("it sends");
    let debug = |breakpoint: &str| {
        let output = std::process::Command::new("gdb")
            .args(["-batch", "-nx", "-ex", breakpoint, "-ex", "run", "-ex", "bt"])
            .args(["--args", binary, "replay", &folder(&ended), "--session", "3/0"])
            .output()
            .expect("gdb runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut text = debug(&format!("break single_request.rs:{}", line + 1));
    if !text.contains("Breakpoint ") {
        // A build without debug information knows names only.
        text = debug("rbreak SingleRequest.*session");
    }
    let stopped = text.rfind("Breakpoint ").map(|at| &text[at..]);
    let stopped = stopped.unwrap_or_else(|| panic!("{text}"));
    for part in ["SingleRequest", "session", "Replayer"] {
        assert!(stopped.contains(part), "{part}\n{text}");
    }
}

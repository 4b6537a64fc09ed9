//! Record and replay are the identity, whatever the server does: random scenarios and a bot in Rust
//! against a server of random statuses, missing fields, huge lists, broken text and resets.

mod servers;
mod tallyho;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use servers::{RawServer, Scratch, read_request};
use tallyho::{DRIVERS, Ended, run, tallyho as command};

/// A small generator of the test's own, so that it does not lean on what it tests.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) % bound
    }

    fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.below(items.len() as u64)).expect("a small number");
        items[index]
    }
}

/// Answers as the seed wants, never twice alike.
fn chaos(seed: u64) -> RawServer {
    let count = Arc::new(AtomicU64::new(0));
    RawServer::start(move |mut stream| {
        while let Some(head) = read_request(&mut stream) {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
            let mut body = vec![0; length];
            if stream.read_exact(&mut body).is_err() {
                return;
            }
            let nth = count.fetch_add(1, Ordering::Relaxed);
            let mut dice = Dice(seed.wrapping_mul(1_000_003) ^ nth);
            dice.below(2);
            if !answer(&mut stream, &mut dice) {
                return;
            }
        }
    })
}

/// Whether the connection goes on.
fn answer(stream: &mut TcpStream, dice: &mut Dice) -> bool {
    let statuses = ["200 OK", "200 OK", "200 OK", "201 Created", "404 No", "503 Busy", "299 Odd"];
    let status = dice.one_of(&statuses);
    let id = dice.below(5);
    let body: Vec<u8> = match dice.below(12) {
        0 => Vec::new(),
        1 => b"{}".to_vec(),
        2 => format!(r#"{{"id":{id}}}"#).into_bytes(),
        3 => format!(r#"{{"id":"{id}","items":[]}}"#).into_bytes(),
        4 => format!(r#"{{"id":{id},"items":[{}1]}}"#, "1234567,".repeat(4_000)).into_bytes(),
        5 => b"{\"id\":1,\"items\":[1,2".to_vec(),
        6 => b"{\"id\":\"\xFF\xFE\",\"items\":null}".to_vec(),
        7 => vec![b'x'; 300_000],
        8 => br#"{"id":1.2345678901234567e300,"items":[{"a":"\ud83d\ude00"},null,true]}"#.to_vec(),
        _ => format!(r#"{{"id":{id},"items":[{id},2,3],"name":"n{id}"}}"#).into_bytes(),
    };
    let size = body.len();
    let head = format!("HTTP/1.1 {status}\r\nX-Id: {id}\r\nContent-Length: {size}\r\n\r\n");
    match dice.below(20) {
        // Closed without an answer, in the head, or in the body.
        0 => return false,
        1 => {
            let _gone = stream.write_all(&head.as_bytes()[..head.len() / 2]);
            return false;
        }
        2 => {
            let _gone = stream.write_all(&[head.as_bytes(), &body[..size / 2]].concat());
            return false;
        }
        // Never answered: the bot's time runs out.
        3 => {
            let _until_it_gives_up = stream.read(&mut [0; 1]);
            return false;
        }
        4 => {
            let _gone = stream.write_all(b"not HTTP at all\r\n\r\n");
            return false;
        }
        _ => {}
    }
    stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
}

/// Steps that read whatever comes, and go on with what they have.
fn scenario(seed: u64) -> String {
    let mut dice = Dice(seed);
    dice.below(2);
    let mut steps = Vec::new();
    for nth in 0..4 + dice.below(5) {
        steps.push(match dice.below(8) {
            0 => r#"{ "think": "0ms..3ms" }"#.to_owned(),
            1 => r#"{ "countBots": "n" }"#.to_owned(),
            2 => format!(r#"{{ "if": "id > 2", "then": [{}] }}"#, request(&mut dice, nth)),
            3 => format!(
                r#"{{ "choose": [
                    {{ "name": "a{nth}", "weight": 1, "steps": [{}] }},
                    {{ "name": "b{nth}", "weight": 2, "steps": [{}] }}], "name": "c{nth}" }}"#,
                request(&mut dice, nth),
                request(&mut dice, nth)
            ),
            4 => r#"{ "set": { "id": "${draw.id.between(0, 4)}", "u": "${uuid}" } }"#.to_owned(),
            _ => request(&mut dice, nth),
        });
    }
    let steps = steps.join(",\n");
    format!(
        r#"{{ "vus": 6, "iterations": 60, "executor": "shared-iterations",
             "defaults": {{ "timeout": "150ms" }},
             "variables": {{ "id": 0, "n": 0, "u": "", "items": [], "token": "" }},
             "steps": [{steps}] }}"#
    )
}

fn request(dice: &mut Dice, nth: u64) -> String {
    let what = match dice.below(4) {
        0 => format!(r#""get": "/items/${{id}}?x=${{draw.x.between(1, 9)}}", "name": "item{nth}""#),
        1 => r#""post": "/u", "json": { "u": "${u}", "items": "${items}" }"#.to_owned(),
        2 => r#""put": "/f", "form": { "id": "${id}", "t": "${token}" }"#.to_owned(),
        _ => format!(r#""get": "/plain{nth}""#),
    };
    let optional =
        |name: &str, at: &str| format!(r#""{name}": {{ "json": "{at}", "optional": true }}"#);
    let capture = match dice.below(4) {
        0 => optional("id", "/id"),
        1 => optional("items", "/items"),
        2 => optional("token", "/name"),
        _ => r#""id": { "header": "X-Id" }"#.to_owned(),
    };
    let check = dice.one_of(&[
        r#""check": { "small": "length(body) < 1000 || status == 404" }, "#,
        r#""check": { "has id": "json('/id') > 1" }, "#,
        "",
    ]);
    let check = check.replace("length(body) < 1000", "header('X-Id') < 4");
    let retry = dice.one_of(&[r#""retry": { "tries": 2, "wait": "1ms" }, "#, "", ""]);
    let after = dice.one_of(&["continue", "continue", "leave"]);
    format!(r#"{{ {what}, {check}{retry}"capture": {{ {capture} }}, "onFailure": "{after}" }}"#)
}

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

const SEEDS: u64 = 12;

#[test]
fn random_scenarios_against_a_random_server_replay_exactly_on_both_drivers() {
    let scratch = Scratch::new("chaos");
    let mut failures = 0;
    for seed in 0..SEEDS {
        let server = chaos(seed);
        let file = scratch.file(&format!("{seed}.json"), &scenario(seed));
        let file = file.to_str().expect("UTF-8");
        let driver = DRIVERS[usize::try_from(seed % 2).expect("0 or 1")];
        let seed_text = seed.to_string();
        let target = server.url("");
        let words =
            [file, "--target", &target, "--seed", &seed_text, "--io-driver", driver, "-n", "60"];
        let ended = run(&words);
        assert_eq!(ended.code, Some(0), "rerun with SEED={seed}\n{}", ended.stderr);
        let report = ended.report();
        failures += report.0["failing"].as_array().map_or(0, Vec::len);
        assert_eq!(report.number("/trace/verified/different"), 0, "rerun with SEED={seed}");
        let text = expect(0, &["replay", &folder(&ended), "--all"]);
        assert!(text.contains("60 exact, 0 exact as far"), "rerun with SEED={seed}\n{text}");
        expect(0, &["trace", "check", &folder(&ended)]);
    }
    assert!(failures > 20, "the server fails in many ways: {failures}");
}

#[test]
fn two_tasks_in_one_folder_are_one_run() {
    let scratch = Scratch::new("tasks");
    let server = chaos(77);
    let file = scratch.file("tasks.json", &scenario(77));
    let words = [file.to_str().expect("UTF-8"), "--target", &server.url(""), "--seed", "77"];
    let together = scratch.path().join("together");
    std::fs::create_dir_all(&together).expect("a folder");
    for task in ["0", "1"] {
        let ended = run(&[&words[..], &["--task-index", task, "-n", "60"]].concat()).expect_exit(0);
        let name = format!("trace-{task}.tly");
        std::fs::copy(ended.path(&name), together.join(&name)).expect("copied");
    }
    let together = together.to_str().expect("UTF-8");
    let text = expect(0, &["replay", together, "--all"]);
    assert!(text.contains("120 exact, 0 exact as far"), "{text}");
    let listed = expect(0, &["sessions", together, "--json"]);
    let mut seen: Vec<&str> = listed
        .lines()
        .map(|line| line.split("\"start_us\"").next().expect("the beginning"))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 120, "no session is there twice");
}

//! Responses by Node's http module: encodings, trailers, hints, closes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::assert_replays;
use crate::servers::{Scratch, is_installed};
use crate::tallyho::{DRIVERS, run};

/// `server.js` under way.
struct Node {
    child: Child,
    port: u16,
}

impl Node {
    fn start() -> Option<Self> {
        if !is_installed("node") {
            return None;
        }
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hops/server.js"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port");
        Some(Self { child, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Plays a scenario against Node on both drivers; all its checks must pass.
fn play(name: &str, steps: &str, requests: u64) {
    let Some(node) = Node::start() else { return };
    let scratch = Scratch::new(name);
    let file = scratch.file("steps.json", &format!(r#"{{"iterations": 3, "steps": [{steps}]}}"#));
    let file = file.to_str().expect("a path in UTF-8");
    for driver in DRIVERS {
        let words = [file, "--target", &node.url(), "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        let report = ended.report();
        assert_eq!(report.number("/summary/requests"), 3 * requests, "{}", ended.stdout);
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", ended.stdout);
        assert_eq!(report.number("/summary/failed"), 0, "sessions: {}", ended.stdout);
        assert_replays(ended.path("").as_path());
    }
}

#[test]
fn encoded_bodies_read_as_plain_ones_do() {
    let names = ["plain", "gzip", "deflate", "raw", "br"];
    let steps = names.map(|name| {
        format!(
            r#"{{"get": "/{name}", "headers": {{"Accept-Encoding": "gzip, deflate, br"}},
                "check": {{"{name} json": "json('/word') == 'tally'",
                           "{name} text": "body contains 'ho ho ho'"}}}},
               {{"get": "/{name}", "name": "{name} unread"}}"#
        )
    });
    play("encoded", &steps.join(","), 10);
}

#[test]
fn what_cannot_be_decoded_fails_when_it_is_read_and_only_then() {
    let steps = ["bomb", "broken"].map(|name| {
        format!(
            r#"{{"get": "/{name}"}},
               {{"get": "/{name}", "name": "{name} read",
                "capture": {{"word": {{"json": "/word", "optional": true}}}},
                "check": {{"{name} is nothing": "word == null",
                           "{name} holds nothing": "!(body contains 'a')"}}}}"#
        )
    });
    play("broken", &steps.join(","), 4);
}

#[test]
fn odd_but_lawful_responses_are_read_whole_and_leave_the_connection_clean() {
    let steps = r#"
        {"get": "/trailers", "check": {"trailers": "json('/sum') == 'late'"}},
        {"get": "/hints", "check": {"hints": "json('/hinted') == true"}},
        {"get": "/raw-extension", "check": {"extension": "json('/ext') == 'ion'"}},
        {"get": "/no-content", "expect": 204},
        {"get": "/not-modified", "expect": 304},
        {"head": "/length"},
        {"head": "/gzip", "name": "head of gzip"},
        {"get": "/close", "check": {"close": "json('/last') == true"}},
        {"get": "/until-close", "check": {"until close": "json('/until') == 'close'"}},
        {"post": "/echo", "text": "12345", "check": {"echo": "json('/size') == 5"}}"#;
    play("odd", steps, 10);
}

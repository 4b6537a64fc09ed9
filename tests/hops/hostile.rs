//! A hostile server over real sockets: responses cut, dripped, closed, spoilt, late and doubled.
//!
//! Every answer holds the number that the request asked with, so one that belongs to another
//! request is seen: that is what a connection out of step would give.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::assert_replays;
use crate::servers::{RawServer, Scratch, read_request};
use crate::tallyho::{DRIVERS, Report, run};

/// Lawful responses of every kind of framing; `NUMBER` becomes the request's own.
const LAWFUL: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: SIZE\r\n\r\n{\"n\":NUMBER}",
    "HTTP/1.1 200 OK\r\nContent-Length: SIZE, SIZE\r\nContent-Length: SIZE\r\n\r\n\
     {\"n\":NUMBER}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n\
     HEX;a=\"b\"\r\n{\"n\":NUMBER}\r\n1\r\n\n\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
     HTTP/1.1 200 OK\r\nContent-Length: SIZE\r\n\r\n{\"n\":NUMBER}",
    "HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: SIZE\n\n{\"n\":NUMBER}",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"n\":NUMBER}",
];

/// Responses that are none.
const SPOILT: &[&str] = &[
    "",
    "\r\n\r\n\r\n\r\n",
    "SSH-2.0-OpenSSH_9.6\r\n",
    "\x00\x01\x02\x03\x16\x03\x01",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ntoo short",
];

/// Serves `/good/NUMBER`, and whatever else `answer` does with a kind and a number; it returns
/// whether the connection goes on.
fn server(
    answer: impl Fn(&mut TcpStream, &str, u64) -> bool + Send + Sync + Clone + 'static,
) -> RawServer {
    RawServer::start(move |mut stream| {
        stream.set_nodelay(true).expect("a socket");
        while let Some(head) = read_request(&mut stream) {
            let target = head.split(' ').nth(1).unwrap_or_default();
            let mut parts = target.trim_start_matches('/').split('/');
            let kind = parts.next().unwrap_or_default();
            let number = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let goes_on = match kind {
                "good" => stream.write_all(&lawful(LAWFUL[0], number)).is_ok(),
                _ => answer(&mut stream, kind, number),
            };
            if !goes_on {
                return;
            }
        }
    })
}

fn lawful(template: &str, number: u64) -> Vec<u8> {
    let size = format!("{{\"n\":{number}}}").len();
    let text = template.replace("SIZE", &size.to_string()).replace("HEX", &format!("{size:x}"));
    text.replace("NUMBER", &number.to_string()).into_bytes()
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Plays so many sessions of these steps on each driver.
fn play(
    name: &str,
    server: &RawServer,
    (vus, sessions): (u32, u64),
    steps: &str,
    look: impl Fn(&Report),
) {
    let scratch = Scratch::new(name);
    let good = r#"{"get": "/good/${bot}", "name": "good", "check": {"good": "json('/n') == bot"}}"#;
    let text = format!(
        r#"{{"vus": {vus}, "iterations": {sessions},
            "defaults": {{"onFailure": "continue"}}, "steps": [{steps}, {good}]}}"#
    );
    let file = scratch.file("hostile.json", &text);
    let file = file.to_str().expect("a path in UTF-8");
    for driver in DRIVERS {
        let words =
            [file, "--target", &server.url(""), "--io-driver", driver, "--timeout", "300ms"];
        let ended = run(&words);
        let report = ended.report();
        let checks = &report.0["totals"]["checks"];
        assert_eq!(checks["good"]["passes"].as_u64(), Some(sessions), "{driver}: {}", ended.stdout);
        look(&report);
        assert_replays(ended.path("").as_path());
    }
}

fn passes(report: &Report, check: &str) -> u64 {
    report.0["totals"]["checks"][check]["passes"].as_u64().unwrap_or(0)
}

#[test]
fn responses_split_at_every_byte_and_dripped_are_read_whole() {
    let server = server(|stream, kind, number| {
        let template =
            LAWFUL[kind.trim_start_matches(char::is_alphabetic).parse::<usize>().expect("a kind")];
        let bytes = lawful(template, number);
        let sent = if kind.starts_with("split") {
            let (head, tail) =
                bytes.split_at(usize::try_from(number).expect("small") % bytes.len());
            let sent = stream.write_all(head);
            pause(1);
            sent.and_then(|()| stream.write_all(tail))
        } else {
            bytes.chunks(1).try_for_each(|byte| stream.write_all(byte))
        };
        sent.is_ok() && !template.contains("close")
    });
    let steps =
        (0..LAWFUL.len()).flat_map(|kind| ["split", "drip"].map(|how| format!("{how}{kind}")));
    let steps: Vec<String> = steps
        .map(|kind| {
            format!(
                r#"{{"get": "/{kind}/${{bot}}", "name": "{kind}",
                    "check": {{"{kind}": "json('/n') == bot"}}}}"#
            )
        })
        .collect();
    let longest = LAWFUL.iter().map(|template| lawful(template, 100).len()).max().expect("some");
    let sessions = longest as u64 + 10;
    play("split", &server, (20, sessions), &steps.join(","), |report| {
        assert_eq!(report.number("/summary/requests_failed"), 0);
        for kind in 0..LAWFUL.len() {
            for how in ["split", "drip"] {
                assert_eq!(passes(report, &format!("{how}{kind}")), sessions, "{how}{kind}");
            }
        }
    });
}

#[test]
fn a_connection_closed_at_any_point_fails_its_own_request_only() {
    let server = server(|stream, kind, number| {
        let template =
            LAWFUL[kind.trim_start_matches(char::is_alphabetic).parse::<usize>().expect("a kind")];
        let bytes = lawful(template, number);
        let cut = usize::try_from(number).expect("small") % bytes.len();
        let _sent = stream.write_all(&bytes[..cut]);
        if kind.starts_with("half") {
            // The server will read on, but has said its last.
            let _closed = stream.shutdown(Shutdown::Write);
            pause(1);
        }
        false
    });
    // The last one has no length: a cut is its end.
    let kinds = LAWFUL.len() - 1;
    let steps = (0..kinds).flat_map(|kind| ["cut", "half"].map(|how| format!("{how}{kind}")));
    let steps: Vec<String> =
        steps.map(|kind| format!(r#"{{"post": "/{kind}/${{bot}}", "name": "{kind}"}}"#)).collect();
    let longest = LAWFUL.iter().map(|template| lawful(template, 100).len()).max().expect("some");
    let sessions = longest as u64 + 10;
    play("cut", &server, (10, sessions), &steps.join(","), |report| {
        let requests = sessions * 2 * kinds as u64;
        assert_eq!(report.number("/summary/requests_failed"), requests);
        let closed = report.failures("connection closed early");
        // A connection may also be lost before its first byte comes back.
        let others = report.failures("stale connection") + report.failures("connection reset");
        assert_eq!(closed + others, requests, "{}", report.failure_kinds());
        assert!(closed > requests / 2, "{}", report.failure_kinds());
    });
}

#[test]
fn what_is_not_http_fails_and_its_connection_is_given_up() {
    let server = server(|stream, _, number| {
        let spoilt = SPOILT[usize::try_from(number).expect("small") % SPOILT.len()];
        let _sent = stream.write_all(spoilt.as_bytes());
        pause(1);
        false
    });
    let sessions = SPOILT.len() as u64 * 3;
    let steps = r#"{"get": "/spoilt/${bot}", "name": "spoilt"}"#;
    play("spoilt", &server, (5, sessions), steps, |report| {
        assert_eq!(
            report.number("/summary/requests_failed"),
            sessions,
            "{}",
            report.failure_kinds()
        );
        let malformed =
            report.failures("malformed response") + report.failures("response too large");
        assert!(malformed >= sessions / 2, "{}", report.failure_kinds());
    });
}

#[test]
fn a_request_that_times_out_never_poisons_the_next_one() {
    let late = std::sync::Arc::new(AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&late);
    let server = server(move |stream, kind, number| {
        let bytes = lawful(LAWFUL[0], number);
        let (head, tail) = bytes.split_at(if kind == "silent" { 0 } else { 30 });
        let _sent = stream.write_all(head);
        pause(400);
        // The answer comes all the same, when nobody waits for it any more.
        let _sent = stream.write_all(tail);
        counted.fetch_add(1, Ordering::Relaxed);
        true
    });
    let steps = r#"{"get": "/silent/777${bot}", "name": "silent", "timeout": "100ms"},
                   {"get": "/good/${bot}", "name": "good at once",
                    "check": {"at once": "json('/n') == bot"}},
                   {"get": "/slow/888${bot}", "name": "slow", "timeout": "100ms"},
                   {"think": "500ms"}"#;
    play("late", &server, (10, 20), steps, |report| {
        assert_eq!(report.failures("first byte timeout"), 20, "{}", report.failure_kinds());
        assert_eq!(report.failures("request timeout"), 20, "{}", report.failure_kinds());
        assert_eq!(passes(report, "at once"), 20);
        assert_eq!(report.number("/summary/requests_failed"), 40);
    });
    assert!(late.load(Ordering::Relaxed) > 0);
}

#[test]
fn bytes_behind_a_response_close_the_connection_whenever_they_come() {
    let server = server(|stream, kind, number| {
        let mut bytes = lawful(LAWFUL[0], number);
        if kind == "together" {
            bytes.extend_from_slice(&lawful(LAWFUL[0], 999));
        }
        let sent = stream.write_all(&bytes);
        if kind == "later" {
            pause(5);
            let _sent = stream.write_all(&lawful(LAWFUL[0], 999));
        }
        sent.is_ok()
    });
    let kinds = ["together", "later"].map(|kind| {
        format!(
            r#"{{"get": "/{kind}/${{bot}}", "name": "{kind}",
                "check": {{"{kind}": "json('/n') == bot"}}}},
               {{"think": "30ms"}}"#
        )
    });
    play("behind", &server, (5, 20), &kinds.join(","), |report| {
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
        assert_eq!((passes(report, "together"), passes(report, "later")), (20, 20));
    });
}

#[test]
fn a_post_after_a_pause_is_not_sent_over_a_connection_that_the_server_has_closed() {
    // It closes after every response, and does not say so before.
    let server = server(|stream, _, number| {
        let _sent = stream.write_all(&lawful(LAWFUL[0], number));
        false
    });
    let steps = r#"{"post": "/one/${bot}"}, {"think": "20ms"}, {"post": "/two/${bot}"},
                   {"think": "20ms"}"#;
    play("closed", &server, (4, 12), steps, |report| {
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
    });
}

#[test]
fn an_endless_head_or_body_is_too_large() {
    let server = server(|stream, kind, _| {
        let head = "HTTP/1.1 200 OK\r\n";
        let _sent = stream.write_all(head.as_bytes());
        let line = format!("X-{kind}: {}\r\n", "x".repeat(900));
        while stream.write_all(line.as_bytes()).is_ok() {}
        false
    });
    let steps = r#"{"get": "/endless/1", "name": "endless"}"#;
    play("endless", &server, (2, 6), steps, |report| {
        assert_eq!(report.failures("response too large"), 6, "{}", report.failure_kinds());
    });
}

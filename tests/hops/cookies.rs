//! Cookies over real sockets: a session logs in, stays logged in, and the next one is a stranger.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::assert_replays;
use crate::servers::{RawServer, Scratch, read_request};
use crate::tallyho::{DRIVERS, run};

const VALUE: &str = "c4n4ry-of-the-session-";

/// Logs a client in with a cookie, knows it again by that, and keeps what it was sent.
fn shop(seen: &Arc<Mutex<Vec<String>>>) -> RawServer {
    let seen = Arc::clone(seen);
    RawServer::start(move |stream| serve(stream, &seen))
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    while let Some(head) = read_request(&mut stream) {
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let cookie = head.lines().find_map(|line| line.strip_prefix("Cookie: "));
        let cookie = cookie.unwrap_or_default().to_owned();
        let number = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(format!("{target} {cookie}"));
            seen.len()
        };
        let response = match target.as_str() {
            "/login" => format!(
                "HTTP/1.1 302 Found\r\nSet-Cookie: sid={VALUE}{number}; HttpOnly\r\n\
                 Set-Cookie: theme=dark; Path=/home\r\nLocation: /home\r\nContent-Length: 0\r\n\r\n"
            ),
            _ if cookie.contains(VALUE) => {
                let body = format!("{{\"you\":\"{cookie}\"}}");
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            _ => "HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

const STORY: &str = r#"{"iterations": 6, "vus": 2, "steps": [
    {"get": "/cart", "name": "stranger", "expect": 401},
    {"get": "/login", "expect": 200, "capture": {"sid": {"cookie": "sid"}, "you": "/you"},
     "check": {"knows": "you contains 'theme=dark'"}},
    {"get": "/cart", "expect": 200},
    {"post": "/submit", "json": {"csrf": "${sid}"}, "expect": 200}
]}"#;

#[test]
fn a_session_keeps_its_cookies_and_the_next_one_starts_without() {
    let scratch = Scratch::new("cookies");
    let file = scratch.file("story.json", STORY);
    let file = file.to_str().expect("a path in UTF-8");
    for driver in DRIVERS {
        let seen = Arc::default();
        let server = shop(&seen);
        let words = [file, "--target", &server.url(""), "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        assert_eq!(ended.report().number("/summary/requests_failed"), 0, "{}", ended.stdout);
        let seen = seen.lock().expect("no panic").clone();
        let of = |target: &str| seen.iter().filter(|line| line.starts_with(target)).count();
        assert_eq!((of("/cart "), of("/login "), of("/home ")), (12, 6, 6));
        let strangers = seen.iter().filter(|line| *line == "/cart ").count();
        assert_eq!(strangers, 6, "{seen:?}");
        assert!(
            seen.iter()
                .filter(|line| line.starts_with("/home"))
                .all(|line| { line.starts_with(&format!("/home theme=dark; sid={VALUE}")) })
        );
        assert_replays(ended.path("").as_path());
        for name in ["trace-0.tly", "run.json"] {
            let bytes = std::fs::read(ended.path(name)).expect("a file");
            assert!(!String::from_utf8_lossy(&bytes).contains(VALUE), "{name}");
        }
        assert!(!ended.stdout.contains(VALUE) && !ended.stderr.contains(VALUE));
    }
}

#[test]
fn a_scenario_may_take_no_notice_of_cookies() {
    let seen = Arc::default();
    let server = shop(&seen);
    let scratch = Scratch::new("no-cookies");
    let story =
        r#"{"iterations": 2, "cookies": false, "steps": [{"get": "/login", "expect": 401}]}"#;
    let file = scratch.file("story.json", story);
    let file = file.to_str().expect("a path in UTF-8");
    let ended = run(&[file, "--target", &server.url("")]).expect_exit(0);
    assert_eq!(ended.report().number("/summary/requests_failed"), 0);
    assert!(seen.lock().expect("no panic").iter().all(|line| line.ends_with(' ')));
    assert_replays(ended.path("").as_path());
}

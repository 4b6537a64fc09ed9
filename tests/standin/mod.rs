//! The stand-in API over real sockets, with a say of the test in every answer.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tallyho::demo::{self, Method, Request, Rules, State};

use crate::servers::{RawServer, read_request};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is sent.
    Sent,
    /// It never is: the request was read and carried out, and the connection stays as it is.
    Withheld,
}

/// Starts the API; `decide` is given each request's target and the body of its answer, which it
/// may change.
pub fn start(
    rules: Rules,
    decide: impl Fn(&str, &mut Vec<u8>) -> Fate + Send + Sync + 'static,
) -> RawServer {
    let api = Arc::new((Mutex::new(State::new(rules)), Instant::now()));
    let decide = Arc::new(decide);
    RawServer::start(move |stream| {
        let _ended = serve(stream, &api, &*decide);
    })
}

fn serve(
    mut stream: TcpStream,
    (state, began): &(Mutex<State>, Instant),
    decide: &dyn Fn(&str, &mut Vec<u8>) -> Fate,
) -> std::io::Result<()> {
    while let Some(head) = read_request(&mut stream) {
        let header = |wanted: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let size = header("content-length").map_or(0, |size| size.parse().expect("a number"));
        let mut body = vec![0; size];
        stream.read_exact(&mut body)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next().expect("one"), words.next().expect("one"));
        let request = Request {
            method: if method == "GET" { Method::Get } else { Method::Post },
            target,
            authorization: header("authorization"),
            amz_target: header("x-amz-target"),
            body: &body,
        };
        let now_us = u64::try_from(began.elapsed().as_micros()).expect("a short run");
        let response = demo::handle(&mut state.lock().expect("no panic"), &request, now_us);
        let mut answer = response.body.to_vec();
        if decide(target, &mut answer) == Fate::Withheld {
            let _until_the_client_gives_up = stream.read(&mut [0; 1])?;
            return Ok(());
        }
        let head =
            format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n", response.status, answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat())?;
    }
    Ok(())
}

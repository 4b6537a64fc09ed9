//! The stand-in API as a process, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tallyho::demo::{Child, Faults, Options, Parent, Rules, spawn_child};

const EXE: &str = env!("CARGO_BIN_EXE_tallyho");
const STARTUP: &str = "/api/v1/startup";
/// Ends a test that hangs; nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(faults: &str) -> Options {
    let faults = Faults::parse(faults).unwrap();
    let rules = Rules { faults, ..Rules::default() };
    Options { port: 0, rules, cpu: None, parent: Parent::Ignored }
}

fn start(faults: &str) -> (Child, SocketAddr) {
    spawn_child(Path::new(EXE), &options(faults), None).unwrap()
}

/// A client that keeps its connection.
struct Connection {
    stream: BufReader<TcpStream>,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), bytes_sent: 0, bytes_received: 0 }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.bytes_sent += bytes.len() as u64;
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat());
        self.receive()
    }

    fn receive(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes_received += line.len() as u64;
            if status.is_none() {
                status = Some(line.split(' ').nth(1).unwrap().parse().unwrap());
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        self.bytes_received += length as u64;
        Ok((status.unwrap(), body))
    }
}

fn stats(address: SocketAddr) -> Value {
    let (status, body) = Connection::new(address).ask("GET", "/_stats", b"").unwrap();
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn what_one_connection_was_answered_is_what_the_server_counted() {
    let (_child, address) = start("status=10%,badjson=10%");
    let mut connection = Connection::new(address);
    let (mut ok, mut unavailable, mut broken, mut bytes) = (0, 0, 0, 0);
    for _ in 0..500 {
        let (status, body) = connection.ask("POST", STARTUP, b"{}").unwrap();
        bytes += body.len();
        match status {
            200 if serde_json::from_slice::<Value>(&body).is_err() => broken += 1,
            200 => ok += 1,
            503 => unavailable += 1,
            other => panic!("status {other}"),
        }
    }
    assert!(ok > 300 && unavailable > 0 && broken > 0);
    let stats = stats(address);
    assert_eq!(stats["requests"], 500);
    assert_eq!(stats["by_status"], json!({"200": ok + broken, "503": unavailable}));
    let faults = json!({"status": unavailable, "reset": 0, "slow": 0, "badjson": broken});
    assert_eq!(stats["faults"], faults);
    assert_eq!(stats["body_bytes"], json!({"received": 1_000, "sent": bytes}));
    assert_eq!(stats["connections"]["opened"], 2);
    // The connection that asks for the statistics has sent its request by then.
    let asked = "GET /_stats HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".len() as u64;
    assert_eq!(stats["connections"]["bytes_received"], connection.bytes_sent + asked);
    assert_eq!(stats["connections"]["bytes_sent"], connection.bytes_received);
}

#[test]
fn a_reset_fault_reaches_the_client_as_a_connection_reset() {
    let (_child, address) = start("reset=100%");
    for _ in 0..10 {
        let error = Connection::new(address).ask("POST", STARTUP, b"{}").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    let stats = stats(address);
    assert_eq!((&stats["requests"], &stats["resets"]), (&json!(10), &json!(10)));
    assert_eq!(stats["connections"]["open"], 1);
}

#[test]
fn a_slow_answer_comes_late_and_holds_up_no_other() {
    let (_child, address) = start("slow=100%:300ms");
    let started = Instant::now();
    let mut connections: Vec<_> = (0..20).map(|_| Connection::new(address)).collect();
    for connection in &mut connections {
        connection.send(b"POST /api/v1/startup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    }
    for connection in &mut connections {
        assert_eq!(connection.receive().unwrap().0, 200);
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    // One after the other they would take six seconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_body_counts_as_one_however_it_arrives() {
    let (_child, address) = start("");
    let mut connection = Connection::new(address);
    connection
        .send(b"POST /api/v1/startup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in ["2\r\n{ \r\n", "1\r\n}\r\n", "0\r\n\r\n"] {
        connection.send(chunk.as_bytes());
    }
    assert_eq!(connection.receive().unwrap().0, 200);
    assert_eq!(stats(address)["body_bytes"]["received"], 3);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let (_child, address) = start("");
    let body = vec![b' '; 100_000];
    let (status, answer) = Connection::new(address).ask("POST", STARTUP, &body).unwrap();
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(stats(address)["by_status"], json!({"413": 1}));
}

#[test]
fn what_is_not_http_is_counted_as_malformed() {
    let (_child, address) = start("");
    let mut connection = Connection::new(address);
    connection.send(b"nonsense\r\n\r\n");
    let mut answer = Vec::new();
    connection.stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    let stats = stats(address);
    assert_eq!((&stats["requests"], &stats["connections"]["malformed"]), (&json!(0), &json!(1)));
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = Command::new(EXE).args(["serve", "--port", &port.to_string()]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{message}");
    assert!(message.contains("choose another port, or 0 for any that is free"), "{message}");
    let options = Options { port, ..options("") };
    let error = spawn_child(Path::new(EXE), &options, None).unwrap_err();
    assert!(error.to_string().contains("ended before it listened"), "{error}");
}

#[test]
fn faults_that_are_no_faults_are_refused() {
    let output = Command::new(EXE).args(["serve", "--faults", "status=2"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("`status=2`: expected a percentage such as 0.1%"), "{message}");
}

/// Starts the server as `spawn_child` does, but without what ends it on drop.
fn start_bare() -> (std::process::Child, SocketAddr) {
    let mut process = Command::new(EXE)
        .args(["serve", "--port=0", "--exit-with-parent"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on http://").unwrap();
    (process, address.parse().unwrap())
}

#[test]
fn it_stops_when_its_parent_is_gone() {
    let (mut process, address) = start_bare();
    let _idle = Connection::new(address);
    drop(process.stdin.take());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn it_stops_at_a_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let (mut process, address) = start_bare();
        // An answer tells that the handlers are in place.
        stats(address);
        kill_process(Pid::from_child(&process), signal).unwrap();
        let stdin = process.stdin.take();
        assert_eq!(process.wait().unwrap().code(), Some(0));
        drop(stdin);
    }
}

#[test]
fn a_child_that_is_dropped_is_gone() {
    let (child, address) = start("");
    drop(child);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_child_runs_on_the_cpu_that_it_was_given() {
    let (child, _) = spawn_child(Path::new(EXE), &options(""), Some(0)).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    assert_eq!(allowed.split_whitespace().nth(1), Some("0"));
}

//! The real binary, run by the tests as a user would run it.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::servers::Scratch;

/// Both IO drivers; a kernel without io_uring fails loudly here.
pub const DRIVERS: [&str; 2] = ["uring", "epoll"];

/// The longest that any run of a test may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run under way.
pub struct Run {
    child: Child,
    folder: Scratch,
    errors: Arc<Mutex<String>>,
    reader: std::thread::JoinHandle<()>,
}

/// A run that has ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    folder: Scratch,
}

/// Runs `tallyho run` with these words, and its results in a folder of the test's own. A machine
/// that is busy with other tests spoils figures, which is not what most of them look at.
pub fn run(words: &[&str]) -> Ended {
    Run::start(words).finish()
}

/// Runs `tallyho` with exactly these words.
pub fn tallyho(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallyho"))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("tallyho runs")
}

/// Runs `tallyho` with exactly these words and expects how it exits; gives what it prints.
pub fn expect(code: i32, words: &[&str]) -> String {
    let output = tallyho(words);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
    stdout + &stderr
}

impl Run {
    pub fn start(words: &[&str]) -> Self {
        Self::start_judged(&[words, &["--allow-degraded"]].concat())
    }

    /// Starts a run that fails when its figures are not worth a comparison.
    pub fn start_judged(words: &[&str]) -> Self {
        Self::start_with(words, |_| {})
    }

    /// Starts a run whose folder is prepared before.
    pub fn start_with(words: &[&str], prepare: impl FnOnce(&std::path::Path)) -> Self {
        let folder = Scratch::new("run");
        prepare(folder.path());
        let mut child = Command::new(env!("CARGO_BIN_EXE_tallyho"))
            .arg("run")
            .args(words)
            .arg("--out")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tallyho starts");
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("a pipe");
        let reader = std::thread::spawn({
            let errors = Arc::clone(&errors);
            move || gather(stderr, &errors)
        });
        Self { child, folder, errors, reader }
    }

    /// Waits until the load has begun.
    pub fn wait_for_start(&self) {
        self.wait_for_line("driver   ");
    }

    /// Waits until standard error has a line that holds `text`.
    pub fn wait_for_line(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.errors.lock().expect("no panic").contains(text) {
            assert!(Instant::now() < deadline, "tallyho never said `{text}`");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn finish(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let stdout = self.child.stdout.take().expect("a pipe");
        let stdout = std::thread::spawn(move || std::io::read_to_string(stdout));
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > deadline {
                let _ended = self.child.kill();
                panic!("tallyho did not end within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.reader.join().expect("the reader ends");
        let stderr = self.errors.lock().expect("no panic").clone();
        let stdout = stdout.join().expect("the reader ends").expect("text");
        Ended { code: status.code(), stdout, stderr, folder: self.folder }
    }
}

fn gather(stderr: ChildStderr, errors: &Mutex<String>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        let mut errors = errors.lock().expect("no panic");
        errors.push_str(&line);
        errors.push('\n');
    }
}

impl Ended {
    pub fn expect_exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn report(&self) -> Report {
        let json = std::fs::read_to_string(self.path("run.json")).expect("a run.json");
        Report(serde_json::from_str(&json).expect("run.json is JSON"))
    }
}

/// A `run.json`.
pub struct Report(pub Value);

impl Report {
    pub fn number(&self, pointer: &str) -> u64 {
        let value = self.0.pointer(pointer);
        value.and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} is {value:?}"))
    }

    pub fn text(&self, pointer: &str) -> &str {
        let value = self.0.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is {value:?}"))
    }

    /// How many requests failed in this way.
    pub fn failures(&self, kind: &str) -> u64 {
        self.0["totals"]["failures"][kind]["count"].as_u64().unwrap_or(0)
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.0["totals"]["counters"][name].as_u64().unwrap_or(0)
    }

    pub fn failure_kinds(&self) -> String {
        self.0["totals"]["failures"].to_string()
    }
}

/// The most files that a process may open here.
pub fn file_limit() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.maximum.unwrap_or(u64::MAX)
}

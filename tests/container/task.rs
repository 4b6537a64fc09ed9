//! `tallyho container` as ECS starts it: with nothing but its environment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::bucket::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::servers::Scratch;

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A task under way.
pub struct Task {
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    pub work: Scratch,
}

/// A task that has ended.
pub struct Ended {
    pub code: Option<i32>,
    /// Both streams, as a log driver sees them.
    pub log: String,
    pub took: Duration,
    pub work: Scratch,
}

/// The environment that ECS gives a task, but that S3 is at `endpoint`.
pub fn environment(command: &mut Command, endpoint: &str) {
    command
        .env_clear()
        .envs(std::env::var("LLVM_PROFILE_FILE").map(|path| ("LLVM_PROFILE_FILE", path)))
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        .env("AWS_REGION", "us-west-2")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true");
}

/// Starts a task of test `t` with these further variables.
pub fn start(endpoint: &str, variables: &[(&str, &str)]) -> Task {
    start_with(endpoint, variables, &[])
}

/// Starts a task with these words after `container`.
pub fn start_with(endpoint: &str, variables: &[(&str, &str)], words: &[&str]) -> Task {
    let work = Scratch::new("task");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyho"));
    environment(&mut command, endpoint);
    command
        .arg("container")
        .args(words)
        .env("S3_BUCKET", BUCKET)
        .env("TEST_ID", "t")
        .env("TASK_INDEX", "0")
        .env("TALLYHO_WORK", work.path())
        .env("TALLYHO_PAUSE", "1ms")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("tallyho starts");
    let log = Arc::new(Mutex::new(String::new()));
    let stdout = child.stdout.take().expect("a pipe");
    let stderr = child.stderr.take().expect("a pipe");
    let readers = vec![gather(stdout, &log), gather(stderr, &log)];
    Task { child, log, readers, work }
}

fn gather(
    stream: impl std::io::Read + Send + 'static,
    log: &Arc<Mutex<String>>,
) -> std::thread::JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("no panic");
            log.push_str(&line);
            log.push('\n');
        }
    })
}

impl Task {
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until the log holds `text`.
    pub fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "the task never said `{text}`:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn finish(mut self) -> Ended {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if started.elapsed() > PATIENCE {
                let _ended = self.child.kill();
                panic!("the task did not end within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = started.elapsed();
        self.readers.drain(..).for_each(|reader| reader.join().expect("the reader ends"));
        let log = self.log();
        Ended { code: status.code(), log, took, work: self.work }
    }
}

impl Ended {
    pub fn expect_exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.log);
        self
    }

    pub fn expect_said(&self, text: &str) {
        assert!(self.log.contains(text), "`{text}` is not in:\n{}", self.log);
    }

    /// The task's UUID, from its log.
    pub fn uuid(&self) -> String {
        let line = self.log.lines().find_map(|line| line.strip_prefix("UUID: "));
        line.expect("the log names it").to_owned()
    }
}

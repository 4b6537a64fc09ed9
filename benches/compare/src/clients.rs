//! The load generators: how each is called, and how many requests it says that it made.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::measure::{self, Used, Watch, pinned};
use crate::servers::Server;
use crate::tallyho;
use crate::tools::{Tools, Work};

/// Where clients run.
pub(crate) const CORE: &str = "0";

/// A load generator in one of its modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Tallyho as it is, or with recording off.
    Tallyho(Driver, Recording),
    /// The client that only sends and receives.
    Floor(Driver),
    Wrk,
    Oha,
    K6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Uring,
    Epoll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    On,
    Off,
}

/// What a client is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// One GET, again and again.
    Get,
    /// Five requests with captures, checks of JSON and a bearer token, again and again.
    Flow,
}

/// Who plays against what, and for how long.
pub(crate) struct Job<'a> {
    pub(crate) server: &'a Server,
    pub(crate) load: Load,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// One client's part of a round.
pub(crate) struct Run {
    used: Used,
    requests: u64,
    time: Duration,
}

impl Run {
    /// Of the whole process, from its start to its end.
    pub(crate) fn cpu_us_per_request(&self) -> f64 {
        self.used.cpu_us as f64 / self.requests.max(1) as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }
}

impl Driver {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }
}

impl Client {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tallyho(driver, Recording::On) => format!("tallyho {}", driver.word()),
            Self::Tallyho(driver, Recording::Off) => {
                format!("tallyho {}, recording off", driver.word())
            }
            Self::Floor(driver) => format!("raw floor {}", driver.word()),
            Self::Wrk => "wrk -t1".to_owned(),
            Self::Oha => "oha".to_owned(),
            Self::K6 => "k6".to_owned(),
        }
    }

    /// Why it cannot run here, if so.
    pub(crate) fn missing(self, tools: &Tools) -> Option<&'static str> {
        match self {
            Self::Wrk if tools.wrk.is_none() => Some("wrk is not installed"),
            Self::Oha if tools.oha.is_none() => Some("oha is not installed"),
            Self::K6 if tools.k6.is_none() => Some("k6 is not on the PATH"),
            Self::Tallyho(Driver::Uring, _) | Self::Floor(Driver::Uring) if !tools.has_uring => {
                Some("io_uring is not allowed here")
            }
            _ => None,
        }
    }

    /// Plays, pinned to core 0.
    pub(crate) fn run(self, tools: &Tools, job: &Job<'_>) -> io::Result<Run> {
        let command = match self {
            Self::Tallyho(driver, recording) => {
                let words =
                    if recording == Recording::Off { &["--record", "off"][..] } else { &[] };
                tallyho::command(tools, driver, job, words)?
            }
            Self::Floor(driver) => floor(driver, job)?,
            Self::Wrk => wrk(installed(&tools.wrk)?, job),
            Self::Oha => oha(installed(&tools.oha)?, job),
            Self::K6 => k6(installed(&tools.k6)?, job, &tools.work)?,
        };
        let patience = 3 * job.time + Duration::from_secs(30);
        let used = measure::run(command, tools.work.path(), &Watch::until(patience))?;
        let requests = self.requests(&used.stdout).filter(|_| used.is_success);
        let Some(requests) = requests else {
            let name = self.name();
            return Err(io::Error::other(format!("{name} failed: {}", used.last_words())));
        };
        Ok(Run { used, requests, time: job.time })
    }

    /// The number of answered requests in what the client printed.
    fn requests(self, stdout: &str) -> Option<u64> {
        match self {
            Self::Tallyho(..) => tallyho::requests(&serde_json::from_str(stdout).ok()?),
            Self::Floor(_) | Self::K6 => stdout.trim().parse().ok(),
            Self::Wrk => {
                let line = stdout.lines().find(|line| line.contains(" requests in "))?;
                line.trim().split(' ').next()?.parse().ok()
            }
            Self::Oha => {
                let report: Value = serde_json::from_str(stdout).ok()?;
                report["statusCodeDistribution"]["200"].as_u64()
            }
        }
    }
}

fn installed(program: &Option<PathBuf>) -> io::Result<&Path> {
    program.as_deref().ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn floor(driver: Driver, job: &Job<'_>) -> io::Result<Command> {
    let mut command = pinned(CORE, std::env::current_exe()?);
    command.args(["floor", "--driver", driver.word()]);
    command.args(["--connections", &job.connections.to_string()]);
    command.args(["--address", &job.server.address.to_string()]);
    command.args(["--millis", &job.time.as_millis().to_string()]);
    Ok(command)
}

/// wrk and oha count whole seconds.
fn seconds(job: &Job<'_>) -> String {
    format!("{}s", job.time.as_secs().max(1))
}

/// Always the single GET, which is all that wrk is asked for here.
fn wrk(program: &Path, job: &Job<'_>) -> Command {
    let mut command = pinned(CORE, program);
    command.args(["-t1", "-c", &job.connections.to_string(), "-d", &seconds(job)]);
    command.arg(job.server.url("/"));
    command
}

fn oha(program: &Path, job: &Job<'_>) -> Command {
    let mut command = pinned(CORE, program);
    command.args(["--no-tui", "--output-format", "json", "--insecure"]);
    command.args(["-c", &job.connections.to_string(), "-z", &seconds(job)]);
    command.arg(job.server.url("/"));
    command
}

fn k6(program: &Path, job: &Job<'_>, work: &Work) -> io::Result<Command> {
    let script = work.file("script.js", if job.load == Load::Get { K6_GET } else { K6_FLOW })?;
    let mut command = pinned(CORE, program);
    command.args(["run", "--quiet", "--insecure-skip-tls-verify"]);
    command.args(["--vus", &job.connections.to_string()]);
    command.args(["--duration", &format!("{}ms", job.time.as_millis())]);
    command.args(["-e", &format!("TARGET={}", job.server.url(""))]).arg(script);
    Ok(command)
}

const K6_GET: &str = r"
import http from 'k6/http';
export const options = { discardResponseBodies: true };
export default function () { http.get(`${__ENV.TARGET}/`); }
export function handleSummary(data) {
  return { stdout: String(data.metrics.http_reqs.values.count) };
}
";

const K6_FLOW: &str = r"
import http from 'k6/http';
import { check } from 'k6';
export default function () {
  const url = __ENV.TARGET;
  const login = http.post(`${url}/login`, JSON.stringify({ user: String(__VU) }),
    { headers: { 'Content-Type': 'application/json' } });
  check(login, { 'logged in': (r) => r.status === 200 });
  const params = { headers: { Authorization: `Bearer ${login.json('token')}` } };
  const profile = http.get(`${url}/profile`, params).json();
  check(profile, { 'is ada': (p) => p.name === 'ada' });
  const item = http.get(`${url}/items/${profile.id}`, params).json();
  check(item, { 'has the id': (i) => i.id === profile.id });
  const details = http.get(`${url}/items/${profile.id}/details`, params).json();
  check(details, { 'is ok': (d) => d.ok === true });
  check(http.get(`${url}/bye`, params), { left: (r) => r.status === 200 });
}
export function handleSummary(data) {
  return { stdout: String(data.metrics.http_reqs.values.count) };
}
";

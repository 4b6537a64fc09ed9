//! `tallyho container`: a task of a load test on ECS, from the scenario in S3 to the results in S3.
//!
//! The order is that of the container this one stands in for: download, run, pause, upload; so are
//! the lines that it prints. Everything that can be known to be wrong with bucket, region and
//! permissions is found before the load. The load itself is `tallyho run`'s.

mod capsules;
mod stopper;
mod upload;
mod watch;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::{Args, Parser};
use tallyho_replay::Registry;

use super::run::{self, Ended, Host};
use crate::cli::{Cli, Command, RunArgs};
use crate::container::metadata::{self, Metadata};
use crate::container::{Emf, LiveLine, Task, print};
use crate::exit::{BadUsage, Exit};
use crate::report::{rfc3339, text};
use crate::s3::{Parts, Store};
use crate::units;
use capsules::{Capsules, Source};
use stopper::{Stage, Stopper};
use upload::{CHECK_WITHIN, Uploads};
use watch::Watching;

/// What `tallyho container` takes; all of it from the environment, as ECS gives it.
#[derive(Args, Debug)]
pub struct ContainerArgs {
    /// The bucket that holds the scenario and takes the results
    #[arg(long, env = "S3_BUCKET", value_name = "NAME")]
    pub bucket: Option<String>,

    /// The test: its scenario is test-scenarios/ID.json
    #[arg(long, env = "TEST_ID", value_name = "ID")]
    pub test_id: Option<String>,

    /// Number of this task among those of the test; bots are numbered on from it
    #[arg(long, env = "TASK_INDEX", value_name = "N", default_value_t = 0)]
    pub task_index: u32,

    /// Where files are kept until they are uploaded [default: tallyho in the system's folder for
    /// temporary files]
    #[arg(long, env = "TALLYHO_WORK", value_name = "DIR")]
    pub work: Option<PathBuf>,

    /// How long to wait before the upload, so that not all tasks end at once [default: 1 to 30 s at
    /// random]
    #[arg(long, env = "TALLYHO_PAUSE", value_name = "TIME", value_parser = units::duration)]
    pub pause: Option<Duration>,

    /// How long after SIGTERM the process is killed: the container's stopTimeout
    #[arg(long, env = "TALLYHO_STOP_TIMEOUT", value_name = "TIME")]
    #[arg(value_parser = units::duration, default_value = "30s")]
    pub stop_timeout: Duration,

    /// Also print figures in CloudWatch's embedded metric format
    #[arg(long, env = "TALLYHO_EMF")]
    pub emf: bool,

    /// Larger objects go up in parts of this size [default: above 64 MiB in parts of 16 MiB]
    #[arg(long, env = "TALLYHO_PART_BYTES", value_name = "BYTES", hide = true)]
    #[arg(value_parser = units::bytes)]
    pub part_bytes: Option<u64>,

    /// Options of `tallyho run`
    #[arg(last = true, value_name = "OPTION")]
    pub run: Vec<String>,
}

/// The pause before the upload, in seconds.
const PAUSE_SECONDS_MAX: u64 = 30;
/// The share of the time after SIGTERM that sessions get to end.
const DRAIN_SHARE: u32 = 3;
/// What teardown gets of it at most.
const TEARDOWN_SHARE: u32 = 6;

/// Runs the task. Exits as the upload went, not as the load did: a failed threshold is a result.
///
/// # Errors
///
/// What is missing or not allowed, before the load; an upload that failed, after it.
pub fn run(args: &ContainerArgs, bots: &Registry) -> anyhow::Result<Exit> {
    let task = task(args)?;
    print(&format!(
        "S3_BUCKET: {}\nTEST_ID: {}\nTASK_INDEX: {}\nUUID: {}\n",
        task.bucket, task.test_id, task.index, task.uuid
    ));
    // What a bot says as it panics is its own words, which must not look like the live line.
    std::panic::set_hook(Box::new(|panic| print(&panic.to_string())));
    let mut host = Host::start()?;
    let stopper = Stopper::start(&host.control, args.stop_timeout)?;
    let work = args.work.clone().unwrap_or_else(|| std::env::temp_dir().join("tallyho"));
    let folder = work.join(&task.uuid);
    std::fs::create_dir_all(&folder).with_context(|| {
        format!("cannot make {}; name another with TALLYHO_WORK", folder.display())
    })?;
    let mut store = Store::connect(&host.background.handle)?;
    if let Some(bytes) = args.part_bytes {
        store = store.with_parts(Parts { above_bytes: bytes, bytes });
    }
    print("Downloading test scenario\n");
    let config = folder.join(format!("{}.json", task.test_id));
    let modified = download(&store, &task, &config)?;
    let about = about(&task);
    host.cpu_limit_millicores = about.as_ref().and_then(Metadata::cpu_limit_millicores);
    let run_id = run_id(&task, modified);
    host.place = Some(task.file("").to_string());
    host.teardown_after_signal = Some(args.stop_timeout / TEARDOWN_SHARE);
    let source = Source { store: store.clone(), task: task.clone(), folder: folder.clone() };
    let (capsules, failures) = Capsules::start(source).context("cannot start a thread")?;
    host.failures = Some(failures);
    let uploads = Uploads::new(store, &task);
    uploads.announce(about.as_ref())?;
    let ended = perform((args, bots), (&task, &config, &run_id), (&mut host, &stopper))?;
    let Some(ended) = ended else { return Ok(Exit::BadUsage) };
    print(&text::render(&ended.report, &text::Options::default()));
    let run_exit = match &ended.exit {
        Ok(exit) => format!("exit code {} of tallyho run", *exit as u8),
        Err(error) => format!("{error:#}"),
    };
    print(&format!("The run ended with {run_exit}.\n"));
    pause(args, &host, &ended);
    stopper.enter(Stage::Uploading);
    print("Uploading results\n");
    let sent = uploads.send(&ended, stopper.left());
    if host.control.signals() == 0 {
        host.failures = None;
        capsules.finish();
    }
    let kept = || format!("the files are kept in {}", folder.display());
    sent.with_context(kept).map(|()| Exit::Ok)
}

/// Which task this is.
fn task(args: &ContainerArgs) -> Result<Task, BadUsage> {
    let missing = |name: &str, what: &str| {
        BadUsage(format!(
            "{name} is not set: {what}; the task definition or `docker run -e` sets it"
        ))
    };
    let bucket = args.bucket.as_deref().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| missing("S3_BUCKET", "the bucket of the scenarios"))?;
    let test_id = args.test_id.as_deref().filter(|id| !id.is_empty());
    let test_id = test_id.ok_or_else(|| missing("TEST_ID", "the test to run"))?;
    Task::new(bucket, test_id, args.task_index).map_err(BadUsage)
}

/// Fetches the scenario, and says when it was written.
fn download(store: &Store, task: &Task, file: &Path) -> anyhow::Result<Option<SystemTime>> {
    let object = store.read(&task.config(), CHECK_WITHIN).context("cannot read the scenario")?;
    std::fs::write(file, &object.bytes)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(object.modified)
}

/// What ECS says about the task. Nothing that a load test depends on, so no reason to end one.
fn about(task: &Task) -> Option<Metadata> {
    let address = std::env::var(metadata::VARIABLE).ok();
    match Metadata::ask(address.as_deref()) {
        Ok(Some(about)) => {
            let limit = about.cpu_limit_millicores();
            let cpus = limit.map_or_else(
                || "no CPU limit".to_owned(),
                |limit| format!("{}.{:03} vCPU", limit / 1_000, limit % 1_000),
            );
            print(&format!("ECS task {} ({cpus}), task index {}\n", about.task_arn, task.index));
            Some(about)
        }
        Ok(None) => None,
        Err(error) => {
            print(&format!("warning: {error}; the CPU limit is read from the cgroup alone\n"));
            None
        }
    }
}

/// The same for all tasks of one start of a test, and another at the next: the console writes the
/// scenario anew each time.
fn run_id(task: &Task, modified: Option<SystemTime>) -> String {
    let modified = rfc3339(modified.unwrap_or(SystemTime::UNIX_EPOCH));
    let digits: String = modified.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at(8);
    format!("test-{}-{day}-{time}", task.test_id)
}

/// Runs the load as `tallyho run` would.
fn perform(
    (args, bots): (&ContainerArgs, &Registry),
    (task, config, run_id): (&Task, &Path, &str),
    (host, stopper): (&mut Host, &Stopper),
) -> anyhow::Result<Option<Ended>> {
    let words = run_args(args, task, config, run_id)?;
    let live = Rc::new(RefCell::new(LiveLine::default()));
    let emf = args.emf.then(|| Emf::new(&task.test_id, task.index));
    host.observer = Some(Box::new(Watching { live: Rc::clone(&live), emf }));
    print("Running test\n");
    stopper.enter(Stage::Running);
    let ended = run::perform(&words, bots, host);
    let ended = ended.inspect_err(|_| stopper.exit_if_stopped())?;
    if let Some(ended) = &ended {
        let last = live.borrow_mut().last(&ended.report.totals);
        last.iter().for_each(|line| watch::say(line));
    }
    Ok(ended)
}

/// The arguments of `tallyho run` for this task.
fn run_args(
    args: &ContainerArgs,
    task: &Task,
    config: &Path,
    run_id: &str,
) -> anyhow::Result<RunArgs> {
    let folder = config.parent().unwrap_or(config);
    let mut words = ["tallyho", "run"].map(str::to_owned).to_vec();
    words.push(config.display().to_string());
    words.extend(["--out".to_owned(), folder.display().to_string(), "--quiet".to_owned()]);
    words.push(format!("--task-index={}", task.index));
    let is_given = |option: &str| args.run.iter().any(|word| word.starts_with(option));
    if !is_given("--run-id") && std::env::var_os("TALLYHO_RUN_ID").is_none() {
        words.push(format!("--run-id={run_id}"));
    }
    if !is_given("--drain") {
        words.push(format!("--drain={}s", (args.stop_timeout / DRAIN_SHARE).as_secs().max(1)));
    }
    words.extend(args.run.iter().cloned());
    match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Run(run)) => Ok(*run),
        Ok(_) => Err(anyhow!("the options after -- are not those of tallyho run")),
        Err(error) => Err(BadUsage(format!("the options after --: {error}")).into()),
    }
}

/// Waits 1 to 30 s, so that the functions that read the results do not all end at once. A signal
/// ends the wait.
fn pause(args: &ContainerArgs, host: &Host, ended: &Ended) {
    let seconds = 1 + getrandom::u64().unwrap_or_default() % PAUSE_SECONDS_MAX;
    let pause = args.pause.unwrap_or(Duration::from_secs(seconds));
    if ended.report.run.stopped_by.is_some() || host.control.signals() > 0 {
        return;
    }
    print(&format!("sleep for: {} seconds.\n", pause.as_secs_f64()));
    let until = std::time::Instant::now() + pause;
    while std::time::Instant::now() < until && host.control.signals() == 0 {
        std::thread::sleep(Duration::from_millis(20).min(pause));
    }
}

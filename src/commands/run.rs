//! `tallyho run URL|FILE`: checks what was asked for, runs it, reports.
//!
//! Everything that can be known to be wrong is found before the first request: the URL or the
//! scenario, the files, the limits of this machine, whether the target answers at all.

mod embedded;
mod folder;
mod ground;
mod heartbeat;
mod host;
mod identity;
mod job;
mod lines;
mod live;
mod load;
mod machine;
mod network;
mod once;
mod only;
mod painter;
mod part;
mod progress;
mod recorded;
mod scenario;
mod screen;
mod target;
mod url;
mod verified;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tallyho_replay::trace::ScenarioHeader;
use tallyho_replay::{Registry, Site};

use crate::cli::RunArgs;
use crate::engine::{self, Control, DriverReport, Observer, RunResult, ScenarioPlan, TracePlan};
use crate::exit::{BadUsage, Exit};
use crate::metrics::Collector;
use crate::output;
use crate::report::{Facts, PlannedStage, Report, TraceReport, html, k6_summary, rfc3339, text};

pub(super) use host::Host;
pub use only::OnlyArgs;
pub(super) use scenario::config_of;

use folder::Folder;
use ground::Ground;
use heartbeat::Heartbeat;
use job::Job;
use progress::Progress;
use recorded::Recording;

/// Runs the load and prints the report.
///
/// # Errors
///
/// [`BadUsage`] for what was typed; anything else for what this machine or the target cannot do.
/// What is wrong with a scenario file is printed, and is no error here.
pub fn run(args: &RunArgs, bots: &Registry) -> anyhow::Result<Exit> {
    let mut host = Host::start()?;
    if args.scenario.once || args.scenario.only.only.is_some() {
        return one(args, bots, &host);
    }
    let Some(ended) = perform(args, bots, &mut host)? else { return Ok(Exit::BadUsage) };
    if args.output.json {
        output::print(&format!("{}\n", ended.report.to_json()));
    } else {
        let options = text::Options { colour: args.output.colour(), ..text::Options::default() };
        output::print(&text::render(&ended.report, &options));
    }
    ended.exit
}

/// Plays one session instead of a load.
fn one(args: &RunArgs, bots: &Registry, host: &Host) -> anyhow::Result<Exit> {
    let Some(mut job) = job(args, bots)? else { return Ok(Exit::BadUsage) };
    load::apply(&mut job, args)?;
    let original = only::original(&args.scenario.only, &mut job)?;
    let folder = Folder::create(args.output.out.as_deref())?;
    let ground = Ground::prepare(args, &job, host)?;
    let task = args.run_id.as_ref().map(|_| args.task_index);
    let folder = folder.named(&ground.identity.id, task)?;
    let recording = Recording { args, ground: &ground, folder: &folder };
    match &args.scenario.only.only {
        Some(name) if !args.scenario.once => only::run(name, (job, original), &recording, bots),
        _ => once::run(job, &recording),
    }
}

/// A run that has ended and whose files are written.
pub(super) struct Ended {
    pub(super) report: Report,
    /// Where they are.
    pub(super) folder: PathBuf,
    /// How the process should exit, or what went wrong beside what was measured.
    pub(super) exit: anyhow::Result<Exit>,
}

/// Runs the load and writes what it leaves; nothing, when the scenario's faults were printed.
///
/// # Errors
///
/// As [`run`].
pub(super) fn perform(
    args: &RunArgs,
    bots: &Registry,
    host: &mut Host,
) -> anyhow::Result<Option<Ended>> {
    let Some(mut job) = job(args, bots)? else { return Ok(None) };
    load::apply(&mut job, args)?;
    let folder = Folder::create(args.output.out.as_deref())?;
    let ground = Ground::prepare(args, &job, host)?;
    let task = args.run_id.as_ref().map(|_| args.task_index);
    let folder = folder.named(&ground.identity.id, task)?.placed(host.place.clone());
    let recording = Recording { args, ground: &ground, folder: &folder };
    let setup = job.setup.as_ref().map(|part| part::set_up(&recording, part)).transpose()?;
    let trace = recording.plan(None, headers(&job));
    let mut plan = ground.plan(scenarios(&mut job));
    plan.trace = trace.map(|trace| TracePlan { failures: host.failures.take(), ..trace });
    if let Some(setup) = &setup {
        plan.setup = Some(Arc::clone(&setup.results));
        plan.shared_secrets.extend(setup.secrets.iter().cloned());
    }
    plan.thresholds.clone_from(&job.thresholds);
    let heartbeat = job.heartbeat.as_ref().map(|part| Heartbeat::start(&recording, part));
    let progress = Progress::new(args, &job.title, &ground, &plan);
    let mut watched = Watched { progress, also: host.observer.take() };
    let result = engine::run(plan, &ground.control, &mut watched).map_err(anyhow::Error::msg)?;
    watched.progress.finish();
    heartbeat.into_iter().for_each(Heartbeat::stop);
    if let (Some(part), 1..) = (&mut job.teardown, ground.control.signals()) {
        part.timeout = host.teardown_after_signal.map_or(part.timeout, |t| part.timeout.min(t));
    }
    let teardown =
        job.teardown.as_ref().map(|part| part::tear_down(&recording, part, setup.as_ref()));
    let ended = finish(&recording, &job, result, bots)?;
    // What was measured comes first: it is worth more than a failed clean-up.
    let exit = match (ended.exit, teardown.transpose()) {
        (Ok(_), Err(error)) => Err(error),
        (exit, _) => exit,
    };
    Ok(Some(Ended { exit, ..ended }))
}

/// The display, and whoever else looks on.
struct Watched {
    progress: Progress,
    also: Option<Box<dyn Observer>>,
}

impl Observer for Watched {
    fn started(&mut self, drivers: &[DriverReport]) {
        self.progress.started(drivers);
        if let Some(observer) = &mut self.also {
            observer.started(drivers);
        }
    }

    fn tick(&mut self, elapsed: Duration, active_bots: u64, collector: &Collector) {
        self.progress.tick(elapsed, active_bots, collector);
        if let Some(observer) = &mut self.also {
            observer.tick(elapsed, active_bots, collector);
        }
    }
}

/// Reads a URL or a scenario file; none when the file's faults have been printed.
fn job(args: &RunArgs, bots: &Registry) -> anyhow::Result<Option<Job>> {
    if args.what.contains("://") {
        if args.scenario.once {
            return Err(BadUsage("--once plays a scenario file, and this is a URL".into()).into());
        }
        return Ok(Some(url::job(args)?));
    }
    let path = Path::new(&args.what);
    if !path.exists() {
        let message = format!(
            "{}: neither a URL with http:// in front nor a file; write for example \
             http://127.0.0.1:8080/items or scenarios/tallyup-lite.json",
            args.what
        );
        return Err(BadUsage(message).into());
    }
    match scenario::job(path, args, bots) {
        Ok(job) => Ok(Some(job)),
        Err(findings) => {
            super::check::show(&findings);
            Ok(None)
        }
    }
}

/// The job's loads as a trace's header names them.
fn headers(job: &Job) -> Vec<ScenarioHeader> {
    let loads = job.loads.iter();
    loads
        .map(|load| recorded::scenario(&load.name, &(load.bot)(), load.bot_config.clone()))
        .collect()
}

/// Takes the job's loads as the engine wants them.
fn scenarios(job: &mut Job) -> Vec<ScenarioPlan> {
    let plan = |load: job::Load| ScenarioPlan {
        key: Site::of(&load.name).key(),
        name: load.name,
        bot: load.bot,
        profile: load.profile,
        start: load.start,
        graceful_stop: load.graceful_stop,
        begin: None,
    };
    job.loads.drain(..).map(plan).collect()
}

/// Writes `run.json` and `report.html`, and says how to exit.
fn finish(
    recording: &Recording<'_>,
    job: &Job,
    result: RunResult,
    bots: &Registry,
) -> anyhow::Result<Ended> {
    let Recording { args, ground, folder } = *recording;
    let trace = match &result.trace {
        None => None,
        Some(trace) => {
            let verified = verified::verify(recording, &result, trace, bots);
            let verified = Some(verified);
            Some(TraceReport { verified, ..recorded::trace(trace, args.task_index) })
        }
    };
    let trace_aborted = result.trace.as_ref().is_some_and(|trace| trace.has_aborted);
    let differs = trace.as_ref().is_some_and(TraceReport::differs);
    let (lost_workers, aborted) = (result.lost_workers, result.abort_reason.is_some());
    let ended_by_threshold = result.failed_threshold.is_some();
    let facts = Facts {
        run: ground.identity.run(&job.title, folder, stopped_by(&ground.control, &result)),
        config: job.config.clone(),
        plan: planned(&result),
        task: ground.task(&result),
        trace,
        failing: recorded::failing(&result, folder),
        started_at: rfc3339(result.started_at),
        ended_at: rfc3339(result.started_at + result.elapsed),
        duration: result.elapsed,
    };
    let report = Report::new(facts, result.measured, &job.thresholds);
    folder.write("run.json", &report.to_json())?;
    if let Some(path) = &args.output.summary_export {
        let failed = || format!("cannot write the summary to {}", path.display());
        std::fs::write(path, k6_summary::render(&report)).with_context(failed)?;
    }
    folder.write("report.html", &html::render(&report))?;
    let exit = match ground.control.signals() {
        _ if lost_workers > 0 => Err(anyhow!(
            "{lost_workers} workers ended in a bug of tallyho; the figures lack theirs"
        )),
        _ if trace_aborted => {
            let why = report.trace.as_ref().and_then(|trace| trace.error.as_deref());
            let why = why.unwrap_or("the writer had fallen behind");
            Err(anyhow!("the run was ended since sessions could not be recorded: {why}"))
        }
        0 if aborted => Ok(Exit::Aborted),
        0 if ended_by_threshold || report.has_failed_threshold() => Ok(Exit::Threshold),
        0 if report.is_invalid() && !args.verdict.allow_degraded => Ok(Exit::Invalid),
        0 if differs => Ok(Exit::Differs),
        0 => Ok(Exit::Ok),
        _ => Ok(Exit::Signal),
    };
    Ok(Ended { report, folder: folder.path().to_owned(), exit })
}

/// What was planned, as the report has it.
fn planned(result: &RunResult) -> Vec<PlannedStage> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let stages = result.planned.iter().map(|(scenario, piece)| PlannedStage {
        scenario: scenario.clone(),
        load: piece.load.clone(),
        from_us: micros(piece.from),
        to_us: micros(piece.to),
    });
    stages.collect()
}

fn stopped_by(control: &Arc<Control>, result: &RunResult) -> Option<String> {
    match (control.signals(), &result.abort_reason, &result.failed_threshold) {
        (0, Some(reason), _) => Some(format!("a bot: {reason}")),
        (0, None, Some(threshold)) => Some(format!("a threshold: {threshold}")),
        (0, None, None) if result.trace.as_ref().is_some_and(|trace| trace.has_aborted) => {
            Some("--on-not-recorded abort".to_owned())
        }
        (0, None, None) => None,
        (1, ..) => Some("a signal".to_owned()),
        (..) => Some("a second signal, which cut running requests off".to_owned()),
    }
}

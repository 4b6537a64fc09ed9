//! `tallyho run URL|FILE`: checks what was asked for, runs it, reports.
//!
//! Everything that can be known to be wrong is found before the first request: the URL or the
//! scenario, the files, the limits of this machine, whether the target answers at all.

mod embedded;
mod folder;
mod ground;
mod heartbeat;
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

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tallyho_replay::trace::ScenarioHeader;
use tallyho_replay::{Registry, Site};

use crate::cli::RunArgs;
use crate::engine::{self, Control, RunResult, ScenarioPlan};
use crate::exit::{BadUsage, Exit};
use crate::output;
use crate::report::{Facts, Report, TraceReport, html, k6_summary, rfc3339, text};

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
    let Some(mut job) = job(args, bots)? else { return Ok(Exit::BadUsage) };
    load::apply(&mut job, args)?;
    let original = only::original(&args.scenario.only, &mut job)?;
    let folder = Folder::create(args.output.out.as_deref())?;
    let ground = Ground::prepare(args, &job)?;
    let task = args.run_id.as_ref().map(|_| args.task_index);
    let folder = folder.named(&ground.identity.id, task)?;
    let recording = Recording { args, ground: &ground, folder: &folder };
    if args.scenario.once {
        return once::run(job, &recording);
    }
    if let Some(name) = &args.scenario.only.only {
        return only::run(name, (job, original), &recording, bots);
    }
    let setup = job.setup.as_ref().map(|part| part::set_up(&recording, part)).transpose()?;
    let trace = recording.plan(None, headers(&job));
    let mut plan = ground.plan(scenarios(&mut job));
    plan.trace = trace;
    if let Some(setup) = &setup {
        plan.setup = Some(Arc::clone(&setup.results));
        plan.shared_secrets.extend(setup.secrets.iter().cloned());
    }
    plan.thresholds.clone_from(&job.thresholds);
    let heartbeat = job.heartbeat.as_ref().map(|part| Heartbeat::start(&recording, part));
    let mut progress = Progress::new(args, &job.title, &ground, &plan);
    let result = engine::run(plan, &ground.control, &mut progress).map_err(anyhow::Error::msg)?;
    progress.finish();
    heartbeat.into_iter().for_each(Heartbeat::stop);
    let teardown =
        job.teardown.as_ref().map(|part| part::tear_down(&recording, part, setup.as_ref()));
    let teardown = teardown.transpose();
    let exit = finish(&recording, &job, result, bots)?;
    // The report comes first: what was measured is worth more than a failed clean-up.
    teardown?;
    Ok(exit)
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

/// Writes `run.json` and `report.html`, prints the report, and says how to exit.
fn finish(
    recording: &Recording<'_>,
    job: &Job,
    result: RunResult,
    bots: &Registry,
) -> anyhow::Result<Exit> {
    let Recording { args, ground, folder } = *recording;
    let trace = match &result.trace {
        None => None,
        Some(trace) => {
            let verified = verified::verify(recording, &result, trace, bots);
            let verified = Some(verified);
            Some(TraceReport { verified, ..recorded::trace(trace, args.task_index) })
        }
    };
    let differs = trace.as_ref().is_some_and(TraceReport::differs);
    let (lost_workers, aborted) = (result.lost_workers, result.abort_reason.is_some());
    let ended_by_threshold = result.failed_threshold.is_some();
    let facts = Facts {
        run: ground.identity.run(&job.title, folder, stopped_by(&ground.control, &result)),
        config: job.config.clone(),
        task: ground.task(&result),
        trace,
        failing: recorded::failing(&result, folder),
        started_at: rfc3339(result.started_at),
        ended_at: rfc3339(result.started_at + result.elapsed),
        duration: result.elapsed,
    };
    let report = Report::new(facts, result.measured, &job.thresholds);
    let json = report.to_json();
    folder.write("run.json", &json)?;
    if let Some(path) = &args.output.summary_export {
        let failed = || format!("cannot write the summary to {}", path.display());
        std::fs::write(path, k6_summary::render(&report)).with_context(failed)?;
    }
    folder.write("report.html", &html::render(&report))?;
    if args.output.json {
        output::print(&format!("{json}\n"));
    } else {
        let options = text::Options { colour: args.output.colour(), ..text::Options::default() };
        output::print(&text::render(&report, &options));
    }
    if lost_workers > 0 {
        anyhow::bail!("{lost_workers} workers ended in a bug of tallyho; the figures lack theirs");
    }
    Ok(match ground.control.signals() {
        0 if aborted => Exit::Aborted,
        0 if ended_by_threshold || report.has_failed_threshold() => Exit::Threshold,
        0 if report.is_invalid() && !args.verdict.allow_degraded => Exit::Invalid,
        0 if differs => Exit::Differs,
        0 => Exit::Ok,
        _ => Exit::Signal,
    })
}

fn stopped_by(control: &Arc<Control>, result: &RunResult) -> Option<String> {
    match (control.signals(), &result.abort_reason, &result.failed_threshold) {
        (0, Some(reason), _) => Some(format!("a bot: {reason}")),
        (0, None, Some(threshold)) => Some(format!("a threshold: {threshold}")),
        (0, None, None) => None,
        (1, ..) => Some("a signal".to_owned()),
        (..) => Some("a second signal, which cut running requests off".to_owned()),
    }
}

//! `tallyho run URL`: checks what was asked for, runs it, reports.
//!
//! Everything that can be known to be wrong is found before the first request: the URL, the
//! files, the limits of this machine, whether the target answers at all.

mod folder;
mod identity;
mod lines;
mod live;
mod machine;
mod painter;
mod progress;
mod screen;
mod target;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::background;
use crate::cli::RunArgs;
use crate::engine::{self, Control, Profile, RunPlan, RunResult};
use crate::exit::Exit;
use crate::report::{Facts, Report, rfc3339, text};

use folder::Folder;
use identity::Identity;
use machine::Machine;
use progress::Progress;

/// Runs the load and prints the report.
///
/// # Errors
///
/// [`crate::exit::BadUsage`] for what was typed; anything else for what this machine or the
/// target cannot do.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let settings = target::request(&args.target, &args.request)?;
    let (bot, origin) = target::bot(settings)?;
    let machine = Machine::prepare(args)?;
    let identity = Identity::new(args);
    let folder = Folder::create(args.output.out.as_deref(), &identity)?;
    let control = Arc::new(Control::default());
    let resolver = background::start(Arc::clone(&control)).context("cannot listen to signals")?;
    let origin = target::reach(&origin, &resolver)?;
    let plan = RunPlan {
        bot,
        facts: identity.facts(args),
        scenario: SCENARIO.to_owned(),
        scenario_key: tallyho_replay::Site::of(SCENARIO).key(),
        profile: profile(args),
        task_index: args.task_index,
        pins: machine.pins.clone(),
        io_driver: args.machine.io_driver,
        origins: vec![origin],
        resolver,
        sources: args.machine.local_ips.iter().flatten().copied().collect(),
        timeout: args.request.timeout,
        drain: args.drain,
    };
    let mut progress = Progress::new(args, &identity, &plan, &machine, Arc::clone(&control));
    let result = engine::run(plan, &control, &mut progress).map_err(anyhow::Error::msg)?;
    progress.finish();
    finish(args, &folder, (&identity, &machine), (&control, result))
}

/// The name of the one scenario that a URL is.
const SCENARIO: &str = "default";

/// How long a run lasts when neither a time nor a number of sessions is given.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// How long a run by number may last at most: k6's `maxDuration`.
const DURATION_BY_NUMBER_MAX: Duration = Duration::from_secs(600);

/// The load profile that the flags describe.
fn profile(args: &RunArgs) -> Profile {
    let vus = args.bots;
    let by_number = args.iterations.map_or(DURATION_DEFAULT, |_| DURATION_BY_NUMBER_MAX);
    let duration = args.duration.unwrap_or(by_number);
    match (args.rate, args.iterations) {
        (Some(rate), iterations) => {
            Profile::ConstantArrivalRate { rate, duration, iterations, vus }
        }
        (None, Some(iterations)) => Profile::SharedIterations {
            vus: vus.min(iterations),
            iterations,
            max_duration: duration,
        },
        (None, None) => Profile::ConstantVus { vus, duration },
    }
}

/// Writes `run.json`, prints the report, and says how to exit.
fn finish(
    args: &RunArgs,
    folder: &Folder,
    (identity, machine): (&Identity, &Machine),
    (control, result): (&Control, RunResult),
) -> anyhow::Result<Exit> {
    let stopped_by = match (control.signals(), &result.abort_reason) {
        (0, Some(reason)) => Some(format!("a bot: {reason}")),
        (0, None) => None,
        (1, _) => Some("a signal".to_owned()),
        (_, _) => Some("a second signal, which cut running requests off".to_owned()),
    };
    let facts = Facts {
        run: identity.run(args, folder, stopped_by),
        config: identity.config(args),
        task: machine.task(args.task_index, &result),
        started_at: rfc3339(result.started_at),
        ended_at: rfc3339(result.started_at + result.elapsed),
        duration: result.elapsed,
    };
    let lost_workers = result.lost_workers;
    let aborted = result.abort_reason.is_some();
    let report = Report::new(facts, result.measured, &[]);
    let json = report.to_json();
    folder.write("run.json", &json)?;
    if args.output.json {
        println!("{json}");
    } else {
        let options = text::Options { colour: args.output.colour(), ..text::Options::default() };
        print!("{}", text::render(&report, &options));
    }
    if lost_workers > 0 {
        anyhow::bail!("{lost_workers} workers ended in a bug of tallyho; the figures lack theirs");
    }
    Ok(match control.signals() {
        0 if aborted => Exit::Aborted,
        0 => Exit::Ok,
        _ => Exit::Signal,
    })
}

//! `tallyho replay RUN`: sessions once more, with no server.
//!
//! One session is printed as a timeline; many are verified on all cores. Exit 0 only if every
//! command agreed, and the whole chain at the end of a session; 3 with the first difference
//! otherwise. Damage of the file is an error even if the sessions that were asked for lie
//! elsewhere: nothing about a damaged trace is passed over.

mod step;
mod timeline;

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use tallyho_replay::trace::{Found, Header, Wanted};
use tallyho_replay::{Registry, Site};

use super::check;
use super::run::config_of;
use super::traces::{SessionName, Stage, Trace, Traces, not_found};
use super::verify::{self, Budget, Means, Tally};
use crate::config::Options;
use crate::exit::{BadUsage, Exit};
use crate::output;
use crate::units;
use timeline::{Bodies, Source, timeline};

/// What `tallyho replay` takes.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The run: its folder, its id, or a trace file or capsule
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    /// Which sessions.
    #[command(flatten)]
    pub which: WhichArgs,

    /// With --session: walk through it in the terminal, forwards and backwards
    #[arg(long, requires = "session")]
    pub step: bool,

    /// With --session: show what was kept of bodies whole
    #[arg(long, requires = "session")]
    pub whole: bool,

    /// Ask whether this scenario would have done the same, instead of the recorded one
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,

    /// A parameter of that scenario; may be given more than once
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = units::parameter)]
    pub parameters: Vec<(String, String)>,
}

/// Which sessions are replayed.
#[derive(Args, Debug)]
#[group(required = false, multiple = false)]
pub struct WhichArgs {
    /// This one, with its timeline; BOT/N, or SCENARIO:BOT/N
    #[arg(long, value_name = "BOT/N")]
    pub session: Option<SessionName>,

    /// All that failed
    #[arg(long)]
    pub failing: bool,

    /// All
    #[arg(long)]
    pub all: bool,

    /// So many, the same ones each time
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub sample: Option<u64>,
}

/// Replays.
///
/// # Errors
///
/// If the trace cannot be read or is damaged, or a session is not in it.
pub fn run(args: &ReplayArgs, bots: &Registry) -> anyhow::Result<Exit> {
    let mut traces = Traces::open(&args.run)?;
    // A bot's panic is a part of its session, and is in the report; the hook would print it twice.
    std::panic::set_hook(Box::new(|_| {}));
    let headers = traces.0.iter().map(|trace| header(args, trace.reader.header(), bots));
    let headers = headers.collect::<anyhow::Result<Option<Vec<_>>>>()?;
    let Some(headers) = headers else { return Ok(Exit::BadUsage) };
    let exit = match &args.which.session {
        Some(name) => one(&mut traces, (&headers, bots), name, args)?,
        None => many(&mut traces, (&headers, bots), args)?,
    };
    if traces.show_damage() && exit == Exit::Ok {
        bail!("{}: the trace is damaged; what is left of it agrees", args.run.display());
    }
    Ok(exit)
}

/// The header that the sessions are replayed with; none when the scenario's faults were printed.
fn header(args: &ReplayArgs, recorded: &Header, bots: &Registry) -> anyhow::Result<Option<Header>> {
    let mut header = recorded.clone();
    let Some(path) = &args.scenario else { return Ok(Some(header)) };
    let options = Options { parameters: args.parameters.clone(), ..check::scenario_options(bots) };
    let plan = match check::checked(path, &options, bots) {
        Ok(checked) => checked.plan,
        Err(findings) => {
            check::show(&findings);
            return Ok(None);
        }
    };
    for scenario in &mut header.scenarios {
        let same = plan.loads.iter().find(|load| Site::of(&load.name).key() == scenario.key);
        let Some(load) = same else {
            let message = format!("{}: it has no scenario named {}", path.display(), scenario.name);
            return Err(BadUsage(message).into());
        };
        (scenario.bot, scenario.config) = config_of(&plan.bots[load.bot]);
    }
    Ok(Some(header))
}

/// Sessions of one name that are looked for: a run has a few, a hostile file could have millions.
const NAMED_MAX: usize = 16;

/// Prints the timeline of one session, or walks through it.
fn one(
    traces: &mut Traces,
    (headers, bots): (&[Header], &Registry),
    name: &SessionName,
    args: &ReplayArgs,
) -> anyhow::Result<Exit> {
    let mut found = Vec::new();
    for (index, Trace { path, reader }) in traces.0.iter_mut().enumerate() {
        reader
            .sessions(&name.wanted(), |session| {
                found.push((session, index));
                if found.len() < NAMED_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .with_context(|| path.display().to_string())?;
    }
    match found.as_slice() {
        [] => {
            traces.show_damage();
            Err(not_found(name, &args.run))
        }
        [(found, index)] => {
            let header = &headers[*index];
            let stage = &Stage::new(header, bots)?;
            let exchange = traces.0[*index].reader.exchange(found.who)?;
            let source = Source { header, stage, found, exchange: exchange.as_ref() };
            let bodies = if args.whole { Bodies::Whole } else { Bodies::Short };
            let timeline = timeline(&source, bodies)?;
            if args.step {
                step::walk(&timeline)?;
            } else {
                output::print_broken(&timeline.text());
            }
            Ok(timeline.exit)
        }
        several => {
            let names = several.iter().filter_map(|(found, index)| {
                Some(format!(
                    "{}:{}",
                    headers[*index].scenario(found.who.scenario)?.name,
                    found.who
                ))
            });
            let names = names.collect::<Vec<_>>().join(", ");
            Err(BadUsage(format!("{name} names several sessions: {names}")).into())
        }
    }
}

/// Verifies many sessions.
fn many(
    traces: &mut Traces,
    (headers, bots): (&[Header], &Registry),
    args: &ReplayArgs,
) -> anyhow::Result<Exit> {
    let wanted = Wanted { failing: args.which.failing, ..Wanted::default() };
    if !args.which.failing && !args.which.all && args.which.sample.is_none() {
        let message = "say which sessions: --session BOT/N, --failing, --all or --sample N";
        return Err(BadUsage(message.to_owned()).into());
    }
    let mut tally = Tally::default();
    for (Trace { path, reader }, header) in traces.0.iter_mut().zip(headers) {
        let sample = args.which.sample;
        let (budget, threads) = (&Budget::unlimited(), verify::all_cores());
        let means = Means { header, bots, budget, threads };
        let verified = verify::verify(&means, |each: &mut dyn FnMut(Found)| match sample {
            None => reader.sessions(&wanted, |found| {
                each(found);
                ControlFlow::Continue(())
            }),
            Some(count) => {
                let mut sample = verify::Sample::new(count);
                reader.sessions(&wanted, |found| {
                    sample.offer(found);
                    ControlFlow::Continue(())
                })?;
                sample.into_chosen().for_each(each);
                Ok(())
            }
        });
        tally.add(verified.with_context(|| path.display().to_string())?);
    }
    output::print_broken(&tally.render());
    Ok(if tally.agrees() { Exit::Ok } else { Exit::Differs })
}

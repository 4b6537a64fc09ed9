//! `--only BOT/N [--from RUN]`: one session of a run once more, against a live server.
//!
//! The seed gives the same draws, the recording gives what the session started with. What the
//! server answers is its own affair: where it answers as before, the bot does as before, and the
//! first difference of either is named. Secrets of the recorded run are in no file, so set-up runs
//! anew where it handed some over.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tallyho_replay::secret::PLACEHOLDER_PREFIX;
use tallyho_replay::trace::record::{Event, Events, RecordedStart};
use tallyho_replay::trace::{Found, Header};
use tallyho_replay::{Registry, Site};

use super::job::{Job, Load};
use super::once::{self, Single};
use super::part::{self, HandedOver};
use super::recorded::Recording;
use crate::commands::against::{Side, compare};
use crate::commands::traces::{SessionName, Trace, Traces, not_found};
use crate::engine::Beginning;
use crate::exit::{BadUsage, Exit};
use crate::output::print_broken as print;

/// How long the session may go on, unless the recorded one went on for longer.
const DURATION_MIN: Duration = Duration::from_secs(60);

/// One session of a run once more.
#[derive(Args, Debug)]
pub struct OnlyArgs {
    /// Run only this session of the run: with --seed, or --from, it makes the same draws again
    #[arg(long, value_name = "BOT/N", conflicts_with = "once")]
    pub only: Option<SessionName>,

    /// The recorded run that --only is a session of: seed, set-up's results and carried state are
    /// taken from it, and where the session now goes another way is printed
    #[arg(long, value_name = "RUN", requires = "only")]
    pub from: Option<PathBuf>,
}

/// A recorded session, and what its trace says of its run.
pub(super) struct Original {
    header: Header,
    found: Found,
}

/// Finds the recorded session, and has the job make the same draws.
///
/// # Errors
///
/// When it is not there, or the trace cannot be read.
pub(super) fn original(args: &OnlyArgs, job: &mut Job) -> anyhow::Result<Option<Original>> {
    let (Some(name), Some(from)) = (&args.only, &args.from) else { return Ok(None) };
    let original = find(name, from)?;
    job.seed = job.seed.or(Some(original.header.seed));
    job.run_number = Some(original.header.run_number);
    Ok(Some(original))
}

fn find(name: &SessionName, run: &Path) -> anyhow::Result<Original> {
    let mut traces = Traces::open(run)?;
    let mut all = Vec::new();
    for Trace { path, reader } in &mut traces.0 {
        let header = reader.header().clone();
        let read = reader.sessions(&name.wanted(), |found| {
            all.push(Original { header: header.clone(), found });
            ControlFlow::Continue(())
        });
        read.with_context(|| path.display().to_string())?;
    }
    match all.len() {
        0 => Err(not_found(name, run)),
        1 => Ok(all.swap_remove(0)),
        _ => {
            let message = format!("{name} names several sessions: put SCENARIO: in front");
            Err(BadUsage(message).into())
        }
    }
}

/// Plays the session, prints it, and compares it with the recorded one.
///
/// # Errors
///
/// When there is no such bot, set-up fails or the engine cannot start.
pub(super) fn run(
    name: &SessionName,
    (mut job, original): (Job, Option<Original>),
    recording: &Recording<'_>,
    bots: &Registry,
) -> anyhow::Result<Exit> {
    let load = load(&mut job, name, original.as_ref(), recording)?;
    let start = original.as_ref().map(Original::start).transpose()?;
    let setup = setup(&job, start.as_ref(), recording)?;
    let carry = start.as_ref().map(|start| start.carry.to_vec()).unwrap_or_default();
    if has_secrets(&carry) {
        eprintln!("note: the session carried secrets of the recorded run, which no file holds");
    }
    let recorded_for = original.as_ref().map(Original::duration).unwrap_or_default();
    let max_duration = recording.args.duration.unwrap_or(DURATION_MIN.max(2 * recorded_for));
    let begin = Beginning { bot: name.bot, session: name.session, carry: carry.into() };
    let result = once::play(recording, Single { load, begin, max_duration }, setup.handed())?;
    if let (Setup::Anew(handed), Some(part)) = (&setup, &job.teardown) {
        part::tear_down(recording, part, Some(handed))?;
    }
    let Some(original) = original else { return Ok(once::exit(&result)) };
    if result.trace.is_none() {
        bail!("nothing to compare: the session was not recorded (--record off)");
    }
    let again = find(name, recording.folder.path())?;
    let recorded = Side { header: &original.header, found: &original.found };
    let now = Side { header: &again.header, found: &again.found };
    let agreement = compare(&recorded, &now, bots)?;
    print(&format!("\n{}", agreement.render(name, &original.header.run)));
    Ok(if agreement.agrees() { Exit::Ok } else { Exit::Differs })
}

/// The load that the bot belongs to.
fn load(
    job: &mut Job,
    name: &SessionName,
    original: Option<&Original>,
    recording: &Recording<'_>,
) -> anyhow::Result<Load> {
    let named = name.scenario.as_deref().map(|scenario| Site::of(scenario).key());
    let key = original.map(|original| original.found.who.scenario).or(named);
    let mut first = u64::from(recording.args.task_index) * job.bots_per_task;
    let is_it = |load: &Load| {
        let bots = first..first + load.profile.vus();
        first = bots.end;
        key.map_or(bots.contains(&name.bot), |key| Site::of(&load.name).key() == key)
    };
    let index = match job.loads.iter().position(is_it) {
        Some(index) => index,
        // Where sessions are numbered and not bots, the number says nothing of how many there are.
        None if key.is_none() && job.loads.len() == 1 => 0,
        None => {
            let names: Vec<_> = job.loads.iter().map(|load| load.name.as_str()).collect();
            let names = names.join(", ");
            let message = format!("{name}: no such bot; put one of these in front: {names}");
            return Err(BadUsage(message).into());
        }
    };
    Ok(job.loads.swap_remove(index))
}

/// What the session is handed by set-up.
enum Setup {
    Nothing,
    Recorded(HandedOver),
    Anew(HandedOver),
}

impl Setup {
    fn handed(&self) -> Option<&HandedOver> {
        match self {
            Self::Nothing => None,
            Self::Recorded(handed) | Self::Anew(handed) => Some(handed),
        }
    }
}

fn setup(
    job: &Job,
    start: Option<&RecordedStart<'_>>,
    recording: &Recording<'_>,
) -> anyhow::Result<Setup> {
    if let Some(start) = start
        && !(job.setup.is_some() && has_secrets(start.setup))
    {
        return Ok(match start.setup {
            [] => Setup::Nothing,
            results => Setup::Recorded(HandedOver { results: results.into(), secrets: Vec::new() }),
        });
    }
    let Some(part) = &job.setup else { return Ok(Setup::Nothing) };
    if start.is_some() {
        eprintln!("note: set-up runs anew: it handed over secrets, which no file holds");
    }
    Ok(Setup::Anew(part::set_up(recording, part)?))
}

fn has_secrets(json: &[u8]) -> bool {
    let prefix = PLACEHOLDER_PREFIX.as_bytes();
    json.windows(prefix.len()).any(|window| window == prefix)
}

impl Original {
    fn start(&self) -> anyhow::Result<RecordedStart<'_>> {
        match Events::new(&self.found.record).next() {
            Some(Ok(Event::Start(start))) => Ok(start),
            _ => bail!("session {}: its record does not begin with its start", self.found.who),
        }
    }

    /// From its first to its last input.
    fn duration(&self) -> Duration {
        let at = |event| match event {
            Ok(Event::Start(RecordedStart { at_us, .. }) | Event::Input { at_us, .. }) => {
                Some(at_us)
            }
            _ => None,
        };
        let mut times = Events::new(&self.found.record).filter_map(at);
        let first = times.next().unwrap_or_default();
        Duration::from_micros(times.last().unwrap_or(first).saturating_sub(first))
    }
}

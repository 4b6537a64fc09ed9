//! One session of one bot, with everything it says and hears: `--once`, and `--only` (see
//! `only.rs`). It is recorded, so that it can be replayed like any other.

use std::sync::Arc;
use std::time::Duration;

use tallyho_replay::{Command, Failure, Outcome, ResponseParts, Session, Site};

use super::job::{Job, Load};
use super::part::{self, HandedOver, Unseen};
use super::recorded::{self, Recording};
use crate::config::Printer;
use crate::engine::{self, Beginning, Profile, RunResult, ScenarioPlan, Watch};
use crate::exit::Exit;
use crate::output::print_broken as print;

/// How long the session may go on: bots with actions play until the run ends.
const DURATION_DEFAULT: Duration = Duration::from_secs(60);

/// Plays the first session of the first bot of the first load, as it would be in a run with the
/// same seed, and prints it. A session that fails is exit code 1.
///
/// # Errors
///
/// When set-up fails or the engine cannot start.
pub(super) fn run(mut job: Job, recording: &Recording<'_>) -> anyhow::Result<Exit> {
    let setup = job.setup.as_ref().map(|setup| part::set_up(recording, setup)).transpose()?;
    let bot = u64::from(recording.args.task_index) * job.bots_per_task;
    let single = Single {
        load: job.loads.swap_remove(0),
        begin: Beginning { bot, ..Beginning::default() },
        max_duration: recording.args.duration.unwrap_or(DURATION_DEFAULT),
    };
    let session = format!("{bot}/0");
    let result = play(recording, single, setup.as_ref())?;
    if let Some(part) = &job.teardown {
        part::tear_down(recording, part, setup.as_ref())?;
    }
    if result.trace.is_some() {
        let run = recording.folder.path().display();
        eprintln!("recorded: tallyho replay {run} --session {session}");
    }
    Ok(exit(&result))
}

/// A session that fails, or is cut off, is exit code 1.
pub(super) fn exit(result: &RunResult) -> Exit {
    let sessions = result.measured.totals.all_iterations();
    if sessions.failed + sessions.interrupted == 0 { Exit::Ok } else { Exit::CouldNotRun }
}

/// One session of a load.
pub(super) struct Single {
    pub(super) load: Load,
    pub(super) begin: Beginning,
    pub(super) max_duration: Duration,
}

/// Plays it and prints it.
///
/// # Errors
///
/// When the engine cannot start.
pub(super) fn play(
    recording: &Recording<'_>,
    single: Single,
    setup: Option<&HandedOver>,
) -> anyhow::Result<RunResult> {
    let Single { load, begin, max_duration } = single;
    let ground = recording.ground;
    print(&format!("seed {}, target {}\n", ground.identity.seed, ground.target));
    let scenario = recorded::scenario(&load.name, &(load.bot)(), load.bot_config);
    let bot = load.name.clone();
    let mut plan = ground.plan_of_one(ScenarioPlan {
        key: Site::of(&load.name).key(),
        name: load.name,
        bot: load.bot,
        profile: Profile::PerVuIterations { vus: 1, iterations: 1, max_duration },
        start: Duration::ZERO,
        graceful_stop: recording.args.drain,
        begin: Some(begin),
    });
    plan.trace = recording.plan(None, vec![scenario]);
    if let Some(setup) = setup {
        plan.setup = Some(Arc::clone(&setup.results));
        plan.shared_secrets.extend(setup.secrets.iter().cloned());
    }
    let make = move || {
        let (printer, bot) = (Printer::default(), Some(bot.clone()));
        Box::new(Printing { printer, bot }) as Box<dyn Watch>
    };
    plan.watch = Some(Box::new(make));
    engine::run(plan, &ground.control, &mut Unseen).map_err(anyhow::Error::msg)
}

/// Prints a session as it is played.
struct Printing {
    printer: Printer,
    /// The bot's name, until the first line is printed.
    bot: Option<String>,
}

impl Watch for Printing {
    fn commanded(&mut self, at_us: u64, session: &Session, command: &Command) {
        if let Some(bot) = self.bot.take() {
            print(&self.printer.start(&bot, session.who()));
        }
        session.for_each_note(|note| print(&self.printer.note(note)));
        if *command == Command::Send {
            let text = session.with_request(|request, _| self.printer.request(at_us, request));
            print(&text);
        } else {
            print(&self.printer.command(at_us, command));
        }
    }

    fn responded(&mut self, at_us: u64, session: &Session, response: &ResponseParts) {
        let text = session.with_vault(|vault| self.printer.response(at_us, response, vault));
        print(&text);
    }

    fn failed(&mut self, at_us: u64, failure: Failure) {
        print(&self.printer.failure(at_us, failure));
    }

    fn ended(&mut self, session: &Session, outcome: Option<&Outcome>) {
        if outcome.is_none() {
            print("cut off by the end of the run\n");
        }
        if let Some(fault) = session.first_failure() {
            print(&format!("failing since step {}: {}\n", fault.step, fault.kind));
        }
    }
}

//! `--once`: one session of one bot, with everything it says and hears.

use std::time::Duration;

use tallyho_replay::{Command, Failure, Outcome, ResponseParts, Session};

use super::ground::Ground;
use super::job::Job;
use super::part::{self, Unseen};
use crate::cli::RunArgs;
use crate::config::Printer;
use crate::engine::{self, Profile, ScenarioPlan, Watch};
use crate::exit::Exit;
use crate::output::print;

/// How long the session may go on: bots with actions play until the run ends.
const DURATION_DEFAULT: Duration = Duration::from_secs(60);

/// Plays the first session of the first bot of the first load, as it would be in a run with the
/// same seed, and prints it. A session that fails is exit code 1.
///
/// # Errors
///
/// When set-up fails or the engine cannot start.
pub(super) fn run(args: &RunArgs, mut job: Job, ground: &Ground) -> anyhow::Result<Exit> {
    let setup = job.setup.as_ref().map(|setup| part::set_up(ground, setup)).transpose()?;
    let load = job.loads.swap_remove(0);
    print(&format!("seed {}, target {}\n", ground.identity.seed, ground.target));
    let max_duration = args.duration.unwrap_or(DURATION_DEFAULT);
    let bot = load.name.clone();
    let mut plan = ground.plan_of_one(ScenarioPlan {
        key: tallyho_replay::Site::of(&load.name).key(),
        name: load.name,
        bot: load.bot,
        profile: Profile::PerVuIterations { vus: 1, iterations: 1, max_duration },
        start: Duration::ZERO,
        graceful_stop: args.drain,
    });
    plan.setup.clone_from(&setup);
    let make = move || {
        let (printer, bot) = (Printer::default(), Some(bot.clone()));
        Box::new(Printing { printer, bot }) as Box<dyn Watch>
    };
    plan.watch = Some(Box::new(make));
    let result = engine::run(plan, &ground.control, &mut Unseen).map_err(anyhow::Error::msg)?;
    if let Some(part) = &job.teardown {
        part::tear_down(ground, part, setup)?;
    }
    let sessions = result.measured.totals.all_iterations();
    Ok(if sessions.failed + sessions.interrupted == 0 { Exit::Ok } else { Exit::CouldNotRun })
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

//! Set-up and teardown: one session each, of a bot of its own, before and after all others.
//!
//! They are recorded like any other session, in files of their own, since they are runs of their
//! own: the run proper begins when set-up has handed over what it has to.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use tallyho_replay::{Command, Failure, Outcome, ResponseParts, Session, Site};

use super::job::Part;
use super::recorded::{self, Recording};
use crate::engine::{
    self, Beginning, Control, DriverReport, Observer, Profile, RunPlan, ScenarioPlan, Watch,
};
use crate::exit::BotAborted;
use crate::metrics::Collector;
use crate::report::quoted;

/// The parts of a task, each with a bot number that no other bot has: they count down from the
/// largest, for each task.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Before all bots.
    SetUp = 0,
    /// After all bots.
    Teardown = 1,
    /// Beside all bots.
    Heartbeat = 2,
}

/// Numbers set aside for each task: the roles, and one to spare.
const NUMBERS_PER_TASK: u64 = 4;

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Teardown => "teardown",
            Self::Heartbeat => "heartbeat",
        }
    }

    fn bot(self, task_index: u32) -> u64 {
        u64::MAX - NUMBERS_PER_TASK * u64::from(task_index) - self as u64
    }
}

/// What set-up leaves to all bots.
pub(super) struct HandedOver {
    /// Its results, as JSON: secrets are placeholders.
    pub(super) results: Arc<[u8]>,
    /// The secrets behind the placeholders.
    pub(super) secrets: Vec<String>,
}

/// Runs set-up, and returns what it hands to all bots.
///
/// # Errors
///
/// When its session does not end well, or not in time.
pub(super) fn set_up(recording: &Recording<'_>, part: &Part) -> anyhow::Result<HandedOver> {
    let control = Arc::clone(&recording.ground.control);
    let left = play((recording, Role::SetUp), part, &control, None)?;
    let results = part.results(&left.carry).into();
    Ok(HandedOver { results, secrets: left.secrets })
}

/// Runs teardown with what set-up handed to all, also when the run was stopped by a signal.
///
/// # Errors
///
/// When its session does not end well, or not in time.
pub(super) fn tear_down(
    recording: &Recording<'_>,
    part: &Part,
    setup: Option<&HandedOver>,
) -> anyhow::Result<()> {
    let control = Arc::new(Control::default());
    play((recording, Role::Teardown), part, &control, setup).map(drop)
}

/// Plays the one session, and returns what it leaves.
fn play(
    (recording, role): (&Recording<'_>, Role),
    part: &Part,
    control: &Arc<Control>,
    setup: Option<&HandedOver>,
) -> anyhow::Result<Left> {
    let (sender, ended) = channel();
    let sender = Mutex::new(sender);
    let (name, bot) = (role.name(), role.bot(recording.args.task_index));
    let mut plan = plan((recording, role), part);
    let is_recorded = plan.trace.is_some();
    if let Some(setup) = setup {
        plan.setup = Some(Arc::clone(&setup.results));
        plan.shared_secrets.extend(setup.secrets.iter().cloned());
    }
    let judge = part.judge();
    plan.watch = Some(Box::new(move || {
        let sender = sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Box::new(Ending { sender: sender.clone(), judge })
    }));
    engine::run(plan, control, &mut Unseen).map_err(anyhow::Error::msg)?;
    match ended.try_recv() {
        Ok(Ok(left)) => Ok(left),
        Ok(Err(unwell)) => {
            let mut words = format!("{name} {unwell}");
            if is_recorded {
                let run = quoted(&recording.folder.path().display().to_string());
                let command = format!("tallyho replay {run} --session {name}:{bot}/0");
                words.push_str(&format!("; `{command}` shows it"));
            }
            match unwell {
                Unwell::Failed(_) => bail!(words),
                Unwell::Aborted(_) => Err(BotAborted(words).into()),
            }
        }
        Err(_) => bail!("{name} did not run: the run was stopped before"),
    }
}

/// The one session as a run of its own, on a worker that is not pinned.
pub(super) fn plan((recording, role): (&Recording<'_>, Role), part: &Part) -> RunPlan {
    let (name, bot) = (role.name(), role.bot(recording.args.task_index));
    let make = part.maker();
    let scenarios = vec![recorded::scenario(name, &make(), part.bot_config())];
    let trace = recording.plan(Some(name), scenarios);
    let plan = recording.ground.plan_of_one(ScenarioPlan {
        name: name.to_owned(),
        key: Site::of(name).key(),
        bot: make,
        profile: Profile::PerVuIterations { vus: 1, iterations: 1, max_duration: part.timeout },
        start: Duration::ZERO,
        graceful_stop: Duration::ZERO,
        begin: Some(Beginning { bot, ..Beginning::default() }),
    });
    RunPlan { trace, ..plan }
}

/// What a session left.
struct Left {
    carry: Vec<u8>,
    secrets: Vec<String>,
}

/// What the session left, or why it did not end well.
type Ended = Result<Left, Unwell>;

/// Why the session did not end well.
enum Unwell {
    Failed(String),
    /// Its bot ended the whole run, as any bot can.
    Aborted(String),
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Aborted(reason) => write!(f, "ended the run: {reason}"),
        }
    }
}

/// Waits for the end of the session.
struct Ending {
    sender: Sender<Ended>,
    judge: Judge,
}

/// Who says whether a part ended well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    /// Every check, status and exchange of it.
    Everything,
    /// The bot itself: code can try again what failed.
    Bot,
}

impl Watch for Ending {
    fn commanded(&mut self, _: u64, _: &Session, _: &Command) {}
    fn responded(&mut self, _: u64, _: &Session, _: &ResponseParts) {}
    fn failed(&mut self, _: u64, _: Failure) {}

    fn ended(&mut self, session: &Session, outcome: Option<&Outcome>) {
        let failed = |words| Err(Unwell::Failed(words));
        let ended = match (outcome, session.first_failure()) {
            (Some(Outcome::Done), fault) if fault.is_none() || self.judge == Judge::Bot => {
                Ok(Left {
                    carry: session.carry().to_vec(),
                    secrets: session
                        .with_vault(|vault| vault.values().map(str::to_owned).collect()),
                })
            }
            (Some(Outcome::AbortRun(reason)), _) => Err(Unwell::Aborted(reason.to_string())),
            (Some(Outcome::Failed(reason)), _) if self.judge == Judge::Bot => {
                failed(format!("failed: {reason}"))
            }
            (None, _) => failed("was cut off: it took too long".to_owned()),
            (_, Some(fault)) => failed(format!("failed at step {}: {}", fault.step, fault.kind)),
            (Some(outcome), None) => failed(format!("did not end as it should: {outcome:?}")),
        };
        let _nobody_waits = self.sender.send(ended);
    }
}

/// Shows nothing.
pub(super) struct Unseen;

impl Observer for Unseen {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

//! Set-up and teardown: one session each, of a bot of its own, before and after all others.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use tallyho_replay::{Command, Failure, Outcome, ResponseParts, Session, Site};

use super::ground::Ground;
use super::job::Part;
use crate::engine::{self, Control, DriverReport, Observer, Profile, ScenarioPlan, Watch};
use crate::metrics::Collector;

/// Runs set-up, and returns what it hands to all bots, as JSON.
///
/// # Errors
///
/// When its session does not end well, or not in time.
pub(super) fn set_up(ground: &Ground, part: &Part) -> anyhow::Result<Arc<[u8]>> {
    let carry = play(ground, part, ("set-up", &ground.control), None)?;
    Ok(part.results(&carry).into())
}

/// Runs teardown with what set-up handed to all, also when the run was stopped by a signal.
///
/// # Errors
///
/// When its session does not end well, or not in time.
pub(super) fn tear_down(
    ground: &Ground,
    part: &Part,
    setup: Option<Arc<[u8]>>,
) -> anyhow::Result<()> {
    play(ground, part, ("teardown", &Arc::new(Control::default())), setup).map(drop)
}

/// Plays the one session, and returns what it leaves.
fn play(
    ground: &Ground,
    part: &Part,
    (name, control): (&str, &Arc<Control>),
    setup: Option<Arc<[u8]>>,
) -> anyhow::Result<Vec<u8>> {
    let (sender, ended) = channel();
    let sender = Mutex::new(sender);
    let mut plan = ground.plan_of_one(ScenarioPlan {
        name: name.to_owned(),
        key: Site::of(name).key(),
        bot: part.maker(),
        profile: Profile::PerVuIterations { vus: 1, iterations: 1, max_duration: part.timeout },
        start: Duration::ZERO,
        graceful_stop: Duration::ZERO,
    });
    plan.setup = setup;
    plan.watch = Some(Box::new(move || {
        let sender = sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Box::new(Ending(sender.clone()))
    }));
    engine::run(plan, control, &mut Unseen).map_err(anyhow::Error::msg)?;
    match ended.try_recv() {
        Ok(Ok(carry)) => Ok(carry),
        Ok(Err(reason)) => bail!("{name} {reason}"),
        Err(_) => bail!("{name} did not run: the run was stopped before"),
    }
}

/// What the session left, or why it did not end well.
type Ended = Result<Vec<u8>, String>;

/// Waits for the end of the session.
struct Ending(Sender<Ended>);

impl Watch for Ending {
    fn commanded(&mut self, _: u64, _: &Session, _: &Command) {}
    fn responded(&mut self, _: u64, _: &Session, _: &ResponseParts) {}
    fn failed(&mut self, _: u64, _: Failure) {}

    fn ended(&mut self, session: &Session, outcome: Option<&Outcome>) {
        let ended = match (outcome, session.first_failure()) {
            (Some(Outcome::Done), None) => Ok(session.carry().to_vec()),
            (None, _) => Err("was cut off: it took too long".to_owned()),
            (_, Some(fault)) => Err(format!("failed at step {}: {}", fault.step, fault.kind)),
            (Some(outcome), None) => Err(format!("did not end as it should: {outcome:?}")),
        };
        let _nobody_waits = self.0.send(ended);
    }
}

/// Shows nothing.
pub(super) struct Unseen;

impl Observer for Unseen {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

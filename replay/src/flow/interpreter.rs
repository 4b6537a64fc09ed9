//! The bot that runs any declared program.
//!
//! One `async fn` over flat operations. A bot is its variables, a position, and what it knows of
//! its login; everything else is the program, which all bots of a worker share.

mod exchange;

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::definition::{Cookies, Deal, Definition, Delay, KeepLogin, MetricKind};
use super::evaluate::Scope;
use super::program::{Finish, Id, Op, Pause, Program, Slot, Target};
use super::value::Value;
use crate::bot::{Bot, Context};
use crate::dispatch::{ActionSet, Arms, Choice};
use crate::observe::{Level, Note, Response};
use crate::session::{Outcome, Question, Who};
use crate::{Name, permuted};

/// Operations without a wait: a loop of `set` steps alone must give its worker back now and then.
const OPS_PER_TURN_MAX: u32 = 10_000;

/// Larger weights than `check` lets through, and thousands of them still fit their sum.
const WEIGHT_MAX: i64 = 1 << 20;

/// A declared bot.
pub struct Flow {
    program: Rc<Program>,
    slots: Vec<Value>,
    setup: Option<Rc<[Value]>>,
    position: Target,
    /// Where a login returns to.
    back: Target,
    login: Login,
    /// Of the latest response.
    status: u16,
    time_us: u64,
    started_us: u64,
    actions_done: i64,
    /// The actions under way, outermost first; dropping one notes its end.
    actions: Vec<Choice>,
    /// The name of the request that failed last.
    failed: Name,
}

/// What the bot knows of its login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Login {
    /// It has none.
    #[default]
    Out,
    /// It has one that lasts.
    In,
    /// It has one to be refreshed at this instant of the run, in microseconds.
    Until(u64),
}

/// What a declared bot leaves to its next session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FlowCarry {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Value>,
    #[serde(default)]
    login: Login,
}

/// What the next thing to do is, after an operation.
enum Next {
    Go,
    Jump(Target),
    End(Outcome),
}

impl Bot for Flow {
    const NAME: &'static str = "declared";
    type Config = Program;
    type Carry = Option<FlowCarry>;

    fn new(program: Rc<Program>, _: Who, carry: Option<FlowCarry>) -> Flow {
        let carry = carry.unwrap_or_default();
        let mut slots = vec![Value::Null; program.slots_count];
        for ((_, slot), value) in program.keep.iter().zip(carry.kept) {
            slots[usize::from(*slot)] = value;
        }
        Flow {
            slots,
            setup: None,
            position: 0,
            back: 0,
            login: carry.login,
            status: 0,
            time_us: 0,
            started_us: 0,
            actions_done: 0,
            actions: Vec::new(),
            failed: Name::default(),
            program,
        }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        self.begin(ctx);
        let mut ops: u32 = 0;
        loop {
            ops += 1;
            if ops > OPS_PER_TURN_MAX {
                ctx.sleep(Duration::ZERO).await;
                ops = 0;
            }
            let op = self.program.ops[self.position as usize];
            self.position += 1;
            let next = match op {
                Op::Request(id) => {
                    ops = 0;
                    self.request(ctx, id).await
                }
                Op::Think(id) => {
                    let pause = self.program.pauses[id as usize];
                    let pause = self.scaled(pause_us(ctx, pause));
                    ctx.sleep(pause).await;
                    Next::Go
                }
                Op::CountBots(slot) => {
                    let bots = ctx.ask(Question::ActiveBots).await;
                    self.slots[usize::from(slot)] =
                        Value::Integer(i64::try_from(bots).unwrap_or(i64::MAX));
                    Next::Go
                }
                other => self.step(ctx, other),
            };
            match next {
                Next::Go => {}
                Next::Jump(target) => self.position = target,
                Next::End(outcome) => return outcome,
            }
        }
    }

    fn carry(self) -> Option<FlowCarry> {
        let login = match &self.program.auth {
            Some(auth) if auth.keep == KeepLogin::Yes => self.login,
            _ => Login::Out,
        };
        if self.program.keep.is_empty() && login == Login::Out {
            return None;
        }
        let kept = self.program.keep.iter().map(|(_, slot)| self.slots[usize::from(*slot)].clone());
        Some(FlowCarry { kept: kept.collect(), login })
    }
}

impl Flow {
    fn begin(&mut self, ctx: &Context) {
        self.started_us = ctx.state.now_us.get();
        self.setup = setup_values(&self.program, ctx);
        if self.program.cookies == Cookies::Ignored {
            ctx.ignore_cookies();
        }
        let who = ctx.who();
        for data in &self.program.data {
            let size = data.table.len() as u64;
            if size == 0 {
                continue;
            }
            // A shuffle of its own for every session number: bots in the same one share no row.
            let seed = match data.deal {
                Deal::PerBot => ctx.seed(),
                Deal::PerSession => {
                    ctx.seed() ^ xxh3_64(&who.session.wrapping_add(1).to_le_bytes())
                }
            };
            let row = permuted(seed, data.site, size, who.bot % size);
            self.slots[usize::from(data.row)] =
                Value::Integer(i64::try_from(row).unwrap_or(i64::MAX));
        }
    }

    fn scope<'a>(&'a self, ctx: &'a Context, response: Option<&'a Response>) -> Scope<'a> {
        Scope {
            program: &self.program,
            slots: &self.slots,
            setup: self.setup.as_deref().unwrap_or(&[]),
            ctx,
            response,
            status: self.status,
            time_us: self.time_us,
        }
    }

    /// Think times are scaled, nothing else is: polls and retries are the protocol's.
    fn scaled(&self, pause_us: u64) -> Duration {
        let scaled = u128::from(pause_us) * u128::from(self.program.delay_scale_ppm) / 1_000_000;
        Duration::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// An operation that waits for nothing.
    fn step(&mut self, ctx: &mut Context, op: Op) -> Next {
        match op {
            Op::Set(slot, id) => {
                let value = self.scope(ctx, None).value(&self.program.values[id as usize]);
                self.slots[usize::from(slot)] = value;
            }
            Op::Jump(target) => return Next::Jump(target),
            Op::JumpUnless(id, target) => {
                if !self.scope(ctx, None).holds(self.expression(id)) {
                    return Next::Jump(target);
                }
            }
            Op::Turns(slot, id) => {
                let turns = self.scope(ctx, None).evaluate(self.expression(id));
                self.slots[usize::from(slot)] = Value::Integer(turns.as_integer().unwrap_or(0));
            }
            Op::Turn(slot, after) => return self.turn(slot, after),
            Op::Choose(id) => return self.choose(ctx, id),
            Op::ActionEnd => drop(self.actions.pop()),
            Op::NextAction(end) => return self.next_action(ctx, end),
            Op::Add(name, kind, id) => {
                let value = self.scope(ctx, None).evaluate(self.expression(id));
                add(ctx, &self.program.names[name as usize], kind, &value);
            }
            Op::Check(name, id) => {
                let passed = self.scope(ctx, None).holds(self.expression(id));
                ctx.check(self.program.names[name as usize].clone(), passed);
            }
            Op::Log(id) => {
                let mut text = String::new();
                match self.scope(ctx, None).write(&self.program.templates[id as usize], &mut text) {
                    Ok(()) => ctx.log(Level::Info, text),
                    Err(missing) => ctx.log(Level::Warn, format!("{} has no value", missing.0)),
                }
            }
            Op::Login => return self.ensure_login(ctx, self.position).unwrap_or(Next::Go),
            Op::Logout => self.login = Login::Out,
            Op::LoggedIn => return self.logged_in(ctx),
            Op::Finish(finish) => return Next::End(self.outcome(finish)),
            Op::Request(_) | Op::Think(_) | Op::CountBots(_) => {
                unreachable!("these wait: see `session`")
            }
        }
        Next::Go
    }

    fn expression(&self, id: Id) -> &super::program::Expr {
        &self.program.expressions[id as usize]
    }

    fn turn(&mut self, slot: Slot, after: Target) -> Next {
        let counter = &mut self.slots[usize::from(slot)];
        let turns = counter.as_integer().unwrap_or(0);
        if turns <= 0 {
            return Next::Jump(after);
        }
        *counter = Value::Integer(turns - 1);
        Next::Go
    }

    /// Weights and guards are evaluated in the order of the arms, then one draw decides.
    fn choose(&mut self, ctx: &Context, id: Id) -> Next {
        let program = &self.program;
        let choices = &program.choices[id as usize];
        let mut buffers = program.buffers.take();
        buffers.weights.clear();
        buffers.enabled.clear();
        let scope = self.scope(ctx, None);
        for arm in &choices.arms {
            let enabled = arm.when.as_ref().is_none_or(|when| scope.holds(when));
            let weight = if enabled { scope.evaluate(&arm.weight).as_integer() } else { None };
            let weight = weight.unwrap_or(0).clamp(0, WEIGHT_MAX);
            buffers.weights.push(u32::try_from(weight).unwrap_or(0));
            buffers.enabled.push(enabled);
        }
        let (weights, enabled) = (&buffers.weights, &buffers.enabled);
        let arms = Arms { names: &choices.names, weights, enabled };
        let choice = ActionSet::new(choices.set.clone()).choose(ctx, arms);
        program.buffers.replace(buffers);
        let Some(choice) = choice else {
            ctx.log(Level::Error, format!("no action of `{}` is enabled", choices.set));
            return Next::End(Outcome::Failed(Name::from("no action is enabled")));
        };
        let target = choices.arms[choice.index()].target;
        if program.limits.choice == Some(id) {
            self.actions_done += 1;
        }
        self.actions.push(choice);
        Next::Jump(target)
    }

    fn next_action(&self, ctx: &Context, end: Target) -> Next {
        let limits = &self.program.limits;
        let most = limits.actions.as_ref().map(|most| self.scope(ctx, None).evaluate(most));
        let most = most.and_then(|most| most.as_integer());
        let enough = most.is_some_and(|most| self.actions_done >= most);
        let elapsed_us = ctx.state.now_us.get().saturating_sub(self.started_us);
        let late = limits.duration_us.is_some_and(|most| elapsed_us > most);
        if enough || late || ctx.stopping() { Next::Jump(end) } else { Next::Go }
    }

    fn outcome(&self, finish: Finish) -> Outcome {
        let name = |id: Id| self.program.names[id as usize].clone();
        match finish {
            Finish::Done => Outcome::Done,
            Finish::StopBot => Outcome::StopBot,
            Finish::Failed(reason) => Outcome::Failed(name(reason)),
            Finish::Abort(reason) => Outcome::AbortRun(name(reason)),
            Finish::FailedRequest => Outcome::Failed(self.failed.clone()),
        }
    }

    /// Goes to the login or the refresh if the bot needs one, and then back to `back`.
    fn ensure_login(&mut self, ctx: &Context, back: Target) -> Option<Next> {
        let auth = self.program.auth.as_ref()?;
        let target = match self.login {
            Login::In => return None,
            Login::Until(instant_us) if ctx.state.now_us.get() < instant_us => return None,
            Login::Until(_) => auth.refresh.unwrap_or(auth.login),
            Login::Out => auth.login,
        };
        // Until it has worked there is no login: a refresh that fails goes on with a new one.
        self.login = Login::Out;
        self.back = back;
        Some(Next::Jump(target))
    }

    fn logged_in(&mut self, ctx: &Context) -> Next {
        let Some(auth) = &self.program.auth else { return Next::Jump(self.back) };
        let seconds = auth.expires_in.as_ref().map(|value| self.scope(ctx, None).evaluate(value));
        self.login = match seconds.and_then(|seconds| seconds.as_integer()) {
            None => Login::In,
            Some(seconds) => {
                let lifetime_us = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
                // A margin as long as the login itself would refresh before every request.
                let margin_us = auth.margin_us.min(lifetime_us / 2);
                let now_us = ctx.state.now_us.get();
                Login::Until(now_us.saturating_add(lifetime_us - margin_us))
            }
        };
        Next::Jump(self.back)
    }
}

/// How long a pause is, before scaling.
fn pause_us(ctx: &Context, pause: Pause) -> u64 {
    let drawn = match pause.delay {
        Delay::Fixed(us) => return us,
        Delay::Between(from, to) => {
            ctx.draw(pause.site).duration(Duration::from_micros(from)..=Duration::from_micros(to))
        }
        Delay::Exponential(mean) => ctx.draw(pause.site).exponential(Duration::from_micros(mean)),
    };
    u64::try_from(drawn.as_micros()).unwrap_or(u64::MAX)
}

fn add(ctx: &Context, name: &Name, kind: MetricKind, value: &Value) {
    let name = name.clone();
    match (kind, value.as_f64()) {
        (MetricKind::Counter, _) => {
            let by = value.as_integer().and_then(|n| u64::try_from(n).ok());
            ctx.counter(name, by.unwrap_or(0));
        }
        (MetricKind::Rate, _) => ctx.rate(name, value.holds()),
        (MetricKind::Gauge, Some(value)) => ctx.gauge(name, value),
        (MetricKind::Trend, Some(value)) => ctx.trend(name, value),
        (MetricKind::TimeTrend, Some(value)) => {
            ctx.state.note(Note::Trend { name, value, is_time: true });
        }
        (MetricKind::Gauge | MetricKind::Trend | MetricKind::TimeTrend, None) => {}
    }
}

/// Set-up's results by the program's numbering, read once for all sessions that are handed the same
/// bytes.
fn setup_values(program: &Program, ctx: &Context) -> Option<Rc<[Value]>> {
    if program.setup.is_empty() {
        return None;
    }
    let setup = ctx.state.own.borrow().setup.clone();
    let bytes: &[u8] = setup.as_deref().unwrap_or(b"{}");
    let hash = xxh3_64(bytes);
    if let Some((known, values)) = &*program.setup_values.borrow()
        && *known == hash
    {
        return Some(Rc::clone(values));
    }
    let results: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let values: Rc<[Value]> = program.setup.iter().map(|name| results.field(name)).collect();
    *program.setup_values.borrow_mut() = Some((hash, Rc::clone(&values)));
    Some(values)
}

/// What a set-up hands to all bots, as JSON: its kept variables by name, out of what its session
/// left.
pub fn setup_results(definition: &Definition, carry: &[u8]) -> Vec<u8> {
    let carry: Option<FlowCarry> = serde_json::from_slice(carry).unwrap_or_default();
    let kept = carry.unwrap_or_default().kept;
    let names = definition.keep.iter().map(|name| Rc::from(name.as_str()));
    let results = Value::Object(names.zip(kept).collect());
    serde_json::to_vec(&results).expect("plain data serialises")
}

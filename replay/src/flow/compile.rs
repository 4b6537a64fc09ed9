//! From a definition to a program.
//!
//! Steps become flat operations with jumps; a label is a number that `finish` replaces by the
//! operation behind it. The scenario's reader has checked everything that a user can get wrong, so
//! an error here means a definition that somebody else wrote: a damaged trace, or one of another
//! version.

mod expressions;
mod requests;
mod templates;

pub(super) use requests::percent_encode;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::definition::{Action, Auth, Definition, Delay, MetricKind, Step};
use super::program::{
    Arm, AuthPlan, Choices, DataPlan, Expr, Finish, Id, LimitsPlan, Op, Pause, Program, Slot,
    Target,
};
use super::value::Value;
use crate::{Name, Site};

/// Why a definition is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// A name that the definition does not explain.
    Unknown(String),
    /// More of something than a program can number.
    TooMany(&'static str),
    /// A text that is not what it should be, such as a pattern or a method.
    Malformed(String),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Unknown(name) => write!(f, "`{name}` is not defined"),
            CompileError::TooMany(what) => write!(f, "too many {what}"),
            CompileError::Malformed(text) => write!(f, "malformed: {text}"),
        }
    }
}

impl std::error::Error for CompileError {}

type Compile<T> = Result<T, CompileError>;

/// Nesting that a definition cannot have if it was read from a scenario; beyond it the stack would
/// be used up.
const DEPTH_MAX: usize = 128;

/// Compiles a definition.
pub fn compile(definition: &Definition) -> Result<Program, CompileError> {
    let mut compiler = Compiler::new(definition)?;
    compiler.session(definition)?;
    compiler.finish(definition)
}

/// A place in the program that is not known yet.
type Label = u32;

pub(super) struct Compiler<'d> {
    definition: &'d Definition,
    program: Program,
    slots: BTreeMap<String, Slot>,
    labels: Vec<Option<Target>>,
    /// Where a failed request in the part being compiled goes on.
    leave: Label,
    /// Name of the action being compiled, for labels of draws.
    place: String,
    /// Whether what is being compiled can be left without ending the session.
    in_action: bool,
    depth: usize,
}

impl<'d> Compiler<'d> {
    fn new(definition: &'d Definition) -> Compile<Compiler<'d>> {
        let program = Program {
            name: Name::from(definition.name.clone()),
            hash: definition.hash(),
            ops: Vec::new(),
            expressions: Vec::new(),
            values: Vec::new(),
            templates: Vec::new(),
            requests: Vec::new(),
            choices: Vec::new(),
            names: Vec::new(),
            sites: Vec::new(),
            pauses: Vec::new(),
            patterns: Vec::new(),
            data: Vec::new(),
            slots_count: 0,
            keep: Vec::new(),
            setup: Vec::new(),
            auth: None,
            limits: LimitsPlan::default(),
            cookies: definition.cookies,
            delay_scale_ppm: definition.delay_scale_ppm,
            buffers: Default::default(),
            setup_values: Default::default(),
        };
        let mut compiler = Compiler {
            definition,
            program,
            slots: BTreeMap::new(),
            labels: Vec::new(),
            leave: 0,
            place: "steps".into(),
            in_action: false,
            depth: 0,
        };
        compiler.declare()?;
        Ok(compiler)
    }

    /// Gives every variable its slot, in an order that depends on the definition alone.
    fn declare(&mut self) -> Compile<()> {
        let definition = self.definition;
        for assignment in &definition.variables {
            self.slot(&assignment.variable)?;
        }
        let mut names = Vec::new();
        let mut visit = |step: &Step| match step {
            Step::Set(assignments) => {
                names.extend(assignments.iter().map(|set| set.variable.clone()));
            }
            Step::Request(request) => {
                names.extend(request.captures.iter().map(|capture| capture.variable.clone()));
            }
            Step::CountBots(variable) => names.push(variable.clone()),
            _ => {}
        };
        if let Some(auth) = &definition.auth {
            Step::walk(&auth.login, &mut visit);
            Step::walk(&auth.refresh, &mut visit);
        }
        Step::walk(&definition.steps, &mut visit);
        definition.actions.iter().for_each(|action| Step::walk(&action.steps, &mut visit));
        for name in names {
            self.slot(&name)?;
        }
        for data in &definition.data {
            let row = self.hidden_slot()?;
            let site = self.site(&format!("data.{}", data.name));
            self.program.data.push(DataPlan {
                table: data.table.clone(),
                deal: data.deal,
                site,
                row,
            });
        }
        Ok(())
    }

    /// The slot of a variable, made if it is not there.
    fn slot(&mut self, name: &str) -> Compile<Slot> {
        if let Some(slot) = self.slots.get(name) {
            return Ok(*slot);
        }
        let slot = self.hidden_slot()?;
        self.slots.insert(name.to_owned(), slot);
        Ok(slot)
    }

    fn known_slot(&self, name: &str) -> Compile<Slot> {
        self.slots.get(name).copied().ok_or_else(|| CompileError::Unknown(name.to_owned()))
    }

    fn hidden_slot(&mut self) -> Compile<Slot> {
        let slot = Slot::try_from(self.program.slots_count);
        self.program.slots_count += 1;
        slot.map_err(|_| CompileError::TooMany("variables"))
    }

    fn label(&mut self) -> Label {
        self.labels.push(None);
        id_of(self.labels.len() - 1)
    }

    fn put(&mut self, label: Label) {
        self.labels[label as usize] = Some(id_of(self.program.ops.len()));
    }

    fn op(&mut self, op: Op) {
        self.program.ops.push(op);
    }

    fn name(&mut self, text: &str) -> Id {
        let known = self.program.names.iter().position(|name| name.as_str() == text);
        id_of(known.unwrap_or_else(|| {
            self.program.names.push(Name::from(text.to_owned()));
            self.program.names.len() - 1
        }))
    }

    /// The whole session.
    fn session(&mut self, definition: &Definition) -> Compile<()> {
        let failed = self.label();
        self.leave = failed;
        for assignment in &definition.variables {
            let value = self.value(&assignment.value)?;
            let slot = self.slot(&assignment.variable)?;
            self.op(Op::Set(slot, value));
        }
        let login = definition.auth.as_ref().map(|_| (self.label(), self.label()));
        if let (Some(auth), Some((login, refresh))) = (&definition.auth, login) {
            let refresh = (!auth.refresh.is_empty()).then_some(refresh);
            let expires_in = auth.expires_in.as_ref().map(|value| self.resolve(value));
            self.program.auth = Some(AuthPlan {
                login,
                refresh,
                expires_in: expires_in.transpose()?,
                margin_us: auth.margin_us,
                keep: auth.keep,
            });
        }
        self.steps(&definition.steps)?;
        if !definition.actions.is_empty() {
            self.action_loop(definition)?;
        }
        self.op(Op::Finish(Finish::Done));
        self.put(failed);
        self.op(Op::Finish(Finish::FailedRequest));
        if let (Some(auth), Some((login, refresh))) = (&definition.auth, login) {
            self.login(auth, login, refresh, failed)?;
        }
        Ok(())
    }

    fn login(&mut self, auth: &Auth, login: Label, refresh: Label, failed: Label) -> Compile<()> {
        self.put(login);
        self.leave = failed;
        self.place = "login".into();
        self.steps(&auth.login)?;
        self.op(Op::LoggedIn);
        self.put(refresh);
        if !auth.refresh.is_empty() {
            // A refresh that fails is no reason to give up: the bot logs in as if it had never
            // been.
            self.leave = login;
            self.place = "refresh".into();
            self.steps(&auth.refresh)?;
            self.op(Op::LoggedIn);
        }
        Ok(())
    }

    fn action_loop(&mut self, definition: &Definition) -> Compile<()> {
        let again = self.label();
        let end = self.label();
        let limits = &definition.limits;
        let actions = limits.actions.as_ref().map(|value| self.resolve(value)).transpose()?;
        let choice = Some(id_of(self.program.choices.len()));
        self.program.limits = LimitsPlan { choice, actions, duration_us: limits.duration_us };
        self.put(again);
        self.op(Op::NextAction(end));
        if let Some(think) = definition.think {
            let pause = self.pause(think, "think");
            self.op(Op::Think(pause));
            // A pause that the end of the run cut short is not followed by an action.
            self.op(Op::NextAction(end));
        }
        self.choose("actions", &definition.actions, again)?;
        self.put(end);
        Ok(())
    }

    /// The site of that label, which is kept for people.
    fn site(&mut self, label: &str) -> Site {
        let site = Site::of(label);
        self.program.sites.push((site, label.into()));
        site
    }

    fn pause(&mut self, delay: Delay, label: &str) -> Id {
        let site = self.site(label);
        self.program.pauses.push(Pause { delay, site });
        id_of(self.program.pauses.len() - 1)
    }

    /// A choice whose arms all go on at `after`.
    fn choose(&mut self, name: &str, actions: &[Action], after: Label) -> Compile<()> {
        let outer_leave = self.leave;
        let outer_in_action = std::mem::replace(&mut self.in_action, true);
        let choice = id_of(self.program.choices.len());
        let mut arms = Vec::with_capacity(actions.len());
        for action in actions {
            let target = self.label();
            arms.push(Arm {
                weight: self.resolve(&action.weight)?,
                when: action.when.as_ref().map(|when| self.resolve(when)).transpose()?,
                target,
            });
        }
        let targets: Vec<Label> = arms.iter().map(|arm| arm.target).collect();
        let names = actions.iter().map(|action| Name::from(action.name.clone())).collect();
        let set = Name::from(name.to_owned());
        self.program.choices.push(Choices { set, names, arms });
        self.op(Op::Choose(choice));
        for (action, target) in actions.iter().zip(targets) {
            let outer_place = std::mem::replace(&mut self.place, action.name.clone());
            let over = self.label();
            self.leave = over;
            self.put(target);
            self.steps(&action.steps)?;
            self.put(over);
            self.op(Op::ActionEnd);
            self.op(Op::Jump(after));
            self.place = outer_place;
        }
        self.leave = outer_leave;
        self.in_action = outer_in_action;
        Ok(())
    }

    fn steps(&mut self, steps: &[Step]) -> Compile<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(CompileError::TooMany("steps inside steps"));
        }
        for step in steps {
            self.step(step)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Compile<()> {
        match step {
            Step::Request(request) => {
                let id = self.request(request)?;
                self.op(Op::Request(id));
            }
            Step::Think(delay) => {
                let label = format!("think.{}", self.place);
                let pause = self.pause(*delay, &label);
                self.op(Op::Think(pause));
            }
            Step::Set(assignments) => {
                for assignment in assignments {
                    let value = self.value(&assignment.value)?;
                    let slot = self.known_slot(&assignment.variable)?;
                    self.op(Op::Set(slot, value));
                }
            }
            Step::If { condition, then, otherwise } => self.branch(condition, then, otherwise)?,
            Step::While { condition, max, steps } => {
                let turns = Expr::Constant(Value::Integer(i64::from(*max)));
                let condition = self.expression(condition)?;
                self.turns(turns, Some(condition), steps)?;
            }
            Step::Repeat { times, steps } => {
                let turns = self.resolve(times)?;
                self.turns(turns, None, steps)?;
            }
            Step::Choose { site, actions } => {
                let after = self.label();
                self.choose(site, actions, after)?;
                self.put(after);
            }
            other => self.simple_step(other)?,
        }
        Ok(())
    }

    fn branch(
        &mut self,
        condition: &super::expression::Expression,
        then: &[Step],
        otherwise: &[Step],
    ) -> Compile<()> {
        let condition = self.expression(condition)?;
        let (no, after) = (self.label(), self.label());
        self.op(Op::JumpUnless(condition, no));
        self.steps(then)?;
        if !otherwise.is_empty() {
            self.op(Op::Jump(after));
        }
        self.put(no);
        self.steps(otherwise)?;
        self.put(after);
        Ok(())
    }

    fn turns(&mut self, turns: Expr, condition: Option<Id>, steps: &[Step]) -> Compile<()> {
        let counter = self.hidden_slot()?;
        let (again, after) = (self.label(), self.label());
        self.program.expressions.push(turns);
        let turns = id_of(self.program.expressions.len() - 1);
        self.op(Op::Turns(counter, turns));
        self.put(again);
        self.op(Op::Turn(counter, after));
        if let Some(condition) = condition {
            self.op(Op::JumpUnless(condition, after));
        }
        self.steps(steps)?;
        self.op(Op::Jump(again));
        self.put(after);
        Ok(())
    }

    fn simple_step(&mut self, step: &Step) -> Compile<()> {
        match step {
            Step::Add(values) => {
                for (metric, value) in values {
                    let kind = self.metric(metric)?;
                    let (name, value) = (self.name(metric), self.expression(value)?);
                    self.op(Op::Add(name, kind, value));
                }
            }
            Step::Check(checks) => {
                for (name, condition) in checks {
                    let (name, condition) = (self.name(name), self.expression(condition)?);
                    self.op(Op::Check(name, condition));
                }
            }
            Step::Log(template) => {
                let template = self.template(template, super::program::Encoding::Plain)?;
                self.program.templates.push(template);
                self.op(Op::Log(id_of(self.program.templates.len() - 1)));
            }
            Step::CountBots(variable) => {
                let slot = self.known_slot(variable)?;
                self.op(Op::CountBots(slot));
            }
            Step::Login | Step::Logout if self.program.auth.is_none() => {
                return Err(CompileError::Unknown("auth".into()));
            }
            Step::Login => self.op(Op::Login),
            Step::Logout => self.op(Op::Logout),
            Step::Leave => {
                // Out of steps that belong to no action there is nowhere to go but to the end.
                let leave = self.leave;
                let op = if self.in_action { Op::Jump(leave) } else { Op::Finish(Finish::Done) };
                self.op(op);
            }
            Step::End => self.op(Op::Finish(Finish::Done)),
            Step::StopBot => self.op(Op::Finish(Finish::StopBot)),
            Step::Fail(reason) => {
                let reason = self.name(reason);
                self.op(Op::Finish(Finish::Failed(reason)));
            }
            Step::Abort(reason) => {
                let reason = self.name(reason);
                self.op(Op::Finish(Finish::Abort(reason)));
            }
            Step::Request(_)
            | Step::Think(_)
            | Step::Set(_)
            | Step::If { .. }
            | Step::While { .. }
            | Step::Repeat { .. }
            | Step::Choose { .. } => unreachable!("handled by `step`"),
        }
        Ok(())
    }

    fn metric(&self, name: &str) -> Compile<MetricKind> {
        let metric = self.definition.metrics.iter().find(|metric| metric.name == name);
        metric.map(|metric| metric.kind).ok_or_else(|| CompileError::Unknown(name.to_owned()))
    }

    /// Replaces labels by the operations behind them.
    fn finish(mut self, definition: &Definition) -> Compile<Program> {
        for name in &definition.keep {
            let slot = self.known_slot(name)?;
            self.program.keep.push((Rc::from(name.as_str()), slot));
        }
        let labels = self.labels;
        let place = |label: &mut Target| {
            *label = labels[*label as usize].expect("every label is put before the end");
        };
        let mut program = self.program;
        for op in &mut program.ops {
            match op {
                Op::Jump(label)
                | Op::JumpUnless(_, label)
                | Op::Turn(_, label)
                | Op::NextAction(label) => place(label),
                _ => {}
            }
        }
        program.requests.iter_mut().for_each(|request| place(&mut request.leave));
        for choice in &mut program.choices {
            choice.arms.iter_mut().for_each(|arm| place(&mut arm.target));
        }
        if let Some(auth) = &mut program.auth {
            place(&mut auth.login);
            auth.refresh.iter_mut().for_each(place);
        }
        Ok(program)
    }
}

/// A number in one of a program's lists, which all stay far below 2^32: a definition would need
/// gigabytes.
pub(super) fn id_of(index: usize) -> Id {
    Id::try_from(index).expect("fewer than 2^32 of anything")
}

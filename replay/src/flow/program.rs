//! A declared bot as workers run it: flat operations, names resolved to numbers, templates cut into
//! pieces.
//!
//! One program is compiled per worker and shared by all its bots, which hold nothing but their
//! variables. Nothing in it is searched for, parsed or allocated while a session runs, except what
//! a session itself puts into variables.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use serde::Deserialize;

use super::compile::{self, CompileError};
use super::definition::{
    Cookies, Credentials, Deal, Definition, Delay, MetricKind, OnFailure, RetryFailures, Secrecy,
    Table,
};
use super::expression::{Binary, Fact, Function, Sampler, Unary};
use super::value::Value;
use crate::{Expected, Method, Name, Prepared, SharedBody, Site};

/// A compiled bot.
#[derive(Deserialize)]
#[serde(try_from = "Definition")]
pub struct Program {
    pub(super) name: Name,
    pub(super) hash: u64,
    pub(super) ops: Vec<Op>,
    pub(super) expressions: Vec<Expr>,
    pub(super) values: Vec<ValueTemplate>,
    pub(super) templates: Vec<Template>,
    pub(super) requests: Vec<RequestPlan>,
    pub(super) choices: Vec<Choices>,
    pub(super) names: Vec<Name>,
    /// Sites of draws and their labels, for people.
    pub(super) sites: Vec<(Site, Box<str>)>,
    pub(super) pauses: Vec<Pause>,
    pub(super) patterns: Vec<Regex>,
    pub(super) data: Vec<DataPlan>,
    /// Variables and hidden values of a session.
    pub(super) slots_count: usize,
    /// What the next session starts with: names and slots.
    pub(super) keep: Vec<(Rc<str>, Slot)>,
    /// Names of set-up's results that are used.
    pub(super) setup: Vec<Rc<str>>,
    pub(super) auth: Option<AuthPlan>,
    pub(super) limits: LimitsPlan,
    pub(super) cookies: Cookies,
    pub(super) delay_scale_ppm: u32,
    pub(super) buffers: RefCell<Buffers>,
    /// Set-up's results as they were last handed over, read: they are the same for all sessions of
    /// a run.
    pub(super) setup_values: RefCell<Option<(u64, Rc<[Value]>)>>,
}

impl TryFrom<Definition> for Program {
    type Error = CompileError;

    fn try_from(definition: Definition) -> Result<Program, CompileError> {
        compile::compile(&definition)
    }
}

impl Program {
    /// The bot's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The label of a draw's site, if the bot draws there.
    pub fn label(&self, site: Site) -> Option<&str> {
        let mut sites = self.sites.iter();
        sites.find(|(known, _)| *known == site).map(|(_, label)| &**label)
    }

    /// The hash of the definition that it was compiled from.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// The number of a session's value.
pub(super) type Slot = u16;
/// The number of an operation.
pub(super) type Target = u32;
/// The number of something in one of a program's lists.
pub(super) type Id = u32;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Send a request and do everything with its response.
    Request(Id),
    /// Pause.
    Think(Id),
    /// Set a slot.
    Set(Slot, Id),
    Jump(Target),
    JumpUnless(Id, Target),
    /// Puts a number of turns into a slot.
    Turns(Slot, Id),
    /// Takes one turn from the slot, or jumps when there is none.
    Turn(Slot, Target),
    /// Picks an arm and jumps to it.
    Choose(Id),
    /// The action under way is over.
    ActionEnd,
    /// Whether the session goes on with another action; else jumps.
    NextAction(Target),
    /// Puts an expression into a metric.
    Add(Id, MetricKind, Id),
    /// A check outside of requests: name and condition.
    Check(Id, Id),
    Log(Id),
    CountBots(Slot),
    Login,
    Logout,
    /// The end of a login or a refresh.
    LoggedIn,
    /// The session is over.
    Finish(Finish),
}

/// How a session ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finish {
    Done,
    StopBot,
    /// With the name of the reason.
    Failed(Id),
    Abort(Id),
    /// With the reason that the failing request left.
    FailedRequest,
}

/// An expression with its names resolved.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Constant(Value),
    Slot(Slot),
    Setup(u16),
    /// A named secret of the run.
    Secret(Rc<str>),
    Cell {
        source: u16,
        column: u16,
        secrecy: Secrecy,
    },
    Fact(Fact),
    Status,
    Time,
    Header(Rc<str>),
    Json(Rc<str>),
    BodyContains(Box<Expr>),
    BodyMatches(Id),
    Field(Box<Expr>, Rc<str>),
    Index(Box<Expr>, Box<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Either(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(Function, Box<[Expr]>),
    Draw(Site, Sampler, Box<[Expr]>),
}

/// How a value is written where it lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is: the origin at the beginning of a URL, log lines, text bodies.
    Plain,
    /// Percent-encoded: in a path, a query and a form.
    Url,
    /// Line breaks and other control characters become spaces: in a header.
    Header,
    /// Inside the quotes of a JSON text.
    JsonText,
    /// A whole JSON value.
    JsonValue,
}

/// Text with holes, cut into pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Template(pub(super) Vec<Piece>);

/// A piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(Rc<str>),
    Hole {
        value: Expr,
        encoding: Encoding,
        what: Rc<str>,
    },
    /// A comma, unless the object or list has only just begun.
    Comma,
    /// A member of a JSON object that is left out when it has no value.
    Member {
        key: Rc<str>,
        value: Expr,
    },
}

/// What a variable is set to.
#[derive(Clone, Debug)]
pub(super) enum ValueTemplate {
    /// The value of an expression, with its type.
    Value(Expr),
    /// Text.
    Text(Template),
    List(Vec<ValueTemplate>),
    Object(Vec<(Rc<str>, ValueTemplate)>),
}

/// A request and all that is done with its response.
pub(super) struct RequestPlan {
    pub(super) name: Name,
    pub(super) method: Method,
    pub(super) form: Form,
    pub(super) url: Template,
    pub(super) headers: Vec<(Rc<str>, Template)>,
    pub(super) body: Option<Template>,
    /// Instead of `body`.
    pub(super) shared_body: Option<SharedBody>,
    pub(super) timeout: Option<Duration>,
    pub(super) expected: Expected,
    pub(super) redirects_max: Option<u32>,
    pub(super) body_read: BodyRead,
    pub(super) captures: Vec<CapturePlan>,
    pub(super) checks: Vec<(Name, Expr)>,
    pub(super) retry: Option<RetryPlan>,
    pub(super) poll: Option<PollPlan>,
    pub(super) credentials: Credentials,
    pub(super) on_failure: OnFailure,
    /// Where `OnFailure::Leave` goes on.
    pub(super) leave: Target,
}

/// Whether the request is built once or for every sending.
pub(super) enum Form {
    /// Something in it depends on the session.
    Changing,
    /// Nothing does: built at its first sending, when the target is known; from then on sending it
    /// is a clone.
    Fixed(RefCell<Option<Prepared>>),
}

/// Whether anything reads the response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRead {
    Yes,
    No,
}

pub(super) struct CapturePlan {
    pub(super) slot: Slot,
    pub(super) from: Source,
    pub(super) absent: AbsentPlan,
    pub(super) secrecy: Secrecy,
    /// The check that fails when the value is not there.
    pub(super) check: Name,
}

pub(super) enum Source {
    Json(Rc<str>),
    Header(Rc<str>),
    Cookie(Rc<str>),
    Pattern(Id, usize),
}

pub(super) enum AbsentPlan {
    Fails,
    Unset,
    Default(Id),
}

pub(super) struct RetryPlan {
    pub(super) tries: u32,
    pub(super) statuses: Vec<(u16, u16)>,
    pub(super) failures: RetryFailures,
    pub(super) wait: Pause,
    pub(super) multiplier: u32,
}

pub(super) struct PollPlan {
    pub(super) until: Expr,
    pub(super) every: Pause,
    pub(super) within_us: u64,
    /// The check that says whether it held in time.
    pub(super) check: Name,
}

/// A pause and the site of its draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) delay: Delay,
    pub(super) site: Site,
}

pub(super) struct Choices {
    /// The set's name, which keys its draws.
    pub(super) set: Name,
    /// What its arms are called.
    pub(super) names: Vec<Name>,
    pub(super) arms: Vec<Arm>,
}

pub(super) struct Arm {
    pub(super) weight: Expr,
    pub(super) when: Option<Expr>,
    pub(super) target: Target,
}

pub(super) struct DataPlan {
    pub(super) table: Arc<Table>,
    pub(super) deal: Deal,
    pub(super) site: Site,
    /// The row that the session was dealt.
    pub(super) row: Slot,
}

pub(super) struct AuthPlan {
    pub(super) login: Target,
    pub(super) refresh: Option<Target>,
    pub(super) expires_in: Option<Expr>,
    pub(super) margin_us: u64,
    pub(super) keep: super::definition::KeepLogin,
}

#[derive(Default)]
pub(super) struct LimitsPlan {
    /// The choice whose actions are counted.
    pub(super) choice: Option<Id>,
    pub(super) actions: Option<Expr>,
    pub(super) duration_us: Option<u64>,
}

/// Where requests are written before they are copied into the worker's scratch; kept, so that they
/// stop growing.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) url: String,
    /// All header values, one behind the other, and where each ends.
    pub(super) headers_text: String,
    pub(super) header_ends: Vec<usize>,
    pub(super) body: String,
    /// Of the choice under way.
    pub(super) weights: Vec<u32>,
    pub(super) enabled: Vec<bool>,
}

//! What stands inside `${...}`, in guards and in checks, as a tree.
//!
//! Small on purpose: whole numbers, text, truth values and what a response held. There is no
//! floating point, because a decision must come out the same on every machine. Knows nothing of
//! source files: `syntax.rs` makes these trees and says where each part stood.

/// An expression with its names still spelt out.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `null`: no value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number. Durations such as `500ms` are numbers of milliseconds.
    Integer(i64),
    /// `'text'`.
    Text(String),
    /// A variable of the bot.
    Variable(String),
    /// `setup.name`: what set-up handed to all bots.
    Setup(String),
    /// `env.NAME`: a parameter of the run. The scenario's reader replaces it by its value, unless
    /// it is secret.
    Parameter(String),
    /// `data.source` or `data.source.column`: from the row that the bot was dealt.
    Data {
        /// Name of the data source.
        source: String,
        /// The column; none for data that is a list of plain values.
        column: Option<String>,
    },
    /// A fact about the bot or the session.
    Fact(Fact),
    /// Something read from the latest response.
    Read(Read),
    /// `value.name`.
    Field(Box<Expression>, String),
    /// `value[index]`, from 0.
    Index(Box<Expression>, Box<Expression>),
    /// `!x` or `-x`.
    Unary(Unary, Box<Expression>),
    /// `x op y`.
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// `condition ? x : y`.
    Either(Box<Expression>, Box<Expression>, Box<Expression>),
    /// `function(x, ...)`, also written `x | function ...`.
    Call(Function, Vec<Expression>),
    /// `draw.site.sampler(...)`.
    Draw {
        /// The label that keys the draw. A draw elsewhere in the scenario never moves this one.
        site: String,
        /// What is drawn.
        sampler: Sampler,
        /// What the sampler is given.
        arguments: Vec<Expression>,
    },
}

/// Facts that a bot knows without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `bot`: the bot's number, the same in every run.
    Bot,
    /// `session`: how many sessions this bot ran before.
    Session,
    /// `task`: the number of the process among those of the run.
    Task,
    /// `now`: milliseconds since the run started, as of the latest input.
    Now,
    /// `uuid`: an id that is new at every use and in every run.
    Uuid,
    /// `stopping`: whether the run wants its bots to finish.
    Stopping,
}

impl Fact {
    /// All facts, with the word that names each.
    pub const ALL: &'static [(&'static str, Fact)] = &[
        ("bot", Fact::Bot),
        ("session", Fact::Session),
        ("task", Fact::Task),
        ("now", Fact::Now),
        ("uuid", Fact::Uuid),
        ("stopping", Fact::Stopping),
    ];
}

/// What can be read from the latest response.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// `status`; 0 when there was no response.
    Status,
    /// `time`: whole milliseconds from sending the request to having its response, on the session's
    /// clock.
    Time,
    /// `header('Name')`.
    Header(String),
    /// `json('/pointer')`.
    Json(String),
    /// `body contains x`.
    BodyContains(Box<Expression>),
    /// `body matches 'pattern'`.
    BodyMatches(String),
}

impl Read {
    /// Whether the value is kept after the response itself is gone.
    pub fn outlives_response(&self) -> bool {
        matches!(self, Read::Status | Read::Time)
    }
}

/// Operators before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `!`
    Not,
    /// `-`
    Minus,
}

/// Operators between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `contains`: text in text, or an element in a list.
    Contains,
    /// `+`: numbers are added, anything else is joined as text.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, towards zero.
    Divide,
    /// `%`
    Remainder,
}

/// Functions, all of them without effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Whether there is a value.
    Defined,
    /// The first value, or the second where there is no first.
    Default,
    /// As `Default`, in a JSON body: the member is left out where there is no value.
    Optional,
    /// Characters of a text, elements of a list, members of an object.
    Length,
    /// A whole number: fractions are cut off, text is read.
    Int,
    /// Text.
    Text,
    /// Small letters.
    Lower,
    /// Capital letters.
    Upper,
    /// Zeros in front, up to a width.
    Pad,
    /// `slice(text, from, to)`: characters `from..to`.
    Slice,
    /// The smaller of two numbers.
    Min,
    /// The larger of two numbers.
    Max,
    /// `find(list, 'field', value)`: the first element whose field has that value.
    Find,
}

/// Name, function, and the smallest and largest number of arguments.
pub(super) type FunctionRow = (&'static str, Function, usize, usize);

impl Function {
    /// All functions.
    pub(super) const ALL: &'static [FunctionRow] = &[
        ("defined", Function::Defined, 1, 1),
        ("default", Function::Default, 2, 2),
        ("optional", Function::Optional, 1, 1),
        ("length", Function::Length, 1, 1),
        ("int", Function::Int, 1, 1),
        ("text", Function::Text, 1, 1),
        ("lower", Function::Lower, 1, 1),
        ("upper", Function::Upper, 1, 1),
        ("pad", Function::Pad, 2, 2),
        ("slice", Function::Slice, 3, 3),
        ("min", Function::Min, 2, 2),
        ("max", Function::Max, 2, 2),
        ("find", Function::Find, 3, 3),
    ];
}

/// What a draw gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// `between(from, to)`: a whole number, both ends included.
    Between,
    /// `chance(n, of)`: true `n` times of `of`.
    Chance,
    /// `pick(a, b, ...)`: one of its arguments.
    Pick,
    /// `element(list)`: one element of a list, nothing from an empty one.
    Element,
}

impl Sampler {
    /// All samplers: name, sampler, and the smallest and largest number of arguments.
    pub const ALL: &'static [(&'static str, Sampler, usize, usize)] = &[
        ("between", Sampler::Between, 2, 2),
        ("chance", Sampler::Chance, 2, 2),
        ("pick", Sampler::Pick, 1, 64),
        ("element", Sampler::Element, 1, 1),
    ];
}

/// Words that a variable cannot be called, because they mean something of their own.
pub const RESERVED: &[&str] = &[
    "null", "true", "false", "setup", "env", "data", "draw", "status", "time", "header", "json",
    "body", "contains", "matches", "bot", "session", "task", "now", "uuid", "stopping",
];

impl Expression {
    /// Calls `visit` with this expression and every one inside it, outermost first.
    pub fn walk(&self, visit: &mut dyn FnMut(&Expression)) {
        visit(self);
        match self {
            Expression::Field(value, _) | Expression::Unary(_, value) => value.walk(visit),
            Expression::Index(a, b) | Expression::Binary(_, a, b) => {
                a.walk(visit);
                b.walk(visit);
            }
            Expression::Either(a, b, c) => {
                a.walk(visit);
                b.walk(visit);
                c.walk(visit);
            }
            Expression::Call(_, arguments) | Expression::Draw { arguments, .. } => {
                arguments.iter().for_each(|argument| argument.walk(visit));
            }
            Expression::Read(Read::BodyContains(part)) => part.walk(visit),
            Expression::Null
            | Expression::Bool(_)
            | Expression::Integer(_)
            | Expression::Text(_)
            | Expression::Variable(_)
            | Expression::Setup(_)
            | Expression::Parameter(_)
            | Expression::Data { .. }
            | Expression::Fact(_)
            | Expression::Read(_) => {}
        }
    }

    /// Calls `change` with this expression and every one inside it, innermost first.
    pub fn walk_mut(&mut self, change: &mut dyn FnMut(&mut Expression)) {
        match self {
            Expression::Field(value, _) | Expression::Unary(_, value) => value.walk_mut(change),
            Expression::Index(a, b) | Expression::Binary(_, a, b) => {
                a.walk_mut(change);
                b.walk_mut(change);
            }
            Expression::Either(a, b, c) => {
                a.walk_mut(change);
                b.walk_mut(change);
                c.walk_mut(change);
            }
            Expression::Call(_, arguments) | Expression::Draw { arguments, .. } => {
                arguments.iter_mut().for_each(|argument| argument.walk_mut(change));
            }
            Expression::Read(Read::BodyContains(part)) => part.walk_mut(change),
            _ => {}
        }
        change(self);
    }
}

/// Every word of the language: functions, samplers and facts. The documentation is held to it.
pub fn words() -> impl Iterator<Item = &'static str> {
    let functions = Function::ALL.iter().map(|row| row.0);
    let samplers = Sampler::ALL.iter().map(|row| row.0);
    functions.chain(samplers).chain(RESERVED.iter().copied())
}

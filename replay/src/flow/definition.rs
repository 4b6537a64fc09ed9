//! A declared bot as its scenario file says it: checked, names spelt out, nothing compiled.
//!
//! It is what a trace keeps of a scenario, so it is plain data that serialises, contains everything
//! a session depends on, and hashes the same on every machine. `compile.rs` makes the program of it
//! that workers run. Knows nothing of files: `config/` has read them before.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::expression::Expression;
use super::template::Template;
use crate::SharedBody;

/// One declared bot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The bot's name.
    pub name: String,
    /// Set when a session starts, in this order.
    pub variables: Vec<Assignment>,
    /// Rows dealt to bots.
    pub data: Vec<Data>,
    /// Metrics of the scenario's own.
    pub metrics: Vec<Metric>,
    /// How a bot gets and keeps its credentials.
    pub auth: Option<Auth>,
    /// Once per session.
    pub steps: Vec<Step>,
    /// After the steps, one after another until the session ends.
    pub actions: Vec<Action>,
    /// Pause before each action.
    pub think: Option<Delay>,
    /// When a session with actions ends by itself.
    pub limits: Limits,
    /// Variables that the bot's next session starts with; of a set-up, those handed to all bots.
    pub keep: Vec<String>,
    /// Millionths by which think times are multiplied.
    pub delay_scale_ppm: u32,
    /// How long to wait for a whole response where a request says nothing else; none for the
    /// engine's default.
    pub timeout_us: Option<u64>,
    /// Whether a session keeps the cookies that servers set, and sends them.
    #[serde(default, skip_serializing_if = "Cookies::are_kept")]
    pub cookies: Cookies,
}

/// What a session does with the cookies that servers set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cookies {
    /// It keeps and sends them, as browsers do.
    #[default]
    Kept,
    /// It takes no notice of them.
    Ignored,
}

impl Cookies {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
    fn are_kept(&self) -> bool {
        *self == Self::Kept
    }
}

impl Definition {
    /// Think times as written.
    pub const DELAY_SCALE_ONE: u32 = 1_000_000;

    /// A hash of everything that a session depends on, the same on every machine.
    pub fn hash(&self) -> u64 {
        let text = serde_json::to_vec(self).expect("plain data serialises");
        xxh3_64(&text)
    }
}

/// A variable and what it is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The variable.
    pub variable: String,
    /// Its value.
    pub value: JsonTemplate,
}

/// A JSON value with holes. A text that is one hole and nothing else becomes what the hole gives,
/// with its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JsonTemplate {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// Members in their order.
    Object(Vec<(Template, JsonTemplate)>),
}

/// Rows of a data file, and how they are dealt. Written down, it leaves the cells of secret columns
/// empty: a session's record holds their placeholders.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Data {
    /// The name that expressions use.
    pub name: String,
    /// Who keeps a row for how long.
    pub deal: Deal,
    /// Columns that no trace or report may show.
    pub secret: Vec<String>,
    /// The rows.
    pub table: Arc<Table>,
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = if self.secret.is_empty() {
            Cow::Borrowed(&*self.table)
        } else {
            Cow::Owned(self.table.without(&self.secret))
        };
        let mut data = serializer.serialize_struct("Data", 4)?;
        data.serialize_field("name", &self.name)?;
        data.serialize_field("deal", &self.deal)?;
        data.serialize_field("secret", &self.secret)?;
        data.serialize_field("table", &*table)?;
        data.end()
    }
}

/// Who keeps a row for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deal {
    /// A bot has the same row in all its sessions. Bots share rows only when there are more bots
    /// than rows.
    PerBot,
    /// A bot has another row in each session. Two bots in their n-th session share no row while
    /// there are enough.
    PerSession,
}

/// Rows of equal width. One table is shared by all workers, and holds all its text in one piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns; empty for a list of plain values.
    pub columns: Vec<String>,
    /// All cells, row by row. JSON data keeps its types: a cell is JSON text when its kind says so.
    text: String,
    /// Where each cell ends in `text`, and whether it is JSON.
    cells: Vec<(u32, CellKind)>,
}

/// How a cell is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellKind {
    /// Plain text.
    Text,
    /// A JSON value that is not a text.
    Json,
}

impl Table {
    /// An empty table with these columns; none for a list of plain values.
    pub fn new(columns: Vec<String>) -> Table {
        Table { columns, text: String::new(), cells: Vec::new() }
    }

    /// Cells in a row.
    pub fn width(&self) -> usize {
        self.columns.len().max(1)
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Adds a cell behind the last one; false when the table is full (4 GiB of text).
    #[must_use]
    pub fn push(&mut self, text: &str, kind: CellKind) -> bool {
        let Ok(end) = u32::try_from(self.text.len() + text.len()) else { return false };
        self.text.push_str(text);
        self.cells.push((end, kind));
        true
    }

    /// The same table with empty cells in these columns.
    fn without(&self, columns: &[String]) -> Table {
        let hidden: Vec<bool> =
            self.columns.iter().map(|column| columns.contains(column)).collect();
        let mut table = Table::new(self.columns.clone());
        for row in 0..self.len() {
            for (column, hidden) in hidden.iter().enumerate() {
                let (text, kind) = self.cell(row, column).unwrap_or(("", CellKind::Text));
                let shown = if *hidden { ("", CellKind::Text) } else { (text, kind) };
                assert!(table.push(shown.0, shown.1), "no longer than this table");
            }
        }
        table
    }

    /// A cell.
    pub fn cell(&self, row: usize, column: usize) -> Option<(&str, CellKind)> {
        let index = row * self.width() + column;
        let (end, kind) = *self.cells.get(index)?;
        let start = if index == 0 { 0 } else { self.cells[index - 1].0 };
        self.text.get(start as usize..end as usize).map(|text| (text, kind))
    }
}

/// A metric of the scenario's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name in reports and thresholds.
    pub name: String,
    /// Its kind.
    pub kind: MetricKind,
}

/// The four kinds of metrics, and whether a trend is of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricKind {
    /// A sum.
    Counter,
    /// The share of truths.
    Rate,
    /// The latest value.
    Gauge,
    /// A distribution of plain numbers.
    Trend,
    /// A distribution of milliseconds.
    TimeTrend,
}

/// How a bot gets and keeps its credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Runs before the first request that needs it.
    pub login: Vec<Step>,
    /// Runs when the credentials are about to expire; empty: log in again.
    pub refresh: Vec<Step>,
    /// Seconds the credentials live, as the latest login or refresh said; none: for ever.
    pub expires_in: Option<Expression>,
    /// Refresh this long before they expire.
    pub margin_us: u64,
    /// Put on every request that needs the credentials.
    pub headers: Vec<(String, Template)>,
    /// What the bot's next session may go on with.
    pub keep: KeepLogin,
}

/// Whether a login lasts beyond the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeepLogin {
    /// Every session logs in.
    No,
    /// The bot's next session goes on with the credentials.
    Yes,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Send a request and read its response.
    Request(Box<Request>),
    /// Pause.
    Think(Delay),
    /// Set variables.
    Set(Vec<Assignment>),
    /// One of two lists of steps.
    If {
        /// Decides.
        condition: Expression,
        /// When it holds.
        then: Vec<Step>,
        /// When it does not.
        otherwise: Vec<Step>,
    },
    /// Steps while a condition holds, at most `max` times.
    While {
        /// Looked at before every turn.
        condition: Expression,
        /// Turns at most.
        max: u32,
        /// The turn.
        steps: Vec<Step>,
    },
    /// Steps a number of times.
    Repeat {
        /// How often; looked at once.
        times: Expression,
        /// The turn.
        steps: Vec<Step>,
    },
    /// One of several weighted actions.
    Choose {
        /// The label that keys the draw.
        site: String,
        /// The actions.
        actions: Vec<Action>,
    },
    /// Put values into metrics.
    Add(Vec<(String, Expression)>),
    /// Count checks that do not belong to a request.
    Check(Vec<(String, Expression)>),
    /// A line in the log.
    Log(Template),
    /// Ask how many bots are active, and keep the answer in a variable.
    CountBots(String),
    /// Log in now, if the bot is not.
    Login,
    /// Forget the login, so that the next request that needs it logs in again.
    Logout,
    /// Leave the action (or the steps), and go on with the session.
    Leave,
    /// End the session.
    End,
    /// End the session, and never start another of this bot.
    StopBot,
    /// End the session as failed.
    Fail(String),
    /// End the whole run.
    Abort(String),
}

impl Step {
    /// Calls `visit` with every step, and with those inside them.
    pub fn walk(steps: &[Step], visit: &mut dyn FnMut(&Step)) {
        for step in steps {
            visit(step);
            match step {
                Step::If { then, otherwise, .. } => {
                    Step::walk(then, visit);
                    Step::walk(otherwise, visit);
                }
                Step::While { steps, .. } | Step::Repeat { steps, .. } => Step::walk(steps, visit),
                Step::Choose { actions, .. } => {
                    actions.iter().for_each(|action| Step::walk(&action.steps, visit));
                }
                _ => {}
            }
        }
    }
}

/// A weighted choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its name in reports.
    pub name: String,
    /// How often, relative to the others that are enabled.
    pub weight: Expression,
    /// Whether it is enabled.
    pub when: Option<Expression>,
    /// What it does.
    pub steps: Vec<Step>,
}

/// When a session with actions ends by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// After this many actions.
    pub actions: Option<Expression>,
    /// At the first action due later than this after the session's start.
    pub duration_us: Option<u64>,
}

/// A pause, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delay {
    /// Always as long.
    Fixed(u64),
    /// Uniform between two.
    Between(u64, u64),
    /// Exponential with this mean: arrivals that know nothing of each other.
    Exponential(u64),
}

/// A request, and what is done with its response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its name in reports.
    pub name: String,
    /// `GET`, `POST`...
    pub method: String,
    /// Relative to the target, or absolute.
    pub url: Template,
    /// Put behind the path, encoded.
    pub query: Vec<(String, Template)>,
    /// Header lines.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Body,
    /// For the whole response; none for the definition's.
    pub timeout_us: Option<u64>,
    /// Statuses that are not failures, as inclusive ranges; empty for the default.
    pub expect: Vec<(u16, u16)>,
    /// How many redirects are followed; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirects_max: Option<u32>,
    /// What is read into variables.
    pub captures: Vec<Capture>,
    /// What must hold.
    pub checks: Vec<(String, Expression)>,
    /// When and how it is tried again.
    pub retry: Option<Retry>,
    /// Whether it is sent again until a condition holds.
    pub poll: Option<Poll>,
    /// Whether it needs the bot's credentials.
    pub credentials: Credentials,
    /// What happens to the session when it fails.
    pub on_failure: OnFailure,
}

/// Whether a request needs the bot's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    /// It is sent as it is.
    None,
    /// The bot logs in first if it must, and the credentials' headers are added.
    Needed,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// None.
    None,
    /// JSON.
    Json(JsonTemplate),
    /// Text.
    Text(Template),
    /// Names and values, as a browser's form sends them.
    Form(Vec<(String, Template)>),
    /// The contents of a file, as they are.
    File(SharedBody),
}

/// A value read from a response into a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// The variable.
    pub variable: String,
    /// Where the value is.
    pub from: CaptureFrom,
    /// What to do when it is not there.
    pub absent: Absent,
    /// Whether it must never appear in a trace or a report.
    pub secrecy: Secrecy,
}

/// Where a captured value is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CaptureFrom {
    /// At a JSON pointer.
    Json(String),
    /// In a header.
    Header(String),
    /// In the bot's cookies, after the response.
    Cookie(String),
    /// In a group of the first match in the body.
    Pattern(String, u32),
}

/// What to do when a captured value is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Absent {
    /// The request has failed.
    Fails,
    /// The variable has no value.
    Unset,
    /// The variable has this value.
    Default(JsonTemplate),
}

/// Whether a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secrecy {
    /// It may.
    Plain,
    /// It must never appear in a trace or a report.
    Secret,
}

/// When and how a request is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Tries, including the first.
    pub tries: u32,
    /// Statuses that are tried again, as inclusive ranges.
    pub statuses: Vec<(u16, u16)>,
    /// Whether a request without a response is tried again.
    pub failures: RetryFailures,
    /// Pause before the second try.
    pub wait: Delay,
    /// Each further pause is this many times the one before.
    pub multiplier: u32,
}

/// Whether a request without a response is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryFailures {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Sending a request again until a condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// When it is enough.
    pub until: Expression,
    /// Pause between two requests.
    pub every: Delay,
    /// The request has failed if it still does not hold after this long.
    pub within_us: u64,
}

/// What happens to the session when a request fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The next step.
    Continue,
    /// The action is left; in the steps and in a login, the session ends.
    Leave,
    /// The session ends.
    End,
    /// The session ends, and the bot starts no other.
    StopBot,
    /// The run ends.
    Abort,
}

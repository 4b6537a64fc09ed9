//! Bots declared in a scenario file.
//!
//! `expression`, `syntax`, `template` and `write` are the language inside `${...}`. A
//! [`Definition`] is a whole bot as the file says it, checked by the root crate's `config/`, and
//! what a trace keeps. [`compile`] makes the flat [`Program`] of it that [`Flow`], one bot for all
//! of them, interprets.
//!
//! Knows nothing of files, sockets and threads. Data files come as rows inside the definition.

mod compile;
mod definition;
mod evaluate;
mod expression;
mod interpreter;
mod operate;
mod patterns;
mod program;
mod syntax;
mod template;
mod token;
mod value;
mod write;

pub use compile::{CompileError, compile};
pub use definition::{
    Absent, Action, Assignment, Auth, Body, Capture, CaptureFrom, CellKind, Cookies, Credentials,
    Data, Deal, Definition, Delay, JsonTemplate, KeepLogin, Limits, Metric, MetricKind, OnFailure,
    Poll, Request, Retry, RetryFailures, Secrecy, Step, Table,
};
pub use expression::{Binary, Expression, Fact, Function, RESERVED, Read, Sampler, Unary, words};
pub use interpreter::{Flow, FlowCarry, setup_results};
pub use operate::constant_value;
pub use patterns::{check_pattern, pattern_groups};
pub use program::Program;
pub use syntax::{Parsed, Problem, SyntaxError, nearest, nearest_within, parse_expression};
pub use template::{Piece, Template, parse_template};
pub use value::Value;

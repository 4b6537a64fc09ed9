//! The deterministic half of Tallyho: what decides, what is recorded, and how it is replayed.
//!
//! # The contract
//!
//! A session is a pure function. [`Session::step`] takes one input and gives one command; a bot
//! decides from its seed and from what it is told, and touches no socket, clock or thread. The
//! generator performs the commands. The replayer performs none: it hands the recorded inputs
//! back. Same state machine, two drivers.
//!
//! ```text
//!            Start, Response, Failed, Woke, Answer       what came in
//!                 |                                        |
//!   engine --> Session::step --> bot (async fn)   record --+--> Replayer --> Session::step
//!      ^           |                                                            |
//!      +-----------+ Send, Sleep, Ask, End            equal at every step, or the difference
//! ```
//!
//! Choices, think times and request bytes follow from the seed, so they are never stored. What a
//! response told the bot is stored: the status, and the values that the bot *read* from it. After
//! every step a 64-bit chain covers input, values read, notes and the command's canonical form;
//! each step records 2 bytes of it, the end of a session all 8.
//!
//! The claim: a session whose record is whole re-executes to the same commands in the same order,
//! byte-identical canonical requests, the same checks and the same outcome, on any build that
//! reads the record's version and, for a bot written in Rust, the same bot version; or the
//! replay says at which step it differs, and why. A change of the scenario that alters no command
//! is not a difference. A record that is cut off is exact up to its last whole step.
//!
//! # Where nondeterminism could come from
//!
//! Each source is *eliminated* (cannot reach a bot), *recorded* (reaches it through the record),
//! *observational* (measured, never shown to a bot) or *unsupported* (outside the claim). A change
//! that adds a source adds its row.
//!
//! | source | class | how |
//! |---|---|---|
//! | choices, think times, generated data | eliminated | keyed draws, integer samplers ([`draw`]) |
//! | ids that are new in every run | eliminated | drawn from the run id, which is in the trace |
//! | order of draws, cores, tasks, machines | eliminated | a draw's key holds none of them |
//! | response status, kind of failure | recorded | the input of a step |
//! | cookies | recorded | each `Set-Cookie` as a value read; they end by the session clock |
//! | values from bodies and headers | recorded | decoded from the record, live too ([`observe`]) |
//! | failed and panicking reads | recorded | as a value of their own |
//! | the clock | recorded | every input carries it; it stands still while a bot thinks |
//! | the end of the run | recorded | a flag of every input |
//! | answers about the run (active bots, the date) | recorded | `Command::Ask` is a step |
//! | what a bot carries between sessions | recorded | part of the start |
//! | what set-up hands to all bots | recorded | part of the start |
//! | secrets | recorded | as placeholders; the real bytes never reach a bot ([`secret`]) |
//! | functions of secrets | recorded | `Context::derive`, `Context::reveal` |
//! | weights replaced, actions forced by the run | eliminated | in the trace's header |
//! | timeout against response, retries on the wire | recorded | whichever came is the input |
//! | response times, schedule lag, connection reuse | observational | not in any input |
//! | order of sessions on a worker | eliminated | a step reads and writes its own session only |
//! | hash maps, addresses, thread and process ids | eliminated | no such type or call, by lint |
//! | floats | eliminated in decisions | samplers are integer-only; notes are compared by bits |
//! | floats in JSON | eliminated | parsed to the nearest value, written to round-trip |
//! | panics of a bot | eliminated | the same input panics at the same place |
//! | stack overflow, no memory | unsupported | ends the process; exact up to there |
//! | a bot that reads files, clocks, the environment | unsupported | refused by lint |
//! | what the wire adds (ports, `Content-Length`, TLS) | unsupported | not in what is compared |
//!
//! # Modules, in reading order
//!
//! - [`draw`]: keyed randomness and the samplers; [`Name`], [`Failure`]: words used everywhere
//! - [`request`]: requests as a bot writes and the engine reads them
//! - [`bot`]: the [`Bot`] trait, its [`Context`], and the registry of bots by name
//! - [`session`]: [`Session`], which drives one bot, one input at a time
//! - [`dispatch`](mod@dispatch): weighted action sets
//! - `cookies`: what servers set, kept and sent as RFC 6265 says
//! - [`observe`]: values read from responses, and notes
//! - [`secret`]: secrets as placeholders, and the vault
//! - [`trace`]: a session's events as bytes
//! - [`replayer`]: a recorded session against a bot
//!
//! Imports nothing of ours, and of others only what computes: no IO, no runtime, no `rand`.

#![forbid(unsafe_code)]

pub mod bot;
mod cookies;
pub mod dispatch;
pub mod draw;
mod failure;
pub mod flow;
mod name;
pub mod observe;
pub mod replayer;
pub mod request;
mod run;
pub mod secret;
pub mod session;
mod state;
pub mod trace;
mod traceparent;
mod transcript;

pub use bot::{Bot, BotType, Companions, ConfigError, Context, Registry, RequestBuilder};
pub use draw::{Draw, Drawn, SAMPLER_VERSION, SessionKey, Site, permuted, site};
pub use failure::Failure;
pub use name::Name;
pub use observe::{Level, Note, ReadError, Response, ResponseParts};
pub use request::{
    BodyUse, Expected, Method, Prepared, REDIRECTS_MAX_DEFAULT, Request, RequestError, SharedBody,
    is_redirect,
};
pub use run::{NamedSecrets, RunFacts};
pub use secret::{Place, Secret, SecretKey, Vault, is_secret_name};
pub use session::{
    Carry, Command, Event, Fault, FaultKind, Input, Outcome, Question, RecordTap, Session, Start,
    Who,
};
pub use state::{Recording, SITES_MAX, Scratch};
pub use traceparent::Traceparent;

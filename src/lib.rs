//! Tallyho: a load generator whose every bot session can be run again exactly.
//!
//! Many seeded bots play against an HTTP API, as fast as each core can go or as often as a
//! schedule says, and every number that is reported counts from when a request was *due*.
//!
//! ```text
//!               scenario file, flags
//!                        |
//!   config ---------> commands ----------> report (text, run.json, HTML, k6's formats)
//!                        |                    ^
//!                        v                    | Measured
//!   +----------------- engine ----------------+--------------------------+
//!   | coordinator: starts workers together, adds up what they measure    |
//!   |                                                                    |
//!   | worker 0 (one core)              worker 1 (one core)               |
//!   |   pacing: who runs when            ...                             |
//!   |   bot tasks: Session <-> exchange                                  |
//!   |   timer, buffers, Recorder                                         |
//!   +--------|------------------|----------------------------------------+
//!            | Command, Input   | bytes
//!            v                  v
//!     tallyho_replay          http (sans-IO codec) over monoio: io_uring or epoll
//! ```
//!
//! A session is a pure function: [`tallyho_replay`] decides what a bot does next from its seed
//! and from what it is told, and never touches a socket, a clock or a thread. This crate performs
//! what it decides. That border is what makes replay possible, and Cargo and lints hold it.
//!
//! # Modules, in reading order
//!
//! - [`cli`]: what can be typed. [`commands`]: what each subcommand does, one short file each.
//! - [`bot`]: what a bot of one's own is written with.
//! - [`config`]: scenario files, read, checked and explained.
//! - [`engine`]: workers, load profiles, connections; `engine/worker.rs` is the only place where
//!   sessions meet IO.
//! - [`http`]: HTTP/1.1 without IO.
//! - [`metrics`]: what is measured, and how it adds up.
//! - [`report`]: pure renderings of one value, `run.json`.
//! - [`demo`]: the stand-in API that scenarios run against when no target is given.
//! - [`s3`]: objects in S3. [`container`]: what a task of a load test on ECS adds to a run.
//! - [`background`]: the tokio thread: signals, host names and S3.
//! - [`exit`]: exit codes. [`units`]: durations, counts and rates as people write them.
//!
//! # Who may use whom
//!
//! ```text
//! main -> cli -> commands -> { config, engine, report, demo, container, s3 }
//! container -> { metrics, report, s3 } and the engine's Observer
//! engine -> { http, metrics, tallyho_replay }     report -> metrics     config -> tallyho_replay
//! metrics -> plain data of tallyho_replay         http, demo, s3 -> nothing of ours
//! bots (crate) -> tallyho_replay                  tallyho_replay -> nothing of ours
//! ```
//!
//! # Words
//!
//! - *bot*: a virtual user, one seeded state machine; *session*: one bot from start to end
//!   (k6: iteration); *action*: one weighted choice of a bot; *step*: one command and its input.
//! - *run*: one execution of a scenario; *task*: one process of a run; *worker*: one core's thread.
//! - *due*, *sent*, *completed*: the three instants of a request. *Response time* is completed -
//!   due, *service time* completed - sent; *schedule lag* is how late the generator itself was.

pub mod background;
pub mod bot;
pub mod cli;
pub mod commands;
pub mod config;
pub mod container;
pub mod demo;
pub mod engine;
pub mod exit;
pub mod http;
pub mod metrics;
mod output;
pub mod report;
pub mod s3;
pub mod units;

use std::process::ExitCode;

use clap::Parser;
use tallyho_replay::Registry;

pub use commands::dispatch as run;
pub use tallyho_bots::registry as built_in_bots;

/// The whole command line with these bots: all that the `main` of a program with bots of its own
/// has to call.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     let bots = tallyho::built_in_bots();
///     // bots.register::<MyBot>();
///     tallyho::main(bots)
/// }
/// ```
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "a program's last call takes what it has made")]
pub fn main(bots: Registry) -> ExitCode {
    match run(cli::Cli::parse(), &bots) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}

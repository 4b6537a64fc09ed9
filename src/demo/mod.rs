//! The stand-in API: an in-memory imitation of a game's HTTP API, for scenarios to run against.
//!
//! It is a pure function, [`handle`]`(state, request, now) -> response`: no clock, no IO and no
//! iteration over hash maps, so that the same requests at the same times give the same bytes, on a
//! socket or in virtual time. [`Server`] is a thin layer around it: it reads a request, asks what
//! the time is, calls `handle`, and does to the connection what the response says.
//!
//! ```text
//! server -> handle -> { faults, route, auth, users, wallet, social, events, matching, play, testing } -> state
//! child     starts the server as a process of its own, on a core that the workers leave free
//! ```
//!
//! One file for each area of the API. `state.rs` holds what they share, `ledger.rs` where all
//! money is, `faults.rs` what goes wrong on purpose, `stats.rs` what was asked, for tests to
//! compare with what a generator says it sent.
//!
//! Knows nothing of the generator: no other module of this crate is used here.

mod auth;
mod boards;
mod child;
mod config;
mod dates;
mod draws;
mod duration;
mod events;
mod faults;
mod games;
mod handle;
mod ledger;
mod matching;
mod message;
mod play;
mod reply;
mod route;
mod rules;
mod server;
mod social;
mod state;
mod stats;
#[cfg(test)]
mod stories;
mod testing;
mod users;
mod wallet;

#[cfg(test)]
pub(crate) use child::arguments as child_arguments;
pub use child::{Child, spawn_child};
pub use faults::{Faults, Ratio};
pub use handle::handle;
pub use message::{Delivery, Method, Request, Response};
pub use server::{Options, Parent, Server, serve};
pub use state::{Rules, State};

/// Reads a duration such as `200ms` from the command line.
///
/// # Errors
/// A message that says what was expected.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).ok_or_else(|| format!("expected {}", duration::SHAPE))
}

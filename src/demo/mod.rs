//! The stand-in API: an in-memory imitation of a game's HTTP API, for scenarios to run against.
//!
//! It is a pure function, [`handle`]`(state, request, now) -> response`: no clock, no IO and no
//! iteration over hash maps, so that the same requests at the same times give the same bytes, on a
//! socket or in virtual time. [`Server`] is a thin layer around it: it reads a request, asks what
//! the time is, calls `handle`, and does to the connection what the response says.
//!
//! ```text
//! child   starts a server as a process of its own, on a core that the workers leave free
//!   server  sockets and the clock
//!     handle  faults, access, statistics, once for every request
//!       auth users wallet social boards config events matching play testing   the endpoints
//!         state  what they share; ledger: where all money is; games, hand: what is played
//! ```
//!
//! The rules are real, if simple: users persist, money only moves, two bots that want the same
//! match meet, games have rounds and winners, events open and close by the clock, tokens expire.
//! What was asked is told by `/_stats`, for tests to compare with what a generator says it sent.
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
mod hand;
mod handle;
mod ledger;
mod matching;
mod message;
mod play;
mod reply;
mod route;
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

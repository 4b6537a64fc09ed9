//! Bots written in Rust, on the same trait as a user's own.
//!
//! They may use `tallyho-replay` and nothing else of ours, so the crate boundary and the lints
//! keep sockets, clocks and threads out of them.

#![forbid(unsafe_code)]

mod single_request;
mod tallyup;

pub use single_request::{
    Headers, SettingsError, SingleRequest, SingleRequestConfig, SingleRequestSettings,
};

pub use tallyup::{TallyUp, TallyUpCarry, TallyUpConfig, TallyUpHealth, TallyUpSetUp};

use tallyho_replay::Registry;

/// All built-in bots.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register::<SingleRequest>();
    registry.register::<TallyUp>();
    registry.register::<TallyUpSetUp>();
    registry.register::<TallyUpHealth>();
    registry
}

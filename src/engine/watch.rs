//! Somebody who looks at single sessions while they are played: a printer, or set-up's collector.
//!
//! Runs of many bots have no watch, and pay one test of an `Option` per step for it.

use tallyho_replay::{Command, Failure, Outcome, ResponseParts, Session};

/// Looks at a session as it is played. Times are µs of the run's clock.
pub trait Watch {
    /// The session's next command. Its request and its notes can be read from the session.
    fn commanded(&mut self, at_us: u64, session: &Session, command: &Command);
    /// A response, after the bot has read it.
    fn responded(&mut self, at_us: u64, session: &Session, response: &ResponseParts);
    /// Why there was no response.
    fn failed(&mut self, at_us: u64, failure: Failure);
    /// The session is over; no outcome when the end of the run cut it off.
    fn ended(&mut self, session: &Session, outcome: Option<&Outcome>);
}

/// Makes the watch of a bot on its worker's thread.
pub type WatchMaker = Box<dyn Fn() -> Box<dyn Watch> + Send + Sync>;

//! How a command ends: the exit codes, and the errors that choose them.

use std::fmt;
use std::process::ExitCode;

use crate::output;

/// Exit codes; 99, 105 and 108 are k6's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// It could not run: no server, no permission, no memory.
    CouldNotRun = 1,
    /// Wrong usage, or a scenario that is not valid.
    BadUsage = 2,
    /// A replay differs from what was recorded.
    Differs = 3,
    /// The generator was the limit, or arrivals were dropped: the numbers are not the target's.
    Invalid = 4,
    /// A threshold failed.
    Threshold = 99,
    /// The run was stopped by a signal.
    Signal = 105,
    /// A bot aborted the run.
    Aborted = 108,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Something the user typed that cannot be meant; ends with [`Exit::BadUsage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUsage(pub String);

impl fmt::Display for BadUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUsage {}

/// A bot ended the run before it had begun: set-up's; ends with [`Exit::Aborted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotAborted(pub String);

impl fmt::Display for BotAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BotAborted {}

/// Prints an error, with its causes on the same line, and says how to exit.
pub fn report(error: &anyhow::Error) -> Exit {
    output::complain(&format!("error: {error:#}"));
    match error {
        _ if error.is::<BadUsage>() => Exit::BadUsage,
        _ if error.is::<BotAborted>() => Exit::Aborted,
        _ => Exit::CouldNotRun,
    }
}

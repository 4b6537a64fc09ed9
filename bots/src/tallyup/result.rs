//! What actions come to, and what calls to the API fail with.

use std::fmt;

use tallyho_replay::dispatch::ActionResult;
use tallyho_replay::{Failure, ReadError};

/// What an action came to: whether the bot stays where it is, or where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Something was done; stay.
    Ok,
    /// Nothing was done; choose again at once.
    Skipped,
    /// It failed and was dealt with; stay.
    Error,
    /// Back to where the screen was opened from.
    LeaveScreen,
    GoToGoals,
    GoToHome,
    GoToEvents,
    GoToSocial,
    /// The session ends as it should.
    ExitApp,
    /// The session ends as failed; the bot has kept the reason.
    Fatal,
    /// The whole run ends; the bot has kept the reason.
    Abort,
    /// The bot was asked to stop.
    Done,
}

impl Next {
    /// Whether the screen that got it is over.
    pub(super) const fn leaves(self) -> bool {
        !matches!(self, Self::Ok | Self::Skipped | Self::Error)
    }

    /// Whether the session that got it is over.
    pub(super) const fn ends_session(self) -> bool {
        matches!(self, Self::ExitApp | Self::Fatal | Self::Abort | Self::Done)
    }

    /// As a screen hands it on that was opened from another one: leaving it is nothing special.
    pub(super) const fn nested(self) -> Self {
        match self {
            Self::LeaveScreen => Self::Ok,
            other => other,
        }
    }

    /// `Ok`, or `Error` if there was no answer.
    pub(super) const fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(_) => Self::Error,
        }
    }
}

impl ActionResult for Next {
    fn is_skipped(&self) -> bool {
        *self == Self::Skipped
    }
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallError {
    /// The request's name.
    pub(super) name: &'static str,
    pub(super) kind: CallErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallErrorKind {
    /// No response came.
    Transport(Failure),
    /// The API said no.
    Refused { status: u16, code: u64, message: Box<str> },
    /// The response was a success, and could not be read.
    Unreadable(ReadError),
    /// Login throttled by Cognito.
    Throttled,
    /// There is no login that the call could be made with.
    NoLogin,
}

impl CallError {
    /// The status of the response, or 0 if none came.
    pub(super) const fn status(&self) -> u16 {
        match &self.kind {
            CallErrorKind::Refused { status, .. } => *status,
            CallErrorKind::Unreadable(_) => 200,
            CallErrorKind::Throttled => 400,
            CallErrorKind::Transport(_) | CallErrorKind::NoLogin => 0,
        }
    }

    /// The application's own code; 0 if it gave none.
    pub(super) const fn code(&self) -> u64 {
        match &self.kind {
            CallErrorKind::Refused { code, .. } => *code,
            _ => 0,
        }
    }

    /// The application's own words.
    pub(super) fn message(&self) -> &str {
        match &self.kind {
            CallErrorKind::Refused { message, .. } => message,
            _ => "",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match &self.kind {
            CallErrorKind::Transport(failure) => write!(f, "{name}: {failure}"),
            CallErrorKind::Refused { status, code, message } => {
                write!(f, "{name}: status {status}, code {code}: {message}")
            }
            CallErrorKind::Unreadable(error) => write!(f, "{name}: {error}"),
            CallErrorKind::Throttled => write!(f, "{name}: too many requests"),
            CallErrorKind::NoLogin => write!(f, "{name}: there is no login"),
        }
    }
}

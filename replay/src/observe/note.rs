//! What a bot tells the engine besides its commands.
//!
//! Notes are computed again in a replay, and the chain of checks covers them: a check that comes
//! out differently is a difference. Floats are covered by their bits.

use crate::Name;
use crate::transcript::Transcript;

/// How much a line of a bot's log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For whoever writes the bot.
    Debug = 0,
    /// Of interest.
    Info = 1,
    /// Something is odd.
    Warn = 2,
    /// Something is wrong.
    Error = 3,
}

/// What a bot tells the engine besides its commands.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A check passed or failed.
    Check {
        /// The check.
        name: Name,
        /// Whether it passed.
        passed: bool,
    },
    /// A counter goes up.
    Counter {
        /// The metric.
        name: Name,
        /// By how much.
        by: u64,
    },
    /// One more case of a rate.
    Rate {
        /// The metric.
        name: Name,
        /// Whether it is a hit.
        hit: bool,
    },
    /// A gauge is set.
    Gauge {
        /// The metric.
        name: Name,
        /// Its new value.
        value: f64,
    },
    /// One more value of a trend.
    Trend {
        /// The metric.
        name: Name,
        /// The value; milliseconds if it is a time.
        value: f64,
        /// Whether it is a time.
        is_time: bool,
    },
    /// An action was done.
    Action {
        /// The set it was chosen from.
        set: Name,
        /// The action.
        name: Name,
        /// From its choice to its end, by the session clock.
        took_us: u64,
    },
    /// A line of the bot's log.
    Log {
        /// How much it matters.
        level: Level,
        /// The line; secrets are placeholders.
        text: String,
    },
}

impl Note {
    /// Appends what the chain covers. Names go in with their size, so no two notes look alike.
    pub(crate) fn transcribe(&self, transcript: &mut Transcript) {
        let (kind, name, number) = match self {
            Self::Check { name, passed } => (0, name.as_str(), u64::from(*passed)),
            Self::Counter { name, by } => (1, name.as_str(), *by),
            Self::Rate { name, hit } => (2, name.as_str(), u64::from(*hit)),
            Self::Gauge { name, value } => (3, name.as_str(), value.to_bits()),
            Self::Trend { name, value, is_time: false } => (4, name.as_str(), value.to_bits()),
            Self::Trend { name, value, is_time: true } => (5, name.as_str(), value.to_bits()),
            Self::Action { set, name, took_us } => {
                transcribe_text(6, set.as_str(), transcript);
                (7, name.as_str(), *took_us)
            }
            Self::Log { level, text } => (8, text.as_str(), *level as u64),
        };
        transcribe_text(kind, name, transcript);
        transcript.push(&number.to_le_bytes());
    }
}

fn transcribe_text(kind: u8, text: &str, transcript: &mut Transcript) {
    transcript.push(&[kind]);
    transcript.push(&(text.len() as u64).to_le_bytes());
    transcript.push(text.as_bytes());
}

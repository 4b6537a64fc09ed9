//! What the built-in stand-in API did wrong on purpose during a run.
//!
//! Without it, whoever runs a scenario for the first time would take planted faults for faults of
//! the generator or of the scenario. Knows nothing of the stand-in API: whoever starts one asks it.

use serde::{Deserialize, Serialize};

/// What a stand-in API did wrong on purpose, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Planted {
    /// What was asked for: the list that `--faults` takes.
    pub faults: String,
    /// Requests answered with status 503 instead of being carried out.
    pub status: u64,
    /// Requests carried out, then the connection was reset instead of an answer.
    pub reset: u64,
    /// Answers cut in half.
    pub badjson: u64,
    /// Answers that came late.
    pub slow: u64,
    /// What does not add up in the stand-in API's books, such as a prize that was paid twice.
    pub audit_error: Option<String>,
}

impl Planted {
    /// Faults of which each may fail a session: slow answers do not.
    pub const fn count(&self) -> u64 {
        self.status + self.reset + self.badjson
    }

    /// Adds another task's.
    pub(super) fn add(&mut self, other: &Self) {
        if self.faults.is_empty() {
            self.faults.clone_from(&other.faults);
        }
        self.status += other.status;
        self.reset += other.reset;
        self.badjson += other.badjson;
        self.slow += other.slow;
        if self.audit_error.is_none() {
            self.audit_error.clone_from(&other.audit_error);
        }
    }
}

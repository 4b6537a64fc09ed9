//! What the built-in stand-in API did wrong on purpose during a run.
//!
//! Without it, whoever runs a scenario for the first time would take planted faults for faults of
//! the generator or of the scenario. Every rendering tells it in the same words, before the
//! failures that follow from it. Knows nothing of the stand-in API: whoever starts one asks it.

use serde::{Deserialize, Serialize};

use super::run_json::Report;

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

    /// What was done wrong on purpose in any task of a run, in sentences for people; nothing if
    /// there was nothing.
    pub(super) fn told(report: &Report) -> Vec<String> {
        let mut planted = Self::default();
        for of_task in report.tasks.iter().filter_map(|task| task.planted.as_ref()) {
            planted.add(of_task);
        }
        if planted.count() + planted.slow == 0 && planted.audit_error.is_none() {
            return Vec::new();
        }
        let repeated = report.totals.counters.get("requests_repeated").copied().unwrap_or(0);
        let again = match repeated {
            0 => String::new(),
            n => format!(" ({n} of all requests were sent again and answered)"),
        };
        let answers = format!(
            "The built-in stand-in API answers wrongly on purpose, so that there is something to \
             find: {} times with status 503, {} times by a reset of the connection{again}, {} \
             times with half of the JSON; {} answers were late. As asked by --faults {}; leave \
             them out with {WITHOUT}.",
            planted.status, planted.reset, planted.badjson, planted.slow, planted.faults,
        );
        let books = planted.audit_error.map(|error| format!("Its books do not add up: {error}."));
        [answers].into_iter().chain(books).collect()
    }

    /// Adds another task's.
    fn add(&mut self, other: &Self) {
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

/// How a run goes without planted faults.
pub(super) const WITHOUT: &str = "--faults none";

//! What all sessions of a run know: the run's identity, target, secrets and debugging aids.
//!
//! It is given once, before the first session, and is the same on every task but for the task's
//! place in the numbering, which is in the trace's header.

use std::fmt;

use crate::dispatch::{ForcedAction, WeightOverrides};
use crate::secret::SecretKey;

/// What all sessions of a run know.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// What every draw is keyed by.
    pub seed: u64,
    /// New in every run: what `Context::draw_new` is keyed by.
    pub run_id: u64,
    /// What a path without a host is put behind: `http://127.0.0.1:8080`, also with a path.
    pub target: Option<String>,
    /// This process among those of the run.
    pub task_index: u32,
    /// How many bot numbers each task has.
    pub bots_per_task: u64,
    /// The key of the placeholders of secrets. Zero in a replay, where there are no secrets.
    pub secret_key: SecretKey,
    /// The scenario's secrets by name.
    pub secrets: NamedSecrets,
    /// Weights that replace those of the bot.
    pub weights: WeightOverrides,
    /// What every session does before it chooses for itself.
    pub forced: Vec<ForcedAction>,
}

/// Secrets by name; `Debug` shows the names only.
#[derive(Clone, Default)]
pub struct NamedSecrets(Vec<(String, String)>);

impl NamedSecrets {
    /// Adds a secret; a later one of the same name replaces it.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

impl fmt::Debug for NamedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

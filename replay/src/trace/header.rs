//! What a trace says about its run: all that a replay needs besides the records.
//!
//! The first block of every file, as JSON, so that a person with `zstd` can read it. Secrets are
//! in it as references only; that is the duty of whoever makes it.

use serde::{Deserialize, Serialize};

use crate::dispatch::WeightOverrides;
use crate::draw::SAMPLER_VERSION;
use crate::run::RunFacts;

/// Values in a header's JSON. In memory each takes 32 bytes or more, and in 64 MiB there could be
/// 32 million. A data file as large as a header holds has fewer, unless its cells are tiny.
const VALUES_MAX: usize = 1 << 23;

/// Whether JSON has so few values that they may be made. Counts what parts values, in texts too.
pub(super) fn is_small_enough(json: &[u8]) -> bool {
    json.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count() <= VALUES_MAX
}

/// What a trace says about its run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The run's id, for people.
    pub run: String,
    /// The build that recorded it.
    pub build: String,
    /// Its samplers.
    pub sampler_version: u16,
    /// What every draw is keyed by. Text, because readers in JavaScript lose digits above 2^53.
    #[serde(with = "as_text")]
    pub seed: u64,
    /// The run's number: what draws that are new in every run are keyed by.
    #[serde(with = "as_text")]
    pub run_number: u64,
    /// What a path without a host is put behind.
    pub target: Option<String>,
    /// Which of the run's processes wrote the file.
    pub task: u32,
    /// When the run started: microseconds since 1970, by the machine's clock. For people.
    pub started_unix_us: u64,
    /// Whether requests went out with a `traceparent`: see [`crate::Traceparent`].
    pub traceparent: bool,
    /// Weights that the run replaced: the key of set and action as text, and the weight.
    pub weights: Vec<(String, u32)>,
    /// Actions that the run forced, as `set.action` or `set?.action`.
    pub forced: Vec<String>,
    /// Whose sessions are in it.
    pub scenarios: Vec<ScenarioHeader>,
}

/// A scenario: its key, and the bot that it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScenarioHeader {
    /// What people call it.
    pub name: String,
    /// What it is in the key of every draw.
    #[serde(with = "as_text")]
    pub key: u64,
    /// The kind of bot, by its name in the registry.
    pub bot: String,
    /// The version of its behaviour.
    pub bot_version: u32,
    /// The bot's configuration in full: JSON, secrets as references.
    pub config: serde_json::Value,
}

impl Header {
    /// The header of a run with these facts.
    #[must_use]
    pub fn new(facts: &RunFacts) -> Self {
        Self {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            sampler_version: SAMPLER_VERSION,
            seed: facts.seed,
            run_number: facts.run_id,
            target: facts.target.clone(),
            task: facts.task_index,
            weights: facts.weights.by_key().map(|(key, w)| (key.to_string(), w)).collect(),
            forced: facts.forced.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    /// What sessions of the run know when they are replayed: no key and no secrets.
    ///
    /// # Errors
    /// A replaced weight or a forced action that this build cannot read.
    pub fn facts(&self) -> Result<RunFacts, String> {
        let mut facts = RunFacts {
            seed: self.seed,
            run_id: self.run_number,
            target: self.target.clone(),
            task_index: self.task,
            ..RunFacts::default()
        };
        let mut weights = Vec::with_capacity(self.weights.len());
        for (key, weight) in &self.weights {
            weights.push((key.parse().map_err(|error| format!("weight {key}: {error}"))?, *weight));
        }
        facts.weights = WeightOverrides::from_keys(weights);
        for forced in &self.forced {
            facts.forced.push(forced.parse().map_err(|error| format!("{forced}: {error}"))?);
        }
        Ok(facts)
    }

    /// The scenario of that key.
    #[must_use]
    pub fn scenario(&self, key: u64) -> Option<&ScenarioHeader> {
        self.scenarios.iter().find(|scenario| scenario.key == key)
    }
}

/// Numbers of 64 bits as decimal text.
mod as_text {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("not a number of 64 bits"))
    }
}

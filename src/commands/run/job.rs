//! What is to be run, whether it was given as a URL or as a scenario file.

use std::sync::Arc;
use std::time::Duration;

use tallyho_replay::SecretKey;
use tallyho_replay::flow::{self, Definition};

use super::part::Judge;
use super::scenario::declared;
use crate::config::{Network, Weight};
use crate::engine::{BotMaker, Profile};
use crate::metrics::Threshold;

/// A checked run.
pub(super) struct Job {
    /// What the report is titled with.
    pub(super) title: String,
    /// Where requests go; none for the built-in stand-in API.
    pub(super) target: Option<String>,
    /// The seed, if one was given.
    pub(super) seed: Option<u64>,
    /// The number of the run that is run again, if one is.
    pub(super) run_number: Option<u64>,
    pub(super) loads: Vec<Load>,
    /// How far apart the bot numbers of two tasks are.
    pub(super) bots_per_task: u64,
    /// What the placeholders of secrets are computed with.
    pub(super) secret_key: SecretKey,
    /// Secrets that all bots hold from their first session on.
    pub(super) shared_secrets: Vec<String>,
    /// Names and values for the vaults of bots.
    pub(super) secrets: Vec<(String, String)>,
    /// Weights that replace those of bots.
    pub(super) weights: Vec<Weight>,
    pub(super) thresholds: Vec<Threshold>,
    /// How connections are made and secured.
    pub(super) network: Network,
    /// Runs once before all bots, and hands them what it keeps.
    pub(super) setup: Option<Part>,
    /// Plays beside all bots, and counts as none of them.
    pub(super) heartbeat: Option<Part>,
    /// Runs once after all bots.
    pub(super) teardown: Option<Part>,
    /// The options as they were understood, for run.json.
    pub(super) config: serde_json::Value,
}

/// One load: k6's scenario.
pub(super) struct Load {
    pub(super) name: String,
    pub(super) bot: BotMaker,
    /// The bot's configuration, as a trace keeps it.
    pub(super) bot_config: serde_json::Value,
    pub(super) profile: Profile,
    pub(super) start: Duration,
    pub(super) graceful_stop: Duration,
}

/// Set-up or teardown: one session of a bot of its own.
pub(super) struct Part {
    pub(super) bot: PartBot,
    pub(super) timeout: Duration,
}

/// Whose session it is.
pub(super) enum PartBot {
    /// The scenario's own steps.
    Declared(Box<Definition>),
    /// A bot written in code.
    Coded {
        /// Makes its type.
        make: Arc<BotMaker>,
        /// As a trace keeps it.
        config: serde_json::Value,
    },
}

impl Part {
    /// Makes the bot's type.
    pub(super) fn maker(&self) -> BotMaker {
        match &self.bot {
            PartBot::Declared(definition) => declared((**definition).clone()),
            PartBot::Coded { make, .. } => {
                let make = Arc::clone(make);
                Box::new(move || make())
            }
        }
    }

    /// The bot's configuration, as a trace keeps it.
    pub(super) fn bot_config(&self) -> serde_json::Value {
        match &self.bot {
            PartBot::Declared(definition) => {
                serde_json::to_value(definition).expect("a definition becomes JSON")
            }
            PartBot::Coded { config, .. } => config.clone(),
        }
    }

    /// Who says whether it ended well.
    pub(super) const fn judge(&self) -> Judge {
        match &self.bot {
            PartBot::Declared(_) => Judge::Everything,
            PartBot::Coded { .. } => Judge::Bot,
        }
    }

    /// What is handed to all bots, from what the session left.
    pub(super) fn results(&self, carry: &[u8]) -> Vec<u8> {
        match &self.bot {
            PartBot::Declared(definition) => flow::setup_results(definition, carry),
            PartBot::Coded { .. } => carry.to_vec(),
        }
    }
}

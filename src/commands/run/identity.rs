//! Who this run is: its id, its seed, and the command that runs it again.

use std::time::SystemTime;

use tallyho_replay::{RunFacts, SecretKey};

use super::folder::Folder;
use crate::cli::RunArgs;
use crate::report::{Run, rfc3339};

/// The identity of a run.
pub(super) struct Identity {
    /// Sorts by time, and differs between runs of the same second: `20261124-191347-3f2a91`.
    pub(super) id: String,
    /// What every choice is drawn from.
    pub(super) seed: u64,
    number: u64,
}

impl Identity {
    /// Takes the seed from the flags, or a new one.
    pub(super) fn new(args: &RunArgs) -> Self {
        let number = random();
        let digits: String = rfc3339(SystemTime::now())
            .chars()
            .filter(char::is_ascii_digit)
            .take("yyyymmddhhmmss".len())
            .collect();
        let (day, time) = digits.split_at(8);
        let id = format!("{day}-{time}-{:06x}", number & 0xff_ffff);
        Self { id, seed: args.seed.unwrap_or_else(random), number }
    }

    /// What all sessions know of the run.
    pub(super) fn facts(&self, args: &RunArgs) -> RunFacts {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random().to_le_bytes());
        key[8..].copy_from_slice(&random().to_le_bytes());
        RunFacts {
            seed: self.seed,
            run_id: self.number,
            task_index: args.task_index,
            bots_per_task: args.bots,
            secret_key: SecretKey::new(key),
            ..RunFacts::default()
        }
    }

    /// The part of `run.json` that says which run it is.
    pub(super) fn run(&self, args: &RunArgs, folder: &Folder, stopped_by: Option<String>) -> Run {
        Run {
            run_id: self.id.clone(),
            seed: self.seed.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(args),
            title: args.target.clone(),
            directory: Some(folder.path().display().to_string()),
            stopped_by,
            ..Run::default()
        }
    }

    /// The command line as it was typed, with the seed that it drew.
    fn command(&self, args: &RunArgs) -> Vec<String> {
        let mut words: Vec<String> = std::env::args().skip(1).collect();
        words.insert(0, "tallyho".to_owned());
        if args.seed.is_none() {
            words.push("--seed".to_owned());
            words.push(self.seed.to_string());
        }
        words
    }

    /// The options as they were understood.
    pub(super) fn config(&self, args: &RunArgs) -> serde_json::Value {
        serde_json::json!({
            "target": args.target,
            "bots": args.bots,
            "iterations": args.iterations,
            "rate": args.rate.map(|rate| rate.to_string()),
            "profile": super::profile(args).to_string(),
            "timeout_ms": u64::try_from(args.request.timeout.as_millis()).unwrap_or(u64::MAX),
            "drain_ms": u64::try_from(args.drain.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// A number that nobody can guess, from the operating system.
fn random() -> u64 {
    getrandom::u64().expect("the operating system gives random numbers")
}

//! Who this run is: its id, its seed, and the command that runs it again.

use std::time::SystemTime;

use tallyho_replay::{RunFacts, SecretKey, Site, is_secret_name};

use super::folder::Folder;
use super::job::Job;
use crate::config::Weight;
use crate::report::{Run, rfc3339};

/// The identity of a run.
pub(super) struct Identity {
    /// Sorts by time, and differs between runs of the same second: `20261124-191347-3f2a91`.
    pub(super) id: String,
    /// What every choice is drawn from.
    pub(super) seed: u64,
    is_seed_given: bool,
    number: u64,
}

impl Identity {
    /// Takes the seed and the id that were given, or new ones.
    ///
    /// From an id that was given the rest follows, so that tasks which are started by hand with the
    /// same id are tasks of one test.
    pub(super) fn new(seed: Option<u64>, id: Option<&str>) -> Self {
        let is_seed_given = seed.is_some();
        if let Some(id) = id {
            let number = Site::of(&format!("run {id}")).key();
            let seed = seed.unwrap_or_else(|| Site::of(&format!("seed of run {id}")).key());
            return Self { id: id.to_owned(), seed, is_seed_given, number };
        }
        let number = random();
        let digits: String = rfc3339(SystemTime::now())
            .chars()
            .filter(char::is_ascii_digit)
            .take("yyyymmddhhmmss".len())
            .collect();
        let (day, time) = digits.split_at(8);
        let id = format!("{day}-{time}-{:06x}", number & 0xff_ffff);
        Self { id, seed: seed.unwrap_or_else(random), is_seed_given, number }
    }

    /// With the number of a run that is run again, if it is one: what is new in every run is then
    /// the same as there.
    pub(super) fn of_run(self, number: Option<u64>) -> Self {
        Self { number: number.unwrap_or(self.number), ..self }
    }

    /// What all sessions know of the run.
    pub(super) fn facts(&self, target: &str, task_index: u32, job: &Job) -> RunFacts {
        let mut facts = RunFacts {
            seed: self.seed,
            run_id: self.number,
            target: Some(target.to_owned()),
            task_index,
            bots_per_task: job.bots_per_task,
            secret_key: job.secret_key,
            ..RunFacts::default()
        };
        for (name, value) in &job.secrets {
            facts.secrets.insert(name.clone(), value.clone());
        }
        for Weight { set, action, weight } in &job.weights {
            facts.weights.insert(set, action, *weight);
        }
        facts
    }

    /// The part of `run.json` that says which run it is.
    pub(super) fn run(&self, title: &str, folder: &Folder, stopped_by: Option<String>) -> Run {
        Run {
            run_id: self.id.clone(),
            seed: self.seed.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(),
            title: title.to_owned(),
            directory: Some(folder.place()),
            stopped_by,
            ..Run::default()
        }
    }

    /// The command line as it was typed, with the seed that the run drew and without its id, as
    /// another run is another one. Parameters and some headers may be secret, so their values are
    /// left out.
    fn command(&self) -> Vec<String> {
        let mut words = vec!["tallyho".to_owned()];
        let mut before = String::new();
        for word in std::env::args().skip(1) {
            if word == "--run-id" || before == "--run-id" || word.starts_with("--run-id=") {
                before = word;
                continue;
            }
            let is_parameter = ["-e", "--env"].contains(&before.as_str());
            let is_header = ["-H", "--header"].contains(&before.as_str());
            let joined = word.starts_with("-H") || word.starts_with("--header=");
            let shown = match (word.split_once('='), word.split_once(':')) {
                (Some((name, _)), _) if is_parameter || word.starts_with("--env=") => {
                    format!("{name}=…")
                }
                (_, Some((name, _))) if (is_header || joined) && is_secret_name(name) => {
                    format!("{name}: …")
                }
                _ => word.clone(),
            };
            words.push(shown);
            before = word;
        }
        if !self.is_seed_given {
            words.push("--seed".to_owned());
            words.push(self.seed.to_string());
        }
        words
    }
}

/// A key for the placeholders of secrets, which lives in memory only.
pub(super) fn secret_key() -> SecretKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&random().to_le_bytes());
    key[8..].copy_from_slice(&random().to_le_bytes());
    SecretKey::new(key)
}

/// A number that nobody can guess, from the operating system.
fn random() -> u64 {
    getrandom::u64().expect("the operating system gives random numbers")
}

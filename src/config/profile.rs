//! The load: k6's keys, at the top of the file or one scenario each, and what the command line says
//! instead.
//!
//! Only what the keys mean is decided here; when each session is due is `engine/schedule.rs`.

use std::ops::Range;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::duration::{parse_duration, parse_load_duration, parse_rate};
use super::json::Node;
use super::plan::{OnNoFreeBot, Profile, Stage, Supply};

/// What the command line says about the load. Any of them replaces all the load of the file, as in
/// k6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--vus` or `--bots`.
    pub vus: Option<u64>,
    /// `--duration`.
    pub duration: Option<Duration>,
    /// `--iterations`.
    pub iterations: Option<u64>,
    /// `--stage 30s:100`, repeated.
    pub stages: Vec<Stage>,
    /// `--rate 100/s`: a count, and what it is per.
    pub rate: Option<(u64, Duration)>,
}

impl Overrides {
    /// The load of the command line, or none.
    pub(super) fn profile(&self) -> Option<Profile> {
        let vus = self.vus.unwrap_or(1);
        let max_duration = self.duration.unwrap_or(MAX_DURATION);
        if let Some((rate, time_unit)) = self.rate {
            let bots_max = self.vus.unwrap_or(BOTS_MAX_DEFAULT);
            let on_no_free_bot = OnNoFreeBot::Drop;
            let supply =
                Supply { bots_prepared: prepared_default(bots_max), bots_max, on_no_free_bot };
            let duration = self.duration.unwrap_or(MAX_DURATION);
            return Some(Profile::ConstantArrivalRate { rate, time_unit, duration, supply });
        }
        if let Some(iterations) = self.iterations {
            return Some(Profile::SharedIterations { vus, iterations, max_duration });
        }
        if let Some(duration) = self.duration {
            return Some(Profile::ConstantVus { vus, duration });
        }
        if !self.stages.is_empty() {
            let stages = self.stages.clone();
            return Some(Profile::RampingVus {
                start_vus: vus,
                stages,
                graceful_ramp_down: GRACEFUL,
            });
        }
        self.vus.map(|vus| Profile::SharedIterations { vus, iterations: vus, max_duration })
    }
}

/// k6's default of `maxDuration`.
const MAX_DURATION: Duration = Duration::from_secs(600);
/// k6's default of `gracefulStop` and `gracefulRampDown`.
pub(super) const GRACEFUL: Duration = Duration::from_secs(30);
/// k6's shortest duration of anything but a stage.
const DURATION_MIN: Duration = Duration::from_secs(1);
/// Bots at most where an arrival rate says nothing: bots are cheap, a dropped session is not.
const BOTS_MAX_DEFAULT: u64 = 10_000;
/// Bots that a run can be asked for: numbers beyond it are mistakes, as would be the bot's memory.
const BOTS_MAX: u64 = 10_000_000;
/// Stages of one load.
const STAGES_MAX: usize = 10_000;

/// Bots that are there from the beginning where nothing else is said: one worker's handful, more
/// come as needed.
fn prepared_default(bots_max: u64) -> u64 {
    bots_max.min(100)
}

/// Keys that each executor takes beside the common ones.
fn keys_of(executor: &str) -> &'static [&'static str] {
    match executor {
        "shared-iterations" | "per-vu-iterations" => &["vus", "iterations", "maxDuration"],
        "constant-vus" => &["vus", "duration"],
        "ramping-vus" => &["startVUs", "startVus", "stages", "gracefulRampDown"],
        "constant-arrival-rate" => {
            &["rate", "timeUnit", "duration", "preAllocatedVUs", "maxVUs", "onNoFreeBot"]
        }
        _ => &["startRate", "timeUnit", "stages", "preAllocatedVUs", "maxVUs", "onNoFreeBot"],
    }
}

/// Every key that says something about a load.
const LOAD_KEYS: &[&str] = &[
    "vus",
    "iterations",
    "maxDuration",
    "duration",
    "startVUs",
    "startVus",
    "stages",
    "gracefulRampDown",
    "rate",
    "timeUnit",
    "preAllocatedVUs",
    "maxVUs",
    "startRate",
    "onNoFreeBot",
];

/// Reads the load of one object: the file, or one of its `scenarios`.
pub(super) struct ProfileReader<'a> {
    pub(super) node: &'a Node,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl ProfileReader<'_> {
    /// The load that the file's own keys ask for; one session of one bot where there are none.
    pub(super) fn top(&mut self) -> Profile {
        let has = |key: &str| self.node.get(key).is_some();
        let shortcuts = ["iterations", "duration", "stages"].into_iter().filter(|key| has(key));
        let shortcuts: Vec<&str> = shortcuts.collect();
        let executor = match self.node.get("executor").and_then(Node::text) {
            Some(executor) => executor.to_owned(),
            None if has("rate") => "constant-arrival-rate".into(),
            None if has("startRate") => "ramping-arrival-rate".into(),
            None => {
                if let [first, second, ..] = shortcuts.as_slice()
                    && !(*first == "iterations" && *second == "duration")
                {
                    self.both(first, second);
                }
                match shortcuts.first() {
                    Some(&"duration") => "constant-vus".into(),
                    Some(&"stages") => "ramping-vus".into(),
                    _ => return self.iterations_shortcut(),
                }
            }
        };
        if !super::format::EXECUTORS.contains(&executor.as_str()) {
            return self.fallback();
        }
        // A file without `executor` may say `vus` beside `stages`, as k6's options do: bots at the
        // start. Two shortcuts at once were reported.
        let lenient = self.node.get("executor").is_none();
        let also: &[&str] = &["vus", "iterations", "duration", "stages"];
        self.of_executor(&executor, if lenient { also } else { &[] })
    }

    /// The load of one of the file's `scenarios`.
    pub(super) fn scenario(&mut self) -> Profile {
        match self.node.get("executor").and_then(Node::text) {
            Some(executor) if super::format::EXECUTORS.contains(&executor) => {
                let executor = executor.to_owned();
                self.of_executor(&executor, &[])
            }
            _ => self.fallback(),
        }
    }

    /// Stands in for a load that cannot be understood; the error is reported already.
    fn fallback(&self) -> Profile {
        Profile::SharedIterations { vus: 1, iterations: 1, max_duration: MAX_DURATION }
    }

    fn both(&mut self, first: &str, second: &str) {
        let range = self.node.member(second).map_or(0..0, |member| member.key_range.clone());
        self.found.push(
            Diagnostic::error(range, format!("both `{first}` and `{second}`"))
                .label("each of them is a load of its own")
                .help("keep one, or make two `scenarios` of them"),
        );
    }

    /// `iterations`, or `vus` alone, or nothing. A `duration` beside `iterations` limits it, as in
    /// k6.
    fn iterations_shortcut(&mut self) -> Profile {
        let vus = self.integer("vus").unwrap_or(1);
        let iterations = self.integer("iterations").unwrap_or(vus);
        let max = self.duration("duration").or_else(|| self.duration("maxDuration"));
        self.enough_iterations(vus, iterations);
        Profile::SharedIterations { vus, iterations, max_duration: max.unwrap_or(MAX_DURATION) }
    }

    fn enough_iterations(&mut self, vus: u64, iterations: u64) {
        if iterations < vus
            && let Some(node) = self.node.get("iterations")
        {
            self.found.push(
                Diagnostic::error(node.range.clone(), "fewer iterations than bots")
                    .label(format!("must be at least the {vus} of `vus`"))
                    .help("lower `vus`: the others would have nothing to do"),
            );
        }
    }

    fn of_executor(&mut self, executor: &str, also: &[&str]) -> Profile {
        self.strange_keys(executor, also);
        let vus = self.integer("vus").unwrap_or(1);
        let time_unit = self.positive("timeUnit").unwrap_or(Duration::from_secs(1));
        match executor {
            "shared-iterations" => {
                let iterations = self.integer("iterations").unwrap_or(1);
                self.enough_iterations(vus, iterations);
                let max_duration = self.positive("maxDuration").unwrap_or(MAX_DURATION);
                Profile::SharedIterations { vus, iterations, max_duration }
            }
            "per-vu-iterations" => {
                let iterations = self.integer("iterations").unwrap_or(1);
                let max_duration = self.positive("maxDuration").unwrap_or(MAX_DURATION);
                Profile::PerVuIterations { vus, iterations, max_duration }
            }
            "constant-vus" => {
                let duration = self.required_duration(executor);
                Profile::ConstantVus { vus, duration }
            }
            "ramping-vus" => {
                let started = self.integer("startVUs").or_else(|| self.integer("startVus"));
                let start_vus = started.or_else(|| self.integer("vus")).unwrap_or(1);
                let stages = self.stages(executor);
                self.some_bots(start_vus, &stages);
                let graceful_ramp_down = self.duration("gracefulRampDown").unwrap_or(GRACEFUL);
                Profile::RampingVus { start_vus, stages, graceful_ramp_down }
            }
            "constant-arrival-rate" => {
                let (rate, time_unit) = self.rate(time_unit);
                let duration = self.required_duration(executor);
                let supply = self.supply();
                Profile::ConstantArrivalRate { rate, time_unit, duration, supply }
            }
            _ => {
                let start_rate = self.integer("startRate").unwrap_or(0);
                let stages = self.stages(executor);
                self.some_bots(start_rate, &stages);
                let supply = self.supply();
                Profile::RampingArrivalRate { start_rate, time_unit, stages, supply }
            }
        }
    }

    fn strange_keys(&mut self, executor: &str, also: &[&str]) {
        let mine = keys_of(executor);
        for member in self.node.members() {
            let key = member.key.as_str();
            if LOAD_KEYS.contains(&key) && !mine.contains(&key) && !also.contains(&key) {
                self.found.push(
                    Diagnostic::error(
                        member.key_range.clone(),
                        format!("`{key}` means nothing for {executor}"),
                    )
                    .label("would be ignored")
                    .help(format!("remove it; {executor} has {}", mine.join(", "))),
                );
            }
        }
    }

    fn integer(&self, key: &str) -> Option<u64> {
        let number = self.node.get(key)?.scalar()?.trim().parse().ok()?;
        Some(u64::min(number, BOTS_MAX * 100))
    }

    fn bad_duration(&mut self, range: Range<usize>, problem: String) {
        self.found.push(Diagnostic::error(range, "not a duration").label(problem));
    }

    /// A duration as k6 reads it.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let node = self.node.get(key)?;
        match parse_load_duration(node.scalar()?) {
            Ok(duration) => Some(duration),
            Err(problem) => {
                self.bad_duration(node.range.clone(), problem);
                None
            }
        }
    }

    fn positive(&mut self, key: &str) -> Option<Duration> {
        let duration = self.duration(key)?;
        if duration.is_zero() {
            let range = self.node.get(key).map_or(0..0, |node| node.range.clone());
            self.found.push(
                Diagnostic::error(range, format!("`{key}` is zero"))
                    .label("must be longer than zero"),
            );
            return None;
        }
        Some(duration)
    }

    fn required_duration(&mut self, executor: &str) -> Duration {
        if self.node.get("duration").is_none() {
            self.missing("duration", executor, "\"30s\"");
            return DURATION_MIN;
        }
        let Some(duration) = self.duration("duration") else { return DURATION_MIN };
        if duration < DURATION_MIN {
            let range = self.node.get("duration").map_or(0..0, |node| node.range.clone());
            let bare = self.node.get("duration").and_then(Node::scalar).unwrap_or("");
            let mut short = Diagnostic::error(range, "this load would be over at once")
                .label("must be at least 1s");
            if bare.parse::<u64>().is_ok() {
                short = short.help(format!(
                    "a number without a unit is milliseconds, as in k6; write \"{bare}s\""
                ));
            }
            self.found.push(short);
            return DURATION_MIN;
        }
        duration
    }

    fn missing(&mut self, key: &str, executor: &str, example: &str) {
        self.found.push(
            Diagnostic::error(self.node.range.clone(), format!("`{key}` is missing"))
                .label(format!("{executor} needs it"))
                .help(format!("add \"{key}\": {example}")),
        );
    }

    fn rate(&mut self, time_unit: Duration) -> (u64, Duration) {
        let Some(node) = self.node.get("rate") else {
            self.missing("rate", "constant-arrival-rate", "\"100/s\"");
            return (1, time_unit);
        };
        match parse_rate(node.scalar().unwrap_or("1")) {
            Ok((0, _)) => {
                self.found.push(
                    Diagnostic::error(node.range.clone(), "this load would start no session")
                        .label("must be more than zero"),
                );
                (1, time_unit)
            }
            Ok((count, Some(per))) => {
                if let Some(unit) = self.node.member("timeUnit") {
                    self.found.push(
                        Diagnostic::error(unit.key_range.clone(), "the rate has a unit already")
                            .label("only one of them can count")
                            .help("remove `timeUnit`, or write `rate` as a plain number"),
                    );
                }
                (count, per)
            }
            Ok((count, None)) => (count, time_unit),
            Err(problem) => {
                let wrong = Diagnostic::error(node.range.clone(), "not a rate").label(problem);
                self.found.push(wrong);
                (1, time_unit)
            }
        }
    }

    fn stages(&mut self, executor: &str) -> Vec<Stage> {
        let Some(list) = self.node.get("stages") else {
            self.missing("stages", executor, "[{\"duration\": \"30s\", \"target\": 10}]");
            return Vec::new();
        };
        if list.items().is_empty() {
            self.found.push(
                Diagnostic::error(list.range.clone(), "a ramp without stages")
                    .label("needs at least one")
                    .help("write for example [{\"duration\": \"30s\", \"target\": 10}]"),
            );
        }
        if list.items().len() > STAGES_MAX {
            let title = format!("more than {STAGES_MAX} stages");
            self.found.push(Diagnostic::error(list.range.clone(), title));
        }
        let mut stages = Vec::new();
        for item in list.items().iter().take(STAGES_MAX) {
            let mut reader = ProfileReader { node: item, found: self.found };
            let duration = reader.duration("duration").unwrap_or_default();
            stages.push(Stage { duration, target: reader.integer("target").unwrap_or(0) });
        }
        stages
    }

    /// A ramp that is nothing from beginning to end, or takes no time, is a mistake.
    fn some_bots(&mut self, start: u64, stages: &[Stage]) {
        let Some(list) = self.node.get("stages").filter(|list| !list.items().is_empty()) else {
            return;
        };
        let first = |key: &str| list.items().first().and_then(|stage| stage.get(key));
        let (place, label, help) = if stages.iter().all(|stage| stage.duration.is_zero()) {
            (first("duration"), "must be longer than zero", "write for example \"30s\"")
        } else if start == 0 && stages.iter().all(|stage| stage.target == 0) {
            (first("target"), "must be more than zero in one of the stages", "raise a target")
        } else {
            return;
        };
        let range = place.unwrap_or(list).range.clone();
        self.found.push(
            Diagnostic::error(range, "this load would start no session").label(label).help(help),
        );
    }

    fn supply(&mut self) -> Supply {
        let prepared = self.integer("preAllocatedVUs");
        let most = self.integer("maxVUs");
        if let (Some(prepared), Some(most), Some(node)) = (prepared, most, self.node.get("maxVUs"))
            && most < prepared
        {
            self.found.push(
                Diagnostic::error(node.range.clone(), "fewer bots at most than from the beginning")
                    .label(format!("must be at least the {prepared} of `preAllocatedVUs`")),
            );
        }
        // A file with preAllocatedVUs alone was written for k6, where it is the maximum too.
        let bots_max = most.or(prepared).unwrap_or(BOTS_MAX_DEFAULT).max(prepared.unwrap_or(1));
        let on_no_free_bot = match self.node.get("onNoFreeBot").and_then(Node::text) {
            Some("wait") => OnNoFreeBot::Wait,
            _ => OnNoFreeBot::Drop,
        };
        let bots_prepared = prepared.unwrap_or_else(|| prepared_default(bots_max));
        Supply { bots_prepared, bots_max, on_no_free_bot }
    }
}

/// Reads `30s:100`, as `--stage` takes it.
pub fn parse_stage(text: &str) -> Result<Stage, String> {
    let (duration, target) = text.split_once(':').ok_or("must be like 30s:100")?;
    let target = target.trim().parse().map_err(|_| "must end in a whole number".to_owned())?;
    Ok(Stage { duration: parse_duration(duration)?, target })
}

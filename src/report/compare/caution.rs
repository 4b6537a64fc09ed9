//! Why two runs may not be alike: what must be known before their figures are compared.

use serde_json::Value;

use crate::report::judge::State;
use crate::report::run_json::{Report, Task};
use crate::report::units::duration_us;

/// Settings that are named; the rest is counted.
const SETTINGS_MAX: usize = 6;
/// Runs whose lengths differ by less than this share last equally long: they end with requests.
const DURATION_SHARE_MIN: f64 = 0.1;
/// A longer value of a setting is not shown.
const VALUE_LENGTH_MAX: usize = 40;

/// One sentence for everything that differs besides the figures.
pub(super) fn cautions(a: &Report, b: &Report, noise_is_known: bool) -> Vec<String> {
    let mut cautions = Vec::new();
    for (side, report) in [("A", a), ("B", b)] {
        if report.verdict.state != State::Ok {
            let (state, evidence) = (report.verdict.state.as_str(), &report.verdict.evidence);
            cautions.push(format!("{side} is {state}: {}", evidence.join("; ")));
        }
        if let Some(reason) = &report.run.stopped_by {
            cautions.push(format!("{side} was stopped before its plan ended by {reason}"));
        }
    }
    if !noise_is_known {
        cautions.push(
            "a run of a few seconds does not tell its noise: nothing is called a difference"
                .to_owned(),
        );
    }
    settings(&mut cautions, a, b);
    let differs = |cautions: &mut Vec<String>, what: &str, a: String, b: String| {
        if a != b {
            cautions.push(format!("{what}: {a} in A, {b} in B"));
        }
    };
    if !is_near(a.duration_us, b.duration_us) {
        let (a, b) = (duration_us(a.duration_us), duration_us(b.duration_us));
        differs(&mut cautions, "they last differently", a, b);
    }
    let version = |report: &Report| report.run.version.clone();
    differs(&mut cautions, "the versions of tallyho differ", version(a), version(b));
    let number = |report: &Report| report.tasks.len().to_string();
    differs(&mut cautions, "the numbers of tasks differ", number(a), number(b));
    let of_tasks = [
        ("the IO drivers differ", values(a, b, |task| task.io_driver.clone())),
        ("the machines differ", values(a, b, |task| task.host.clone())),
        ("the kernels differ", values(a, b, |task| task.kernel.clone())),
        ("the numbers of CPUs differ", values(a, b, |task| task.cpus.to_string())),
    ];
    for (what, (a, b)) in of_tasks {
        differs(&mut cautions, what, a, b);
    }
    cautions
}

fn is_near(a: u64, b: u64) -> bool {
    super::share(a.abs_diff(b), a.max(b)) < DURATION_SHARE_MIN
}

/// What the tasks of each run have, each value once.
fn values(a: &Report, b: &Report, of: impl Fn(&Task) -> String) -> (String, String) {
    let values = |report: &Report| {
        let mut values: Vec<String> = report.tasks.iter().map(&of).collect();
        values.sort();
        values.dedup();
        values.join(", ")
    };
    (values(a), values(b))
}

/// The settings that differ, by their place in the configuration.
fn settings(cautions: &mut Vec<String>, a: &Report, b: &Report) {
    let mut found = Vec::new();
    differences(&a.config, &b.config, "", &mut found);
    let more = found.len().saturating_sub(SETTINGS_MAX);
    found.truncate(SETTINGS_MAX);
    cautions.extend(found.into_iter().map(|text| format!("the plans differ in {text}")));
    if more > 0 {
        cautions.push(format!("the plans differ in {more} more settings"));
    }
}

fn differences(a: &Value, b: &Value, at: &str, found: &mut Vec<String>) {
    if a == b {
        return;
    }
    if let (Value::Object(members_a), Value::Object(members_b)) = (a, b) {
        let in_b_only = members_b.keys().filter(|key| !members_a.contains_key(*key));
        for key in members_a.keys().chain(in_b_only) {
            let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            let member = |members: &serde_json::Map<String, Value>| {
                members.get(key).cloned().unwrap_or(Value::Null)
            };
            differences(&member(members_a), &member(members_b), &at, found);
        }
        return;
    }
    let place = if at.is_empty() { "their configuration" } else { at };
    found.push(match (shown(a), shown(b)) {
        (Some(a), Some(b)) => format!("{place}: {a} in A, {b} in B"),
        _ => place.to_owned(),
    });
}

fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    (text.chars().count() <= VALUE_LENGTH_MAX).then_some(text)
}

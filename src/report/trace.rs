//! What was recorded, and the failing sessions by what failed.
//!
//! Sums, so that the reports of several tasks merge; which example of a failure is shown does not
//! depend on their order.

use serde::{Deserialize, Serialize};

/// What of a run was recorded: exact + partial + not recorded = started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TraceReport {
    /// The trace files, in the run's folder.
    pub files: Vec<String>,
    /// Their size.
    pub bytes: u64,
    /// Sessions that were started.
    pub started: u64,
    /// Those recorded from start to end.
    pub exact: u64,
    /// Those recorded from the start to some step.
    pub partial: u64,
    /// Not recorded, since they did not fail, and only failing ones were wanted or fitted.
    pub not_wanted: u64,
    /// Not recorded, since the writer had fallen behind when they started.
    pub writer_behind: u64,
    /// Not recorded, since they could not be written.
    pub lost: u64,
    /// Sessions that were written although only failing ones were wanted: they had grown too long
    /// to be held in memory.
    pub written_anyway: u64,
    /// Requests in the records.
    pub requests: u64,
    /// Whether `--trace-max-bytes` was reached.
    pub limit_reached: bool,
    /// The first thing that went wrong with a file.
    pub error: Option<String>,
    /// What became of the replays at the end of the run; none if there were none.
    pub verified: Option<VerifiedReport>,
}

/// A part of the run's sessions, replayed when the load had ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct VerifiedReport {
    /// How many sessions were replayed.
    pub sessions: u64,
    /// How many of their steps agree.
    pub steps: u64,
    /// Sessions that did not replay: a bug of Tallyho, or of a bot that is not deterministic.
    pub different: u64,
    /// The first difference.
    pub difference: Option<String>,
    /// Sessions that did not replay, each in a file of its own in the run's folder.
    pub capsules: Vec<String>,
    /// CPU time that it took.
    pub cpu_us: u64,
    /// Why nothing was replayed.
    pub error: Option<String>,
}

impl TraceReport {
    /// Sessions of which there is nothing.
    pub const fn not_recorded(&self) -> u64 {
        self.not_wanted + self.writer_behind + self.lost
    }

    /// Whether a session did not replay.
    pub fn differs(&self) -> bool {
        self.verified.as_ref().is_some_and(|verified| verified.different > 0)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.files.sort();
        self.bytes += other.bytes;
        self.started += other.started;
        self.exact += other.exact;
        self.partial += other.partial;
        self.not_wanted += other.not_wanted;
        self.writer_behind += other.writer_behind;
        self.lost += other.lost;
        self.written_anyway += other.written_anyway;
        self.requests += other.requests;
        self.limit_reached |= other.limit_reached;
        self.error = lesser(self.error.take(), other.error);
        match (&mut self.verified, other.verified) {
            (Some(verified), Some(other)) => verified.add(other),
            (verified @ None, other) => *verified = other,
            (Some(_), None) => {}
        }
    }
}

impl VerifiedReport {
    fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.steps += other.steps;
        self.different += other.different;
        self.difference = lesser(self.difference.take(), other.difference);
        self.capsules.extend(other.capsules);
        self.capsules.sort();
        self.cpu_us += other.cpu_us;
        self.error = lesser(self.error.take(), other.error);
    }
}

/// The lesser text, so that the order of merging does not matter.
fn lesser(one: Option<String>, other: Option<String>) -> Option<String> {
    [one, other].into_iter().flatten().min()
}

/// Sessions that failed alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FailingReport {
    /// What failed, where.
    pub signature: String,
    /// How many sessions.
    pub count: u64,
    /// The shortest of them, as `tallyho replay --session` takes it; of those that are recorded,
    /// if any is.
    pub example: String,
    /// How many steps it has.
    pub steps: u32,
    /// The command that replays it; none if it is not recorded.
    pub replay: Option<String>,
}

/// Puts the groups of two tasks together, the most frequent first.
pub(super) fn merge(groups: &mut Vec<FailingReport>, others: Vec<FailingReport>) {
    for other in others {
        let known = groups.iter_mut().find(|group| group.signature == other.signature);
        let Some(known) = known else {
            groups.push(other);
            continue;
        };
        let count = known.count + other.count;
        let rank =
            |group: &FailingReport| (group.replay.is_none(), group.steps, group.example.clone());
        if rank(&other) < rank(known) {
            *known = other;
        }
        known.count = count;
    }
    sort(groups);
}

/// The most frequent first.
pub(super) fn sort(groups: &mut [FailingReport]) {
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.signature.cmp(&b.signature)));
}

//! What a run records, and what became of it, in the report's terms.

use tallyho_replay::trace::{Header, ScenarioHeader};
use tallyho_replay::{BotType, Site};

use super::folder::Folder;
use super::ground::Ground;
use crate::cli::{RecordChoice, RunArgs};
use crate::engine::{FailingGroup, Record, RunResult, TracePlan, TraceResult};
use crate::report::{FailingReport, TraceReport, quoted};

/// Where a run's sessions are recorded, and which.
pub(super) struct Recording<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) ground: &'a Ground,
    pub(super) folder: &'a Folder,
}

impl Recording<'_> {
    /// What is recorded of these scenarios, and where; nothing with `--record off`. `part` is
    /// set-up or teardown, which have a file of their own.
    pub(super) fn plan(
        &self,
        part: Option<&str>,
        scenarios: Vec<ScenarioHeader>,
    ) -> Option<TracePlan> {
        let record = match self.args.record.record {
            RecordChoice::All => Record::All,
            RecordChoice::Failing => Record::Failing,
            RecordChoice::Off => return None,
        };
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let header = Header {
            run: self.ground.identity.id.clone(),
            started_unix_us: u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX),
            traceparent: self.args.record.traceparent,
            scenarios,
            ..Header::new(&self.ground.facts)
        };
        let path = self.folder.path().join(file_name(self.args.task_index, part));
        Some(TracePlan {
            header,
            path,
            record,
            bytes_max: self.args.record.trace_max_bytes,
            on_not_recorded: self.args.record.on_not_recorded,
            failures: None,
        })
    }
}

/// A scenario as a trace's header names it.
pub(super) fn scenario(name: &str, bot: &BotType, config: serde_json::Value) -> ScenarioHeader {
    ScenarioHeader {
        name: name.to_owned(),
        key: Site::of(name).key(),
        bot: bot.name().to_owned(),
        bot_version: bot.version(),
        config,
    }
}

/// The trace file of a task, or of its set-up or teardown.
pub(super) fn file_name(task_index: u32, part: Option<&str>) -> String {
    match part {
        None => format!("trace-{task_index}.tly"),
        Some(part) => format!("trace-{task_index}-{part}.tly"),
    }
}

/// What became of the trace.
pub(super) fn trace(trace: &TraceResult, task_index: u32) -> TraceReport {
    let totals = trace.totals;
    TraceReport {
        files: vec![file_name(task_index, None)],
        bytes: trace.bytes,
        started: totals.started,
        exact: totals.exact,
        partial: totals.partial,
        not_wanted: totals.not_recorded.not_wanted,
        writer_behind: totals.not_recorded.writer_behind,
        lost: totals.not_recorded.lost,
        written_anyway: trace.written_anyway,
        requests: totals.requests,
        limit_reached: trace.limit_reached,
        error: trace.error.clone(),
        verified: None,
    }
}

/// Failing sessions by what failed, with the command that replays the shortest.
pub(super) fn failing(result: &RunResult, folder: &Folder) -> Vec<FailingReport> {
    let run = quoted(&folder.place());
    let group = |(signature, group): (&String, &FailingGroup)| {
        let mut example = group.example.to_string();
        if result.scenarios > 1 {
            example = format!("{}:{example}", group.scenario);
        }
        let session = quoted(&example);
        let is_recorded = group.is_recorded && result.trace.is_some();
        FailingReport {
            signature: signature.clone(),
            count: group.count,
            steps: group.steps,
            replay: is_recorded.then(|| format!("tallyho replay {run} --session {session}")),
            example,
        }
    };
    result.failing.iter().map(group).collect()
}

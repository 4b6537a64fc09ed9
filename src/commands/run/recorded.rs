//! What a run recorded, in the report's terms.

use super::folder::Folder;
use crate::engine::{FailingGroup, RunResult, TraceResult};
use crate::report::{FailingReport, TraceReport, quoted};

/// The trace file of a task.
pub(super) fn file_name(task_index: u32) -> String {
    format!("trace-{task_index}.tly")
}

/// What became of the trace.
pub(super) fn trace(trace: &TraceResult, task_index: u32) -> TraceReport {
    let totals = trace.totals;
    TraceReport {
        files: vec![file_name(task_index)],
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

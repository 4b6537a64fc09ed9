//! The result of a run as one value, and its renderings.
//!
//! [`Report`] *is* `run.json` (schema `tallyho.run.v1`). Everything else is a pure rendering of it:
//! `text` and `html` for people, `markdown` for pull requests, `junit` for CI, `k6_summary` for
//! tools that read k6's export, `k6_results` for those that read its samples, `hgrm` for
//! HdrHistogram plotters; `compare` sets two beside each other. So a report can be made again
//! later, and the reports of several tasks merge exactly ([`Report::merge`]): counts and histograms
//! add, and what is derived (percentiles, thresholds, warnings, the verdict) is computed again from
//! the sums.
//! Imports `metrics` only. Reads no clock, file or environment: those facts come in.

mod check;
pub mod compare;
pub mod hgrm;
pub mod html;
mod judge;
pub mod junit;
mod k6_metrics;
pub mod k6_results;
pub mod k6_summary;
pub mod markdown;
mod planted;
mod rfc3339;
mod run_json;
#[cfg(test)]
mod schema;
mod summary;
pub mod text;
mod trace;
pub(crate) mod units;
pub mod warning;

pub(crate) use judge::LAG_US_LATE;
pub use judge::{State, Verdict};
pub use planted::Planted;
pub use rfc3339::rfc3339;
pub use run_json::{
    Facts, PlannedStage, ReadError, Report, Run, SCHEMA, Task, ThresholdReport, Worker, quoted,
};
pub use summary::{Percentiles, RequestSummary, Summary};
pub use trace::{FailingReport, TraceReport, VerifiedReport};
pub use units::TimeUnit;
pub use warning::{Severity, Warning};

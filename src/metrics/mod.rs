//! What is measured, and how it adds up.
//!
//! ```text
//! worker thread                        coordinator's thread
//! Recorder --- Snapshot, 1/s ---->  Collector = Totals + Timeline + workers
//!     ^------- cleared spare -------'        '--> thresholds, live lines, report
//! ```
//!
//! In reading order: `histogram` (fixed layout, so everything adds up), `series` (one request
//! name), `recorder` (a worker's hot path), `snapshot`, `totals` (the sum of all), `timeline` (the
//! run second by second), `by_request` (each name so), `health` (what kept the generator from its
//! work), `collector`, `table` (names and kinds of the metrics), `threshold`.
//! Imports nothing of ours but the plain data of `tallyho_replay`: names, notes, failures.

mod by_request;
mod coarse;
mod collector;
mod encoding;
mod health;
mod histogram;
mod names;
mod percentile;
mod recorder;
mod series;
mod snapshot;
mod table;
pub mod threshold;
mod timeline;
mod totals;

pub use by_request::{RequestRow, RequestTimelines};
pub use coarse::CoarseHistogram;
pub use collector::{Collector, Measured, WorkerMeasured};
pub use encoding::to_hdr;
pub use health::{Health, Seconds, Stalls, Strain};
pub use histogram::{Count, Figures, Histogram, VALUE_US_MAX, rank_of};
pub use names::OTHER;
pub use percentile::{carried_us, is_carried};
pub use recorder::{
    Ended, ExampleSlot, LATE_US, OTHER_NAMES_MAX, REQUEST_NAMES_MAX, Recorder, ScenarioIndex,
    SeriesIndex,
};
pub use series::{Example, Exchange, FailureKind, Series, Timing, sum};
pub use snapshot::{Bounds, Snapshot};
pub use table::{BUILT_IN, Contains, Kind, Metric, built_in};
pub use threshold::{Threshold, ThresholdError, View};
pub use timeline::{ROWS_MAX, Row, Timeline, WorkerTimeline};
pub use totals::{FailureTotals, Gauge, ScenarioTotals, Share, Totals};

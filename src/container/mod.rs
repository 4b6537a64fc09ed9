//! What a task of a load test on ECS adds to a run: where its files are in S3, the lines of its
//! log, what the metadata endpoint tells it.
//!
//! The names, the keys and the lines are those of the k6 container that this one stands in for;
//! dashboards and functions outside read them, so they are compared byte for byte by the tests.
//! Knows nothing of how a run is made: `commands/container.rs` puts the two together.

mod emf;
mod live;
mod log;
pub mod metadata;
mod task;

pub use emf::Emf;
pub use live::LiveLine;
pub use log::{is_live_line, print};
pub use task::Task;

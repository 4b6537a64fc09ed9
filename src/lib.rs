//! Tallyho: a load generator.
pub mod metrics;
pub mod report;

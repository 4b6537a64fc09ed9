//! Tallyho: a load generator.
pub mod metrics;

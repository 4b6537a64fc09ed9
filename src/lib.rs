//! Tallyho: a load generator.

pub mod background;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod engine;
pub mod exit;
pub mod http;
pub mod metrics;
pub mod report;
pub mod units;

pub use commands::dispatch as run;

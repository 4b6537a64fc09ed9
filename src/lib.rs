//! Tallyho: a load generator.

pub mod config;

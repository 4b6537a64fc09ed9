//! Tallyho: a load generator.
pub mod commands;
pub mod demo;

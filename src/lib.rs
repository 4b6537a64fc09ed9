//! Tallyho: a load generator.
pub mod commands;
pub mod demo;

pub mod config;

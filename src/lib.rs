//! Tallyho: a load generator.

pub mod http;

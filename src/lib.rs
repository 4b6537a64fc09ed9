//! Tallyho: a load generator.

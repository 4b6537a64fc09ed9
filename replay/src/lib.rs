//! The deterministic half of Tallyho.

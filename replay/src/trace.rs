//! The trace format: how a session is written down.

pub mod record;

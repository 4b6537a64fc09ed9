//! What each subcommand does: one short file each.

pub mod serve;

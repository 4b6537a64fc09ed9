//! The subcommands, one short file each.

pub mod run;

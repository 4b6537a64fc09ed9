//! The subcommands, one short file each.

mod against;
pub mod check;
pub mod compare;
pub mod container;
mod recorded;
mod remote;
pub mod replay;
pub mod report;
pub mod run;
pub mod serve;
pub mod sessions;
pub mod trace;
mod traces;
mod verify;

use tallyho_replay::Registry;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Does what the command line says, with the bots that there are.
///
/// # Errors
///
/// One message for the user; see [`crate::exit`].
pub fn dispatch(cli: Cli, bots: &Registry) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(&args, bots),
        Command::Check(args) => check::run(&args, bots),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Replay(args) => replay::run(&args, bots),
        Command::Sessions(args) => sessions::run(&args),
        Command::Capsule(args) => trace::capsule(&args),
        Command::Trace { command } => trace::run(&command),
        Command::Container(args) => container::run(&args, bots),
        Command::Serve(args) => serve::run(&args),
    }
}

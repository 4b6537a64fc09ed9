//! Tallyho beside other load generators: one command, one table.
//!
//! `cargo run --release -p tallyho-compare` builds Tallyho as it is shipped, installs what is
//! missing and can be installed, plays interleaved rounds with the client on core 0 and the server
//! on core 1, and prints client CPU per request as ratios. A ratio is taken within a round, so
//! that a machine that is faster in one minute than in the next spoils no comparison. It stops by
//! itself.
//!
//! - [`rows`]: what is compared, and the targets; [`rounds`]: how; [`table`]: the output
//! - [`clients`], [`tallyho`]: how each generator is called; [`measure`]: a child, and what it used
//! - [`servers`]: nginx, and the fast [`responder`]; [`floor`]: a client that only
//!   sends and receives
//! - [`single`]: memory, growth, schedule lag and replay, which are compared with nobody
//! - [`tools`]: what is installed; [`host`]: the machine

mod clients;
mod floor;
mod host;
mod measure;
mod responder;
mod rounds;
mod rows;
mod servers;
mod single;
mod table;
mod tallyho;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use rounds::Plan;
use single::{Singles, Size};
use tools::{Missing, Tools};

/// Tallyho beside other load generators.
#[derive(Debug, Parser)]
struct Arguments {
    /// One short round of each row, with what is installed: shows that the comparison works
    #[arg(long)]
    smoke: bool,

    /// Rounds of each row
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Seconds of each client in a round
    #[arg(long, default_value_t = 3)]
    seconds: u64,

    /// Only rows whose name holds one of these words
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,

    /// How long the soak runs, in seconds; 0 for none
    #[arg(long, default_value_t = 0)]
    soak: u64,

    /// This program instead of one built with the profile `dist`
    #[arg(long, value_name = "PATH")]
    tallyho: Option<PathBuf>,

    /// Install nothing
    #[arg(long)]
    no_install: bool,

    /// What the program does when it calls itself.
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The fast responder
    #[command(hide = true)]
    Respond,
    /// The client that only sends and receives
    #[command(hide = true)]
    Floor(floor::FloorArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_file_limit();
    let done = match &arguments.part {
        Some(Part::Respond) => responder::serve().map(|()| 0),
        Some(Part::Floor(floor)) => floor::run(floor).map(|()| 0),
        None => compare(&arguments),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("error: {failures} runs failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Rounds of what is compared with nobody, where that is a ratio.
const SINGLE_ROUNDS: usize = 3;

/// The whole comparison; how many runs failed.
fn compare(arguments: &Arguments) -> std::io::Result<usize> {
    let missing = if arguments.no_install { Missing::Skip } else { Missing::Install };
    let tools = Tools::find(arguments.tallyho.as_deref(), missing)?;
    let soak = Duration::from_secs(arguments.soak);
    let (plan, size) = if arguments.smoke {
        let time = Duration::from_millis(300);
        let size = Size { time, rounds: 1, idle_bots: 100, bots: &[10, 100], soak };
        (Plan { rounds: 1, time }, size)
    } else {
        let time = Duration::from_secs(arguments.seconds.max(1));
        let size = Size { time, rounds: SINGLE_ROUNDS, idle_bots: 9_000, bots: single::BOTS, soak };
        (Plan { rounds: arguments.rounds.max(1), time }, size)
    };
    let is_wanted = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|word| name.contains(word.as_str()))
    };
    host::print(&tools, &plan);
    table::pairs_head();
    let mut failures = 0;
    for group in rows::all().iter().filter(|group| is_wanted(group.name)) {
        failures += rounds::play(group, &plan, &tools)?;
    }
    failures += Singles { tools: &tools, size: &size, is_wanted: &is_wanted }.all();
    Ok(failures)
}

/// 19,000 connections need as many files, in the client and in the server.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _as_many_as_there_are = setrlimit(Resource::Nofile, limit);
}

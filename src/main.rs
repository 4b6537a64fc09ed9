//! The command line entry point.

use std::process::ExitCode;

use clap::Parser;
use tallyho::cli::Cli;

fn main() -> ExitCode {
    match tallyho::run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => tallyho::exit::report(&error).into(),
    }
}

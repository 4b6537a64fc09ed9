//! Tallyho: a load generator.
//! The command line entry point.

use std::process::ExitCode;

use clap::Parser;
use tallyho::commands::serve::{self, ServeArgs};

#[derive(Parser)]
enum Cli {
    Serve(ServeArgs),
}

fn main() -> ExitCode {
    let Cli::Serve(args) = Cli::parse();
    match serve::run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

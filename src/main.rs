//! The command line entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallyho::main(tallyho::built_in_bots())
}

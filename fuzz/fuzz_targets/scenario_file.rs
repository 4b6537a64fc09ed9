//! Any bytes as a scenario file: everything that is wrong is shown, what is right compiles.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/scenario_check/mod.rs"]
mod scenario_check;

fuzz_target!(|input: &[u8]| scenario_check::check_scenario(input));

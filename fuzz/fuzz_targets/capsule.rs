//! Any bytes as a capsule, its sessions replayed.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/limited/mod.rs"]
mod limited;
#[path = "../../tests/trace_check/mod.rs"]
mod trace_check;

fuzz_target!(|input: &[u8]| limited::within_limits(trace_check::check_capsule, input));

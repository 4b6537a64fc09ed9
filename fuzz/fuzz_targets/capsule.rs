//! Any bytes as a capsule, its sessions replayed.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/trace_check/mod.rs"]
mod trace_check;

fuzz_target!(|input: &[u8]| trace_check::check_capsule(input));

//! Any bytes as a trace, and as the payload of a block under a right checksum.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/trace_check/mod.rs"]
mod trace_check;

fuzz_target!(|input: &[u8]| trace_check::check_trace_file(input));

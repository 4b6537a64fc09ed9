//! Any bytes as a trace, and as blocks under right checksums.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/limited/mod.rs"]
mod limited;
#[path = "../../tests/trace_check/mod.rs"]
mod trace_check;

fuzz_target!(|input: &[u8]| limited::within_limits(trace_check::check_trace_file, input));

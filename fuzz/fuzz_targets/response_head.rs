//! Any bytes as a server's answer, read in pieces and held against a second reader.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/http/check/mod.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check_response_head(input));

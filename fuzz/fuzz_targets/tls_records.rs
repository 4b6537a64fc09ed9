//! Any bytes as what a server sends behind its TLS handshake, in pieces of several sizes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| tallyho::engine::check_tls_records(input));

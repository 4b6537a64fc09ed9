//! Any bytes as what a server answers a bot, whose session is then replayed.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/limited/mod.rs"]
mod limited;
#[path = "../../tests/bot_check/mod.rs"]
mod bot_check;

fuzz_target!(|input: &[u8]| limited::within_limits(bot_check::check_bot_inputs, input));

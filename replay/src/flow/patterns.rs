//! Regular expressions with bounds.
//!
//! The crate's matching time is linear in the body; its memory is what a pattern could still blow
//! up.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled pattern; `\w{1000}` and its like need more.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "needs more than 1 MiB of memory".to_owned(),
            other => last_line(&other.to_string()),
        })
}

/// The crate's errors draw the pattern; the reason is their last line.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or("");
    line.trim_start_matches("error: ").to_owned()
}

/// What is wrong with a pattern.
///
/// # Errors
/// The reason, for people.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    compile(pattern).map(|_| ())
}

/// Groups of a pattern without the whole match; 0 for one that does not compile.
pub fn pattern_groups(pattern: &str) -> u32 {
    let groups = compile(pattern).map_or(0, |pattern| pattern.captures_len() - 1);
    u32::try_from(groups).unwrap_or(0)
}

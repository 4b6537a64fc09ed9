//! The task's log: standard output, a line at a time.
//!
//! A metric filter reads the whole log, so nothing but the live line may look like it, whatever
//! scenarios, requests and checks are called.

use crate::output;

/// Whether the metric filter takes a line for the live line: its pattern is
/// `[numSucc, succ="succ", numFail, fail="fail", avgRt, ...]`, words between spaces.
#[must_use]
pub fn is_live_line(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().skip(1);
    words.next() == Some("succ") && words.nth(1) == Some("fail") && words.next().is_some()
}

/// Prints text that is not the live line.
pub fn print(text: &str) {
    let mut lines = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        // The filter also takes "…" and […] for one word, so more than the pattern is kept apart.
        if line.split_ascii_whitespace().any(|word| word == "succ") {
            lines.push_str("- - ");
        }
        lines.push_str(line);
        lines.push('\n');
    }
    output::print(&lines);
}

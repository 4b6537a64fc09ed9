//! W3C `traceparent` values, by which a server's log can be joined to a session.
//!
//! A pure function of run, session and step, so that nothing need be recorded: a timeline computes
//! the same value again. The trace id is that of the session, the parent id that of the step. Never
//! part of the canonical request: whoever puts a request on the wire adds it there.

use std::fmt;

use xxhash_rust::xxh3;

use crate::Who;

/// Two digits of version, 32 of trace id, 16 of parent id, two of flags, and three dashes.
const BYTES: usize = 55;

/// The value of a `traceparent` header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traceparent([u8; BYTES]);

impl Traceparent {
    /// That of the request which a session sends after its input of this number.
    #[must_use]
    pub fn new(run_number: u64, who: Who, step: u32) -> Self {
        let words = [run_number, who.scenario, who.bot, who.session, SALT];
        let trace = xxh3::xxh3_128(words.map(u64::to_le_bytes).as_flattened()).max(1);
        let mut seed = [0; 20];
        seed[..16].copy_from_slice(&trace.to_le_bytes());
        seed[16..].copy_from_slice(&step.to_le_bytes());
        // All zeros is no id (W3C Trace Context, 3.2.2).
        let parent = xxh3::xxh3_64(&seed).max(1);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
        put_hex(&mut text[3..35], trace);
        put_hex(&mut text[36..52], u128::from(parent));
        Self(text)
    }

    /// The value as it stands in the header.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Keeps trace ids apart from the keys of draws.
const SALT: u64 = 0x7472_6163_6570_6172;

fn put_hex(text: &mut [u8], mut number: u128) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).expect("digits and dashes"))
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn steps_of_a_session_share_a_trace_id_and_nothing_else_is_shared() {
        let mut traces = BTreeSet::new();
        let mut parents = BTreeSet::new();
        for (run, bot, session) in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)] {
            for step in 0..3 {
                let who = Who { scenario: 7, bot, session };
                let text = Traceparent::new(run, who, step).to_string();
                assert_eq!((text.len(), &text[..3], &text[52..]), (BYTES, "00-", "-01"), "{text}");
                traces.insert(text[3..35].to_owned());
                parents.insert(text[36..52].to_owned());
            }
        }
        assert_eq!((traces.len(), parents.len()), (4, 12));
    }
}

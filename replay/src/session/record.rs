//! What a step leaves in the record, and what the chain covers of it.
//!
//! Start, input and command are written when they are known, and the chain is taken over all of
//! them, so a replay that writes the same bytes has made the same steps. Values and notes are added
//! where they arise (observe/read.rs, state.rs). The layout is in trace/record.rs.

use xxhash_rust::const_xxh3::xxh3_64 as const_xxh3_64;
use xxhash_rust::xxh3::xxh3_64;

use super::{Arrived, Command, Session};
use crate::Name;
use crate::trace::record::{CommandKind, RecordedStart};

impl Session {
    pub(super) fn record_start(&self) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        let start = RecordedStart {
            who: state.who.get(),
            at_us: state.now_us.get(),
            stopping: state.stopping.get(),
            sampler_version: state.sampler_version.get(),
            carry: &own.carry,
            setup: own.setup.as_deref().unwrap_or_default(),
        };
        own.recorder.start(&start);
        let words = [
            start.who.scenario,
            start.who.bot,
            start.who.session,
            start.at_us,
            u64::from(start.stopping) | u64::from(start.sampler_version) << 1,
            hash(start.carry),
            hash(start.setup),
        ];
        state.open_transcript(words.map(u64::to_le_bytes).as_flattened());
    }

    pub(super) fn record_input(&self, arrived: Arrived) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let (at_us, stopping) = (state.now_us.get(), state.stopping.get());
        let mut own = state.own.borrow_mut();
        own.recorder.input(arrived, at_us, stopping);
        let (kind, number) = match arrived {
            Arrived::Response(status) => (1, u64::from(status)),
            Arrived::Failed(failure) => (3, failure as u64),
            Arrived::Woke => (4, 0),
            Arrived::Answer(answer) => (5, answer),
        };
        let mut entry = [0; 26];
        entry[..8].copy_from_slice(&own.chain.to_le_bytes());
        entry[8..10].copy_from_slice(&[kind, u8::from(stopping)]);
        entry[10..18].copy_from_slice(&at_us.to_le_bytes());
        entry[18..].copy_from_slice(&number.to_le_bytes());
        state.open_transcript(&entry);
    }

    pub(super) fn record_command(&self, command: &Command) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let (kind, argument, number) = match command {
            Command::Send => (CommandKind::Send, 0, state.request().canonical_hash()),
            Command::Sleep(duration) => {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                (CommandKind::Sleep, 0, micros)
            }
            Command::Ask(question) => (CommandKind::Ask, *question as u8, 0),
            Command::End(outcome) => (CommandKind::End, outcome.number(), hash(&self.carry)),
        };
        let mut entry = [0; 10];
        entry[..2].copy_from_slice(&[0x80 | kind as u8, argument]);
        entry[2..].copy_from_slice(&number.to_le_bytes());
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        match command {
            Command::Send => {
                let label = &own.sent.0;
                own.chain = state.close_transcript(&entry, label.as_str().as_bytes());
                own.recorder.send(label, own.chain);
            }
            Command::End(outcome) => {
                let reason = outcome.reason().map(Name::as_str);
                own.chain = state.close_transcript(&entry, reason.unwrap_or_default().as_bytes());
                own.recorder.end(argument, reason, own.chain);
            }
            Command::Sleep(_) | Command::Ask(_) => {
                own.chain = state.close_transcript(&entry, &[]);
                own.recorder.other(kind, argument, own.chain);
            }
        }
    }
}

/// The hash of carried state or of what set-up hands over, of which most bots have none.
fn hash(json: &[u8]) -> u64 {
    const NOTHING: u64 = const_xxh3_64(b"");
    const NULL: u64 = const_xxh3_64(b"null");
    match json {
        b"" => NOTHING,
        b"null" => NULL,
        _ => xxh3_64(json),
    }
}

//! What a step leaves in the record, and what the chain covers of it.
//!
//! Start, input and command are written when they are known, and the chain is taken over all of
//! them, so a replay that writes the same bytes has made the same steps. Values and notes are added
//! where they arise (observe/read.rs, state.rs). The layout is in trace/record.rs.

use xxhash_rust::const_xxh3::xxh3_64 as const_xxh3_64;
use xxhash_rust::xxh3::xxh3_64;

use super::{Arrived, Command, Session};
use crate::Name;
use crate::trace::record::{CommandKind, NO_CARRY, NO_SETUP, RecordedStart};

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
        state.scratch.transcript.borrow_mut().open_start(words);
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
        let mut transcript = state.scratch.transcript.borrow_mut();
        transcript.open_input(own.chain, [kind, u8::from(stopping)], at_us, number);
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
        let head = [0x80 | kind as u8, argument];
        let mut transcript = state.scratch.transcript.borrow_mut();
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        match command {
            Command::Send => {
                let label = &own.sent.0;
                own.chain = transcript.close(head, number, label.as_str().as_bytes());
                own.recorder.send(label, own.chain);
            }
            Command::End(outcome) => {
                let reason = outcome.reason().map(Name::as_str);
                own.chain = transcript.close(head, number, reason.unwrap_or_default().as_bytes());
                own.recorder.end(argument, reason, own.chain);
            }
            Command::Sleep(_) | Command::Ask(_) => {
                own.chain = transcript.close(head, number, &[]);
                own.recorder.other(kind, argument, own.chain);
            }
        }
    }
}

/// The hash of carried state or of what set-up hands over, of which most bots have none.
#[inline]
fn hash(json: &[u8]) -> u64 {
    const NO_SETUP_HASH: u64 = const_xxh3_64(NO_SETUP);
    const NO_CARRY_HASH: u64 = const_xxh3_64(NO_CARRY);
    match json {
        NO_SETUP => NO_SETUP_HASH,
        NO_CARRY => NO_CARRY_HASH,
        _ => hash_of_some(json),
    }
}

#[inline(never)]
fn hash_of_some(json: &[u8]) -> u64 {
    xxh3_64(json)
}

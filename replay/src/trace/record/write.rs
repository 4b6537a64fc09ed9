//! Appends a session's events to its buffer. The layout is in the parent's header.

use super::{Asked, CommandKind, NO_CARRY, NO_SETUP, PlainStart, RecordedStart};
use super::{COMMAND, LABEL_INDEX, LABEL_SPELT, LABELS_MAX, RECORD_VERSION, STOPPING, VALUE};
use crate::Name;
use crate::session::{Arrived, Who};
use crate::trace::block::push_varint;

/// What a buffer may keep at rest, which every bot has; a larger one is given back when it is
/// emptied.
const KEPT_BYTES_MAX: usize = 512;

/// What a new session's buffer has room for: about 30 steps.
const FIRST_BYTES: usize = 256;

/// The most that a plain start takes: its kind, the clock, three bytes of versions, whose it is,
/// and what is carried.
const START_BYTES_MAX: usize = 1 + 10 + 3 + (8 + 10 + 10) + (1 + 4 + 1);

/// One session's record in the making.
#[derive(Default)]
pub(crate) struct Recorder {
    /// The start, if it is not among the bytes.
    start: Option<PlainStart>,
    bytes: Vec<u8>,
    labels: Vec<Name>,
    at_us: u64,
}

impl Recorder {
    /// How many bytes there are at most.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + if self.start.is_some() { START_BYTES_MAX } else { 0 }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Moves what there is to the end of `out`. It is a record of this session.
    pub(crate) fn take(&mut self, who: Who, out: &mut Vec<u8>) {
        if let Some(start) = self.start {
            push_start(out, &start.of(who));
        }
        self.take_piece(out);
    }

    /// Moves the bytes to the end of `out`, and tells the start if it is not among them.
    pub(crate) fn take_piece(&mut self, out: &mut Vec<u8>) -> Option<PlainStart> {
        out.extend_from_slice(&self.bytes);
        let start = self.start;
        self.forget();
        start
    }

    /// Throws away what there is.
    pub(crate) fn forget(&mut self) {
        self.start = None;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.forget();
        self.labels.clear();
        self.at_us = 0;
    }

    /// The recorder is new or was [cleared](Self::clear).
    pub(crate) fn start(&mut self, start: &RecordedStart<'_>) {
        self.bytes.reserve(FIRST_BYTES);
        self.at_us = start.at_us;
        let RecordedStart { at_us, stopping, sampler_version, carry, setup, .. } = *start;
        if (carry, setup) == (NO_CARRY, NO_SETUP) {
            self.start = Some(PlainStart { at_us, stopping, sampler_version });
        } else {
            push_start(&mut self.bytes, start);
        }
    }

    pub(crate) fn input(&mut self, arrived: Arrived, at_us: u64, stopping: bool) {
        let (kind, number) = match arrived {
            Arrived::Response(200) => (1, None),
            Arrived::Response(status) => (2, Some(u64::from(status))),
            Arrived::Failed(failure) => (3, Some(failure as u64)),
            Arrived::Woke => (4, None),
            Arrived::Answer(answer) => (5, Some(answer)),
        };
        self.input_head(kind, at_us, stopping);
        if let Some(number) = number {
            push_varint(&mut self.bytes, number);
        }
    }

    fn input_head(&mut self, kind: u8, at_us: u64, stopping: bool) {
        self.bytes.push(input_kind(kind, stopping));
        push_varint(&mut self.bytes, at_us - self.at_us);
        self.at_us = at_us;
    }

    pub(crate) fn value_json(&mut self, asked: Asked, json: &[u8]) {
        self.bytes.push(VALUE | asked as u8);
        push_blob(&mut self.bytes, json);
    }

    pub(crate) fn value_error(&mut self, asked: Asked, error: u8) {
        self.bytes.extend_from_slice(&[VALUE | 0x10 | asked as u8, error]);
    }

    pub(crate) fn value_panicked(&mut self, asked: Asked) {
        self.bytes.push(VALUE | 0x20 | asked as u8);
    }

    pub(crate) fn send(&mut self, label: &Name, chain: u64) {
        let first = COMMAND | (CommandKind::Send as u8) << 5;
        match self.label_index(label) {
            Some(index) => match u8::try_from(index) {
                Ok(small) if small < LABEL_INDEX => self.bytes.push(first | small),
                _ => {
                    self.bytes.push(first | LABEL_INDEX);
                    push_varint(&mut self.bytes, index as u64);
                }
            },
            None => {
                self.bytes.push(first | LABEL_SPELT);
                push_blob(&mut self.bytes, label.as_str().as_bytes());
                if self.labels.len() < LABELS_MAX {
                    if self.labels.is_empty() {
                        // Many sessions send under one name, and many bots hold one of these.
                        self.labels.reserve_exact(1);
                    }
                    self.labels.push(label.clone());
                }
            }
        }
        self.check(chain);
    }

    /// By address first: the text is only compared for labels made at run time.
    fn label_index(&self, label: &Name) -> Option<usize> {
        let same = self.labels.iter().position(|known| known.is_same_text(label));
        same.or_else(|| self.labels.iter().position(|known| known == label))
    }

    pub(crate) fn other(&mut self, kind: CommandKind, argument: u8, chain: u64) {
        self.bytes.push(COMMAND | (kind as u8) << 5 | argument);
        self.check(chain);
    }

    pub(crate) fn end(&mut self, outcome: u8, reason: Option<&str>, chain: u64) {
        self.bytes.push(COMMAND | (CommandKind::End as u8) << 5 | outcome);
        if let Some(reason) = reason {
            push_blob(&mut self.bytes, reason.as_bytes());
        }
        self.bytes.extend_from_slice(&chain.to_le_bytes());
    }

    fn check(&mut self, chain: u64) {
        self.bytes.extend_from_slice(&chain.to_le_bytes()[..2]);
    }
}

/// Appends a start in full.
pub(crate) fn push_start(out: &mut Vec<u8>, start: &RecordedStart<'_>) {
    out.push(input_kind(0, start.stopping));
    push_varint(out, start.at_us);
    out.push(RECORD_VERSION);
    out.extend_from_slice(&start.sampler_version.to_le_bytes());
    out.extend_from_slice(&start.who.scenario.to_le_bytes());
    push_varint(out, start.who.bot);
    push_varint(out, start.who.session);
    push_blob(out, start.carry);
    push_blob(out, start.setup);
}

/// The first byte of an input.
pub(crate) fn input_kind(kind: u8, stopping: bool) -> u8 {
    kind | if stopping { STOPPING } else { 0 }
}

fn push_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

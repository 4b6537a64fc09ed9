//! Appends a session's events to its buffer. The layout is in the parent's header.

use super::{Asked, CommandKind, RecordedStart};
use super::{COMMAND, LABEL_INDEX, LABEL_SPELT, LABELS_MAX, RECORD_VERSION, STOPPING, VALUE};
use crate::Name;
use crate::session::Arrived;

/// What a buffer may keep at rest, which every bot has; a larger one is given back when it is
/// emptied.
const KEPT_BYTES_MAX: usize = 512;

/// What a new session's buffer has room for: about 30 steps.
const FIRST_BYTES: usize = 256;

/// One session's record in the making.
#[derive(Default)]
pub(crate) struct Recorder {
    bytes: Vec<u8>,
    labels: Vec<Name>,
    at_us: u64,
}

impl Recorder {
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Moves what there is to the end of `out`.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
        self.clear_bytes();
    }

    /// Throws away what there is.
    pub(crate) fn forget(&mut self) {
        self.clear_bytes();
    }

    fn clear_bytes(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.clear_bytes();
        self.labels.clear();
        self.at_us = 0;
    }

    /// The recorder is new or was [cleared](Self::clear).
    pub(crate) fn start(&mut self, start: &RecordedStart<'_>) {
        self.bytes.reserve(FIRST_BYTES);
        self.input_head(0, start.at_us, start.stopping);
        let mut fixed = [RECORD_VERSION; 11];
        fixed[1..3].copy_from_slice(&start.sampler_version.to_le_bytes());
        fixed[3..].copy_from_slice(&start.who.scenario.to_le_bytes());
        self.bytes.extend_from_slice(&fixed);
        self.varint(start.who.bot);
        self.varint(start.who.session);
        self.blob(start.carry);
        self.blob(start.setup);
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
            self.varint(number);
        }
    }

    fn input_head(&mut self, kind: u8, at_us: u64, stopping: bool) {
        self.bytes.push(kind | if stopping { STOPPING } else { 0 });
        self.varint(at_us - self.at_us);
        self.at_us = at_us;
    }

    pub(crate) fn value_json(&mut self, asked: Asked, json: &[u8]) {
        self.bytes.push(VALUE | asked as u8);
        self.blob(json);
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
                    self.varint(index as u64);
                }
            },
            None => {
                self.bytes.push(first | LABEL_SPELT);
                self.blob(label.as_str().as_bytes());
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
            self.blob(reason.as_bytes());
        }
        self.bytes.extend_from_slice(&chain.to_le_bytes());
    }

    fn check(&mut self, chain: u64) {
        self.bytes.extend_from_slice(&chain.to_le_bytes()[..2]);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value > 0x7F {
            self.bytes.push(0x80 | (value & 0x7F) as u8);
            value >>= 7;
        }
        self.bytes.push((value & 0x7F) as u8);
    }
}

//! What must hold of the response reader, whatever a server sends.
//!
//! Used by the tests beside it and, by path, by the fuzz targets.

#![allow(unreachable_pub, reason = "a module of two crates, one of which has no use for `pub`")]

pub mod reference;

use tallyho::http::{BodyUse, Limits, ParseError, Progress, Response, ResponseReader};

use reference::Message;

/// The framing that turns the input of the fuzz target `chunked_body` into a response.
const CHUNKED_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Small enough that short inputs reach them.
pub const TIGHT_LIMITS: Limits =
    Limits { head_bytes_max: 150, headers_max: 4, body_bytes_max: 40, body_kept_bytes_max: 10 };

/// What a server sends before it closes the connection, and what was asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    pub wire: &'a [u8],
    pub method: &'a str,
    pub limits: Limits,
}

/// The first byte of `input` chooses how it is read, the second how it is cut, the rest is sent.
pub fn check_response_head(input: &[u8]) {
    let [choice, seed, wire @ ..] = input else {
        return;
    };
    check_chosen(*choice, *seed, wire);
}

/// As [`check_response_head`], where the rest is a chunked body.
pub fn check_chunked_body(input: &[u8]) {
    let [choice, seed, body @ ..] = input else {
        return;
    };
    check_chosen(*choice, *seed, &[CHUNKED_HEAD, body].concat());
}

fn check_chosen(choice: u8, seed: u8, wire: &[u8]) {
    let method = if choice & 1 == 0 { "GET" } else { "HEAD" };
    let limits = if choice & 2 == 0 { Limits::default() } else { TIGHT_LIMITS };
    let exchange = Exchange { wire, method, limits };
    exchange.check_in_pieces(|| wire.len().max(1));
    exchange.check_in_pieces(|| 1);
    let mut random = Random(u64::from(seed));
    exchange.check_in_pieces(|| 1 + random.below(40));
}

impl Exchange<'_> {
    /// Reads the response, cut into pieces of these sizes, and compares it with the reference.
    pub fn check_in_pieces(&self, mut piece_bytes: impl FnMut() -> usize) {
        let expected = reference::read(self.wire, self.method, &self.limits);
        let mut pieces = Vec::new();
        let mut left = self.wire.len();
        while left > 0 {
            pieces.push(piece_bytes().clamp(1, left));
            left -= pieces[pieces.len() - 1];
        }
        for body_use in [BodyUse::Keep, BodyUse::Discard] {
            let read = self.read(&pieces, body_use);
            match (&expected, &read) {
                (Ok(message), Ok(read)) => self.compare(message, read, body_use),
                (Err(expected), Err(error)) => assert_eq!(expected, error, "{self:?}"),
                _ => panic!("expected {expected:?}, read {read:?} of {self:?}"),
            }
        }
    }

    /// Reads the response, cut into pieces of these sizes.
    pub fn read(&self, pieces: &[usize], body_use: BodyUse) -> Result<Read, ParseError> {
        let mut reader = ResponseReader::new(self.limits);
        reader.reset(self.method, body_use);
        let mut buffer = Vec::new();
        let mut sent = 0;
        for &piece in pieces {
            let held = buffer.len();
            buffer.extend_from_slice(&self.wire[sent..sent + piece]);
            sent += piece;
            let progress = reader.advance(&mut buffer)?;
            assert!(buffer.len() <= held + piece, "the reader added bytes");
            match progress {
                Progress::Done(response) => {
                    return Ok(Read { response, buffer, unsent: self.wire.len() - sent });
                }
                Progress::NeedMore { read_hint } => assert!(read_hint <= 256 * 1024),
            }
        }
        match reader.end_of_stream(&mut buffer)? {
            Progress::Done(response) => Ok(Read { response, buffer, unsent: 0 }),
            Progress::NeedMore { .. } => panic!("more is needed after the end"),
        }
    }

    fn compare(&self, message: &Message, read: &Read, body_use: BodyUse) {
        let response = &read.response;
        let kept = match body_use {
            BodyUse::Keep => message.body.len().min(self.limits.body_kept_bytes_max),
            BodyUse::Discard | BodyUse::DiscardWithin(..) => 0,
        };
        let actual = Message {
            status: response.status,
            version_minor: response.version_minor,
            header_lines: read.buffer[response.head.clone()].to_vec(),
            head_bytes: response.head_bytes,
            body: read.buffer[response.body.clone()].to_vec(),
            wire_bytes: usize::try_from(response.wire_bytes).expect("64 bits"),
            keep_alive: response.keep_alive,
        };
        let expected = Message {
            body: message.body[..kept].to_vec(),
            keep_alive: message.keep_alive && response.leftover == 0,
            ..message.clone()
        };
        assert_eq!(expected, actual, "{self:?}");
        assert_eq!(message.body.len() as u64, response.body_size, "{self:?}");
        let behind = self.wire.len() - message.wire_bytes;
        assert_eq!(behind, response.leftover + read.unsent, "{self:?}");
        assert_eq!(read.buffer.len(), response.body.end, "{self:?}");
    }
}

/// A response and the buffer that its ranges are places in.
#[derive(Debug)]
pub struct Read {
    pub response: Response,
    pub buffer: Vec<u8>,
    /// Bytes that the server would have sent, had the connection not been complete before.
    pub unsent: usize,
}

/// SplitMix64: enough to cut and to spoil inputs.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).expect("64 bits")
    }

    pub fn byte(&mut self) -> u8 {
        self.bits().to_le_bytes()[0]
    }

    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

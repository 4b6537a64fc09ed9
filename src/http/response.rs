//! Reads one response out of a connection's read buffer, as the bytes arrive.
//!
//! A response that arrives in one piece is parsed once. One that arrives in pieces is searched for
//! the end of its head, each byte once, and parsed when that has come: a server that sends a byte
//! at a time costs no more than its bytes.
//! The buffer is the caller's. Between two calls it holds the head and the kept body, and nothing
//! else: the caller appends what it reads, and changes nothing before it.

use std::ops::Range;

use super::body::Body;
use super::head::{self, Head, HeadEnd, MethodIsHead, Parsed};
use super::{BodyUse, Limits, ParseError};

/// The most that a read hint asks for: a buffer grows by what came, not by what was announced.
const READ_HINT_BYTES_MAX: u64 = 256 * 1024;

/// The most that is kept of a body that nobody but people will read.
const EXCERPT_BYTES_MAX: usize = 256 * 1024;

/// The reader of one response after another on a connection.
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    method_is_head: MethodIsHead,
    body_use: BodyUse,
    phase: Phase,
    /// Where the response's head begins: behind informational responses.
    head_start: usize,
    /// Where the search for the end of the head goes on; `None` before the first.
    search_from: Option<usize>,
    // Both are filled in place. In an enum they would be moved around at every response, which
    // costs as much as parsing three headers.
    /// Read once the phase is `Body`.
    head: Head,
    /// As `head`.
    body: Body,
    /// The length of the buffer when the last call returned.
    held_bytes: usize,
    wire_bytes: u64,
}

/// The part of the response that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Body,
    Done,
}

/// What the bytes so far came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The response is not complete.
    NeedMore {
        /// Bytes that are known to be still to come, 0 if unknown, at most 256 KiB.
        read_hint: usize,
    },
    /// The response is complete, and the reader needs a [`ResponseReader::reset`].
    Done(Response),
}

/// A complete response. Ranges are places in the read buffer, which ends where the body does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 999; 100 to 199 are skipped, as the final response follows them.
    pub status: u16,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub version_minor: u8,
    /// The header lines, without status line and blank line. A line ends with CR LF or with LF
    /// alone, and has a colon; lines that were folded have been joined.
    pub head: Range<usize>,
    /// The kept bytes of the body, empty if it was discarded.
    pub body: Range<usize>,
    /// The whole body in bytes, after de-chunking, kept or not.
    pub body_size: u64,
    /// The head in bytes, with status line and blank line.
    pub head_bytes: usize,
    /// All that the response took on the wire: informational heads, chunk framing and trailers too.
    pub wire_bytes: u64,
    /// Whether the connection can take another request. Never so if there is a `leftover`.
    pub keep_alive: bool,
    /// The seconds after which the server says it closes an idle connection.
    pub keep_alive_s: Option<u32>,
    /// Bytes that came behind the response although nothing was asked. They were dropped.
    pub leftover: usize,
}

impl ResponseReader {
    /// A reader for the response to a GET whose body is discarded, until it is reset.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            method_is_head: MethodIsHead::No,
            body_use: BodyUse::Discard,
            phase: Phase::Head,
            head_start: 0,
            search_from: None,
            head: Head::default(),
            body: Body::default(),
            held_bytes: 0,
            wire_bytes: 0,
        }
    }

    /// Makes ready for the response to the next request. Its bytes begin at the start of an empty
    /// buffer.
    pub fn reset(&mut self, request_method: &str, body_use: BodyUse) {
        self.method_is_head = match request_method {
            "HEAD" => MethodIsHead::Yes,
            _ => MethodIsHead::No,
        };
        self.body_use = body_use;
        self.phase = Phase::Head;
        self.head_start = 0;
        self.search_from = None;
        self.held_bytes = 0;
        self.wire_bytes = 0;
    }

    /// Takes the bytes that were appended to `buffer` since the last call.
    ///
    /// # Panics
    /// If the response is complete already, or the buffer is shorter than this left it: bugs of
    /// the caller. No bytes in the buffer can cause a panic.
    pub fn advance(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, ParseError> {
        assert!(self.phase != Phase::Done, "a complete response takes no more before a reset");
        let appended = buffer.len().checked_sub(self.held_bytes);
        self.wire_bytes += appended.expect("bytes are appended to what was there") as u64;
        let mut from = self.held_bytes;
        if self.phase == Phase::Head {
            if self.read_head(buffer)? == Found::NotYet {
                self.held_bytes = buffer.len();
                return Ok(Progress::NeedMore { read_hint: 0 });
            }
            from = self.head_start + self.head.bytes;
            let framing = self.head.framing(self.method_is_head);
            let kept_bytes_max = self.kept_bytes_max();
            self.body.begin(framing, from, kept_bytes_max, &self.limits)?;
            self.phase = Phase::Body;
        }
        let end = self.body.advance(buffer, from)?;
        let leftover = end.map(|end| buffer.len() - end);
        buffer.truncate(self.body.kept().end);
        self.held_bytes = buffer.len();
        match leftover {
            Some(leftover) => Ok(Progress::Done(self.finish(leftover))),
            None => {
                let remaining = self.body.remaining().min(READ_HINT_BYTES_MAX);
                Ok(Progress::NeedMore { read_hint: usize::try_from(remaining).unwrap_or(0) })
            }
        }
    }

    /// Says that the server closed the connection. The response is complete if its end was to be
    /// the end of the connection, and was closed early otherwise.
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    pub fn end_of_stream(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, ParseError> {
        if buffer.len() > self.held_bytes
            && let done @ Progress::Done(_) = self.advance(buffer)?
        {
            return Ok(done);
        }
        match self.phase {
            Phase::Body if self.body.ends_at_close() => Ok(Progress::Done(self.finish(0))),
            _ => Err(ParseError::ClosedEarly),
        }
    }

    /// How much of the body stays in the buffer, now that the status is known.
    #[inline]
    fn kept_bytes_max(&self) -> usize {
        match self.body_use {
            BodyUse::Keep => self.limits.body_kept_bytes_max,
            BodyUse::DiscardWithin(first, last) if !(first..=last).contains(&self.head.status) => {
                EXCERPT_BYTES_MAX.min(self.limits.body_kept_bytes_max)
            }
            BodyUse::Discard | BodyUse::DiscardWithin(..) => 0,
        }
    }

    #[inline]
    fn finish(&mut self, leftover: usize) -> Response {
        self.phase = Phase::Done;
        let Self { head, head_start, body, .. } = self;
        Response {
            status: head.status,
            version_minor: head.version_minor,
            head: *head_start + head.lines.start..*head_start + head.lines.end,
            body: body.kept(),
            body_size: body.size(),
            head_bytes: head.bytes,
            wire_bytes: self.wire_bytes - leftover as u64,
            keep_alive: head.keep_alive() && !body.ends_at_close() && leftover == 0,
            keep_alive_s: head.keep_alive_s(),
            leftover,
        }
    }

    /// Reads the final response's head; informational ones before it are skipped.
    #[inline]
    fn read_head(&mut self, buffer: &mut [u8]) -> Result<Found, ParseError> {
        while self.read_next_head(buffer)? == Found::Head {
            match self.head.status {
                101 => return Err(ParseError::UnaskedUpgrade),
                100..=199 => {
                    self.head_start += self.head.bytes;
                    self.search_from = None;
                }
                _ => return Ok(Found::Head),
            }
        }
        Ok(Found::NotYet)
    }

    #[inline]
    fn read_next_head(&mut self, buffer: &mut [u8]) -> Result<Found, ParseError> {
        let bytes = &mut buffer[self.head_start..];
        // Informational heads count in, or a server could send them without end.
        let bytes_max = self.limits.head_bytes_max.saturating_sub(self.head_start);
        if self.search_from.is_none() {
            let within_limit = &bytes[..bytes.len().min(bytes_max)];
            // `httparse` skips blank lines before a head; curl takes them for something else.
            if within_limit.first().is_some_and(|&byte| byte != b'H') {
                return Err(ParseError::NotHttp);
            }
            if self.head.parse(within_limit, self.limits.headers_max)? == Parsed::Complete {
                return Ok(Found::Head);
            }
        }
        self.search_head(bytes, bytes_max)
    }

    /// Looks for the end of a head that `httparse` did not take at once.
    #[cold]
    fn search_head(&mut self, bytes: &mut [u8], bytes_max: usize) -> Result<Found, ParseError> {
        head::check_beginning(&bytes[..bytes.len().min(bytes_max)])?;
        let headers_max = self.limits.headers_max;
        match head::find_end(bytes, self.search_from.unwrap_or_default()) {
            HeadEnd::At(end) if end <= bytes_max => {
                let bytes = &mut bytes[..end];
                if self.head.parse(bytes, headers_max)? != Parsed::Complete {
                    self.head.parse_odd(bytes, headers_max)?;
                }
                Ok(Found::Head)
            }
            HeadEnd::NotBefore(place) if bytes.len() < bytes_max => {
                self.search_from = (!bytes.is_empty()).then_some(place);
                Ok(Found::NotYet)
            }
            _ => Err(ParseError::HeadTooLarge),
        }
    }
}

/// Whether a head is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Head,
    NotYet,
}

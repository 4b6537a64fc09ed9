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

/// The reader of one response after another on a connection.
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    method_is_head: MethodIsHead,
    body_use: BodyUse,
    state: State,
    /// The length of the buffer when the last call returned.
    held_bytes: usize,
    wire_bytes: u64,
}

#[derive(Debug)]
enum State {
    Head(HeadSearch),
    Body(Incoming),
    Done,
}

/// A response whose head has been read.
#[derive(Debug)]
struct Incoming {
    head: Head,
    /// Where the head begins in the buffer.
    start: usize,
    body: Body,
}

/// The search for the end of a head that did not come whole.
#[derive(Debug, Clone, Copy, Default)]
struct HeadSearch {
    /// Where the head begins: behind informational responses.
    start: usize,
    /// Where the search goes on; `None` before the first.
    from: Option<usize>,
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
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            method_is_head: MethodIsHead::No,
            body_use: BodyUse::Discard,
            state: State::Head(HeadSearch { start: 0, from: None }),
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
        self.state = State::Head(HeadSearch::default());
        self.held_bytes = 0;
        self.wire_bytes = 0;
    }

    /// Takes the bytes that were appended to `buffer` since the last call.
    ///
    /// # Panics
    /// If the response is complete already, or the buffer is shorter than this left it: bugs of
    /// the caller. No bytes in the buffer can cause a panic.
    pub fn advance(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, ParseError> {
        let appended = buffer.len().checked_sub(self.held_bytes);
        self.wire_bytes += appended.expect("bytes are appended to what was there") as u64;
        match &mut self.state {
            State::Head(search) => {
                let Some(head) = search.advance(buffer, &self.limits)? else {
                    self.held_bytes = buffer.len();
                    return Ok(Progress::NeedMore { read_hint: 0 });
                };
                let start = search.start;
                let from = start + head.bytes;
                let framing = head.framing(self.method_is_head);
                let body = Body::new(framing, from, self.body_use, &self.limits)?;
                let mut incoming = Incoming { head, start, body };
                if let Some(leftover) = incoming.advance(buffer, from)? {
                    // The usual end: what came whole never goes through the state.
                    self.state = State::Done;
                    return Ok(Progress::Done(incoming.response(self.wire_bytes, leftover)));
                }
                let read_hint = incoming.read_hint();
                self.held_bytes = buffer.len();
                self.state = State::Body(incoming);
                Ok(Progress::NeedMore { read_hint })
            }
            State::Body(incoming) => {
                let leftover = incoming.advance(buffer, self.held_bytes)?;
                self.held_bytes = buffer.len();
                let Some(leftover) = leftover else {
                    return Ok(Progress::NeedMore { read_hint: incoming.read_hint() });
                };
                let response = incoming.response(self.wire_bytes, leftover);
                self.state = State::Done;
                Ok(Progress::Done(response))
            }
            State::Done => panic!("a complete response takes no more bytes before a reset"),
        }
    }

    /// Says that the server closed the connection. The response is complete if its end was to be
    /// the end of the connection, and was closed early otherwise.
    pub fn end_of_stream(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, ParseError> {
        if buffer.len() > self.held_bytes
            && let done @ Progress::Done(_) = self.advance(buffer)?
        {
            return Ok(done);
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Body(incoming) if incoming.body.ends_at_close() => {
                Ok(Progress::Done(incoming.response(self.wire_bytes, 0)))
            }
            _ => Err(ParseError::ClosedEarly),
        }
    }
}

impl Incoming {
    /// Takes the bytes from `from` on, and leaves only what is kept of them. Where the response
    /// ends in them, returns how many bytes are behind it.
    #[inline]
    fn advance(&mut self, buffer: &mut Vec<u8>, from: usize) -> Result<Option<usize>, ParseError> {
        let end = self.body.advance(buffer, from)?;
        let leftover = end.map(|end| buffer.len() - end);
        buffer.truncate(self.body.kept().end);
        Ok(leftover)
    }

    fn read_hint(&self) -> usize {
        usize::try_from(self.body.remaining().min(READ_HINT_BYTES_MAX)).unwrap_or(0)
    }

    #[inline]
    fn response(&self, wire_bytes: u64, leftover: usize) -> Response {
        let Self { head, start, body } = self;
        Response {
            status: head.status,
            version_minor: head.version_minor,
            head: start + head.lines.start..start + head.lines.end,
            body: body.kept(),
            body_size: body.size(),
            head_bytes: head.bytes,
            wire_bytes: wire_bytes - leftover as u64,
            keep_alive: head.keep_alive() && !body.ends_at_close() && leftover == 0,
            keep_alive_s: head.keep_alive_s(),
            leftover,
        }
    }
}

impl HeadSearch {
    /// The final response's head, once it is complete; informational ones before it are skipped.
    #[inline]
    fn advance(&mut self, buffer: &mut [u8], limits: &Limits) -> Result<Option<Head>, ParseError> {
        loop {
            let Some(head) = self.parse(buffer, limits)? else {
                return Ok(None);
            };
            match head.status {
                101 => return Err(ParseError::UnaskedUpgrade),
                100..=199 => *self = Self { start: self.start + head.bytes, from: None },
                _ => return Ok(Some(head)),
            }
        }
    }

    /// The next head, once it is complete.
    #[inline]
    fn parse(&mut self, buffer: &mut [u8], limits: &Limits) -> Result<Option<Head>, ParseError> {
        let bytes = &mut buffer[self.start..];
        // Informational heads count in, or a server could send them without end.
        let bytes_max = limits.head_bytes_max.saturating_sub(self.start);
        if self.from.is_none() {
            // `httparse` skips blank lines before a head; curl takes them for something else.
            if bytes.first().is_some_and(|&byte| byte != b'H') {
                return Err(ParseError::NotHttp);
            }
            let within_limit = &bytes[..bytes.len().min(bytes_max)];
            if let Parsed::Complete(head) = head::parse(within_limit, limits.headers_max)? {
                return Ok(Some(head));
            }
        }
        self.parse_in_pieces(bytes, bytes_max, limits.headers_max)
    }

    /// Looks for the end of a head that `httparse` did not take at once.
    #[cold]
    fn parse_in_pieces(
        &mut self,
        bytes: &mut [u8],
        bytes_max: usize,
        headers_max: usize,
    ) -> Result<Option<Head>, ParseError> {
        head::check_beginning(&bytes[..bytes.len().min(bytes_max)])?;
        match head::find_end(bytes, self.from.unwrap_or_default()) {
            HeadEnd::At(end) if end <= bytes_max => {
                let head = &mut bytes[..end];
                match head::parse(head, headers_max)? {
                    Parsed::Complete(head) => Ok(Some(head)),
                    Parsed::Partial | Parsed::Odd => head::parse_odd(head, headers_max).map(Some),
                }
            }
            HeadEnd::NotBefore(place) if bytes.len() < bytes_max => {
                self.from = (!bytes.is_empty()).then_some(place);
                Ok(None)
            }
            _ => Err(ParseError::HeadTooLarge),
        }
    }
}

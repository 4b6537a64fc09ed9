//! What a response's head says: the status, and where the body ends.
//!
//! Two parsers. `httparse` takes what RFC 9112 allows, which is all that a run sees as a rule. What
//! it refuses goes to [`Head::parse_odd`], line by line, which accepts what curl accepts: odd
//! header names, control characters, folded lines. Both tell the same [`Facts`].

use std::mem::MaybeUninit;
use std::ops::Range;

use super::body::Framing;
use super::{HEADERS_MAX, ParseError};

/// A head that has been read. Places count from the first byte of the head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) version_minor: u8,
    /// The header lines, without status line and blank line.
    pub(super) lines: Range<usize>,
    /// Status line to blank line.
    pub(super) bytes: usize,
    facts: Facts,
}

/// What the headers say about the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    content_length: Option<u64>,
    coding: Coding,
    connection_close: bool,
    connection_keep_alive: bool,
    keep_alive_s: Option<u32>,
}

/// What `Transfer-Encoding` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// Codings of which none is `chunked`.
    Other,
}

/// How far the search for the end of a head came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadEnd {
    /// The head ends before this place.
    At(usize),
    /// Not in these bytes; with more of them, go on searching from here.
    NotBefore(usize),
}

impl Head {
    /// Reads a head that is as it should be.
    #[inline]
    pub(super) fn parse(&mut self, bytes: &[u8], headers_max: usize) -> Result<Parsed, ParseError> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let headers = &mut headers[..headers_max.min(HEADERS_MAX)];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            headers,
        );
        let Ok(httparse::Status::Complete(length)) = parsed else {
            return Ok(Parsed::Refused);
        };
        let (Some(status), Some(version_minor)) = (response.code, response.version) else {
            return Ok(Parsed::Refused);
        };
        if status < 100 {
            return Err(ParseError::Status);
        }
        self.status = status;
        self.version_minor = version_minor;
        self.bytes = length;
        self.facts = Facts::default();
        for header in response.headers.iter() {
            self.facts.add(header.name.as_bytes(), header.value)?;
        }
        let lines_end = length - blank_line_bytes(&bytes[..length]);
        // Names lie in `bytes`, so the first one tells where the header lines begin.
        let first = response.headers.first();
        let lines_start = first.map(|first| first.name.as_ptr().addr() - bytes.as_ptr().addr());
        self.lines = lines_start.unwrap_or(lines_end)..lines_end;
        Ok(Parsed::Complete)
    }

    /// Reads a head that is complete and not as it should be; folded lines are joined in place.
    pub(super) fn parse_odd(
        &mut self,
        bytes: &mut [u8],
        headers_max: usize,
    ) -> Result<(), ParseError> {
        let status_line_bytes = line_bytes(bytes);
        (self.version_minor, self.status) = parse_status_line(&bytes[..status_line_bytes])?;
        self.bytes = bytes.len();
        self.lines = status_line_bytes..bytes.len() - blank_line_bytes(bytes);
        self.facts = Facts::default();
        if matches!(bytes[status_line_bytes], b' ' | b'\t') {
            // There is no line above that this one could continue.
            return Err(ParseError::Header);
        }
        let mut rest = &mut bytes[self.lines.clone()];
        unfold(rest);
        for _ in 0..headers_max.min(HEADERS_MAX) {
            if rest.is_empty() {
                return Ok(());
            }
            let (line, following) = rest.split_at_mut(line_bytes(rest));
            rest = following;
            let colon = line.iter().position(|&byte| byte == b':').ok_or(ParseError::Header)?;
            // curl ends the head at a line that begins with CR, whatever follows it.
            if line.contains(&0) || line[0] == b'\r' {
                return Err(ParseError::Header);
            }
            self.facts.add(line[..colon].trim_ascii(), line[colon + 1..].trim_ascii())?;
        }
        if rest.is_empty() { Ok(()) } else { Err(ParseError::HeadersTooMany) }
    }

    /// How the body's end is found (RFC 9112 section 6.3).
    pub(super) fn framing(&self, method_is_head: MethodIsHead) -> Framing {
        if method_is_head == MethodIsHead::Yes || matches!(self.status, 204 | 304) {
            return Framing::Length(0);
        }
        match (self.facts.coding, self.facts.content_length) {
            (Coding::Chunked, _) => Framing::Chunked,
            (Coding::Other, _) | (Coding::None, None) => Framing::UntilClose,
            (Coding::None, Some(length)) => Framing::Length(length),
        }
    }

    /// Whether the server will take another request on the connection, as far as the head tells.
    pub(super) fn keep_alive(&self) -> bool {
        let facts = &self.facts;
        match self.version_minor {
            // HTTP/1.0 has no chunked coding: such an answer is broken (RFC 9112 section 6.1).
            0 => {
                facts.connection_keep_alive
                    && !facts.connection_close
                    && facts.coding == Coding::None
            }
            _ => !facts.connection_close,
        }
    }

    /// The seconds after which the server closes an idle connection (`Keep-Alive: timeout=5`).
    pub(super) const fn keep_alive_s(&self) -> Option<u32> {
        self.facts.keep_alive_s
    }
}

/// Whether the request's method was HEAD, whose response has no body whatever its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MethodIsHead {
    Yes,
    No,
}

/// What `httparse` made of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    Complete,
    /// Not complete, or not allowed by RFC 9112: once it is complete, [`Head::parse_odd`] decides.
    Refused,
}

/// Whether these bytes may be the beginning of a response; told at the first that cannot be one,
/// so that a server that does not speak HTTP is not waited for.
pub(super) fn check_beginning(bytes: &[u8]) -> Result<(), ParseError> {
    const BEGINNING: &[u8] = b"HTTP/";
    let common = bytes.len().min(BEGINNING.len());
    if bytes[..common] != BEGINNING[..common] {
        return Err(ParseError::NotHttp);
    }
    let version = bytes.get(BEGINNING.len()..).unwrap_or_default();
    match version {
        [] | [b'1'] | [b'1', b'.'] | [b'1', b'.', b'0' | b'1', ..] => Ok(()),
        _ => Err(ParseError::Version),
    }
}

/// Looks for the blank line that ends a head, from `from` on.
pub(super) fn find_end(bytes: &[u8], from: usize) -> HeadEnd {
    let mut at = from;
    while let Some(offset) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        at += offset;
        match bytes[at + 1..] {
            [b'\n', ..] => return HeadEnd::At(at + 2),
            [b'\r', b'\n', ..] => return HeadEnd::At(at + 3),
            [] | [b'\r'] => return HeadEnd::NotBefore(at),
            _ => at += 1,
        }
    }
    HeadEnd::NotBefore(bytes.len())
}

/// The bytes of the first line, its LF included.
fn line_bytes(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |lf| lf + 1)
}

/// The bytes of the line that ends a head: CR LF or LF.
fn blank_line_bytes(head: &[u8]) -> usize {
    if head.ends_with(b"\r\n") { 2 } else { 1 }
}

fn parse_status_line(line: &[u8]) -> Result<(u8, u16), ParseError> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), rest @ ..] = line else {
        return Err(ParseError::Version);
    };
    // curl minds neither a second space nor a reason that follows at once: `HTTP/1.1  200OK`.
    let [b' ', ..] = rest else {
        return Err(ParseError::Status);
    };
    let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', end, ..] = rest.trim_ascii_start()
    else {
        return Err(ParseError::Status);
    };
    if end.is_ascii_digit() || line.contains(&0) {
        return Err(ParseError::Status);
    }
    let status = [a, b, c].iter().fold(0, |sum, &&digit| sum * 10 + u16::from(digit - b'0'));
    Ok((minor - b'0', status))
}

/// Puts spaces in place of the line ends before lines that continue the one above.
fn unfold(lines: &mut [u8]) {
    for lf in 0..lines.len().saturating_sub(1) {
        if lines[lf] == b'\n' && matches!(lines[lf + 1], b' ' | b'\t') {
            lines[lf] = b' ';
            if lf > 0 && lines[lf - 1] == b'\r' {
                lines[lf - 1] = b' ';
            }
        }
    }
}

/// Whether `name` is a header's, in any case; told fastest in the two cases that servers use.
#[inline]
fn is<const LENGTH: usize>(name: &[u8], usual: &[u8; LENGTH], lower: &[u8; LENGTH]) -> bool {
    name == usual
        || name == lower
        || name[0].eq_ignore_ascii_case(&lower[0]) && name.eq_ignore_ascii_case(lower)
}

impl Facts {
    #[inline]
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), ParseError> {
        // By length first: of ten headers, nine end here.
        match name.len() {
            10 if is(name, b"Connection", b"connection") => self.add_connection(value),
            10 if is(name, b"Keep-Alive", b"keep-alive") => self.add_keep_alive(value),
            14 if is(name, b"Content-Length", b"content-length") => {
                return self.add_content_length(value);
            }
            17 if is(name, b"Transfer-Encoding", b"transfer-encoding") => {
                return self.add_transfer_encoding(value);
            }
            _ => {}
        }
        Ok(())
    }

    fn add_connection(&mut self, value: &[u8]) {
        if value == b"keep-alive" {
            self.connection_keep_alive = true;
            return;
        }
        for token in list(value) {
            self.connection_close |= token.eq_ignore_ascii_case(b"close");
            self.connection_keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn add_keep_alive(&mut self, value: &[u8]) {
        for parameter in list(value) {
            let Some((name, seconds)) = parameter.split_at_checked(b"timeout=".len()) else {
                continue;
            };
            if name.eq_ignore_ascii_case(b"timeout=") {
                self.keep_alive_s = parse_decimal(seconds).and_then(|s| u32::try_from(s).ok());
            }
        }
    }

    /// One number, or a list of equal ones, which proxies make of a header sent twice.
    fn add_content_length(&mut self, value: &[u8]) -> Result<(), ParseError> {
        if self.content_length.is_none()
            && let Some(length) = parse_short_decimal(value)
        {
            self.content_length = Some(length);
            return Ok(());
        }
        for number in value.split(|&byte| byte == b',') {
            let length = parse_length(number.trim_ascii())?;
            if self.content_length.is_some_and(|earlier| earlier != length) {
                return Err(ParseError::ContentLengthConflict);
            }
            self.content_length = Some(length);
        }
        Ok(())
    }

    fn add_transfer_encoding(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for coding in list(value) {
            if coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            // Said twice, by a server and its proxy, it means once: to curl as to browsers.
            self.coding = match (self.coding, coding.eq_ignore_ascii_case(b"chunked")) {
                (_, true) => Coding::Chunked,
                (Coding::Chunked, false) => return Err(ParseError::TransferEncoding),
                (_, false) => Coding::Other,
            };
        }
        Ok(())
    }
}

/// The items of a comma-separated list that are not empty.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// A number that does not fit is a length all the same, and longer than any limit.
fn parse_length(digits: &[u8]) -> Result<u64, ParseError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseError::ContentLength);
    }
    parse_decimal(digits).ok_or(ParseError::BodyTooLarge)
}

/// A number of at most 19 digits, which cannot overflow.
fn parse_short_decimal(digits: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&digits.len()) {
        return None;
    }
    let mut number = 0_u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(number)
}

fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

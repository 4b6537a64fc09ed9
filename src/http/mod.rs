//! HTTP/1.1 as bytes: requests are written into a buffer, responses are read out of one.
//!
//! Sans-IO: whoever owns the socket appends what it read to a `Vec<u8>` and asks
//! [`ResponseReader`] whether that completes a response, so the whole codec is tested without one.
//! A response is never copied out: its head and body are ranges of the buffer it was read into,
//! and a chunked body is joined in place. Nothing is allocated per request or response.
//!
//! What is accepted: all that RFC 9112 lets a server send, and of what it forbids only what curl
//! accepts too (bare LF, folded lines, odd header names). Where bytes end is never guessed: a
//! length that is unclear fails the request, and bytes behind a response close the connection.
//!
//! Reading order: `response` (the reader), `head`, `body`, `chunked`, then `wire` (requests).
//! Knows nothing of sockets, clocks, bots or metrics.

mod body;
mod chunked;
mod error;
mod head;
mod response;
mod wire;

pub use error::{ErrorKind, ParseError};
pub use response::{Progress, Response, ResponseReader};
pub use wire::{RequestParts, Template, encode_head, encode_request};

/// How much of a server's answer is accepted. More than that fails the request as too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, status line and blank line included; informational (1xx) heads count in.
    pub head_bytes_max: usize,
    /// Header lines in one head; at most [`HEADERS_MAX`], where parsing stops anyway.
    pub headers_max: usize,
    /// Bytes of a body after de-chunking, whether it is kept or not.
    pub body_bytes_max: u64,
    /// Bytes of a body that are kept. What comes after them is counted and dropped: no failure.
    pub body_kept_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Node and nginx stop at 8-32 KiB, curl at 300 KiB.
            head_bytes_max: 64 * 1024,
            headers_max: HEADERS_MAX,
            // A download test is a use; a response that never ends is not.
            body_bytes_max: 1024 * 1024 * 1024,
            // A bot that reads an answer reads it whole, in memory, on every connection.
            body_kept_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// The header lines that one head may have: their places are held on the stack (32 bytes each).
pub const HEADERS_MAX: usize = 128;

/// What becomes of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyUse {
    /// It stays in the buffer, up to [`Limits::body_kept_bytes_max`].
    Keep,
    /// It is counted and dropped, so that the buffer never holds more of it than one read.
    #[default]
    Discard,
    /// As `Discard` if the response has one of the statuses from the first to the last; the body of
    /// any other stays in the buffer, up to 256 KiB, for people to read.
    DiscardWithin(u16, u16),
}

//! What can be wrong with a server's answer.
//!
//! `Copy` and without text of its own, because such a failure is counted, not logged: a run
//! against a broken server has one per request.

use std::fmt;

/// Why an answer could not be read. The connection it came on is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// The first bytes are not `HTTP/`.
    NotHttp,
    /// An HTTP version that is neither 1.0 nor 1.1.
    Version,
    /// No three-digit status of 100 or more where one belongs.
    Status,
    /// A header line or trailer without a colon, or with a NUL byte.
    Header,
    /// A `Content-Length` that is not a number.
    ContentLength,
    /// Several `Content-Length` values that differ.
    ContentLengthConflict,
    /// `chunked` is listed in `Transfer-Encoding`, but not as the last coding.
    TransferEncoding,
    /// 101: the server changed to a protocol that nobody asked for.
    UnaskedUpgrade,
    /// A chunk that does not begin with a hexadecimal size of at most 16 digits.
    ChunkSize,
    /// No line end behind the data of a chunk: its size was wrong.
    ChunkEnd,
    /// The head is longer than [`Limits::head_bytes_max`](super::Limits::head_bytes_max).
    HeadTooLarge,
    /// More header lines than [`Limits::headers_max`](super::Limits::headers_max).
    HeadersTooMany,
    /// The line before a chunk is too long.
    ChunkLineTooLong,
    /// The trailers of a chunked body are too long.
    TrailersTooLarge,
    /// The body is, or says it will be, longer than
    /// [`Limits::body_bytes_max`](super::Limits::body_bytes_max).
    BodyTooLarge,
    /// The server closed the connection before the response was complete.
    ClosedEarly,
}

/// The three ways in which an answer fails, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It breaks the rules of HTTP/1.1.
    Malformed,
    /// It breaks a limit of [`Limits`](super::Limits).
    TooLarge,
    /// It ended before it was complete.
    ClosedEarly,
}

impl ParseError {
    /// How this failure is counted.
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::NotHttp
            | Self::Version
            | Self::Status
            | Self::Header
            | Self::ContentLength
            | Self::ContentLengthConflict
            | Self::TransferEncoding
            | Self::UnaskedUpgrade
            | Self::ChunkSize
            | Self::ChunkEnd => ErrorKind::Malformed,
            Self::HeadTooLarge
            | Self::HeadersTooMany
            | Self::ChunkLineTooLong
            | Self::TrailersTooLarge
            | Self::BodyTooLarge => ErrorKind::TooLarge,
            Self::ClosedEarly => ErrorKind::ClosedEarly,
        }
    }

    /// What is wrong, in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotHttp => "the answer is not HTTP/1",
            Self::Version => "the answer is in a version of HTTP other than 1.0 and 1.1",
            Self::Status => "the status line has no status of three digits",
            Self::Header => "a header line has no colon, or a NUL byte in it",
            Self::ContentLength => "Content-Length is not a number",
            Self::ContentLengthConflict => "there are several Content-Lengths, and they differ",
            Self::TransferEncoding => "chunked is not the last Transfer-Encoding",
            Self::UnaskedUpgrade => "the server switched protocols without being asked to",
            Self::ChunkSize => "a chunk does not begin with its size in hexadecimal",
            Self::ChunkEnd => "a chunk is longer than the size it began with",
            Self::HeadTooLarge => "the head of the answer is too large",
            Self::HeadersTooMany => "the answer has too many headers",
            Self::ChunkLineTooLong => "the line before a chunk is too long",
            Self::TrailersTooLarge => "the trailers behind the body are too large",
            Self::BodyTooLarge => "the body is too large",
            Self::ClosedEarly => "the server closed the connection before the answer was complete",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::error::Error for ParseError {}

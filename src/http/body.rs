//! Where a body ends, and what becomes of its bytes.
//!
//! The bytes of a body that are kept follow each other in the read buffer as [`Body::kept`]; new
//! reads are appended behind them. Framing and discarded bytes go as soon as they were counted.

use std::ops::Range;

use super::chunked::{ChunkedDecoder, Piece};
use super::{Limits, ParseError};

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes; zero also where a body is not allowed.
    Length(u64),
    Chunked,
    /// Everything until the server closes the connection.
    UntilClose,
}

/// A body that is being read.
#[derive(Debug, Default)]
pub(super) struct Body {
    end: End,
    kept_start: usize,
    kept_end: usize,
    kept_bytes_max: usize,
    size: u64,
    size_max: u64,
    /// Bytes still to come before the end; used with `End::AfterLength`.
    remaining: u64,
    /// Used with `End::AfterChunks`.
    chunks: ChunkedDecoder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    AfterLength,
    AfterChunks,
    AtClose,
}

impl Body {
    /// Makes ready for a body whose bytes begin at `start` of the read buffer.
    #[inline]
    pub(super) fn begin(
        &mut self,
        framing: Framing,
        start: usize,
        kept_bytes_max: usize,
        limits: &Limits,
    ) -> Result<(), ParseError> {
        self.end = match framing {
            Framing::Length(length) if length > limits.body_bytes_max => {
                return Err(ParseError::BodyTooLarge);
            }
            Framing::Length(length) => {
                self.remaining = length;
                End::AfterLength
            }
            Framing::Chunked => {
                self.chunks = ChunkedDecoder::new(limits.body_bytes_max);
                End::AfterChunks
            }
            Framing::UntilClose => End::AtClose,
        };
        self.kept_bytes_max = kept_bytes_max;
        self.kept_start = start;
        self.kept_end = start;
        self.size = 0;
        self.size_max = limits.body_bytes_max;
        Ok(())
    }

    /// The kept bytes in the buffer.
    pub(super) fn kept(&self) -> Range<usize> {
        self.kept_start..self.kept_end
    }

    /// Bytes of the body so far, kept or not.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the body is complete when the connection is closed.
    pub(super) fn ends_at_close(&self) -> bool {
        self.end == End::AtClose
    }

    /// Bytes that are known to be still to come.
    pub(super) const fn remaining(&self) -> u64 {
        match self.end {
            End::AfterLength => self.remaining,
            End::AfterChunks => self.chunks.remaining(),
            End::AtClose => 0,
        }
    }

    /// Takes the bytes from `from` on. Where the body ends with them, returns the place behind it.
    #[inline]
    pub(super) fn advance(
        &mut self,
        buffer: &mut [u8],
        from: usize,
    ) -> Result<Option<usize>, ParseError> {
        let available = buffer.len() - from;
        match self.end {
            End::AfterLength => {
                let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                let taken = remaining.min(available);
                self.remaining -= taken as u64;
                self.take(buffer, from..from + taken);
                Ok((self.remaining == 0).then_some(from + taken))
            }
            End::AfterChunks => self.advance_chunks(buffer, from),
            End::AtClose => {
                if self.size_max - self.size < available as u64 {
                    return Err(ParseError::BodyTooLarge);
                }
                self.take(buffer, from..buffer.len());
                Ok(None)
            }
        }
    }

    fn advance_chunks(
        &mut self,
        buffer: &mut [u8],
        from: usize,
    ) -> Result<Option<usize>, ParseError> {
        let mut at = from;
        loop {
            match self.chunks.next_piece(buffer, at)? {
                Piece::Data(range) => {
                    at = range.end;
                    self.take(buffer, range);
                }
                Piece::NeedMore => return Ok(None),
                Piece::End(end) => return Ok(Some(end)),
            }
        }
    }

    /// Counts the bytes of `range`, and puts those that are kept behind the earlier ones.
    #[inline]
    fn take(&mut self, buffer: &mut [u8], range: Range<usize>) {
        self.size += range.len() as u64;
        let room = self.kept_bytes_max - (self.kept_end - self.kept_start);
        let count = range.len().min(room);
        if count == 0 {
            return;
        }
        if self.kept_start == self.kept_end {
            // The first bytes stay where they are, so a body of one chunk is never moved.
            self.kept_start = range.start;
            self.kept_end = range.start;
        } else if self.kept_end != range.start {
            buffer.copy_within(range.start..range.start + count, self.kept_end);
        }
        self.kept_end += count;
    }
}

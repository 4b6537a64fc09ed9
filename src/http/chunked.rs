//! Where the data is in a chunked body (RFC 9112 section 7.1).
//!
//! A machine that reads framing byte by byte and hands out data by the piece. It keeps no bytes
//! back, so that the caller can drop all that it has seen, however the body was cut into reads.
//! As lenient as curl: what follows a chunk's size is skipped up to the line end, whose CR may be
//! missing. Trailers are skipped, but must be header lines, or framing was lost before them.

use std::ops::Range;

use super::ParseError;

/// The size, its extensions and the line end. Extensions are hardly ever used, and then are short.
pub(super) const CHUNK_LINE_BYTES_MAX: u32 = 4096;

/// All trailers of a body. They hold a checksum or a status, so they are shorter than a head.
pub(super) const TRAILERS_BYTES_MAX: u32 = 16 * 1024;

/// 16 hexadecimal digits are 64 bits; curl stops at the same place.
const SIZE_DIGITS_MAX: u8 = 16;

/// Where in a chunked body the reader is.
#[derive(Debug, Default)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// Bytes of the present chunk that have not been seen.
    remaining: u64,
    /// Sizes of all chunks so far.
    body_bytes: u64,
    body_bytes_max: u64,
    /// Bytes of the present chunk line, or of all trailers.
    framing_bytes: u32,
    size_digits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Size,
    SizeLine,
    Data,
    DataEnd,
    DataEndLf,
    /// At the beginning of a trailer, or of the blank line behind the last.
    TrailerStart,
    TrailerStartLf,
    /// Before the colon.
    TrailerName,
    TrailerValue,
}

/// What a stretch of input came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This range of the input is data; ask again from its end.
    Data(Range<usize>),
    /// The input is used up.
    NeedMore,
    /// The body is complete; what follows it begins here.
    End(usize),
}

impl ChunkedDecoder {
    pub(super) const fn new(body_bytes_max: u64) -> Self {
        Self {
            state: State::Size,
            remaining: 0,
            body_bytes: 0,
            body_bytes_max,
            framing_bytes: 0,
            size_digits: 0,
        }
    }

    /// Data bytes that are still to come in the present chunk.
    pub(super) const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Reads `input` from `from` on, up to the next piece of data.
    pub(super) fn next_piece(&mut self, input: &[u8], from: usize) -> Result<Piece, ParseError> {
        let mut at = from;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Data => return Ok(Piece::Data(at..at + self.take_data(input.len() - at))),
                State::Size => self.size_byte(byte)?,
                State::SizeLine => self.size_line_byte(byte)?,
                State::DataEnd if byte == b'\r' => self.state = State::DataEndLf,
                State::DataEnd | State::DataEndLf if byte == b'\n' => self.begin_size(),
                State::DataEnd | State::DataEndLf => return Err(ParseError::ChunkEnd),
                State::TrailerStart | State::TrailerStartLf if byte == b'\n' => {
                    return Ok(Piece::End(at + 1));
                }
                State::TrailerStartLf => return Err(ParseError::Header),
                State::TrailerStart | State::TrailerName | State::TrailerValue => {
                    self.trailer_byte(byte)?;
                }
            }
            at += 1;
        }
        Ok(Piece::NeedMore)
    }

    /// Takes what `available` holds of the present chunk.
    fn take_data(&mut self, available: usize) -> usize {
        let taken = usize::try_from(self.remaining).map_or(available, |left| left.min(available));
        self.remaining -= taken as u64;
        if self.remaining == 0 {
            self.state = State::DataEnd;
        }
        taken
    }

    fn begin_size(&mut self) {
        self.state = State::Size;
        self.size_digits = 0;
    }

    fn size_byte(&mut self, byte: u8) -> Result<(), ParseError> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            if self.size_digits == 0 {
                return Err(ParseError::ChunkSize);
            }
            self.state = State::SizeLine;
            return self.size_line_byte(byte);
        };
        if self.size_digits == SIZE_DIGITS_MAX {
            return Err(ParseError::ChunkSize);
        }
        self.size_digits += 1;
        self.remaining = self.remaining << 4 | u64::from(digit);
        Ok(())
    }

    fn size_line_byte(&mut self, byte: u8) -> Result<(), ParseError> {
        if byte == b'\n' {
            return self.begin_data();
        }
        self.framing_bytes += 1;
        if self.framing_bytes > CHUNK_LINE_BYTES_MAX {
            return Err(ParseError::ChunkLineTooLong);
        }
        Ok(())
    }

    fn begin_data(&mut self) -> Result<(), ParseError> {
        let total = self.body_bytes.checked_add(self.remaining);
        self.body_bytes =
            total.filter(|&total| total <= self.body_bytes_max).ok_or(ParseError::BodyTooLarge)?;
        self.framing_bytes = 0;
        self.state = if self.remaining == 0 { State::TrailerStart } else { State::Data };
        Ok(())
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<(), ParseError> {
        self.state = match (self.state, byte) {
            (State::TrailerStart, b'\r') => State::TrailerStartLf,
            (State::TrailerName, b'\n') => return Err(ParseError::Header),
            (State::TrailerValue, b'\n') => State::TrailerStart,
            (State::TrailerValue, _) | (_, b':') => State::TrailerValue,
            _ => State::TrailerName,
        };
        self.framing_bytes += 1;
        if self.framing_bytes > TRAILERS_BYTES_MAX {
            return Err(ParseError::TrailersTooLarge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &str) -> Result<Vec<Piece>, ParseError> {
        let mut decoder = ChunkedDecoder::new(1000);
        let mut pieces = Vec::new();
        let mut at = 0;
        loop {
            let piece = decoder.next_piece(input.as_bytes(), at)?;
            match &piece {
                Piece::Data(range) => at = range.end,
                Piece::NeedMore | Piece::End(_) => {
                    pieces.push(piece);
                    return Ok(pieces);
                }
            }
            pieces.push(piece);
        }
    }

    #[test]
    fn chunks_are_pieces_of_data() {
        let expected = vec![Piece::Data(3..8), Piece::Data(15..16), Piece::End(23)];
        assert_eq!(Ok(expected), pieces("5\r\nhello\r\n1;a\r\n!\r\n0\r\n\r\nmore"));
    }

    #[test]
    fn part_of_a_chunk_is_a_piece() {
        assert_eq!(Ok(vec![Piece::Data(4..7), Piece::NeedMore]), pieces("10\r\nabc"));
        assert_eq!(Ok(vec![Piece::NeedMore]), pieces("10"));
        assert_eq!(Ok(vec![Piece::NeedMore]), pieces(""));
    }

    #[test]
    fn trailers_are_skipped() {
        assert_eq!(Ok(vec![Piece::End(16)]), pieces("0\r\nA: b\r\nC: d\n\r\nx"));
    }

    #[test]
    fn broken_framing_is_named() {
        for (input, expected) in [
            ("x", ParseError::ChunkSize),
            ("\r\n", ParseError::ChunkSize),
            ("00000000000000000", ParseError::ChunkSize),
            ("1\r\nab", ParseError::ChunkEnd),
            ("1\r\na\r\r", ParseError::ChunkEnd),
            ("3e9\r\n", ParseError::BodyTooLarge),
            ("0\r\nno colon\r\n", ParseError::Header),
            ("0\r\n\rX: y\r\n", ParseError::Header),
        ] {
            assert_eq!(Err(expected), pieces(input), "{input:?}");
        }
    }
}

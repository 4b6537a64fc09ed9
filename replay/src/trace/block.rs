//! Blocks: what a trace file consists of, from its first byte to its last.
//!
//! A block is a head of 32 bytes and a payload of columns, each compressed by itself, so that what
//! repeats is not mixed with what is random. The head's checksum covers both, and each head names
//! the checksum before it: a flipped bit, a missing block and two blocks exchanged are all seen.
//! Layout byte by byte: docs/trace.md.
//!
//! Traces are hostile input: every size is compared with a limit before anything is allocated.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// Raised when a reader of the old version could not read the new one.
pub const FORMAT_VERSION: u16 = 1;

/// What every block starts with: not text, and torn by line-end conversions.
pub(crate) const MAGIC: [u8; 4] = [0x89, b'T', b'L', b'Y'];

/// The size of a block's head.
pub(crate) const HEAD_BYTES: usize = 32;

/// The most that a block's payload may have: a scenario with its data, or a batch of records.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The most that the columns of a block may have together when they are unpacked.
pub(crate) const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most columns that a block may have.
const COLUMNS_MAX: usize = 32;

/// The most that the table of columns takes: their number, and two varints for each.
pub(crate) const TABLE_BYTES_MAX: usize = 1 + COLUMNS_MAX * 2 * 10;

/// Columns below this are not worth the 13 bytes around a compressed one.
const PACKED_BYTES_MIN: usize = 48;

/// What a block holds. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BlockKind {
    /// What run it is: the first block of every file.
    Header = 1,
    /// Pieces of records.
    Records = 2,
    /// Where the pieces are, and the totals: the last block of a file that was closed.
    Index = 3,
    /// One failing exchange for people to read.
    Exchange = 4,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Header),
            2 => Some(Self::Records),
            3 => Some(Self::Index),
            4 => Some(Self::Exchange),
            _ => None,
        }
    }
}

/// The head of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: u16,
    pub(crate) kind: BlockKind,
    /// Of the payload.
    pub(crate) size: u32,
    /// Counts the blocks of a file.
    pub(crate) sequence: u32,
    /// The checksum of the block before; 0 in the first.
    pub(crate) previous: u64,
    pub(crate) checksum: u64,
}

/// Why bytes are not a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// They do not start like one, or say what cannot be.
    NoBlock,
    /// They start like one of another version of the format.
    Version(u16),
}

impl Head {
    /// Reads a head; does not compare the checksum.
    pub(crate) fn read(bytes: &[u8; HEAD_BYTES]) -> Result<Self, HeadError> {
        let (words, _) = bytes.as_chunks::<4>();
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from_le_bytes(words[at]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 1)) << 32;
        if bytes[..4] != MAGIC {
            return Err(HeadError::NoBlock);
        }
        if half(4) != FORMAT_VERSION {
            return Err(HeadError::Version(half(4)));
        }
        let kind = BlockKind::from_byte(bytes[6]).ok_or(HeadError::NoBlock)?;
        let head = Self {
            version: half(4),
            kind,
            size: word(2),
            sequence: word(3),
            previous: long(4),
            checksum: long(6),
        };
        let is_possible = bytes[7] == 0 && head.size as usize <= PAYLOAD_BYTES_MAX;
        if is_possible { Ok(head) } else { Err(HeadError::NoBlock) }
    }

    /// The head as bytes, its checksum computed over it and the payload.
    pub(crate) fn sealed(mut self, payload: &[u8]) -> (Self, [u8; HEAD_BYTES]) {
        let mut checksum = self.start_checksum();
        checksum.update(payload);
        self.checksum = checksum.digest();
        let mut bytes = self.checked_bytes();
        bytes[24..].copy_from_slice(&self.checksum.to_le_bytes());
        (self, bytes)
    }

    /// A checksum that has seen the head and waits for the payload.
    pub(crate) fn start_checksum(&self) -> Xxh3 {
        let mut checksum = Xxh3::new();
        checksum.update(&self.checked_bytes()[..24]);
        checksum
    }

    /// Where the next block starts, counted from this one.
    pub(crate) fn block_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.size)
    }

    fn checked_bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&self.version.to_le_bytes());
        bytes[6] = self.kind as u8;
        bytes[8..12].copy_from_slice(&self.size.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous.to_le_bytes());
        bytes
    }
}

/// What a compressed column's room may be at rest: a header with its data may have many megabytes.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Compresses columns into payloads.
pub(crate) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    /// Columns that were compressed, kept for their room.
    packed: Vec<Vec<u8>>,
}

impl Packer {
    /// Level 1: higher ones take longer for a few percent.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(1)?, packed: Vec::new() })
    }

    /// Appends the payload of these columns to `out`. Those of the numbers in `random` are left
    /// as they are: nothing can compress them, and trying takes time.
    pub(crate) fn pack(
        &mut self,
        columns: &[Vec<u8>],
        random: &[usize],
        out: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        debug_assert!(columns.len() <= COLUMNS_MAX);
        let size = columns.iter().map(Vec::len).sum::<usize>();
        if size > UNPACKED_BYTES_MAX {
            return Err(too_large(size, UNPACKED_BYTES_MAX));
        }
        let before = out.len();
        self.packed.resize_with(columns.len(), Vec::new);
        for (index, (column, packed)) in columns.iter().zip(&mut self.packed).enumerate() {
            packed.clear();
            if column.len() >= PACKED_BYTES_MIN && !random.contains(&index) {
                packed.reserve(zstd::zstd_safe::compress_bound(column.len()));
                self.compressor.compress_to_buffer(column, packed)?;
            }
        }
        out.push(u8::try_from(columns.len()).expect("a few columns"));
        let is_packed =
            |column: &Vec<u8>, packed: &Vec<u8>| !packed.is_empty() && packed.len() < column.len();
        for (column, packed) in columns.iter().zip(&self.packed) {
            push_varint(out, column.len() as u64);
            let stored = if is_packed(column, packed) { packed.len() as u64 } else { 0 };
            push_varint(out, stored);
        }
        for (column, packed) in columns.iter().zip(&self.packed) {
            out.extend_from_slice(if is_packed(column, packed) { packed } else { column });
        }
        self.packed.iter_mut().for_each(|packed| packed.shrink_to(KEPT_BYTES_MAX));
        let size = out.len() - before;
        if size > PAYLOAD_BYTES_MAX { Err(too_large(size, PAYLOAD_BYTES_MAX)) } else { Ok(()) }
    }
}

/// What no reader would take is not written.
fn too_large(size: usize, size_max: usize) -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::FileTooLarge,
        format!("a block of {size} bytes, and the format has at most {size_max}"),
    )
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

/// A payload whose checksum was right says what cannot be: written by nobody's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Unpacks payloads; reused, since making a decompressor takes longer than a small block does.
pub(crate) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { decompressor: zstd::bulk::Decompressor::new()? })
    }

    /// Unpacks a payload into its columns; exactly `count` of them.
    pub(crate) fn unpack(
        &mut self,
        payload: &[u8],
        count: usize,
    ) -> Result<Vec<Vec<u8>>, Malformed> {
        let (sizes, mut rest) = sizes(payload)?;
        if sizes.len() != count {
            return Err(Malformed);
        }
        let mut unpacked = Vec::with_capacity(count);
        for (size, stored) in sizes {
            let is_plain = stored == 0;
            let taken =
                if is_plain { size } else { usize::try_from(stored).map_err(|_| Malformed)? };
            let (column, after) = rest.split_at_checked(taken).ok_or(Malformed)?;
            rest = after;
            unpacked.push(if is_plain { column.to_vec() } else { self.decompress(column, size)? });
        }
        if rest.is_empty() { Ok(unpacked) } else { Err(Malformed) }
    }

    /// Allocates what is declared, which was held against the limits, and not a byte more.
    fn decompress(&mut self, column: &[u8], size: usize) -> Result<Vec<u8>, Malformed> {
        let unpacked = self.decompressor.decompress(column, size).map_err(|_| Malformed)?;
        if unpacked.len() == size { Ok(unpacked) } else { Err(Malformed) }
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpacker")
    }
}

/// The sizes of columns, unpacked and stored; 0 stored are as many as unpacked.
pub(crate) type ColumnSizes = Vec<(usize, u64)>;

/// How large the columns of a payload are, by the table before them; and what
/// comes behind the table. The start of a payload is enough: [`TABLE_BYTES_MAX`].
pub(crate) fn sizes(payload: &[u8]) -> Result<(ColumnSizes, &[u8]), Malformed> {
    let (&count, mut rest) = payload.split_first().ok_or(Malformed)?;
    if usize::from(count) > COLUMNS_MAX {
        return Err(Malformed);
    }
    let mut sizes = Vec::with_capacity(count.into());
    let mut left = UNPACKED_BYTES_MAX as u64;
    for _ in 0..count {
        let (size, stored) = (read_varint(&mut rest)?, read_varint(&mut rest)?);
        left = left.checked_sub(size).ok_or(Malformed)?;
        sizes.push((usize::try_from(size).map_err(|_| Malformed)?, stored));
    }
    Ok((sizes, rest))
}

/// Seven bits a byte, the lowest first.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push(0x80 | (value & 0x7F) as u8);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Reads a varint and moves on behind it.
#[inline]
pub(crate) fn read_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    let mut shift = 0;
    while let [byte, rest @ ..] = *bytes {
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        let is_last = byte & 0x80 == 0;
        if shift == 63 {
            return if is_last && *byte <= 1 { Ok(value) } else { Err(Malformed) };
        }
        if is_last {
            return Ok(value);
        }
        shift += 7;
    }
    Err(Malformed)
}

/// A difference as a varint: small ones are short whatever their sign.
pub(crate) fn push_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    push_varint(out, zigzag(from, to));
}

/// A difference as a number that is small if the difference is, whatever its sign.
pub(crate) fn zigzag(from: u64, to: u64) -> u64 {
    let difference = to.wrapping_sub(from).cast_signed();
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

/// The number that differs from `from` by what stands there.
pub(crate) fn read_difference(bytes: &mut &[u8], from: u64) -> Result<u64, Malformed> {
    let zigzag = read_varint(bytes)?;
    let difference = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    Ok(from.wrapping_add(difference.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(payload: &[u8], count: usize) -> Result<Vec<Vec<u8>>, Malformed> {
        Unpacker::new().unwrap().unpack(payload, count)
    }

    #[test]
    fn columns_of_any_size_come_back_as_they_were() {
        let sizes = [0, 1, PACKED_BYTES_MIN - 1, PACKED_BYTES_MIN, 1_000, 100_000];
        let columns: Vec<Vec<u8>> =
            sizes.iter().map(|size| (0..7).cycle().take(*size).collect()).collect();
        let mut payload = Vec::new();
        Packer::new().unwrap().pack(&columns, &[4], &mut payload).unwrap();
        assert_eq!(unpack(&payload, columns.len()), Ok(columns.clone()));
        assert_eq!(unpack(&payload, columns.len() + 1), Err(Malformed));
        for cut in 0..payload.len() {
            assert_eq!(unpack(&payload[..cut], columns.len()), Err(Malformed), "cut at {cut}");
        }
    }

    #[test]
    fn a_block_that_no_reader_would_take_is_not_written() {
        let mut packer = Packer::new().unwrap();
        let zeros = vec![vec![0; UNPACKED_BYTES_MAX / 2 + 1]; 2];
        let error = packer.pack(&zeros, &[], &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
        // As they are, for they cannot be compressed.
        let random = vec![vec![0; PAYLOAD_BYTES_MAX - 6]];
        let mut payload = Vec::new();
        packer.pack(&random, &[0], &mut payload).unwrap();
        assert!(unpack(&payload, 1).is_ok_and(|columns| columns == random));
        assert!(packer.pack(&[vec![0; PAYLOAD_BYTES_MAX]], &[0], &mut Vec::new()).is_err());
    }

    #[test]
    fn a_declared_size_beyond_the_limit_is_refused_before_it_is_allocated() {
        let mut payload = vec![2];
        for size in [UNPACKED_BYTES_MAX as u64, 1] {
            push_varint(&mut payload, size);
            push_varint(&mut payload, 20);
        }
        payload.extend_from_slice(&[0; 40]);
        assert_eq!(unpack(&payload, 2), Err(Malformed));
    }

    #[test]
    fn a_column_that_unpacks_to_another_size_is_refused() {
        let packed = zstd::bulk::compress(&[7; 500], 1).unwrap();
        for size in [499, 501] {
            let mut payload = vec![1];
            push_varint(&mut payload, size);
            push_varint(&mut payload, packed.len() as u64);
            payload.extend_from_slice(&packed);
            assert_eq!(unpack(&payload, 1), Err(Malformed), "{size}");
        }
    }

    #[test]
    fn differences_of_any_size_and_sign_come_back() {
        for (from, to) in [(0, 0), (5, 4), (4, 5), (0, u64::MAX), (u64::MAX, 0), (1, 1 << 63)] {
            let mut bytes = Vec::new();
            push_difference(&mut bytes, from, to);
            assert_eq!(read_difference(&mut bytes.as_slice(), from), Ok(to));
        }
    }
}

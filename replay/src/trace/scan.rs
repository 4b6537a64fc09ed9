//! Finds the blocks of a trace, and what is wrong with it.
//!
//! Every byte of the file goes through a checksum before anything in it is believed. After a
//! damaged place the scan goes on at the next whole block. A file that ends within a block has a
//! torn tail, which is what a killed process leaves, and no damage.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::allowance::{Account, Allowance};
use super::block::{
    BlockKind, FORMAT_VERSION, HEAD_BYTES, Head, HeadError, MAGIC, TABLE_BYTES_MAX,
};
use super::reader::TraceError;

/// Places at which a damaged file may look like a block and be none before the scan gives up: each
/// costs a checksum, and a hostile file could have millions.
const CANDIDATES_MAX: u32 = 64;

/// Damaged places that are described; a hostile file could have millions.
const DAMAGES_MAX: usize = 100;

/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
const _: () = assert!(CHUNK_BYTES >= TABLE_BYTES_MAX, "a block's sizes are in its first chunk");

/// A place in a file that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it starts.
    pub offset: u64,
    /// How far it goes; 0 for blocks that are missing.
    pub bytes: u64,
    /// What is known of it.
    pub kind: DamageKind,
}

/// What is wrong at a damaged place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// There is no block, or one whose checksum is wrong.
    Block,
    /// Blocks were taken out, put in or exchanged before it.
    Order,
    /// A block with the right checksum whose content cannot be.
    Content,
    /// A block of another version of the format.
    Version(u16),
    /// A block with which the file would unpack to more than its size allows: it is not read.
    Beyond(Allowance),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes, kind } = self;
        match kind {
            DamageKind::Block => write!(f, "damaged at byte {offset}, {bytes} bytes are lost"),
            DamageKind::Order => write!(f, "blocks are missing or out of order at byte {offset}"),
            DamageKind::Content => write!(f, "the block at byte {offset} says what cannot be"),
            DamageKind::Version(version) => {
                write!(f, "the block at byte {offset} has format version {version}")
            }
            DamageKind::Beyond(allowance) => write!(
                f,
                "the block at byte {offset} is left out: with it the trace would unpack to \
                 {allowance}"
            ),
        }
    }
}

/// The end of a file that stops within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where the block starts.
    pub offset: u64,
    /// How much of it there is.
    pub bytes: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last {} bytes, from byte {}, are a torn block", self.bytes, self.offset)
    }
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) head: Head,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) places: Vec<Place>,
    pub(super) damages: Vec<Damage>,
    pub(super) torn: Option<Torn>,
    /// The size of the file.
    pub(super) bytes: u64,
    account: Account,
}

impl Scanned {
    pub(super) fn damage(&mut self, damage: Damage) {
        if self.damages.len() < DAMAGES_MAX && !self.damages.contains(&damage) {
            self.damages.push(damage);
        }
    }
}

/// Scans a file, or what was added to it since `found`.
pub(super) fn scan<R: Read + Seek>(input: &mut R, found: Scanned) -> Result<Scanned, TraceError> {
    let bytes = input.seek(SeekFrom::End(0)).map_err(TraceError::Io)?;
    let start = found.torn.map_or(found.bytes, |torn| torn.offset);
    let (start, found) = if start <= bytes { (start, found) } else { (0, Scanned::default()) };
    let found = Scanned { bytes, torn: None, ..found };
    let mut scan =
        Scan { input, candidates: 0, chunk: vec![0; CHUNK_BYTES], table: Vec::new(), found };
    scan.run(start)?;
    Ok(scan.found)
}

struct Scan<'a, R> {
    input: &'a mut R,
    candidates: u32,
    chunk: Vec<u8>,
    /// The start of the payload that was looked at last: the sizes of its columns.
    table: Vec<u8>,
    found: Scanned,
}

/// What is at a place in the file.
enum At {
    Block(Place),
    /// The file ends before the block does.
    Short,
    Bad(DamageKind),
}

impl<R: Read + Seek> Scan<'_, R> {
    fn run(&mut self, mut at: u64) -> Result<(), TraceError> {
        while at < self.found.bytes {
            match self.look(at)? {
                At::Block(place) => {
                    self.take(place);
                    at += place.head.block_bytes();
                }
                other if at == 0 => return Err(self.not_a_trace(&other)),
                other => match self.next_block(at + 1)? {
                    Some(next) => {
                        self.damage(at, next - at, other.kind());
                        at = next;
                    }
                    None => {
                        self.rest(at, &other);
                        return Ok(());
                    }
                },
            }
        }
        Ok(())
    }

    fn take(&mut self, place: Place) {
        let head = place.head;
        let follows = self
            .found
            .places
            .last()
            .map_or((0, 0), |last| (last.head.sequence.wrapping_add(1), last.head.checksum));
        let after_damage =
            self.found.damages.last().is_some_and(|d| d.offset + d.bytes == place.offset);
        if (head.sequence, head.previous) != follows && !after_damage {
            self.damage(place.offset, 0, DamageKind::Order);
        }
        let bytes = head.block_bytes();
        match self.found.account.add(head.kind, &self.table, place.offset + bytes) {
            Ok(()) => self.found.places.push(place),
            Err(allowance) => self.damage(place.offset, bytes, DamageKind::Beyond(allowance)),
        }
    }

    fn damage(&mut self, offset: u64, bytes: u64, kind: DamageKind) {
        self.found.damage(Damage { offset, bytes, kind });
    }

    /// No block follows: a torn tail if the file ends within a block, else damage.
    fn rest(&mut self, at: u64, what: &At) {
        let bytes = self.found.bytes - at;
        if matches!(what, At::Short) {
            self.found.torn = Some(Torn { offset: at, bytes });
        } else {
            self.damage(at, bytes, what.kind());
        }
    }

    fn not_a_trace(&mut self, what: &At) -> TraceError {
        match what {
            At::Bad(DamageKind::Version(version)) if *version > FORMAT_VERSION => {
                TraceError::Newer(*version)
            }
            At::Bad(DamageKind::Version(version)) => TraceError::Version(*version),
            At::Short => TraceError::NoHeader,
            _ => {
                let mut magic = [0; MAGIC.len()];
                let is_ours = self.read(0, &mut magic).is_ok() && magic == MAGIC;
                if is_ours { TraceError::DamagedHeader } else { TraceError::NoTrace }
            }
        }
    }

    fn look(&mut self, at: u64) -> Result<At, TraceError> {
        let left = self.found.bytes - at;
        let mut bytes = [0; HEAD_BYTES];
        if left < HEAD_BYTES as u64 {
            let (start, _) = bytes.split_at_mut(usize::try_from(left).unwrap_or(HEAD_BYTES));
            self.read(at, start)?;
            let compared = start.len().min(MAGIC.len());
            let is_start = start[..compared] == MAGIC[..compared];
            return Ok(if is_start { At::Short } else { At::Bad(DamageKind::Block) });
        }
        self.read(at, &mut bytes)?;
        let head = match Head::read(&bytes) {
            Ok(head) => head,
            Err(HeadError::Version(version)) => return Ok(At::Bad(DamageKind::Version(version))),
            Err(HeadError::NoBlock) => return Ok(At::Bad(DamageKind::Block)),
        };
        if head.block_bytes() > left {
            return Ok(At::Short);
        }
        let mut checksum = head.start_checksum();
        self.table.clear();
        let mut size = head.size as usize;
        while size > 0 {
            let (chunk, _) = self.chunk.split_at_mut(size.min(CHUNK_BYTES));
            self.input.read_exact(chunk).map_err(TraceError::Io)?;
            checksum.update(chunk);
            size -= chunk.len();
            if self.table.is_empty() {
                self.table.extend_from_slice(&chunk[..chunk.len().min(TABLE_BYTES_MAX)]);
            }
        }
        let is_whole = checksum.digest() == head.checksum;
        let place = Place { offset: at, head };
        Ok(if is_whole { At::Block(place) } else { At::Bad(DamageKind::Block) })
    }

    /// The next place from `at` on where a whole block starts.
    fn next_block(&mut self, mut at: u64) -> Result<Option<u64>, TraceError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        while at + HEAD_BYTES as u64 <= self.found.bytes {
            let left = usize::try_from(self.found.bytes - at).unwrap_or(usize::MAX);
            let (chunk, _) = chunk.split_at_mut(left.min(CHUNK_BYTES));
            self.read(at, chunk)?;
            let Some(start) = memchr::memmem::find(chunk, &MAGIC) else {
                // The mark may lie across two chunks.
                at += (chunk.len() - (MAGIC.len() - 1)) as u64;
                continue;
            };
            at += start as u64;
            if self.candidates == CANDIDATES_MAX {
                return Ok(None);
            }
            self.candidates += 1;
            if let At::Block(_) = self.look(at)? {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), TraceError> {
        read_at(self.input, at, bytes).map_err(TraceError::Io)
    }
}

impl At {
    fn kind(&self) -> DamageKind {
        match self {
            Self::Bad(kind) => *kind,
            Self::Block(_) | Self::Short => DamageKind::Block,
        }
    }
}

pub(super) fn read_at<R: Read + Seek>(input: &mut R, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    input.seek(SeekFrom::Start(at))?;
    input.read_exact(bytes)
}

/// The payload of a block, its checksum compared once more: the file may have changed since.
pub(super) fn payload<R: Read + Seek>(input: &mut R, place: Place) -> io::Result<Option<Vec<u8>>> {
    let mut payload = vec![0; place.head.size as usize];
    read_at(input, place.offset + HEAD_BYTES as u64, &mut payload)?;
    let mut checksum = place.head.start_checksum();
    checksum.update(&payload);
    Ok((checksum.digest() == place.head.checksum).then_some(payload))
}

/// Whether a block holds records.
pub(super) fn holds_records(place: &Place) -> bool {
    place.head.kind == BlockKind::Records
}

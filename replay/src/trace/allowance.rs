//! What the blocks of a file may unpack to, by what they take in it.
//!
//! Traces are hostile input, and a few bytes can unpack to megabytes of zeros, over and over: a
//! file of a few hundred kilobytes could cost minutes. So a reader keeps an account from the first
//! block on, by the sizes that blocks declare before they are unpacked, and leaves out any block
//! with which the file would have more than its size allows. A writer comes nowhere near: every
//! command has two bytes of a checksum in the file that nothing compresses, every session's end
//! eight.

use std::fmt;

use super::block::{BlockKind, sizes};
use super::columns::Column;

/// What may be unpacked: so much, and so much more for each byte of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What is counted.
    pub what: Unpacked,
    /// What any file may have, in bytes.
    pub base: u64,
    /// What it may have besides for each of its own bytes up to the end of the block.
    pub for_each_byte: u64,
}

/// What is counted of all that is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// All columns of all blocks. A bot that reads 250 kB of one letter with every request has
    /// 1,600 bytes for each of the file.
    All,
    /// Kinds of items: one byte each, and each is moved by itself. A bot that reads 200 values with
    /// every request, which are always the same, has 10 for each byte of the file.
    Items,
    /// Descriptions of pieces, three bytes or more each: a session for most, which is replayed.
    /// Bots that do nothing have a quarter of a byte for each of the file.
    Pieces,
}

/// In the order of what a byte of them costs a reader.
const ALLOWANCES: [Allowance; 3] = [
    Allowance { what: Unpacked::All, base: 256 << 20, for_each_byte: 4096 },
    Allowance { what: Unpacked::Items, base: 32 << 20, for_each_byte: 512 },
    Allowance { what: Unpacked::Pieces, base: 4 << 20, for_each_byte: 16 },
];

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Unpacked::All => "blocks",
            Unpacked::Items => "items",
            Unpacked::Pieces => "descriptions of pieces",
        };
        let Self { base, for_each_byte, .. } = self;
        write!(f, "{what} of more than {base} bytes and {for_each_byte} for each byte of the file")
    }
}

/// What was unpacked so far, in the order of [`ALLOWANCES`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    spent: [u64; ALLOWANCES.len()],
}

impl Account {
    /// Adds a block, whose payload starts like this and which ends at that byte of the file; or
    /// says what the file would then have too much of, and leaves it out.
    pub(super) fn add(
        &mut self,
        kind: BlockKind,
        payload: &[u8],
        end: u64,
    ) -> Result<(), Allowance> {
        // One that cannot be is never unpacked.
        let Ok((sizes, _)) = sizes(payload) else { return Ok(()) };
        let column = |column: Column| match sizes.get(column as usize) {
            Some((size, _)) if kind == BlockKind::Records => *size as u64,
            _ => 0,
        };
        let all = sizes.iter().map(|(size, _)| *size as u64).sum();
        let block = [all, column(Column::Kinds), column(Column::Pieces)];
        let mut spent = self.spent;
        for ((spent, more), allowance) in spent.iter_mut().zip(block).zip(ALLOWANCES) {
            *spent += more;
            let limit = allowance.for_each_byte.saturating_mul(end).saturating_add(allowance.base);
            if *spent > limit {
                return Err(allowance);
            }
        }
        self.spent = spent;
        Ok(())
    }
}

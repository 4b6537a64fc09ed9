//! The index at the end of a trace: the totals, and which sessions each block may hold.
//!
//! A block's summary is the range of its bots and sessions. That is enough to pass over blocks
//! that cannot hold a session, and grows with the blocks and not with the sessions. It is only a
//! hint: what is found is what the block itself says, and without an index all blocks are read.

use super::batch::Piece;
use super::block::{Malformed, push_difference, push_varint, read_difference, read_varint};
use super::ledger::Totals;

/// Columns of an index: the totals as JSON, the summaries.
pub(crate) const INDEX_COLUMNS: usize = 2;

/// Which sessions a block may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSummary {
    /// Where the block starts in the file.
    pub(crate) offset: u64,
    pub(crate) pieces: u64,
    pub(crate) failing: u64,
    pub(crate) bots: (u64, u64),
    pub(crate) sessions: (u64, u64),
}

impl BlockSummary {
    pub(crate) fn new(offset: u64, pieces: &[Piece]) -> Self {
        let mut failing = 0;
        let (mut bots, mut sessions) = ((u64::MAX, 0), (u64::MAX, 0));
        for Piece { who, signature, .. } in pieces {
            bots = (bots.0.min(who.bot), bots.1.max(who.bot));
            sessions = (sessions.0.min(who.session), sessions.1.max(who.session));
            failing += u64::from(signature.is_some());
        }
        if pieces.is_empty() {
            (bots, sessions) = ((0, 0), (0, 0));
        }
        Self { offset, pieces: pieces.len() as u64, failing, bots, sessions }
    }

    /// Whether the block may hold a piece of this session.
    pub(crate) fn may_hold(&self, bot: u64, session: u64) -> bool {
        (self.bots.0..=self.bots.1).contains(&bot)
            && (self.sessions.0..=self.sessions.1).contains(&session)
    }
}

pub(crate) fn encode_index(totals: &Totals, blocks: &[BlockSummary]) -> [Vec<u8>; INDEX_COLUMNS] {
    let json = serde_json::to_vec(totals).expect("numbers become JSON");
    let mut summaries = Vec::new();
    push_varint(&mut summaries, blocks.len() as u64);
    let mut last = [0; 7];
    for block in blocks {
        let numbers = numbers_of(block);
        for (from, to) in last.into_iter().zip(numbers) {
            push_difference(&mut summaries, from, to);
        }
        last = numbers;
    }
    [json, summaries]
}

fn numbers_of(block: &BlockSummary) -> [u64; 7] {
    let BlockSummary { offset, pieces, failing, bots, sessions } = *block;
    [offset, pieces, failing, bots.0, bots.1, sessions.0, sessions.1]
}

/// Reads an index of a file that has `blocks_max` blocks before it.
pub(crate) fn decode_index(
    columns: &[Vec<u8>],
    blocks_max: usize,
) -> Result<(Totals, Vec<BlockSummary>), Malformed> {
    let [json, summaries] = columns else { return Err(Malformed) };
    let totals = serde_json::from_slice(json).map_err(|_| Malformed)?;
    let mut rest = summaries.as_slice();
    let count = read_varint(&mut rest)?;
    if count > blocks_max as u64 {
        return Err(Malformed);
    }
    let mut blocks = Vec::new();
    let mut numbers = [0; 7];
    for _ in 0..count {
        for number in &mut numbers {
            *number = read_difference(&mut rest, *number)?;
        }
        let [offset, pieces, failing, bot_min, bot_max, session_min, session_max] = numbers;
        blocks.push(BlockSummary {
            offset,
            pieces,
            failing,
            bots: (bot_min, bot_max),
            sessions: (session_min, session_max),
        });
    }
    if rest.is_empty() { Ok((totals, blocks)) } else { Err(Malformed) }
}

//! Writes a trace: batches in, blocks out.
//!
//! Writes only ever append, and a block is one write, so that a process killed at any instant
//! leaves whole blocks and at most one torn one. After a write that failed, whoever owns the file
//! cuts it back to [`TraceWriter::bytes`] and may go on.
//! Opens no file: it is given something to write to.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::batch::{Batch, Piece, WorkerCounts};
use super::block::{BlockKind, FORMAT_VERSION, HEAD_BYTES, Head, Packer};
use super::columns::{RANDOM_COLUMNS, Splitter};
use super::exchange::KeptExchange;
use super::header::{Header, is_small_enough};
use super::index::{BlockSummary, encode_index};
use super::ledger::{Ledger, NotRecorded, Totals};

/// Writes a trace.
#[derive(Debug)]
pub struct TraceWriter<W> {
    out: W,
    /// The header block until it is written, but for its head.
    header: Option<Vec<u8>>,
    packer: Packer,
    splitter: Splitter,
    /// The block under way, kept for its room.
    block: Vec<u8>,
    bytes: u64,
    sequence: u32,
    previous: u64,
    blocks: Vec<BlockSummary>,
    ledger: Ledger,
    workers: BTreeMap<u32, WorkerCounts>,
    requests: u64,
}

impl<W: Write> TraceWriter<W> {
    /// A trace of the run that the header describes. Writes nothing yet.
    ///
    /// # Errors
    /// No memory for the compressor, or a header that no reader would take.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let json = serde_json::to_vec(header).map_err(io::Error::other)?;
        let mut packer = Packer::new()?;
        let mut block = headless(Vec::new());
        if !is_small_enough(&json) {
            return Err(header_too_large(json.len()));
        }
        let packed = packer.pack(std::slice::from_ref(&json), &[], &mut block);
        packed.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => header_too_large(json.len()),
            _ => error,
        })?;
        Ok(Self { header: Some(block), ..Self::resumed(out, packer, Resumed::default()) })
    }

    fn resumed(out: W, packer: Packer, from: Resumed) -> Self {
        Self {
            out,
            header: None,
            packer,
            splitter: Splitter::new(),
            block: Vec::new(),
            bytes: from.bytes,
            sequence: from.sequence,
            previous: from.previous,
            blocks: from.blocks,
            ledger: from.ledger,
            workers: from.workers,
            requests: from.requests,
        }
    }

    /// Goes on behind the last whole block of a trace that was not closed.
    ///
    /// # Errors
    /// No memory for the compressor.
    pub(super) fn resume(out: W, from: Resumed) -> io::Result<Self> {
        Ok(Self::resumed(out, Packer::new()?, from))
    }

    /// Writes the header, if it is not written yet.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn begin(&mut self) -> io::Result<()> {
        if let Some(mut header) = self.header.take() {
            let written = self.block(BlockKind::Header, &mut header);
            if written.is_err() {
                self.header = Some(header);
            }
            written?;
        }
        Ok(())
    }

    /// Writes a batch: its pieces as one block, and the exchanges behind it.
    ///
    /// # Errors
    /// What the writer gives; pieces that were not written then count as lost.
    pub fn write(&mut self, batch: &Batch) -> io::Result<()> {
        if let Err(error) = self.try_write(batch) {
            self.lose(&batch.pieces);
            return Err(error);
        }
        self.exchanges(batch)
    }

    /// Writes a batch's pieces as one block. What could not be written may be tried again, or
    /// [`lost`](Self::lose).
    ///
    /// # Errors
    /// What the writer gives.
    pub fn try_write(&mut self, batch: &Batch) -> io::Result<()> {
        self.workers.insert(batch.counts.worker, batch.counts);
        if batch.pieces.is_empty() {
            return Ok(());
        }
        self.records(batch)?;
        for piece in &batch.pieces {
            self.ledger.piece(piece, true);
        }
        Ok(())
    }

    /// Writes the exchanges that sessions of the batch failed with, behind its pieces.
    ///
    /// # Errors
    /// What the writer gives.
    pub fn exchanges(&mut self, batch: &Batch) -> io::Result<()> {
        batch.exchanges.iter().try_for_each(|exchange| self.exchange(exchange))
    }

    fn exchange(&mut self, exchange: &KeptExchange) -> io::Result<()> {
        let mut block = headless(std::mem::take(&mut self.block));
        self.packer.pack(&exchange.encode(), &[], &mut block)?;
        let written = self.block(BlockKind::Exchange, &mut block);
        self.block = block;
        written
    }

    fn records(&mut self, batch: &Batch) -> io::Result<()> {
        self.begin()?;
        let summary = BlockSummary::new(self.bytes, &batch.pieces);
        let contents = self.splitter.split(batch, summary.bots);
        let mut block = headless(std::mem::take(&mut self.block));
        self.packer.pack(self.splitter.columns(), &RANDOM_COLUMNS, &mut block)?;
        let written = self.block(BlockKind::Records, &mut block);
        self.block = block;
        written?;
        self.requests += contents.requests;
        self.blocks.push(summary);
        Ok(())
    }

    /// Counts the pieces of a batch as lost: it cannot be written any more.
    pub fn lose(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.ledger.piece(piece, false);
        }
    }

    /// What is written so far, in whole blocks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sessions that are exact and exact up to a step, so far.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        (self.ledger.exact, self.ledger.partial)
    }

    /// What it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Closes the trace with its index. What the workers started and what is written decide the
    /// totals; of sessions that neither explains, `not_recorded` says why they are missing, and
    /// the rest is lost.
    ///
    /// # Errors
    /// What the writer gives; the totals are right nevertheless.
    pub fn finish(&mut self, started: u64, not_recorded: NotRecorded) -> (Totals, io::Result<()>) {
        self.ledger.close();
        let Ledger { exact, partial, .. } = self.ledger;
        let mut totals = Totals { started, exact, partial, not_recorded, requests: self.requests };
        let explained = exact + partial + not_recorded.sum();
        totals.not_recorded.lost += started.saturating_sub(explained);
        let written = self.begin().and_then(|()| {
            let columns = encode_index(&totals, &self.blocks);
            let mut block = headless(Vec::new());
            self.packer.pack(&columns, &[], &mut block)?;
            self.block(BlockKind::Index, &mut block)?;
            self.out.flush()
        });
        (totals, written)
    }

    /// Sessions that all workers have started, as of their latest batches.
    pub(super) fn started(&self) -> u64 {
        self.workers.values().fold(0, |sum, counts| sum.saturating_add(counts.started))
    }

    /// Writes a block whose payload stands behind the room for its head.
    fn block(&mut self, kind: BlockKind, block: &mut [u8]) -> io::Result<()> {
        let (room, payload) = block.split_at_mut(HEAD_BYTES);
        let head = Head {
            version: FORMAT_VERSION,
            kind,
            size: u32::try_from(payload.len()).map_err(io::Error::other)?,
            sequence: self.sequence,
            previous: self.previous,
            checksum: 0,
        };
        let (head, bytes) = head.sealed(payload);
        room.copy_from_slice(&bytes);
        self.out.write_all(block)?;
        self.bytes += block.len() as u64;
        self.sequence += 1;
        self.previous = head.checksum;
        Ok(())
    }
}

/// A block of which there is only the room for its head.
fn headless(mut block: Vec<u8>) -> Vec<u8> {
    block.clear();
    block.resize(HEAD_BYTES, 0);
    block
}

fn header_too_large(size: usize) -> io::Error {
    let text = format!(
        "the scenario with its data has {size} bytes as JSON, which is more than a trace holds: \
         use smaller data files, or --record off"
    );
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// What a reader knows of a trace that was not closed.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    pub(super) bytes: u64,
    pub(super) sequence: u32,
    pub(super) previous: u64,
    pub(super) blocks: Vec<BlockSummary>,
    pub(super) ledger: Ledger,
    pub(super) workers: BTreeMap<u32, WorkerCounts>,
    pub(super) requests: u64,
}

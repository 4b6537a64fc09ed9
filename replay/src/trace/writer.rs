//! Writes a trace: batches in, blocks out.
//!
//! Writes only ever append, and a block is one write, so that a process killed at any instant
//! leaves whole blocks and at most one torn one. After a write that failed, whoever owns the file
//! cuts it back to [`TraceWriter::bytes`] and may go on.
//! Opens no file: it is given something to write to.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::batch::{Batch, Piece, WorkerCounts};
use super::block::{BlockKind, FORMAT_VERSION, Head, Packer};
use super::columns::{RANDOM_COLUMNS, Splitter};
use super::exchange::KeptExchange;
use super::header::{Header, is_small_enough};
use super::index::{BlockSummary, encode_index};
use super::ledger::{Ledger, NotRecorded, Totals};

/// Writes a trace.
#[derive(Debug)]
pub struct TraceWriter<W> {
    out: W,
    /// The header block until it is written.
    header: Option<Vec<u8>>,
    packer: Packer,
    splitter: Splitter,
    /// The payload under way.
    payload: Vec<u8>,
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
        let mut payload = Vec::new();
        if !is_small_enough(&json) {
            return Err(header_too_large(json.len()));
        }
        let packed = packer.pack(std::slice::from_ref(&json), &[], &mut payload);
        packed.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => header_too_large(json.len()),
            _ => error,
        })?;
        Ok(Self { header: Some(payload), ..Self::resumed(out, packer, Resumed::default()) })
    }

    fn resumed(out: W, packer: Packer, from: Resumed) -> Self {
        Self {
            out,
            header: None,
            packer,
            splitter: Splitter::new(),
            payload: Vec::new(),
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
        if let Some(payload) = self.header.take() {
            let written = self.block(BlockKind::Header, &payload);
            if written.is_err() {
                self.header = Some(payload);
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
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        self.packer.pack(&exchange.encode(), &[], &mut payload)?;
        let written = self.block(BlockKind::Exchange, &payload);
        self.payload = payload;
        written
    }

    fn records(&mut self, batch: &Batch) -> io::Result<()> {
        self.begin()?;
        let summary = BlockSummary::new(self.bytes, &batch.pieces);
        let contents = self.splitter.split(batch, summary.bots);
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        self.packer.pack(self.splitter.columns(), &RANDOM_COLUMNS, &mut payload)?;
        let written = self.block(BlockKind::Records, &payload);
        self.payload = payload;
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
            let mut payload = Vec::new();
            self.packer.pack(&columns, &[], &mut payload)?;
            self.block(BlockKind::Index, &payload)?;
            self.out.flush()
        });
        (totals, written)
    }

    /// Sessions that all workers have started, as of their latest batches.
    pub(super) fn started(&self) -> u64 {
        self.workers.values().fold(0, |sum, counts| sum.saturating_add(counts.started))
    }

    fn block(&mut self, kind: BlockKind, payload: &[u8]) -> io::Result<()> {
        let head = Head {
            version: FORMAT_VERSION,
            kind,
            size: u32::try_from(payload.len()).map_err(io::Error::other)?,
            sequence: self.sequence,
            previous: self.previous,
            checksum: 0,
        };
        let (head, bytes) = head.sealed(payload);
        let mut block = Vec::with_capacity(bytes.len() + payload.len());
        block.extend_from_slice(&bytes);
        block.extend_from_slice(payload);
        self.out.write_all(&block)?;
        self.bytes += block.len() as u64;
        self.sequence += 1;
        self.previous = head.checksum;
        Ok(())
    }
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

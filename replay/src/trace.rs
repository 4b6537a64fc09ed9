//! The trace format: how sessions are written down, and read again.
//!
//! - [`record`]: one session's events as bytes
//! - [`Batch`]: pieces of records, from a worker to the writer
//! - [`KeptExchange`]: what a session failed with, for people
//! - [`Header`]: what a trace says about its run
//! - [`TraceWriter`], [`TraceReader`]: batches to blocks, and back
//!
//! Layout byte by byte: docs/trace.md. Opens no file: it is given what to write to and to read
//! from.

mod allowance;
mod batch;
mod block;
mod columns;
mod exchange;
mod follow;
mod header;
mod index;
mod ledger;
mod long;
mod reader;
pub mod record;
mod scan;
mod writer;

pub use allowance::{Allowance, Unpacked};
pub use batch::{Batch, PIECES_MAX, Piece, PieceEnd, SESSION_BYTES_MAX, WorkerCounts};
pub use block::FORMAT_VERSION;
pub use exchange::{KEPT_BYTES_MAX, KeptExchange};
pub use header::{Header, ScenarioHeader};
pub use ledger::{NotRecorded, Totals};
pub use reader::{
    Damage, DamageKind, Found, FoundEnd, Torn, TraceError, TraceReader, Wanted, recover,
};
pub use writer::TraceWriter;

//! What the coordinator tells the workers, and the few numbers that they share.
//!
//! Atomics that are read on a worker's timer tick or once per session, never per request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Sessions start as the load profile says.
    Run = 0,
    /// No session starts any more; running ones may end.
    Drain = 1,
    /// Running requests are cut off.
    Interrupt = 2,
}

/// Shared by the coordinator and all workers of a process.
#[derive(Debug, Default)]
pub struct Control {
    phase: AtomicU8,
    active_bots: AtomicU64,
    signals: AtomicU8,
    abort: Mutex<Option<String>>,
}

impl Control {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Run,
            1 => Phase::Drain,
            _ => Phase::Interrupt,
        }
    }

    /// Moves on to a later phase; there is no way back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// A signal of the user moves the run on.
    pub(crate) fn signalled(&self, phase: Phase) {
        self.signals.fetch_add(1, Ordering::Relaxed);
        self.advance(phase);
    }

    /// How many signals have come.
    pub(crate) fn signals(&self) -> u8 {
        self.signals.load(Ordering::Relaxed)
    }

    pub(super) fn bot_started(&self) {
        self.active_bots.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bot_ended(&self) {
        self.active_bots.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bots that run in this process.
    pub(crate) fn active_bots(&self) -> u64 {
        self.active_bots.load(Ordering::Relaxed)
    }

    /// A bot ended the run. The first reason is kept.
    pub(super) fn abort(&self, reason: &str) {
        let mut abort = self.abort.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        abort.get_or_insert_with(|| reason.to_owned());
        drop(abort);
        self.advance(Phase::Drain);
    }

    /// Why a bot ended the run, if one did.
    pub(crate) fn abort_reason(&self) -> Option<String> {
        self.abort.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

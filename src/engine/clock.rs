//! The run's clock: microseconds since the instant at which all workers start together.

use std::time::{Duration, Instant};

/// Microseconds since the start of the run, the unit of every instant in the engine.
pub(crate) type Micros = u64;

/// One origin, shared by all workers of a process, so that their instants compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    origin: Instant,
}

impl RunClock {
    pub(crate) fn starting_at(origin: Instant) -> Self {
        Self { origin }
    }

    /// Now. About 20 ns; callers read it once per event and pass the value on.
    pub(crate) fn now(self) -> Micros {
        micros(Instant::now().saturating_duration_since(self.origin))
    }
}

/// A duration in whole microseconds; beyond 584,000 years it saturates.
pub(crate) fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

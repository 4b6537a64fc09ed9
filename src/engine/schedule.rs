//! Load profiles: k6's executors, as plain values.
//!
//! What they mean, instant by instant, is computed in `arrivals.rs` and `ramp.rs`.

use std::fmt;
use std::time::Duration;

use super::arrivals::Arrivals;
use super::clock::{Micros, micros};
use super::ramp;

/// So many starts in so much time, as in k6's `rate` and `timeUnit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Starts per `unit`.
    pub count: u64,
    /// The time that `count` starts are spread over evenly.
    pub unit: Duration,
}

impl Rate {
    /// Starts per second, for display.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "for people; rates are far below 2^52")]
    pub fn per_second(self) -> f64 {
        self.count as f64 / self.unit.as_secs_f64()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            unit if unit == Duration::from_secs(1) => write!(f, "{}/s", self.count),
            unit if unit == Duration::from_secs(60) => write!(f, "{}/m", self.count),
            unit => write!(f, "{} every {unit:?}", self.count),
        }
    }
}

/// A linear change of the number of bots, or of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// How long it takes; none is a jump.
    pub duration: Duration,
    /// Bots, or starts per unit of the rate, at its end.
    pub target: u64,
}

/// What becomes of an arrival when no bot is free and no more may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnNoFreeBot {
    /// It starts as soon as a bot is free, and is measured from when it was due.
    Wait,
    /// It never starts, and is counted as dropped.
    Drop,
}

/// The bots of an open model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Bots there are from the beginning.
    pub prepared: u64,
    /// Bots there may be; they are added when an arrival finds none free.
    pub max: u64,
    /// What happens beyond that.
    pub on_no_free_bot: OnNoFreeBot,
}

/// The load profile of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A fixed number of bots, each starting its next session when one ends (k6: constant-vus).
    ConstantVus {
        /// How many bots.
        vus: u64,
        /// For how long sessions start.
        duration: Duration,
    },
    /// As many bots as a line says that goes from target to target (k6: ramping-vus).
    RampingVus {
        /// How many bots at first.
        start_vus: u64,
        /// The line's pieces.
        stages: Vec<Stage>,
        /// How long a bot that the line removes may take to end its session.
        graceful_ramp_down: Duration,
    },
    /// A fixed number of sessions, shared by a fixed number of bots (k6: shared-iterations).
    SharedIterations {
        /// How many bots.
        vus: u64,
        /// How many sessions in all.
        iterations: u64,
        /// After this time no more sessions start.
        max_duration: Duration,
    },
    /// A fixed number of sessions for each bot (k6: per-vu-iterations).
    PerVuIterations {
        /// How many bots.
        vus: u64,
        /// How many sessions each.
        iterations: u64,
        /// After this time no more sessions start.
        max_duration: Duration,
    },
    /// Sessions start at a fixed rate, whether or not earlier ones have ended (k6:
    /// constant-arrival-rate).
    ConstantArrivalRate {
        /// How many sessions start in how much time.
        rate: Rate,
        /// For how long sessions start.
        duration: Duration,
        /// An end by number that may come before the end by time.
        iterations: Option<u64>,
        /// The bots for it.
        supply: Supply,
    },
    /// Sessions start at a rate that goes from target to target (k6: ramping-arrival-rate).
    RampingArrivalRate {
        /// How many sessions start per unit at first.
        start_rate: u64,
        /// The time that rates are per.
        unit: Duration,
        /// The rate's pieces.
        stages: Vec<Stage>,
        /// The bots for it.
        supply: Supply,
    },
}

impl Profile {
    /// The most bots that ever run at once.
    #[must_use]
    pub fn vus(&self) -> u64 {
        match self {
            Self::ConstantVus { vus, .. }
            | Self::SharedIterations { vus, .. }
            | Self::PerVuIterations { vus, .. } => *vus,
            Self::RampingVus { start_vus, stages, .. } => ramp::most(*start_vus, stages),
            Self::ConstantArrivalRate { supply, .. } | Self::RampingArrivalRate { supply, .. } => {
                supply.max
            }
        }
    }

    /// How many bots there are from the beginning.
    #[must_use]
    pub fn bots_prepared(&self) -> u64 {
        self.supply().map_or_else(|| self.vus(), |supply| supply.prepared)
    }

    /// For how long sessions start, at most.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Self::ConstantVus { duration, .. } | Self::ConstantArrivalRate { duration, .. } => {
                *duration
            }
            Self::SharedIterations { max_duration, .. }
            | Self::PerVuIterations { max_duration, .. } => *max_duration,
            Self::RampingVus { stages, .. } | Self::RampingArrivalRate { stages, .. } => {
                ramp::duration(stages)
            }
        }
    }

    /// The bots of an open model; none for a closed one.
    pub(super) fn supply(&self) -> Option<Supply> {
        match self {
            Self::ConstantArrivalRate { supply, .. } | Self::RampingArrivalRate { supply, .. } => {
                Some(*supply)
            }
            _ => None,
        }
    }

    /// The arrivals of an open model; none for a closed one.
    pub(super) fn arrivals(&self) -> Option<Arrivals> {
        match self {
            Self::ConstantArrivalRate { rate, duration, iterations, .. } => {
                Some(Arrivals::constant(*rate, *duration, *iterations))
            }
            Self::RampingArrivalRate { start_rate, unit, stages, .. } => {
                Some(Arrivals::ramping(*start_rate, *unit, stages))
            }
            _ => None,
        }
    }

    pub(super) fn duration_us(&self) -> Micros {
        micros(self.duration())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = self.duration();
        match self {
            Self::ConstantVus { vus, .. } => write!(f, "{vus} bots for {duration:?}"),
            Self::RampingVus { start_vus, stages, .. } => {
                write!(f, "{start_vus} bots")?;
                stages.iter().try_for_each(|s| write!(f, " -> {} in {:?}", s.target, s.duration))
            }
            Self::SharedIterations { vus, iterations, .. } => {
                write!(f, "{iterations} sessions shared by {vus} bots, within {duration:?}")
            }
            Self::PerVuIterations { vus, iterations, .. } => {
                write!(f, "{iterations} sessions for each of {vus} bots, within {duration:?}")
            }
            Self::ConstantArrivalRate { rate, iterations, supply, .. } => {
                write!(f, "{rate} for {duration:?}, up to {} at once", supply.max)?;
                iterations.map_or(Ok(()), |iterations| write!(f, ", {iterations} sessions in all"))
            }
            Self::RampingArrivalRate { start_rate, unit, stages, supply } => {
                let rate = |count| Rate { count, unit: *unit };
                write!(f, "{}", rate(*start_rate))?;
                for stage in stages {
                    write!(f, " -> {} in {:?}", rate(stage.target), stage.duration)?;
                }
                write!(f, ", up to {} at once", supply.max)
            }
        }
    }
}

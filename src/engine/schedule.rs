//! Load profiles: k6's executors, as plain values.
//!
//! What they mean, instant by instant, is computed in `arrivals.rs` and `ramp.rs`.

use std::fmt;
use std::time::Duration;

use super::arrivals::{Arrivals, Key};
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

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Each as soon as the rate allows, as in k6.
    #[default]
    Even,
    /// At random around the rate, as from many people who know nothing of each other.
    Poisson,
}

/// How many bots an open model may grow to when nobody says: some 10 KB each, and only if needed.
pub const BOTS_MAX_DEFAULT: u64 = 10_000;

/// A piece of a profile, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
    /// What is planned.
    pub load: String,
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
        /// How arrivals are spread over time.
        spacing: Spacing,
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
        /// How arrivals are spread over time.
        spacing: Spacing,
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

    /// Its pieces in words, each with its start and end: stages, or all of it.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let (mut from, stages, unit) = match self {
            Self::RampingVus { start_vus, stages, .. } => (*start_vus, stages, None),
            Self::RampingArrivalRate { start_rate, unit, stages, .. } => {
                (*start_rate, stages, Some(*unit))
            }
            _ => {
                let (from, to) = (Duration::ZERO, self.duration());
                return vec![Piece { from, to, load: self.whole() }];
            }
        };
        let words = |count: u64| match unit {
            Some(unit) => Rate { count, unit }.to_string(),
            None => format!("{count} bots"),
        };
        let (mut pieces, mut start) = (Vec::new(), Duration::ZERO);
        for stage in stages {
            let end = start + stage.duration;
            if end > start {
                let load = match stage.target {
                    to if to == from => words(to),
                    to if unit.is_some() => format!("{} to {}", words(from), words(to)),
                    to => format!("{from} to {}", words(to)),
                };
                pieces.push(Piece { from: start, to: end, load });
            }
            (start, from) = (end, stage.target);
        }
        pieces
    }

    /// A profile without stages in a few words.
    fn whole(&self) -> String {
        match self {
            Self::SharedIterations { vus, iterations, .. } => {
                format!("{iterations} sessions, {vus} bots")
            }
            Self::PerVuIterations { vus, iterations, .. } => {
                format!("{iterations} sessions each, {vus} bots")
            }
            Self::ConstantArrivalRate { rate, .. } => rate.to_string(),
            _ => format!("{} bots", self.vus()),
        }
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

    /// How many numbers a task's bots have; where sessions are numbered, how many those have.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        match self {
            Self::SharedIterations { iterations, .. } => *iterations,
            _ => self.arrivals(Key::default()).map_or_else(|| self.vus(), |all| all.numbers),
        }
    }

    /// The same with these bots for its arrivals; a closed model has none.
    #[must_use]
    pub fn supplied(mut self, wanted: Supply) -> Self {
        match &mut self {
            Self::ConstantArrivalRate { supply, .. } | Self::RampingArrivalRate { supply, .. } => {
                *supply = wanted;
            }
            _ => {}
        }
        self
    }

    /// The bots of an open model; none for a closed one.
    #[must_use]
    pub fn supply(&self) -> Option<Supply> {
        match self {
            Self::ConstantArrivalRate { supply, .. } | Self::RampingArrivalRate { supply, .. } => {
                Some(*supply)
            }
            _ => None,
        }
    }

    /// The same with arrivals spread so; a closed model has none.
    #[must_use]
    pub fn spaced(mut self, wanted: Spacing) -> Self {
        match &mut self {
            Self::ConstantArrivalRate { spacing, .. }
            | Self::RampingArrivalRate { spacing, .. } => {
                *spacing = wanted;
            }
            _ => {}
        }
        self
    }

    /// The arrivals of an open model; none for a closed one.
    pub(super) fn arrivals(&self, key: Key) -> Option<Arrivals> {
        let (arrivals, limit, spacing) = match self {
            Self::ConstantArrivalRate { rate, duration, iterations, spacing, .. } => {
                (Arrivals::constant(*rate, *duration, *iterations), *iterations, spacing)
            }
            Self::RampingArrivalRate { start_rate, unit, stages, spacing, .. } => {
                (Arrivals::ramping(*start_rate, *unit, stages), None, spacing)
            }
            _ => return None,
        };
        Some(match spacing {
            Spacing::Even => arrivals,
            Spacing::Poisson => arrivals.at_random(key, limit),
        })
    }

    /// Whether its figures are within what can be computed exactly.
    ///
    /// # Errors
    ///
    /// Names the figure that is not.
    pub fn check(&self) -> Result<(), String> {
        if self.duration() > DURATION_MAX {
            return Err(format!("{:?} is too long; a year is the most", self.duration()));
        }
        let (unit, rates): (_, Vec<u64>) = match self {
            Self::ConstantArrivalRate { rate, .. } => (rate.unit, vec![rate.count]),
            Self::RampingArrivalRate { start_rate, unit, stages, .. } => {
                (*unit, stages.iter().map(|s| s.target).chain([*start_rate]).collect())
            }
            _ => return Ok(()),
        };
        if unit < Duration::from_micros(1) || unit > Duration::from_secs(86_400) {
            return Err(format!("{unit:?} is no unit of a rate; write 1us to 1d"));
        }
        let most = rates.into_iter().max().unwrap_or_default();
        let arrivals = self.duration().as_micros() * u128::from(most) / unit.as_micros();
        if most > RATE_MAX || arrivals > ARRIVALS_MAX {
            return Err(format!("{most} in {unit:?} are too many; {RATE_MAX} is the most"));
        }
        Ok(())
    }

    pub(super) fn duration_us(&self) -> Micros {
        micros(self.duration())
    }
}

/// With these, areas in `arrivals.rs` stay below 2^126.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);
const RATE_MAX: u64 = 1_000_000_000;
const ARRIVALS_MAX: u128 = 1 << 50;

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = self.duration();
        match self {
            Self::ConstantVus { vus, .. } => write!(f, "{vus} bots for {duration:?}"),
            Self::RampingVus { start_vus, stages, .. } => {
                write!(f, "{start_vus} {}", if *start_vus == 1 { "bot" } else { "bots" })?;
                stages.iter().try_for_each(|s| write!(f, " -> {} in {:?}", s.target, s.duration))
            }
            Self::SharedIterations { vus, iterations, .. } => {
                write!(f, "{iterations} sessions shared by {vus} bots, within {duration:?}")
            }
            Self::PerVuIterations { vus, iterations, .. } => {
                write!(f, "{iterations} sessions for each of {vus} bots, within {duration:?}")
            }
            Self::ConstantArrivalRate { rate, iterations, supply, spacing, .. } => {
                write!(f, "{rate} for {duration:?}{spacing}, {supply}")?;
                iterations.map_or(Ok(()), |iterations| write!(f, ", {iterations} sessions in all"))
            }
            Self::RampingArrivalRate { start_rate, unit, stages, supply, spacing } => {
                let rate = |count| Rate { count, unit: *unit };
                write!(f, "{}", rate(*start_rate))?;
                for stage in stages {
                    write!(f, " -> {} in {:?}", rate(stage.target), stage.duration)?;
                }
                write!(f, "{spacing}, {supply}")
            }
        }
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Even => "",
            Self::Poisson => " (Poisson)",
        })
    }
}

impl fmt::Display for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = match self.on_no_free_bot {
            OnNoFreeBot::Wait => "wait",
            OnNoFreeBot::Drop => "are dropped",
        };
        write!(f, "up to {} at once, more {more}", self.max)
    }
}

//! Everything that a run is, checked: what the commands hand to the engine.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tallyho_replay::{BotType, RunFacts};

use super::driver::DriverChoice;
use super::resolver::Resolver;
use super::schedule::Profile;
use super::scribe::TracePlan;
use super::tls::Tls;
use super::watch::WatchMaker;
use crate::http::Limits;
use crate::metrics::Threshold;

/// Makes a bot's type on the worker's own thread, where it stays.
pub type BotMaker = Box<dyn Fn() -> Rc<BotType> + Send + Sync>;

/// A run.
pub struct RunPlan {
    /// What is played; at least one.
    pub scenarios: Vec<ScenarioPlan>,
    /// What is the same for all sessions of the run: seed, run id, target, secrets.
    pub facts: RunFacts,
    /// What set-up handed to all bots, as JSON.
    pub setup: Option<Arc<[u8]>>,
    /// Which of several tasks this is.
    pub task_index: u32,
    /// The core of each worker, or none for one that is not pinned; as many as there are workers.
    pub pins: Vec<Option<usize>>,
    /// Which IO driver.
    pub io_driver: DriverChoice,
    /// Origins (`https://host:port`) with the addresses of their hosts.
    pub origins: Vec<(String, Vec<SocketAddr>)>,
    /// Finds the addresses of hosts that only turn up while the run goes on.
    pub resolver: Resolver,
    /// How TLS is spoken where an origin is `https://`.
    pub tls: Tls,
    /// Source addresses to spread connections over; empty leaves the choice to the system.
    pub sources: Vec<IpAddr>,
    /// What of a response is read, and what is too much.
    pub limits: Limits,
    /// A request's time, unless it has its own.
    pub timeout: Duration,
    /// How long sessions may go on after a signal.
    pub drain: Duration,
    /// When the load starts, if not as soon as the workers are ready.
    pub start_at: Option<SystemTime>,
    /// What the run must keep to; those that abort it are looked at while it goes on.
    pub thresholds: Vec<Threshold>,
    /// Secrets that every bot holds from its first session on: those of the command line.
    pub shared_secrets: Vec<String>,
    /// Whether requests carry a `traceparent`.
    pub traceparent: bool,
    /// What is recorded, and where; nothing, if nothing is.
    pub trace: Option<TracePlan>,
    /// Who looks at every session, where there are few.
    pub watch: Option<WatchMaker>,
}

/// A scenario of a run: bots of one kind, and when they play.
pub struct ScenarioPlan {
    /// Its name, under which everything is counted.
    pub name: String,
    /// What its name is in the key of every draw.
    pub key: u64,
    /// Whose sessions run.
    pub bot: BotMaker,
    /// How many sessions run when.
    pub profile: Profile,
    /// How long after the start of the run it begins.
    pub start: Duration,
    /// How long its sessions may go on after its end.
    pub graceful_stop: Duration,
    /// Where its bots begin, if that does not follow from the task.
    pub begin: Option<Beginning>,
}

/// Where the bots of a scenario begin that has numbers of its own: set-up and teardown, or one
/// session that is run again. Such a scenario needs a profile that numbers bots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// The number of its first bot.
    pub bot: u64,
    /// The number of each bot's first session.
    pub session: u64,
    /// What each bot's first session starts with, as JSON; nothing if empty.
    pub carry: Arc<[u8]>,
}

impl RunPlan {
    /// The most bots that ever run at once in this task.
    #[must_use]
    pub fn vus(&self) -> u64 {
        self.scenarios.iter().map(|scenario| scenario.profile.vus()).sum()
    }

    /// For how long sessions start, at most.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let ends = self.scenarios.iter().map(|s| s.start + s.profile.duration());
        ends.max().unwrap_or_default()
    }

    /// The most connections that one worker holds open.
    pub(super) fn connections_per_worker(&self) -> usize {
        usize::try_from(self.vus()).unwrap_or(usize::MAX).div_ceil(self.pins.len().max(1))
    }
}

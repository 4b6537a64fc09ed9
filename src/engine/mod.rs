//! The generator's engine: workers that play sessions over real connections.
//!
//! `coordinator` starts one `worker` per core and adds up what they measure. A worker has a runtime
//! (`driver`), a share of the load profile (`pacing`, `schedule`), a `timer`, and for each bot a
//! task that plays sessions (`player`), which is one `exchange` after the other over the bot's own
//! `connection`s.

mod account;
mod buffers;
mod clock;
mod connection;
mod control;
mod coordinator;
mod driver;
mod exchange;
mod machine;
mod pacing;
mod player;
mod resolver;
mod schedule;
mod sending;
mod sys;
mod timer;
mod watch;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tallyho_replay::{BotType, RunFacts};

pub use control::{Control, Phase};
pub use coordinator::{Observer, RunResult, run};
pub use driver::{DriverChoice, DriverReport};
pub use machine::{Cores, FileLimit};
pub(crate) use resolver::Lookup;
pub use resolver::Resolver;
pub use schedule::{Profile, Rate};
pub use watch::{Watch, WatchMaker};

/// Makes the bot's type on the worker's own thread, where it stays.
pub type BotMaker = Box<dyn Fn() -> Rc<BotType> + Send + Sync>;

/// Everything that a run is, checked.
pub struct RunPlan {
    /// Whose sessions run.
    pub bot: BotMaker,
    /// What is the same for all sessions of the run: seed, run id, target.
    pub facts: RunFacts,
    /// The scenario's name, under which everything is counted.
    pub scenario: String,
    /// What the scenario's name is in the key of every draw.
    pub scenario_key: u64,
    /// How many sessions run when.
    pub profile: Profile,
    /// Which of several tasks this is.
    pub task_index: u32,
    /// The core of each worker, or none for one that is not pinned; as many as there are workers.
    pub pins: Vec<Option<usize>>,
    /// Which IO driver.
    pub io_driver: DriverChoice,
    /// Origins (`http://host:port`) with the addresses of their hosts.
    pub origins: Vec<(String, Vec<SocketAddr>)>,
    /// Finds the addresses of hosts that only turn up while the run goes on.
    pub resolver: Resolver,
    /// Source addresses to spread connections over; empty leaves the choice to the system.
    pub sources: Vec<IpAddr>,
    /// A request's time, unless it has its own.
    pub timeout: Duration,
    /// Who looks at every session, where there are few.
    pub watch: Option<WatchMaker>,
    /// How long sessions may go on after the end of the profile or a signal.
    pub drain: Duration,
}

impl RunPlan {
    /// The most connections that one worker holds open.
    fn connections_per_worker(&self) -> usize {
        usize::try_from(self.profile.vus()).unwrap_or(usize::MAX).div_ceil(self.pins.len().max(1))
    }
}

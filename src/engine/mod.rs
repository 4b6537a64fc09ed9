//! The generator's engine: workers that play sessions over real connections.
//!
//! `coordinator` starts one `worker` per core and adds up what they measure. A worker has a runtime
//! (`driver`), a share of each scenario's load profile (`pacing`, from `schedule`, `arrivals` and
//! `ramp`), a `timer`, and for each bot a task that plays sessions (`player`), which is one
//! `exchange` after the other over the bot's own `connection`s, which the `connector` opens, over
//! `tls` where the `origin` wants that. Below is `tcp`: on io_uring the runtime's, on epoll the
//! worker's own `sockets`.

mod account;
mod ahead;
mod arrivals;
mod buffers;
mod cgroup;
mod clock;
mod connection;
mod connector;
mod control;
mod coordinator;
mod driver;
mod exchange;
mod health;
mod kept;
mod machine;
mod names;
mod origin;
mod pacing;
mod plan;
mod player;
mod ramp;
mod readiness;
mod resolver;
mod schedule;
mod scribe;
mod sending;
mod sockets;
mod sys;
mod tcp;
mod timer;
mod tls;
mod tracer;
mod watch;
mod worker;

pub use account::HANDSHAKES;
pub use control::{Control, Phase};
pub use coordinator::{Observer, RunResult, run};
pub use driver::{DriverChoice, DriverReport};
pub use machine::{Cores, FileLimit};
pub use names::{Names, Policy, Redirection, Select};
pub use origin::{Notice, tls_host};
pub use plan::{Beginning, BotMaker, RunPlan, ScenarioPlan};
pub(crate) use resolver::Lookup;
pub use resolver::Resolver;
pub use schedule::{BOTS_MAX_DEFAULT, OnNoFreeBot, Piece, Profile, Rate, Spacing, Stage, Supply};
pub use scribe::{NewFailure, OnNotRecorded, Record, TracePlan, TraceResult};
pub use tls::{Identity, Pem, Probed, Resumption, Tls, TlsFault, TlsOptions, TlsVersion, Trust};
pub use tracer::{Failing, FailingGroup};
pub use watch::{Watch, WatchMaker};

/// Any bytes as what a server sends over TLS: for the fuzzer, which builds with this `cfg`.
///
/// # Panics
///
/// If what must hold of them does not.
#[cfg(fuzzing)]
pub fn check_tls_records(input: &[u8]) {
    tls::check_tls_records(input);
}

//! What the run may use of this machine, checked against what it needs.

use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use super::job::Job;
use crate::cli::RunArgs;
use crate::engine::{Cores, FileLimit, Notice, RunResult};
use crate::exit::BadUsage;
use crate::report::{Task, Warning};

/// The machine's share in a run.
pub(super) struct Machine {
    pub(super) cores: Cores,
    pub(super) files: FileLimit,
    /// One entry a worker: the core to pin it to.
    pub(super) pins: Vec<Option<usize>>,
    /// A core that the workers leave to the stand-in API.
    pub(super) spare_core: Option<usize>,
}

impl Machine {
    /// Raises the file limit and divides the cores.
    ///
    /// # Errors
    ///
    /// When more cores are asked for than there are, or more connections than files may be open.
    pub(super) fn prepare(
        args: &RunArgs,
        job: &Job,
        limit_millicores: Option<u64>,
    ) -> Result<Self, BadUsage> {
        let (cores, files) = (Cores::detect().limited_to(limit_millicores), FileLimit::raise());
        let allowed = cores.allowed.len();
        // The stand-in API gets the last core for itself, where there is more than one.
        let has_spare = job.target.is_none() && args.machine.cores.is_none() && allowed > 1;
        let most = cores.workers();
        let wanted = args.machine.cores.unwrap_or(if has_spare { (most - 1).max(1) } else { most });
        if wanted == 0 || wanted > allowed {
            let message = format!("--cores {wanted}: this process may use 1 to {allowed} cores");
            return Err(BadUsage(message));
        }
        let bots: u64 = job.loads.iter().map(|load| load.profile.vus()).sum();
        let at_once: u64 = job.loads.iter().map(|load| load.profile.bots_prepared()).sum();
        if at_once > files.connections_max() {
            return Err(BadUsage(format!(
                "{at_once} bots: the limit of {} open files leaves room for {} connections; \
                 raise it with ulimit -n, or ask for fewer bots",
                files.now,
                files.connections_max()
            )));
        }
        let workers = wanted.min(usize::try_from(bots).unwrap_or(usize::MAX)).max(1);
        let spare_core = has_spare.then(|| cores.allowed[allowed - 1]);
        let pins = cores.pins(workers);
        Ok(Self { cores, files, pins, spare_core })
    }

    /// One line for people.
    pub(super) fn describe(&self) -> String {
        let count = self.pins.len();
        let workers = if count == 1 { "worker" } else { "workers" };
        let pinned = if self.is_pinned() { "pinned" } else { "not pinned" };
        format!("{count} {workers}, {pinned}; {} open files", self.files.now)
    }

    fn is_pinned(&self) -> bool {
        self.pins.iter().all(Option::is_some)
    }

    /// The part of `run.json` that describes this process.
    pub(super) fn task(&self, index: u32, result: &RunResult) -> Task {
        let driver = result.drivers.first().expect("a run has a worker");
        let fallback = driver.reason.starts_with("io_uring unavailable") || driver.is_slow_mode;
        let fallback = fallback.then(|| Warning::DriverFallback {
            driver: driver.name.to_owned(),
            reason: driver.reason.clone(),
        });
        let seen = result.notices.iter().map(|notice| warning(index, notice));
        let since_epoch = result.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let system = rustix::system::uname();
        Task {
            index,
            started_unix_us: micros(since_epoch),
            host: system.nodename().to_string_lossy().into_owned(),
            kernel: system.release().to_string_lossy().into_owned(),
            cpus: self.cores.cpus(),
            pinned: self.is_pinned(),
            io_driver: driver.name.to_owned(),
            io_driver_reason: driver.reason.clone(),
            files_limit: self.files.now,
            health: result.health,
            tls: None,
            planted: None,
            notices: fallback.into_iter().chain(seen).collect(),
        }
    }
}

/// What happened around the run, as the report has it.
pub(super) fn warning(task: u32, notice: &Notice) -> Warning {
    let words = |addresses: &[IpAddr]| addresses.iter().map(IpAddr::to_string).collect();
    match notice.clone() {
        Notice::AddressesChanged { origin, before, after, second } => {
            let (before, after) = (words(&before), words(&after));
            Warning::AddressesChanged { task, origin, before, after, second }
        }
        Notice::LookupFailed { origin, error, second } => {
            Warning::LookupFailed { task, origin, error, second }
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

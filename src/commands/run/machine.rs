//! What the run may use of this machine, checked against what it needs.

use crate::cli::RunArgs;
use crate::engine::{Cores, FileLimit};
use crate::exit::BadUsage;

/// The machine's share in a run.
pub(super) struct Machine {
    pub(super) cores: Cores,
    pub(super) files: FileLimit,
    /// One entry a worker: the core to pin it to.
    pub(super) pins: Vec<Option<usize>>,
}

impl Machine {
    /// Raises the file limit and divides the cores.
    ///
    /// # Errors
    ///
    /// When more cores are asked for than there are, or more connections than files may be open.
    pub(super) fn prepare(args: &RunArgs) -> Result<Self, BadUsage> {
        let (cores, files) = (Cores::detect(), FileLimit::raise());
        let allowed = cores.allowed.len();
        let wanted = args.machine.cores.unwrap_or_else(|| cores.workers());
        if wanted == 0 || wanted > allowed {
            let message = format!("--cores {wanted}: this process may use 1 to {allowed} cores");
            return Err(BadUsage(message));
        }
        if args.bots > files.connections_max() {
            return Err(BadUsage(format!(
                "-c {}: the limit of {} open files leaves room for {} connections; \
                 raise it with ulimit -n, or ask for fewer bots",
                args.bots,
                files.now,
                files.connections_max()
            )));
        }
        let bots = usize::try_from(args.bots).unwrap_or(usize::MAX);
        let workers = wanted.min(bots);
        let pins = cores.pins(workers);
        Ok(Self { cores, files, pins })
    }
}

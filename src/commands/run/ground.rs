//! What a run stands on: the machine, the target, the identity; and the plans made from them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tallyho_replay::RunFacts;

use super::embedded::Embedded;
use super::host::Host;
use super::identity::Identity;
use super::job::Job;
use super::machine::Machine;
use super::{target, tls};
use crate::cli::RunArgs;
use crate::engine::{Control, DriverChoice, Resolver, RunPlan, ScenarioPlan, Tls};

/// Checked, started and reached: all that plans have in common.
pub(super) struct Ground {
    pub(super) machine: Machine,
    pub(super) identity: Identity,
    pub(super) control: Arc<Control>,
    /// Where requests go.
    pub(super) target: String,
    pub(super) facts: RunFacts,
    shared_secrets: Vec<String>,
    resolver: Resolver,
    pub(super) tls: Tls,
    origin: (String, Vec<SocketAddr>),
    io_driver: DriverChoice,
    sources: Vec<std::net::IpAddr>,
    timeout: Duration,
    drain: Duration,
    task_index: u32,
    traceparent: bool,
    /// The stand-in API, if the job has no target of its own; it ends with this.
    _embedded: Option<Embedded>,
}

impl Ground {
    /// Prepares the machine, starts the stand-in API if it is the target, and reaches the target.
    ///
    /// # Errors
    ///
    /// What this machine or the target cannot do.
    pub(super) fn prepare(args: &RunArgs, job: &Job, host: &Host) -> anyhow::Result<Self> {
        let tls = tls::prepare(&job.tls, &args.connection)?;
        let machine = Machine::prepare(args, job, host.cpu_limit_millicores)?;
        let identity = Identity::new(job.seed, args.run_id.as_deref()).of_run(job.run_number);
        let (control, resolver) = (Arc::clone(&host.control), host.background.resolver.clone());
        let (target, embedded) = match &job.target {
            Some(target) => (target.clone(), None),
            None => {
                let (faults, core) = (&args.scenario.faults, machine.spare_core);
                let embedded = Embedded::start(faults, identity.seed, core)?;
                (embedded.url(), Some(embedded))
            }
        };
        let origin = target::reach(&target::origin(&target)?, &resolver, &tls)?;
        Ok(Self {
            facts: identity.facts(&target, args.task_index, job),
            shared_secrets: job.shared_secrets.clone(),
            machine,
            identity,
            control,
            target,
            resolver,
            tls,
            origin,
            io_driver: args.machine.io_driver,
            sources: args.machine.local_ips.iter().flatten().copied().collect(),
            timeout: args.request.timeout,
            drain: args.drain,
            task_index: args.task_index,
            traceparent: args.record.traceparent,
            _embedded: embedded,
        })
    }

    /// A plan of these scenarios, on all workers.
    pub(super) fn plan(&self, scenarios: Vec<ScenarioPlan>) -> RunPlan {
        RunPlan {
            scenarios,
            facts: self.facts.clone(),
            setup: None,
            task_index: self.task_index,
            pins: self.machine.pins.clone(),
            io_driver: self.io_driver,
            origins: vec![self.origin.clone()],
            resolver: self.resolver.clone(),
            tls: self.tls.clone(),
            sources: self.sources.clone(),
            timeout: self.timeout,
            drain: self.drain,
            thresholds: Vec::new(),
            watch: None,
            traceparent: self.traceparent,
            trace: None,
            shared_secrets: self.shared_secrets.clone(),
        }
    }

    /// A plan of one session, on a worker of its own that is not pinned.
    pub(super) fn plan_of_one(&self, scenario: ScenarioPlan) -> RunPlan {
        RunPlan { pins: vec![None], ..self.plan(vec![scenario]) }
    }
}

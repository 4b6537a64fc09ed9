//! What a run stands on: the machine, the target, the identity; and the plans made from them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tallyho_replay::RunFacts;

use super::embedded::Embedded;
use super::host::Host;
use super::identity::Identity;
use super::job::Job;
use super::machine::Machine;
use super::{network, target};
use crate::cli::{RequestArgs, RunArgs};
use crate::engine::{
    Control, DriverChoice, HANDSHAKES, Resolver, RunPlan, RunResult, ScenarioPlan, Tls, tls_host,
};
use crate::http::Limits;
use crate::report::{Task, Warning};

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
    limits: Limits,
    timeout: Duration,
    drain: Duration,
    start_at: Option<SystemTime>,
    task_index: u32,
    traceparent: bool,
    /// The stand-in API, if the job has no target of its own; it ends with this.
    embedded: Option<Embedded>,
}

/// What the flags say of how much of a response is read.
fn limits(args: &RequestArgs) -> Limits {
    Limits {
        head_bytes_max: usize::try_from(args.max_response_head).unwrap_or(usize::MAX),
        body_bytes_max: args.max_response_body,
        ..Limits::default()
    }
}

impl Ground {
    /// Prepares the machine, starts the stand-in API if it is the target, and reaches the target.
    ///
    /// # Errors
    ///
    /// What this machine or the target cannot do.
    pub(super) fn prepare(args: &RunArgs, job: &Job, host: &Host) -> anyhow::Result<Self> {
        let tls = network::tls(&job.network, &args.connection)?;
        let names = network::names(&job.network, &args.connection)?;
        let machine = Machine::prepare(args, job, host.cpu_limit_millicores)?;
        let identity = Identity::new(job.seed, args.run_id.as_deref()).of_run(job.run_number);
        let control = Arc::clone(&host.control);
        let resolver = host.background.resolver.clone().with_names(names);
        let (target, embedded) = match &job.target {
            Some(target) => (target.clone(), None),
            None => {
                let (faults, core) = (&args.scenario.faults, machine.spare_core);
                let embedded = Embedded::start(faults, identity.seed, core)?;
                (embedded.url(), Some(embedded))
            }
        };
        if tls.is_insecure() && tls_host(&target).is_some() {
            eprintln!(
                "warning: certificates are not checked (--insecure): {target} may be anybody"
            );
        }
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
            limits: limits(&args.request),
            timeout: args.request.timeout,
            drain: args.drain,
            start_at: args.start_at,
            task_index: args.task_index,
            traceparent: args.record.traceparent,
            embedded,
        })
    }

    /// The part of `run.json` that describes this process.
    pub(super) fn task(&self, result: &RunResult) -> Task {
        let mut task = self.machine.task(self.task_index, result);
        task.planted = self.embedded.as_ref().and_then(Embedded::planted);
        let totals = &result.measured.totals;
        let is_secured = tls_host(&self.target).is_some()
            || HANDSHAKES.iter().any(|name| totals.counters.contains_key(*name));
        if is_secured {
            task.tls = Some(self.tls.trusted());
            let unchecked = Warning::CertificatesUnchecked { task: self.task_index };
            task.notices.extend(self.tls.is_insecure().then_some(unchecked));
        }
        task
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
            limits: self.limits,
            timeout: self.timeout,
            drain: self.drain,
            start_at: self.start_at,
            thresholds: Vec::new(),
            watch: None,
            traceparent: self.traceparent,
            trace: None,
            shared_secrets: self.shared_secrets.clone(),
        }
    }

    /// A plan of one session, on a worker of its own that is not pinned.
    pub(super) fn plan_of_one(&self, scenario: ScenarioPlan) -> RunPlan {
        RunPlan { pins: vec![None], start_at: None, ..self.plan(vec![scenario]) }
    }
}

//! What a checked scenario says, ready for the engine: no text that still has to be understood.

use std::path::PathBuf;
use std::time::Duration;

use tallyho_replay::flow::Definition;

use super::diagnostic::Diagnostic;

/// A run as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The scenario's name in reports.
    pub name: String,
    /// Where requests go (`RunFacts::target`); none: the built-in stand-in API.
    pub target: Option<String>,
    /// The seed; none: a new one.
    pub seed: Option<u64>,
    /// The loads, in the file's order; at least one.
    pub loads: Vec<Load>,
    /// The bots that loads refer to by index.
    pub bots: Vec<BotPlan>,
    /// Runs once before everything.
    pub setup: Option<Definition>,
    /// Runs once at the end.
    pub teardown: Option<Definition>,
    /// How long set-up may take.
    pub setup_timeout: Duration,
    /// How long teardown may take.
    pub teardown_timeout: Duration,
    /// What the run must keep to.
    pub thresholds: Vec<Threshold>,
    /// Metrics of the scenario's own, for which thresholds may be written.
    pub metrics: Vec<tallyho_replay::flow::Metric>,
    /// How connections are made and secured.
    pub network: Network,
    /// Bots of one task, for numbering; none: the sum of what the loads need at most.
    pub bots_per_task: Option<u64>,
    /// Secrets among the parameters: name and value, for the vault. A definition refers to them by
    /// name.
    pub secrets: Vec<(String, String)>,
    /// Weights that replace those of bots.
    pub weights: Vec<Weight>,
}

/// A weight that replaces a bot's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The set of actions.
    pub set: String,
    /// The action.
    pub action: String,
    /// In the bot's own unit.
    pub weight: u32,
}

impl Plan {
    /// How far apart the bot numbers of two tasks are.
    pub fn bots_per_task(&self) -> u64 {
        let needed = self.loads.iter().map(|load| load.profile.bots_max()).sum();
        self.bots_per_task.unwrap_or(0).max(needed)
    }
}

/// A bot of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct BotPlan {
    /// Its name in the file.
    pub name: String,
    /// What it does.
    pub kind: BotKind,
}

/// How a bot was written.
#[derive(Clone, Debug, PartialEq)]
pub enum BotKind {
    /// In the scenario file.
    Declared(Box<Definition>),
    /// In Rust: its registered name, and its configuration as JSON.
    Registered {
        /// The name under which it is registered.
        bot: String,
        /// Its configuration, a JSON object.
        config: String,
    },
}

/// How connections are made and secured; none: as without a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Whether certificates are checked.
    pub certificates: Certificates,
    /// The authorities whose certificates are accepted.
    pub cacert: Option<PathBuf>,
    /// Certificates that clients show.
    pub client_certificates: Vec<ClientCertificate>,
    /// The oldest TLS version.
    pub tls_min: Option<TlsVersion>,
    /// The newest TLS version.
    pub tls_max: Option<TlsVersion>,
    /// Cipher suites; none: all that are safe.
    pub cipher_suites: Vec<String>,
    /// Who resumes whose TLS sessions.
    pub resumption: Option<Resumption>,
    /// Hosts, and where their connections go.
    pub hosts: Vec<(String, String)>,
    /// How long addresses are used before a name is looked up again.
    pub dns_ttl: Option<Duration>,
    /// Which of several addresses a connection goes to.
    pub dns_select: Option<Select>,
    /// Which family of addresses is used.
    pub dns_policy: Option<Policy>,
}

/// A certificate that clients show.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The hosts that see it; none: all.
    pub domains: Vec<String>,
    /// Where the certificate is from, and its PEM text.
    pub cert: (String, Vec<u8>),
    /// The same of its key.
    pub key: (String, Vec<u8>),
}

impl std::fmt::Debug for ClientCertificate {
    /// Keys are shown nowhere.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientCertificate({}, {})", self.cert.0, self.key.0)
    }
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Who resumes whose TLS sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Each bot its own.
    PerBot,
    /// Any bot any.
    Shared,
    /// Nobody.
    Off,
}

/// Which of several addresses a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Bots are dealt over them.
    RoundRobin,
    /// Any.
    Random,
    /// The first.
    First,
}

/// Which family of addresses is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// IPv4 where there is one.
    PreferIpv4,
    /// IPv6 where there is one.
    PreferIpv6,
    /// IPv4.
    OnlyIpv4,
    /// IPv6.
    OnlyIpv6,
    /// Both alike.
    Any,
}

/// Whether certificates are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// They are.
    #[default]
    Checked,
    /// Any will do.
    Ignored,
}

/// One load of a run: k6's scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Its name; `default` where the file has no `scenarios`.
    pub name: String,
    /// Index of its bot in the plan.
    pub bot: usize,
    /// How sessions are started.
    pub profile: Profile,
    /// How long after the run's start it begins.
    pub start_time: Duration,
    /// How long sessions may take to finish at its end.
    pub graceful_stop: Duration,
}

/// How sessions are started: k6's executors.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// Bots take sessions from one counter.
    SharedIterations {
        /// Bots.
        vus: u64,
        /// Sessions of all bots together.
        iterations: u64,
        /// Sessions not started by then are dropped.
        max_duration: Duration,
    },
    /// Each bot runs the same number of sessions.
    PerVuIterations {
        /// Bots.
        vus: u64,
        /// Sessions of each bot.
        iterations: u64,
        /// Sessions not started by then are dropped.
        max_duration: Duration,
    },
    /// Bots run one session after another.
    ConstantVus {
        /// Bots.
        vus: u64,
        /// How long sessions are started.
        duration: Duration,
    },
    /// The number of bots changes linearly.
    RampingVus {
        /// Bots at the beginning.
        start_vus: u64,
        /// Ramps.
        stages: Vec<Stage>,
        /// How long a removed bot may take to finish.
        graceful_ramp_down: Duration,
    },
    /// Sessions start at a steady rate, whether or not earlier ones are finished.
    ConstantArrivalRate {
        /// Sessions in each `time_unit`.
        rate: u64,
        /// What the rate is per.
        time_unit: Duration,
        /// How long sessions are started.
        duration: Duration,
        /// The bots for it.
        supply: Supply,
    },
    /// Sessions start at a rate that changes linearly.
    RampingArrivalRate {
        /// Sessions in each `time_unit` at the beginning.
        start_rate: u64,
        /// What rates are per.
        time_unit: Duration,
        /// Ramps; their targets are rates.
        stages: Vec<Stage>,
        /// The bots for it.
        supply: Supply,
    },
}

impl Profile {
    /// k6's name of it.
    pub fn executor(&self) -> &'static str {
        match self {
            Profile::SharedIterations { .. } => "shared-iterations",
            Profile::PerVuIterations { .. } => "per-vu-iterations",
            Profile::ConstantVus { .. } => "constant-vus",
            Profile::RampingVus { .. } => "ramping-vus",
            Profile::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Profile::RampingArrivalRate { .. } => "ramping-arrival-rate",
        }
    }

    /// Bots that it may need at once.
    pub fn bots_max(&self) -> u64 {
        match self {
            Profile::SharedIterations { vus, .. }
            | Profile::PerVuIterations { vus, .. }
            | Profile::ConstantVus { vus, .. } => *vus,
            Profile::RampingVus { start_vus, stages, .. } => {
                stages.iter().map(|stage| stage.target).fold(*start_vus, u64::max)
            }
            Profile::ConstantArrivalRate { supply, .. }
            | Profile::RampingArrivalRate { supply, .. } => supply.bots_max,
        }
    }

    /// How long it starts sessions; for iterations, at most.
    pub fn duration(&self) -> Duration {
        match self {
            Profile::SharedIterations { max_duration: duration, .. }
            | Profile::PerVuIterations { max_duration: duration, .. }
            | Profile::ConstantVus { duration, .. }
            | Profile::ConstantArrivalRate { duration, .. } => *duration,
            Profile::RampingVus { stages, .. } | Profile::RampingArrivalRate { stages, .. } => {
                stages.iter().map(|stage| stage.duration).sum()
            }
        }
    }
}

/// A ramp from where the last one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// How long; zero jumps.
    pub duration: Duration,
    /// Bots, or sessions in each time unit, at its end.
    pub target: u64,
}

/// The bots for arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// There from the beginning.
    pub bots_prepared: u64,
    /// At most.
    pub bots_max: u64,
    /// What a due session does when no bot is free.
    pub on_no_free_bot: OnNoFreeBot,
}

/// What a due session does when no bot is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNoFreeBot {
    /// It is dropped and counted.
    Drop,
    /// It starts late, and is measured from when it was due.
    Wait,
}

/// What a metric must keep to; the text is understood by `metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The metric, with tags in braces.
    pub metric: String,
    /// For example `p(95)<500`.
    pub expression: String,
    /// Whether crossing it ends the run.
    pub abort: Abort,
    /// What it means that nothing was measured.
    pub no_data: NoData,
    /// Where the expression stands in the file, for errors.
    pub range: std::ops::Range<usize>,
    /// Where the metric's name stands.
    pub metric_range: std::ops::Range<usize>,
}

impl Threshold {
    /// A diagnostic about the expression.
    pub fn error(&self, title: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.range.clone(), title)
    }
}

/// What it means for a threshold that nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoData {
    /// It neither holds nor fails.
    Neither,
    /// It fails.
    Fails,
}

/// Whether crossing a threshold ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// It does not.
    Never,
    /// It does, but not before this long after the start.
    After(Duration),
}

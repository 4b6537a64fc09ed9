//! What can be typed, and the help that goes with it. Meaning is given in commands/.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::check::CheckArgs;
use crate::commands::compare::CompareArgs;
use crate::commands::container::ContainerArgs;
use crate::commands::replay::ReplayArgs;
use crate::commands::report::ReportArgs;
use crate::commands::run::OnlyArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::sessions::SessionsArgs;
use crate::commands::trace::{CapsuleArgs, TraceCommand};
use crate::engine::{
    DriverChoice, OnNoFreeBot, OnNotRecorded, Rate, Redirection, Resumption, Stage, TlsVersion,
};
use crate::report::text::Colour;
use crate::units;

/// A load generator with seeded bots whose every session replays exactly.
#[derive(Debug, Parser)]
#[command(name = "tallyho", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put load on a URL or play a scenario, and report
    Run(Box<RunArgs>),
    /// Say everything that is wrong with a scenario
    Check(CheckArgs),
    /// Render the report of a run again, or of several tasks of one test as one
    Report(ReportArgs),
    /// Show two runs side by side, and what differs beyond noise
    Compare(CompareArgs),
    /// Run recorded sessions again, with no server, and compare every step
    Replay(ReplayArgs),
    /// List the sessions of a run
    Sessions(SessionsArgs),
    /// Cut one session into a file that replays anywhere
    Capsule(CapsuleArgs),
    /// Check a trace, or close one that a killed run left open
    Trace {
        /// What to do with it.
        #[command(subcommand)]
        command: TraceCommand,
    },
    /// Run a task of a load test on ECS: scenario from S3, results to S3
    Container(ContainerArgs),
    /// Serve the stand-in API that scenarios are tried against
    Serve(ServeArgs),
}

/// Everything that `tallyho run` takes.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The URL to load, for example http://127.0.0.1:8080/items, or a scenario file
    #[arg(value_name = "URL|FILE")]
    pub what: String,

    /// How long sessions start, for example 30s or 1m30s [default: 10s, or until -n is reached]
    #[arg(short = 'd', long, short_alias = 'z')]
    #[arg(value_name = "TIME", value_parser = units::duration)]
    pub duration: Option<Duration>,

    /// How many bots, each with a connection of its own [default: 50, or as the scenario says]
    #[arg(short = 'c', long, alias = "connections", visible_short_alias = 'u')]
    #[arg(value_name = "N", value_parser = units::count)]
    pub bots: Option<u64>,

    /// How many sessions in all, for example 10k
    #[arg(short = 'n', long = "iterations", value_name = "N", value_parser = units::count)]
    pub iterations: Option<u64>,

    /// Start sessions at this rate in all, for example 5000/s, and measure from when each was due
    #[arg(short = 'q', long, value_name = "RATE", value_parser = units::rate)]
    pub rate: Option<Rate>,

    /// More about the load.
    #[command(flatten)]
    pub load: LoadArgs,

    /// What is sent.
    #[command(flatten)]
    pub request: RequestArgs,

    /// How connections are made and secured.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How a scenario is played.
    #[command(flatten)]
    pub scenario: ScenarioArgs,

    /// The seed of every choice, decimal or 0x…; the same seed gives every bot the same behaviour
    #[arg(long, value_name = "SEED", value_parser = units::seed)]
    pub seed: Option<u64>,

    /// The run's id, which all tasks of a test are given; without --seed the seed follows from it
    /// [default: drawn]
    #[arg(long, env = "TALLYHO_RUN_ID", value_name = "ID", value_parser = units::run_id)]
    pub run_id: Option<String>,

    /// Number of this task among several that run the same test; bots are numbered on from it
    #[arg(long, env = "TASK_INDEX", value_name = "N", default_value_t = 0)]
    pub task_index: u32,

    /// When the load starts, the same instant for all tasks of a test, for example
    /// 2026-11-24T19:30:00Z; checks and set-up come before, and an instant that is over is at once
    #[arg(long, env = "TALLYHO_START_AT", value_name = "INSTANT", value_parser = units::instant)]
    pub start_at: Option<SystemTime>,

    /// How this machine is used.
    #[command(flatten)]
    pub machine: MachineArgs,

    /// After Ctrl-C, or when the time is over, how long running sessions may take to end
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "20s")]
    pub drain: Duration,

    /// How the run is judged.
    #[command(flatten)]
    pub verdict: VerdictArgs,

    /// What is recorded.
    #[command(flatten)]
    pub record: RecordArgs,

    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Ramps, and what becomes of arrivals.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// A ramp of bots, or with --rate of the rate: 30s:100 goes to 100 within 30 s, 0s:100 at once;
    /// may be given more than once
    #[arg(short = 's', long = "stage", value_name = "TIME:TARGET", value_parser = units::stage)]
    #[arg(conflicts_with_all = ["duration", "iterations"])]
    pub stages: Vec<Stage>,

    /// How many bots there may be for a rate [default: those of -c, else 10000]
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub max_vus: Option<u64>,

    /// What a due session does when all of them are busy [default: wait, or as the scenario says]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_no_free_bot: Option<OnNoFreeBot>,

    /// Let sessions arrive at random around the rate instead of evenly
    #[arg(long)]
    pub poisson: bool,
}

/// How the run is judged.
#[derive(Args, Debug)]
pub struct VerdictArgs {
    /// What the run must keep to, in k6's words, for example 'http_req_duration: p(95)<500', with
    /// ', abortOnFail' to end the run at once; may be given more than once
    #[arg(long = "threshold", value_name = "METRIC: CONDITION")]
    pub thresholds: Vec<String>,

    /// Let a run end well whose numbers the generator itself has spoilt
    #[arg(long)]
    pub allow_degraded: bool,
}

/// What of a run is recorded.
#[derive(Args, Debug)]
pub struct RecordArgs {
    /// Which sessions are recorded, so that they can be replayed
    #[arg(long, value_enum, value_name = "WHICH", default_value = "all")]
    pub record: RecordChoice,

    /// When the trace is this large, only failing sessions and one in 1024 of the others are added
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "8GiB")]
    pub trace_max_bytes: u64,

    /// What the run does when sessions cannot be recorded: the disk is full or too slow
    #[arg(long, value_enum, value_name = "WHAT", default_value = "continue")]
    pub on_not_recorded: OnNotRecorded,

    /// Send a W3C traceparent header with every request, so that the server's logs can be joined
    /// to a session; `tallyho replay --session` prints it
    #[arg(long)]
    pub traceparent: bool,
}

/// Which sessions are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordChoice {
    /// All of them
    All,
    /// Those that fail
    Failing,
    /// None
    Off,
}

/// The request that loads a URL.
#[derive(Args, Debug)]
pub struct RequestArgs {
    /// The method [default: GET, or POST with a body]
    #[arg(short = 'X', short_alias = 'm', long, value_name = "METHOD")]
    pub method: Option<String>,

    /// A header, for example 'Accept: text/html'; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,

    /// The request body
    #[arg(long, value_name = "TEXT", conflicts_with = "data_file")]
    pub data: Option<String>,

    /// A file that holds the request body
    #[arg(long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,

    /// How many redirects a request follows [default: as the scenario says, else 10]
    #[arg(long, value_name = "N")]
    pub max_redirects: Option<u32>,

    /// The largest head of a response, interim ones included; a larger one is a failure
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "64KiB")]
    pub max_response_head: u64,

    /// The largest body of a response; a larger one is a failure
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "1GiB")]
    pub max_response_body: u64,

    /// How long a request may take in all, connecting included
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "60s")]
    pub timeout: Duration,
}

/// How connections are made and secured.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection options")]
pub struct ConnectionArgs {
    /// Accept any certificate, also an expired or a forged one
    #[arg(short = 'k', long, conflicts_with = "cacert")]
    pub insecure: bool,

    /// The authorities whose certificates are accepted, as PEM [default: those of this system, or
    /// Mozilla's where it has none]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// A certificate that clients show, as PEM, with those between it and the root
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// The key of --cert, as PEM without a password
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// The oldest TLS version [default: 1.2]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub tls_min: Option<TlsVersion>,

    /// The newest TLS version [default: 1.3]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub tls_max: Option<TlsVersion>,

    /// Connect to HOST2:PORT2 where a URL says HOST:PORT, as curl does; may be given more than once
    #[arg(long, value_name = "HOST:PORT:HOST2:PORT2", value_parser = Redirection::connect_to)]
    pub connect_to: Vec<Redirection>,

    /// How names become addresses, in k6's words, for example ttl=30s,select=random,policy=any
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub dns: Vec<String>,

    /// Who resumes whose TLS sessions [default: per-bot]
    #[arg(long, value_enum, value_name = "WHO")]
    pub tls_resumption: Option<Resumption>,
}

/// How a scenario is played.
#[derive(Args, Debug)]
#[command(next_help_heading = "Scenario options")]
pub struct ScenarioArgs {
    /// Where a scenario's requests go [default: as it says, else the built-in stand-in API]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,

    /// A parameter of the scenario; may be given more than once
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = units::parameter)]
    pub parameters: Vec<(String, String)>,

    /// Play one session of one bot, and print every request, response, choice and check
    #[arg(long)]
    pub once: bool,

    /// One session of a run once more.
    #[command(flatten)]
    pub only: OnlyArgs,

    /// Make think times shorter or longer, for example 0.1; choices stay the same
    #[arg(long, value_name = "FACTOR", value_parser = units::millionths)]
    pub delay_scale: Option<u32>,

    /// What the built-in stand-in API does wrong on purpose, or `none`
    #[arg(long, value_name = "LIST", default_value = DEMO_FAULTS)]
    pub faults: String,
}

/// Enough that a first run has something to find.
const DEMO_FAULTS: &str = "status=0.1%,reset=0.05%,slow=1%:200ms,badjson=0.05%";

/// How the generator uses this machine.
#[derive(Args, Debug)]
pub struct MachineArgs {
    /// How many cores to put to work [default: all that this process may use]
    #[arg(long, visible_alias = "threads", value_name = "N")]
    pub cores: Option<usize>,

    /// io_uring or epoll; auto takes io_uring where it is allowed
    #[arg(long, value_enum, value_name = "DRIVER", default_value = "auto")]
    pub io_driver: DriverChoice,

    /// Source addresses to spread connections over, for example 10.0.0.5-10.0.0.9
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', value_parser = source_addresses)]
    pub local_ips: Vec<Vec<IpAddr>>,
}

/// Where results go.
#[derive(Args, Debug)]
pub struct OutputArgs {
    /// The folder for run.json [default: runs/RUN-ID, with --run-id runs/RUN-ID/task-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Also write the summary that k6 writes, for tools that read it
    #[arg(long, value_name = "FILE")]
    pub summary_export: Option<PathBuf>,

    /// Print run.json on standard output instead of the summary
    #[arg(long)]
    pub json: bool,

    /// Print no progress
    #[arg(long)]
    pub quiet: bool,

    /// Print no colour (also with the variable NO_COLOR)
    #[arg(long)]
    pub no_color: bool,
}

impl OutputArgs {
    /// Colour for results: on a terminal, unless the user or the environment does not want it.
    #[must_use]
    pub fn colour(&self) -> Colour {
        self.colour_on(&std::io::stdout())
    }

    /// Colour for what goes to `stream`.
    #[must_use]
    pub fn colour_on(&self, stream: &impl IsTerminal) -> Colour {
        colour_on(stream, self.no_color)
    }
}

/// Colour for what goes to `stream`, unless the flag `--no-color` or the environment is against it.
pub(crate) fn colour_on(stream: &impl IsTerminal, no_color: bool) -> Colour {
    let unwanted = no_color || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    if unwanted || !stream.is_terminal() { Colour::Plain } else { Colour::Ansi }
}

/// Addresses in one range: more would be a typing error rather than a wish.
const SOURCE_ADDRESSES_MAX: u32 = 65_536;

/// Reads one address or a range such as `10.0.0.5-10.0.0.9`.
fn source_addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let help =
        |_| format!("`{text}` is no address; write for example 10.0.0.5 or 10.0.0.5-10.0.0.9");
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![text.trim().parse().map_err(help)?]);
    };
    let first: std::net::Ipv4Addr = first.trim().parse().map_err(help)?;
    let last: std::net::Ipv4Addr = last.trim().parse().map_err(help)?;
    let (first, last) = (u32::from(first), u32::from(last));
    if last < first || last - first >= SOURCE_ADDRESSES_MAX {
        return Err(format!(
            "`{text}` must ascend and hold at most {SOURCE_ADDRESSES_MAX} addresses"
        ));
    }
    Ok((first..=last).map(|address| IpAddr::from(std::net::Ipv4Addr::from(address))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_source_addresses_includes_both_ends() {
        let range = source_addresses("127.0.0.2-127.0.0.4").expect("a range");
        assert_eq!(range.len(), 3);
        assert_eq!(range[2], IpAddr::from([127, 0, 0, 4]));
        assert!(source_addresses("127.0.0.4-127.0.0.2").is_err());
        assert!(source_addresses("0.0.0.0-255.255.255.255").is_err());
        assert!(source_addresses("somewhere").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

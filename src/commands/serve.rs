//! `tallyho serve`: the stand-in API alone.

use std::time::Duration;

use clap::Args;

use crate::demo::{self, Faults, Options, Parent, Rules};
use crate::exit::Exit;

/// Runs the stand-in API that scenarios are tried against.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    pub port: u16,

    /// What goes wrong on purpose, and how often: status (503), reset, slow, badjson
    ///
    /// For example `status=0.1%,reset=0.05%,slow=1%:200ms,badjson=0.05%`. The same seed meets the
    /// same faults at the same requests.
    #[arg(long, value_name = "LIST", default_value = "", value_parser = Faults::parse)]
    pub faults: Faults,

    /// What all chance in the API is computed from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// How long an access token is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = demo::parse_duration)]
    pub token_lifetime: Duration,

    /// Sign-up and login calls per second that are let through; beyond it Cognito's
    /// TooManyRequestsException
    #[arg(long, value_name = "CALLS")]
    pub auth_per_sec_max: Option<u32>,

    /// The CPU to run on
    #[arg(long, hide = true)]
    pub cpu: Option<usize>,

    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

impl From<&ServeArgs> for Options {
    fn from(args: &ServeArgs) -> Self {
        Self {
            port: args.port,
            rules: Rules {
                seed: args.seed,
                faults: args.faults.clone(),
                token_lifetime: args.token_lifetime,
                auth_per_sec_max: args.auth_per_sec_max,
                ..Rules::default()
            },
            cpu: args.cpu,
            parent: if args.exit_with_parent { Parent::Followed } else { Parent::Ignored },
        }
    }
}

/// Serves until a signal stops it.
///
/// # Errors
/// The port is taken, or the system refuses something else.
pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    demo::serve(args.into())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Cli {
        Serve(ServeArgs),
    }

    fn parse(arguments: &[std::ffi::OsString]) -> Options {
        let program = std::iter::once(std::ffi::OsString::from("tallyho"));
        let Cli::Serve(args) = Cli::parse_from(program.chain(arguments.iter().cloned()));
        Options::from(&args)
    }

    #[test]
    fn the_arguments_given_to_a_child_mean_the_options_of_its_parent() {
        let options = Options {
            port: 0,
            rules: Rules {
                seed: 7,
                faults: Faults::parse("reset=0.05%,slow=1%:200ms").unwrap(),
                token_lifetime: Duration::from_millis(1_500),
                auth_per_sec_max: Some(50),
                ..Rules::default()
            },
            cpu: Some(1),
            parent: Parent::Followed,
        };
        assert_eq!(parse(&demo::child_arguments(&options)), options);
    }

    #[test]
    fn without_options_nothing_goes_wrong_on_purpose() {
        let options = parse(&["serve".into()]);
        assert_eq!(options.rules, Rules::default());
        assert_eq!((options.port, options.cpu, options.parent), (8080, None, Parent::Ignored));
    }
}

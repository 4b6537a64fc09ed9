//! `tallyho check FILE`: everything that is wrong with a scenario, at once.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use tallyho_replay::Registry;

use crate::config::{self, BotKind, Checked, Colour, Diagnostic, Findings, Options, Plan};
use crate::exit::Exit;
use crate::output;
use crate::units;

/// What `tallyho check` takes.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// A parameter of the scenario, as `tallyho run` would be given it; may be given more than once
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = units::parameter)]
    pub parameters: Vec<(String, String)>,
}

/// Checks the file and prints what it found; warnings alone are no failure.
///
/// # Errors
///
/// None at present; the findings are printed.
pub fn run(args: &CheckArgs, bots: &Registry) -> anyhow::Result<Exit> {
    let options = Options { parameters: args.parameters.clone(), ..scenario_options(bots) };
    match checked(&args.file, &options, bots) {
        Ok(checked) => {
            show(&checked.findings);
            let plan = describe(&checked.plan);
            output::print(&format!("{} can run: {plan}\n", args.file.display()));
            Ok(Exit::Ok)
        }
        Err(findings) => {
            show(&findings);
            Ok(Exit::BadUsage)
        }
    }
}

/// Checks a scenario, and the configurations of its bots that are written in code.
///
/// # Errors
///
/// Everything that is wrong with it.
pub(super) fn checked(
    file: &Path,
    options: &Options,
    bots: &Registry,
) -> Result<Checked, Findings> {
    let mut checked = config::check(file, options)?;
    for bot in &checked.plan.bots {
        if let BotKind::Registered { bot, config } = &bot.kind
            && let Some(Err(error)) = bots.bot(bot, config)
        {
            let title = format!("the configuration of the bot `{bot}` is wrong: {error}");
            checked.findings.diagnostics.push(Diagnostic::error(0..0, title));
        }
    }
    if checked.findings.has_errors() { Err(checked.findings) } else { Ok(checked) }
}

/// What every scenario is checked with, whoever reads it.
pub(super) fn scenario_options(bots: &Registry) -> Options {
    Options {
        environment: Some(|name| std::env::var(name).ok()),
        registered_bots: bots.names().map(str::to_owned).collect(),
        ..Options::default()
    }
}

/// Prints what was found, if anything.
pub(super) fn show(findings: &Findings) {
    if !findings.diagnostics.is_empty() {
        eprint!("{}", findings.render(colour()));
    }
}

/// Whether findings are shown in colour.
fn colour() -> Colour {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if unwanted || !std::io::stderr().is_terminal() { Colour::Never } else { Colour::Always }
}

/// One line about what would run.
fn describe(plan: &Plan) -> String {
    let loads = plan.loads.iter().map(|load| {
        let (bots, executor) = (load.profile.bots_max(), load.profile.executor());
        format!("{} ({executor}, up to {bots} bots, {:?})", load.name, load.profile.duration())
    });
    let target = plan.target.as_deref().unwrap_or("the built-in stand-in API");
    format!("{} against {target}", loads.collect::<Vec<_>>().join(", "))
}

//! Scenario files: from text to a checked plan, or to everything that is wrong with it.
//!
//! In three passes, each of which reports all it finds and lets the next one go on: the JSON itself
//! (`json.rs`), the shape of every object (`shape.rs`, driven by the tables in `format.rs`), and
//! what it means (`profile.rs` for the load, `bot.rs` and its neighbours for the bots). The result
//! is a [`Plan`]: the load for the engine, and for each declared bot the definition that
//! `tallyho_replay::flow` compiles.
//!
//! Knows nothing of sockets, threads and reports. It reads the scenario and its data files, and
//! nothing else.

mod bot;
mod data;
mod data_sources;
mod diagnostic;
mod duration;
mod format;
mod guards;
mod json;
mod names;
mod network;
mod once;
mod parameters;
mod plan;
mod profile;
mod read;
mod request;
mod schema;
mod shape;
mod steps;
mod tallyup;
mod text;

use std::path::Path;

pub use diagnostic::{Colour, Diagnostic, Findings, Severity, Source};
pub use duration::{parse_delay, parse_duration, parse_load_duration, parse_rate};
pub use network::{dns_ttl, policy, select};
pub use once::{Printer, hide_placeholders};
pub use parameters::Environment;
pub(crate) use parameters::scheme_and_secret;
pub use plan::{
    Abort, BotKind, BotPlan, Certificates, ClientCertificate, Load, Network, NoData, OnNoFreeBot,
    Plan, Policy, Profile, Resumption, Select, Stage, Supply, Threshold, TlsVersion, Weight,
};
pub use profile::{Overrides, parse_stage};
pub use schema::json_schema;

/// What a scenario is checked with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--target`, which replaces the file's.
    pub target: Option<String>,
    /// `-e NAME=VALUE`.
    pub parameters: Vec<(String, String)>,
    /// Where `env.NAME` is looked up after `-e`; none: nowhere.
    pub environment: Option<Environment>,
    /// What the command line says about the load.
    pub load: Overrides,
    /// `--seed`, which replaces the file's.
    pub seed: Option<u64>,
    /// `--delay-scale`, in millionths, which replaces the file's.
    pub delay_scale_ppm: Option<u32>,
    /// `--max-redirects`, which replaces whatever the file says.
    pub max_redirects: Option<u32>,
    /// Names of the bots written in Rust.
    pub registered_bots: Vec<String>,
    /// The bot that runs where the file has none of its own: what a container is started for.
    pub default_bot: Option<String>,
}

/// A scenario that can run.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What to run.
    pub plan: Plan,
    /// Warnings; there are no errors among them.
    pub findings: Findings,
}

/// A scenario larger than this is not one.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a scenario file and everything it refers to.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(path: &Path, options: &Options) -> Result<Checked, Findings> {
    let shown = path.display().to_string();
    let failed = |title: String| {
        let sources = vec![Source { path: shown.clone(), text: String::new() }];
        Findings { sources, diagnostics: vec![Diagnostic::error(0..0, title)] }
    };
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    if size.is_ok_and(|size| size > FILE_BYTES_MAX) {
        return Err(failed(format!("{shown} is larger than 16 MiB, which no scenario is")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(unreadable(&shown, &error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        failed(format!("{shown} is not text: byte {at} is not UTF-8"))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    check_text(&shown, &text, folder, options)
}

fn unreadable(shown: &str, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no scenario file {shown}"),
        std::io::ErrorKind::PermissionDenied => format!("{shown} may not be read by this user"),
        _ => format!("{shown} cannot be read: {error}"),
    }
}

/// Checks a scenario's text; `folder` is where data files are looked for.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_text(
    shown: &str,
    text: &str,
    folder: &Path,
    options: &Options,
) -> Result<Checked, Findings> {
    // A byte order mark is no part of the text, but of its places.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut findings = Findings {
        sources: vec![Source { path: shown.to_owned(), text: text.to_owned() }],
        diagnostics: Vec::new(),
    };
    let plan = match json::parse(text) {
        Ok(root) => Some(read::plan(text, &root, folder, options, &mut findings)),
        Err(error) => {
            findings.diagnostics.push(error);
            None
        }
    };
    findings.finish();
    match plan {
        Some(plan) if !findings.has_errors() => Ok(Checked { plan, findings }),
        _ => Err(findings),
    }
}

#[cfg(test)]
mod tests;

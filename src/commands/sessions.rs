//! `tallyho sessions RUN`: the sessions of a trace.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tallyho_replay::trace::record::{CommandKind, Event, Events};
use tallyho_replay::trace::{Found, FoundEnd, Wanted};

use super::traces::{Trace, Traces};
use crate::exit::Exit;
use crate::output;

/// What `tallyho sessions` takes.
#[derive(Args, Debug)]
pub struct SessionsArgs {
    /// The run: its folder, its id, or a trace file or capsule
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    /// Only those that failed
    #[arg(long)]
    pub failing: bool,

    /// Only those that failed like this; the report and this list show signatures
    #[arg(long, value_name = "SIGNATURE")]
    pub signature: Option<String>,

    /// Only those of this bot
    #[arg(long, value_name = "BOT")]
    pub bot: Option<u64>,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// A session, as it is listed.
#[derive(Debug, Serialize)]
struct Row {
    scenario: String,
    bot: u64,
    session: u64,
    start_us: u64,
    steps: u64,
    outcome: &'static str,
    exactness: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl Row {
    fn name(&self) -> String {
        format!("{}/{}", self.bot, self.session)
    }
}

/// Sessions that are sorted together; longer lists come in parts.
const SORTED_MAX: usize = 200_000;

/// Lists sessions.
///
/// # Errors
///
/// If the trace cannot be read or is damaged.
pub fn run(args: &SessionsArgs) -> anyhow::Result<Exit> {
    let mut traces = Traces::open(&args.run)?;
    let wanted = Wanted {
        bot: args.bot,
        failing: args.failing,
        signature: args.signature.clone(),
        ..Wanted::default()
    };
    let mut columns = None;
    for Trace { path, reader } in &mut traces.0 {
        // By key: a hostile header could have as many scenarios as there are sessions.
        let scenarios = reader.header().scenarios.iter();
        let names = scenarios.map(|scenario| (scenario.key, scenario.name.clone()));
        let names: BTreeMap<u64, String> = names.rev().collect();
        let mut rows = Vec::new();
        let read = reader.sessions(&wanted, |found| {
            rows.push(row(&names, &found));
            if rows.len() == SORTED_MAX {
                print(&mut rows, args.json, &mut columns);
            }
            ControlFlow::Continue(())
        });
        read.with_context(|| path.display().to_string())?;
        print(&mut rows, args.json, &mut columns);
    }
    if columns.is_none() && !args.json {
        output::print(&heading(SESSION_COLUMNS_MIN));
    }
    if traces.show_damage() {
        bail!("{}: the trace is damaged; this is what is left of it", args.run.display());
    }
    Ok(Exit::Ok)
}

/// Set-up, teardown and heartbeat have numbers of 20 digits; with them the list fits 80 columns.
const SESSION_COLUMNS_MIN: usize = 12;

fn heading(columns: usize) -> String {
    format!("{:>columns$}     start s  steps  outcome      exactness     scenario\n", "session")
}

/// Prints rows, under a heading if there was none; `columns` is the width of what came before.
fn print(rows: &mut Vec<Row>, as_json: bool, columns: &mut Option<usize>) {
    let Some(longest) = rows.iter().map(|row| row.name().len()).max() else { return };
    let needs_heading = columns.is_none() && !as_json;
    let columns = *columns.get_or_insert(longest.max(SESSION_COLUMNS_MIN));
    rows.sort_by(|a, b| (a.bot, a.session, &a.scenario).cmp(&(b.bot, b.session, &b.scenario)));
    let mut text = String::new();
    if needs_heading {
        text.push_str(&heading(columns));
    }
    for row in rows.drain(..) {
        if as_json {
            text.push_str(&serde_json::to_string(&row).expect("plain data becomes JSON"));
            text.push('\n');
            continue;
        }
        let (seconds, micros) = (row.start_us / 1_000_000, row.start_us % 1_000_000);
        let start = format!("{seconds}.{micros:06}");
        text.push_str(&format!(
            "{:>columns$}  {start:>10}  {:>5}  {:<11}  {:<12}  {}\n",
            row.name(),
            row.steps,
            row.outcome,
            row.exactness,
            row.scenario
        ));
        if let Some(signature) = row.signature {
            text.push_str(&format!("{:columns$}  {}\n", "", signature.replace('\n', " ")));
        }
    }
    let text = output::plain(&text);
    if as_json { output::print(&text) } else { output::print_broken(&text) }
}

fn row(names: &BTreeMap<u64, String>, found: &Found) -> Row {
    let (mut start_us, mut steps, mut outcome) = (0, 0, "not ended");
    for event in Events::new(&found.record).map_while(Result::ok) {
        match event {
            Event::Start(start) => start_us = start.at_us,
            Event::Command(command) => {
                steps += 1;
                if command.kind == CommandKind::End {
                    outcome = command.outcome();
                }
            }
            Event::Input { .. } | Event::Value { .. } => {}
        }
    }
    let exactness = match found.end {
        FoundEnd::Whole => "exact",
        FoundEnd::Cut | FoundEnd::Open | FoundEnd::Gap => "exact so far",
    };
    Row {
        scenario: names.get(&found.who.scenario).cloned().unwrap_or_default(),
        bot: found.who.bot,
        session: found.who.session,
        start_us,
        steps,
        outcome,
        exactness,
        signature: found.signature.clone(),
    }
}

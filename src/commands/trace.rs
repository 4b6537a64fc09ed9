//! `tallyho trace check|recover RUN` and `tallyho capsule RUN`: the trace file itself.

mod recover;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use tallyho_replay::trace::{
    Batch, Found, FoundEnd, Header, KeptExchange, NotRecorded, Piece, PieceEnd, Totals,
    TraceWriter, WorkerCounts,
};

use super::traces::{SessionName, Trace, Traces, not_found};
use crate::exit::Exit;
use crate::output;

/// What `tallyho trace` does.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Verify every checksum, and print what became of the sessions
    Check(TraceArgs),
    /// Close a trace that a killed run left open
    Recover(TraceArgs),
}

/// Which trace.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// The run: its folder, its id, or a trace file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// What `tallyho capsule` takes.
#[derive(Args, Debug)]
pub struct CapsuleArgs {
    /// The run: its folder, its id, or a trace file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    /// The session; BOT/N, or SCENARIO:BOT/N
    #[arg(long, value_name = "BOT/N")]
    pub session: SessionName,

    /// The file to write [default: session-BOT-N.tly]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Checks or recovers.
///
/// # Errors
///
/// If a trace cannot be read, is damaged, or was not closed.
pub fn run(command: &TraceCommand) -> anyhow::Result<Exit> {
    match command {
        TraceCommand::Check(args) => check(args),
        TraceCommand::Recover(args) => recover::recover_all(args),
    }
}

fn check(args: &TraceArgs) -> anyhow::Result<Exit> {
    let mut traces = Traces::open(&args.run)?;
    let mut is_open = false;
    for Trace { path, reader } in &mut traces.0 {
        let counted = reader.count().with_context(|| path.display().to_string())?;
        let (name, bytes, blocks) = (path.display(), reader.bytes(), reader.blocks());
        let blocks = output::counted(blocks as u64, "block");
        output::print(&format!("{name}: {bytes} bytes, {blocks}\n"));
        let Some(totals) = reader.totals() else {
            output::print(&totals_of_open(&counted));
            is_open = true;
            continue;
        };
        output::print(&render(&totals, bytes));
        if reader.damages().is_empty() || !totals.adds_up() {
            agree(&totals, &counted).with_context(|| name.to_string())?;
        }
    }
    if traces.show_damage() {
        bail!(damaged(&args.run));
    }
    if is_open {
        let run = args.run.display();
        bail!("{run}: the run was killed; `tallyho trace recover {run}` closes the trace");
    }
    Ok(Exit::Ok)
}

/// Whether the totals of a closed trace are what is in it.
fn agree(totals: &Totals, counted: &Totals) -> anyhow::Result<()> {
    let Totals { exact, partial, requests, .. } = *counted;
    let is_as_counted =
        (exact, partial, requests) == (totals.exact, totals.partial, totals.requests);
    if !totals.adds_up() || !is_as_counted {
        bail!(
            "its totals are not what is in it: {exact} exact, {partial} exact up to a step, \
             {requests} requests"
        );
    }
    Ok(())
}

/// What is left of a damaged trace, and how to get at it.
fn damaged(run: &Path) -> String {
    let run = run.display();
    format!(
        "{run}: the trace is damaged; `tallyho sessions {run}` lists what is left, and `tallyho \
         replay {run} --all` replays it"
    )
}

fn render(totals: &Totals, bytes: u64) -> String {
    let Totals { started, exact, partial, not_recorded, requests } = totals;
    let mut text = format!(
        "  {exact} exact + {partial} exact up to a step + {} not recorded = {started} started\n",
        not_recorded.sum()
    );
    let NotRecorded { not_wanted, writer_behind, lost } = not_recorded;
    for (count, why) in [
        (not_wanted, "did not fail, and only failing ones were wanted or fitted"),
        (writer_behind, "started while the writer had fallen behind"),
        (lost, "could not be written"),
    ] {
        if *count > 0 {
            text.push_str(&format!("    {count} {why}\n"));
        }
    }
    text.push_str(&format!("  {}\n", per_request(*requests, bytes)));
    text
}

fn totals_of_open(counted: &Totals) -> String {
    let Totals { started, exact, partial, requests, .. } = counted;
    format!(
        "  {exact} exact, {partial} exact up to a step; {started} or more were started\n  \
         {}\n",
        output::counted(*requests, "request")
    )
}

fn per_request(requests: u64, bytes: u64) -> String {
    if requests == 0 {
        return "no requests".to_owned();
    }
    let count = output::counted(requests, "request");
    format!("{count}, {:.2} bytes each", bytes as f64 / requests as f64)
}

/// Cuts one session into a file of its own.
///
/// # Errors
///
/// If the trace cannot be read, the session is not in it, or the file cannot be written.
pub fn capsule(args: &CapsuleArgs) -> anyhow::Result<Exit> {
    let mut traces = Traces::open(&args.run)?;
    let mut found = Vec::new();
    for (index, Trace { path, reader }) in traces.0.iter_mut().enumerate() {
        let read = reader.sessions(&args.session.wanted(), |session| {
            found.push((index, session));
            // Of several none is written, and a hostile file could have millions.
            if found.len() > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        read.with_context(|| path.display().to_string())?;
    }
    let is_damaged = traces.show_damage();
    let (index, session) = match found.len() {
        0 => return Err(not_found(&args.session, &args.run)),
        1 => found.swap_remove(0),
        _ => bail!("{} names several sessions; put SCENARIO: in front", args.session),
    };
    let header = traces.0[index].reader.header().clone();
    let name = format!("session-{}-{}.tly", session.who.bot, session.who.session);
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(name));
    let failed = || format!("cannot write {}", path.display());
    let exchange = traces.0[index].reader.exchange(session.who).with_context(failed)?;
    let bytes = write_capsule(&path, &header, session, exchange).with_context(failed)?;
    output::print(&format!("{}: {bytes} bytes; tallyho replay {0} --all\n", path.display()));
    if is_damaged {
        bail!("{}: the trace is damaged; the capsule holds what is left", args.run.display());
    }
    Ok(Exit::Ok)
}

/// Writes one session, and the exchange it failed with, into a file of its own; gives its size.
///
/// # Errors
///
/// If the file cannot be written.
pub(super) fn write_capsule(
    path: &Path,
    header: &Header,
    session: Found,
    exchange: Option<KeptExchange>,
) -> std::io::Result<u64> {
    let mut header = header.clone();
    header.scenarios.retain(|scenario| scenario.key == session.who.scenario);
    let file = File::create(path)?;
    let mut writer = TraceWriter::new(file, &header)?;
    let piece = Piece {
        who: session.who,
        number: 0,
        start: None,
        size: session.record.len(),
        end: if session.end == FoundEnd::Whole { PieceEnd::Whole } else { PieceEnd::Cut },
        signature: session.signature,
    };
    let counts = WorkerCounts { started: 1, ..WorkerCounts::default() };
    let batch = Batch {
        bytes: session.record,
        pieces: vec![piece],
        exchanges: exchange.into_iter().collect(),
        counts,
    };
    writer.write(&batch)?;
    let (_, closed) = writer.finish(1, NotRecorded::default());
    closed?;
    Ok(writer.bytes())
}

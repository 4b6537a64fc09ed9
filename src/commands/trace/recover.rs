//! `tallyho trace recover RUN`: closes what a killed run left open, and says what it cannot mend.
//!
//! A closed trace needs nothing, but it is read whole before that is said: whoever recovers a trace
//! wants to use it. Of a damaged one nothing is written over: what is left of it can be read as it
//! is, and an index behind it would only hide that there was more.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom};

use anyhow::{Context, bail};
use tallyho_replay::trace::{Totals, TraceError, recover};

use super::super::traces::{Trace, Traces};
use super::{TraceArgs, agree, damaged, render};
use crate::exit::Exit;
use crate::output;

/// Closes every trace of a run that is whole as far as it goes.
///
/// # Errors
///
/// If one cannot be read or written; or if one is damaged, and then the others are closed all the
/// same.
pub(super) fn recover_all(args: &TraceArgs) -> anyhow::Result<Exit> {
    let mut traces = Traces::open(&args.run)?;
    for trace in &mut traces.0 {
        let name = trace.path.display().to_string();
        let told = recover_one(trace).with_context(|| name.clone())?;
        output::print(&format!("{name}: {told}"));
    }
    traces.0.retain(|trace| !trace.reader.damages().is_empty());
    if traces.show_damage() {
        bail!(damaged(&args.run));
    }
    Ok(Exit::Ok)
}

/// Closes one trace, if that is what it needs; says what is the case.
fn recover_one(trace: &mut Trace) -> anyhow::Result<String> {
    if let Some(totals) = trace.reader.totals() {
        let counted = trace.reader.count()?;
        if !trace.reader.damages().is_empty() {
            return Ok(left_of_closed(&totals, &counted));
        }
        agree(&totals, &counted)?;
        return Ok("it is closed, nothing to do\n".to_owned());
    }
    if trace.reader.damages().is_empty() {
        match close(trace) {
            // Found only as its blocks were read.
            Err(TraceError::Damaged) => {}
            closed => {
                let bytes = std::fs::metadata(&trace.path)?.len();
                let torn = trace.reader.torn();
                let torn = torn.map_or(String::new(), |torn| format!("; {torn}: cut off"));
                return Ok(format!("closed{torn}\n{}", render(&closed?, bytes)));
            }
        }
    }
    Ok(left_of_open(&trace.reader.count()?))
}

fn close(trace: &mut Trace) -> Result<Totals, TraceError> {
    let path = &trace.path;
    recover(&mut trace.reader, |end| {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(file)
    })
}

fn left_of_closed(totals: &Totals, counted: &Totals) -> String {
    format!(
        "it was closed, and is damaged: it is left as it is\n  {} exact and {} exact up to a step \
         are left, of {} and {}\n",
        counted.exact, counted.partial, totals.exact, totals.partial
    )
}

fn left_of_open(counted: &Totals) -> String {
    format!(
        "it was not closed, or its end is lost, and it is damaged: it is left as it is\n  {} exact \
         and {} exact up to a step are left\n",
        counted.exact, counted.partial
    )
}

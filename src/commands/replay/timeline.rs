//! One session as it is replayed, step by step, for people. Reads well at 80 columns.
//!
//! What came in is from the record; requests, choices, checks and think times are computed again,
//! and compared step by step.

use anyhow::Context;
use tallyho_replay::replayer::{ReplayError, Replayer, Trail};
use tallyho_replay::trace::record::{Content, Event, Events, RecordedInput};
use tallyho_replay::trace::{Found, FoundEnd, Header};
use tallyho_replay::{Command, Session};

use super::super::traces::Stage;
use crate::config::Printer;
use crate::exit::Exit;

/// Bytes of a value that are shown.
const VALUE_BYTES_SHOWN: usize = 200;
const COLUMNS: usize = 80;

/// The timeline, and whether every step agrees.
pub(super) fn render(
    header: &Header,
    stage: &Stage,
    found: &Found,
) -> anyhow::Result<(String, Exit)> {
    let scenario = header.scenario(found.who.scenario);
    let scenario = scenario.context("the session's scenario is not in the trace's header")?;
    let bot = stage.bot(found.who.scenario).context("every scenario has its bot")?;
    let mut text = format!(
        "session {} of {} (bot {} version {})\nrun {}, seed {}, recorded by tallyho {}\n",
        found.who,
        scenario.name,
        scenario.bot,
        bot.version(),
        header.run,
        header.seed,
        header.build,
    );
    if scenario.bot_version != bot.version() {
        let version = scenario.bot_version;
        text.push_str(&format!("recorded with version {version} of the bot\n"));
    }
    if let Some(signature) = &found.signature {
        text.push_str(&format!("failing: {signature}\n"));
    }
    text.push('\n');
    let mut printer = Printer::default();
    let mut replayer = Replayer::new(bot, &stage.facts, &found.record);
    let mut events = Events::new(&found.record);
    let replayed = loop {
        let step = replayer.steps();
        let next = replayer.next_step();
        if !matches!(next, Ok(None)) {
            text.push_str(&came_in(step, &mut events));
        }
        match next {
            Ok(Some(command)) => {
                let trail = replayer.trail();
                did(&mut text, &mut printer, (replayer.session(), &trail), &command);
                if let Command::End(_) = command {
                    break Ok(true);
                }
            }
            Ok(None) => break Ok(false),
            Err(error) => break Err(error),
        }
    };
    let exit = conclude(&mut text, &replayer, (found.end, replayed));
    Ok((text, exit))
}

/// What the step began with, and what the bot read in it.
fn came_in(step: u32, events: &mut Events<'_>) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            Ok(Event::Start(start)) => {
                text.push_str(&head(step, start.at_us, start.stopping, "start"));
                if start.carry != b"null" {
                    text.push_str(&value("carried", start.carry));
                }
                if !start.setup.is_empty() {
                    text.push_str(&value("set-up", start.setup));
                }
            }
            Ok(Event::Input { at_us, stopping, input }) => {
                let input = match input {
                    RecordedInput::Response(status) => format!("status {status}"),
                    RecordedInput::Failed(failure) => format!("no response: {failure}"),
                    RecordedInput::Woke => "woke".to_owned(),
                    RecordedInput::Answer(answer) => format!("answer {answer}"),
                };
                text.push_str(&head(step, at_us, stopping, &input));
            }
            Ok(Event::Value { asked, content }) => text.push_str(&match content {
                Content::Json(json) => value(asked.as_str(), json),
                Content::Error(error) => line(&format!("read  {}: {error}", asked.as_str())),
                Content::Panicked => line(&format!("read  {}: it panicked", asked.as_str())),
            }),
            Ok(Event::Command(_)) | Err(_) => break,
        }
    }
    text
}

/// What the replay did in the step.
fn did(
    text: &mut String,
    printer: &mut Printer,
    (session, trail): (&Session, &[Trail]),
    command: &Command,
) {
    let mut draws: Vec<(String, u32)> = Vec::new();
    for trail in trail {
        let name = trail.to_string();
        match draws.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => draws.push((name, 1)),
        }
    }
    for (name, count) in draws {
        let times = if count > 1 { format!(", {count} times") } else { String::new() };
        text.push_str(&line(&format!("{name}{times}")));
    }
    session.for_each_note(|note| text.push_str(&printer.note(note)));
    let at_us = u64::try_from(session.now().as_micros()).unwrap_or(u64::MAX);
    if *command == Command::Send {
        text.push_str(&session.with_request(|request, _| printer.request(at_us, request)));
    } else {
        text.push_str(&printer.command(at_us, command));
    }
}

fn conclude(
    text: &mut String,
    replayer: &Replayer<'_>,
    (end, replayed): (FoundEnd, Result<bool, ReplayError>),
) -> Exit {
    let steps = replayer.steps();
    text.push('\n');
    match (end, replayed) {
        (_, Err(ReplayError::Differs(difference))) => {
            text.push_str(&format!("{difference}\n"));
            Exit::Differs
        }
        (_, Err(error)) => {
            text.push_str(&format!("after {steps} steps that agree: {error}\n"));
            Exit::Differs
        }
        (_, Ok(true)) => {
            let chain = replayer.chain();
            text.push_str(&format!("exact: all {steps} steps agree, chain {chain:016x}\n"));
            Exit::Ok
        }
        (FoundEnd::Whole, Ok(false)) => {
            text.push_str(&format!("the record ends after {steps} steps, before the session\n"));
            Exit::Differs
        }
        (_, Ok(false)) if steps == 0 => {
            text.push_str("the record holds no whole step\n");
            Exit::Differs
        }
        (end, Ok(false)) => {
            let why = match end {
                FoundEnd::Gap => "a later piece of the record is missing",
                FoundEnd::Open => "the trace ends before the session does",
                FoundEnd::Cut | FoundEnd::Whole => "the session was cut off",
            };
            text.push_str(&format!("exact up to step {}: {why}\n", steps - 1));
            Exit::Ok
        }
    }
}

/// The line that opens a step: its number, the instant, what came in.
fn head(step: u32, at_us: u64, stopping: bool, input: &str) -> String {
    let stopping = if stopping { ", the run is stopping" } else { "" };
    let (seconds, micros) = (at_us / 1_000_000, at_us % 1_000_000);
    format!("#{step}  {seconds}.{micros:06} s  {input}{stopping}\n")
}

const INDENT: &str = "             ";

fn line(text: &str) -> String {
    format!("{INDENT}{text}\n")
}

fn value(what: &str, json: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&json[..json.len().min(VALUE_BYTES_SHOWN)]);
    let more = json.len().saturating_sub(VALUE_BYTES_SHOWN);
    let more = if more > 0 { format!("… and {more} bytes") } else { String::new() };
    let text = format!("read  {what} = {shown}{more}");
    let mut lines = String::new();
    let mut rest: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
    while !rest.is_empty() {
        let taken = rest.len().min(COLUMNS - INDENT.len());
        lines.push_str(&line(&rest.drain(..taken).collect::<String>()));
    }
    lines
}

//! One session as it is replayed, step by step, for people.
//!
//! What came in is from the record; requests, choices, checks and think times are computed again,
//! and compared step by step. The exchange that the session began to fail with is shown where it
//! happened, if the trace holds it.

use anyhow::Context;
use tallyho_replay::replayer::{ReplayError, Replayer, Trail};
use tallyho_replay::trace::record::{Content, Event, Events, RecordedInput};
use tallyho_replay::trace::{Found, FoundEnd, Header, KeptExchange};
use tallyho_replay::{Command, Session, Traceparent};

use super::super::traces::Stage;
use crate::config::{Printer, hide_placeholders};
use crate::exit::Exit;
use crate::output::plain;

/// Bytes of a value that are shown.
const VALUE_BYTES_SHOWN: usize = 200;

/// A session as text.
pub(super) struct Timeline {
    /// Whose it is, and of which run.
    pub(super) heading: String,
    /// One text for each step.
    pub(super) steps: Vec<String>,
    /// Whether it agrees with what was recorded.
    pub(super) conclusion: String,
    pub(super) exit: Exit,
    /// The step with which it began to fail, as far as that is known.
    pub(super) failing: Option<usize>,
}

/// How much of a kept body is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    /// The beginning.
    Short,
    /// All that was kept.
    Whole,
}

const BODY_BYTES_SHORT: usize = 4096;

impl Timeline {
    /// All of it.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}\n{}", self.heading, self.steps.concat(), self.conclusion)
    }
}

/// What a timeline is made from.
pub(super) struct Source<'a> {
    pub(super) header: &'a Header,
    pub(super) stage: &'a Stage,
    pub(super) found: &'a Found,
    pub(super) exchange: Option<&'a KeptExchange>,
}

/// Replays the session and writes down what it does.
pub(super) fn timeline(source: &Source<'_>, bodies: Bodies) -> anyhow::Result<Timeline> {
    let Source { stage, found, exchange, .. } = *source;
    let bot = stage.bot(found.who.scenario).context("every scenario has its bot")?;
    let mut steps = Vec::new();
    let mut failing = None;
    let mut printer = Printer::default();
    let mut replayer = Replayer::new(bot, &stage.facts, &found.record);
    let mut events = Events::new(&found.record);
    let replayed = loop {
        let step = replayer.steps();
        let next = replayer.next_step();
        let mut text = String::new();
        if !matches!(next, Ok(None)) {
            text.push_str(&came_in(step, &mut events));
            if let Some(exchange) = exchange.filter(|exchange| exchange.step == step) {
                text.push_str(&kept(exchange, bodies));
            }
        }
        let over = match next {
            Ok(Some(command)) => {
                source.did(&mut text, &mut printer, &replayer, &command);
                matches!(command, Command::End(_)).then_some(Ok(true))
            }
            Ok(None) => Some(Ok(false)),
            Err(error) => Some(Err(error)),
        };
        if failing.is_none() && replayer.session().is_failing() {
            failing = Some(steps.len());
        }
        if !text.is_empty() {
            steps.push(text);
        }
        if let Some(replayed) = over {
            break replayed;
        }
    };
    let (conclusion, exit) = conclude(&replayer, found.end, replayed);
    // Names, labels and log lines are the file's.
    let (heading, conclusion) = (plain(&source.heading()?), plain(&conclusion));
    steps.iter_mut().for_each(|step| *step = plain(step));
    Ok(Timeline { heading, steps, conclusion, exit, failing })
}

impl Source<'_> {
    fn heading(&self) -> anyhow::Result<String> {
        let Source { header, stage, found, .. } = self;
        let scenario = header.scenario(found.who.scenario);
        let scenario = scenario.context("the session's scenario is not in the trace's header")?;
        let version = stage.bot(scenario.key).map(|bot| bot.version()).unwrap_or_default();
        let mut text = format!(
            "session {} of {} (bot {} version {version})\nrun {}, seed {}, recorded by tallyho \
             {}\n",
            found.who, scenario.name, scenario.bot, header.run, header.seed, header.build,
        );
        if scenario.bot_version != version {
            let recorded = scenario.bot_version;
            text.push_str(&format!("recorded with version {recorded} of the bot\n"));
        }
        if let Some(signature) = &found.signature {
            text.push_str(&format!("failing: {signature}\n"));
        }
        Ok(text)
    }

    /// What the replay did in the step.
    fn did(
        &self,
        text: &mut String,
        printer: &mut Printer,
        replayer: &Replayer<'_>,
        command: &Command,
    ) {
        let session = replayer.session();
        let mut draws: Vec<(String, u32)> = Vec::new();
        for trail in replayer.trail() {
            let name = self.trail(&trail);
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
            self.traceparent(text, session);
        } else {
            text.push_str(&printer.command(at_us, command));
        }
    }

    fn traceparent(&self, text: &mut String, session: &Session) {
        let is_own = |line: &[u8]| {
            line.get(..12).is_some_and(|name| name.eq_ignore_ascii_case(b"traceparent:"))
        };
        let has_own = session.with_request(|request, _| {
            request.header_lines().split(|byte| *byte == b'\n').any(is_own)
        });
        if self.header.traceparent && !has_own {
            let run = self.header.run_number;
            let value = Traceparent::new(run, session.who(), session.step_index());
            text.push_str(&line(&format!("traceparent: {value}")));
        }
    }

    fn trail(&self, trail: &Trail) -> String {
        match trail {
            Trail::Draw { site, drawn } => match self.stage.label(self.found.who.scenario, *site) {
                Some(label) => format!("drew  {label} = {drawn}"),
                None => format!("drew  {drawn} at site {:016x}", site.key()),
            },
            Trail::Pick { set, action, .. } => format!("pick  {action} of {set}"),
        }
    }
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

fn conclude(
    replayer: &Replayer<'_>,
    end: FoundEnd,
    replayed: Result<bool, ReplayError>,
) -> (String, Exit) {
    let steps = replayer.steps();
    match (end, replayed) {
        (_, Err(ReplayError::Differs(difference))) => (format!("{difference}\n"), Exit::Differs),
        (_, Err(error)) => (format!("after {steps} steps that agree: {error}\n"), Exit::Differs),
        (_, Ok(true)) => {
            let chain = replayer.chain();
            (format!("exact: all {steps} steps agree, chain {chain:016x}\n"), Exit::Ok)
        }
        (FoundEnd::Whole, Ok(false)) => {
            (format!("the record ends after {steps} steps, before the session\n"), Exit::Differs)
        }
        (_, Ok(false)) if steps == 0 => {
            ("the record holds no whole step\n".to_owned(), Exit::Differs)
        }
        (end, Ok(false)) => {
            let why = match end {
                FoundEnd::Gap => "a later piece of the record is missing",
                FoundEnd::Open => "the trace ends before the session does",
                FoundEnd::Cut | FoundEnd::Whole => "the session was cut off",
            };
            (format!("exact up to step {}: {why}\n", steps - 1), Exit::Ok)
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
    let shown = hide_placeholders(&String::from_utf8_lossy(json));
    let cut = shown.floor_char_boundary(VALUE_BYTES_SHOWN);
    let more = shown.len() - cut;
    let more = if more > 0 { format!("… and {more} bytes") } else { String::new() };
    let text: String = shown[..cut].chars().filter(|c| !c.is_control()).collect();
    line(&format!("read  {what} = {text}{more}"))
}

/// The exchange as it went over the wire.
fn kept(exchange: &KeptExchange, bodies: Bodies) -> String {
    let KeptExchange { request, request_size, failure, status, head, body, body_size, .. } =
        exchange;
    let mut text = line("the exchange that it failed with, as it went over the wire:");
    text.push_str(&content("> ", request, *request_size, bodies));
    match failure {
        Some(failure) => text.push_str(&line(&format!("< no response: {failure}"))),
        None => {
            text.push_str(&line(&format!("< status {status}")));
            text.push_str(&content("< ", head, head.len() as u64, bodies));
            text.push_str(&line("<"));
            text.push_str(&content("< ", body, *body_size, bodies));
        }
    }
    text
}

fn content(mark: &str, bytes: &[u8], size: u64, bodies: Bodies) -> String {
    let shown = match bodies {
        Bodies::Short => &bytes[..bytes.len().min(BODY_BYTES_SHORT)],
        Bodies::Whole => bytes,
    };
    let mut text = String::new();
    for shown in hide_placeholders(&String::from_utf8_lossy(shown)).lines() {
        let shown: String = shown.chars().map(|c| if c.is_control() { '.' } else { c }).collect();
        text.push_str(&line(&format!("{mark}{shown}")));
    }
    let (cut, kept) = (bytes.len() - shown.len(), bytes.len() as u64);
    if cut > 0 {
        text.push_str(&line(&format!("{mark}… and {cut} bytes; --whole shows them")));
    }
    // What stands for a secret may be longer than it.
    if size > kept.max(tallyho_replay::trace::KEPT_BYTES_MAX as u64) || (kept == 0 && size > 0) {
        text.push_str(&line(&format!("{mark}({size} bytes in all, {kept} of them kept)")));
    }
    text
}

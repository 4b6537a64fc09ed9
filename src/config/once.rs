//! One session as people read it: `tallyho run FILE --once`.
//!
//! Pure: it is told what happened, in order, and gives lines of text. Requests hold placeholders
//! where secrets are; responses are masked with the bot's vault, so they are printed after the bot
//! has read them.

use std::fmt::Write;
use std::time::Duration;

use tallyho_replay::{
    Command, Failure, Note, Outcome, Question, ReadError, Request, ResponseParts, Vault, Who,
};

use super::parameters::looks_secret;

/// Bytes of a body that are shown; more is cut off and counted.
const BODY_BYTES_SHOWN: usize = 4096;
/// Where the text of continued lines begins.
const INDENT: &str = "             ";
/// What every placeholder of a secret begins with, before 16 hexadecimal digits.
const PLACEHOLDER: &str = "tallyho-secret-";

/// Writes one session as text.
#[derive(Clone, Debug, Default)]
pub struct Printer {
    sent_us: u64,
}

impl Printer {
    /// The first line.
    pub fn start(&self, bot: &str, who: Who) -> String {
        format!("session {who} of {bot}\n\n")
    }

    /// The request of a `Command::Send`.
    pub fn request(&mut self, at_us: u64, request: &Request) -> String {
        self.sent_us = at_us;
        let mut text = format!(
            "{} -> {} {}{}   ({})\n",
            clock(at_us),
            request.method.as_str(),
            request.origin(),
            request.target(),
            request.name
        );
        headers(request.header_lines(), &mut text);
        body(request.body(), &mut text);
        hide_placeholders(&text)
    }

    /// The response, after the bot has read it and taken secrets from it into its vault.
    pub fn response(&self, at_us: u64, response: &ResponseParts, vault: &Vault) -> String {
        let took = milliseconds(at_us.saturating_sub(self.sent_us));
        let status = response.status;
        let size = response.body_size;
        let mut text = format!("{} <- {status} after {took}, {size} bytes\n", clock(at_us));
        let masked = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            vault.mask(&mut bytes);
            bytes
        };
        let head = response.bytes.get(response.head.clone()).unwrap_or_default();
        headers(&masked(head), &mut text);
        match response.decoded_body() {
            Ok(decoded) => body(&masked(&decoded), &mut text),
            Err(ReadError::NoBody) => {}
            // Writing to a String cannot fail.
            Err(error) => writeln!(text, "{INDENT}<the body is {error}>").unwrap_or(()),
        }
        hide_placeholders(&text)
    }

    /// Why there was no response.
    pub fn failure(&self, at_us: u64, failure: Failure) -> String {
        let took = milliseconds(at_us.saturating_sub(self.sent_us));
        format!("{} <- no response after {took}: {}\n", clock(at_us), failure.as_str())
    }

    /// A check, a metric, an action that is over, or a line of the bot's log.
    pub fn note(&self, note: &Note) -> String {
        let text = match note {
            Note::Check { name, passed: true } => format!("ok    {name}"),
            Note::Check { name, passed: false } => format!("FAIL  {name}"),
            Note::Counter { name, by } => format!("count {name} +{by}"),
            Note::Rate { name, hit } => format!("rate  {name} {hit}"),
            Note::Gauge { name, value } => format!("gauge {name} {value}"),
            Note::Trend { name, value, is_time: true } => format!("trend {name} {value} ms"),
            Note::Trend { name, value, is_time: false } => format!("trend {name} {value}"),
            Note::Action { set, name, took_us } => {
                format!("did   {name} of {set} in {}", milliseconds(*took_us))
            }
            Note::Log { text, .. } => format!("log   {text}"),
        };
        hide_placeholders(&format!("{INDENT}{text}\n"))
    }

    /// What the bot does next, unless it sends.
    pub fn command(&self, at_us: u64, command: &Command) -> String {
        match command {
            Command::Send => String::new(),
            Command::Sleep(pause) => format!("{} .. pauses {}\n", clock(at_us), seconds(*pause)),
            Command::Ask(question) => {
                let question = match question {
                    Question::ActiveBots => "how many bots are active",
                    Question::UnixMs => "the date, in milliseconds since 1970",
                };
                format!("{} ?? {question}\n", clock(at_us))
            }
            Command::End(outcome) => format!("{} ends: {}\n", clock(at_us), ending(outcome)),
        }
    }
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Failed(reason) => format!("failed: {reason}"),
        Outcome::StopBot => "done, and the bot starts no other session".into(),
        Outcome::AbortRun(reason) => format!("aborts the run: {reason}"),
        Outcome::Panicked => "the bot panicked".into(),
        Outcome::Stuck => "the bot waits for something that never comes".into(),
    }
}

/// `12:34.567`, from the run's start.
fn clock(at_us: u64) -> String {
    let milliseconds = at_us / 1000;
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    format!("{minutes:02}:{:02}.{:03}", rest / 1000, rest % 1000)
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

fn seconds(pause: Duration) -> String {
    format!("{}.{:03} s", pause.as_secs(), pause.subsec_millis())
}

fn headers(lines: &[u8], text: &mut String) {
    for line in String::from_utf8_lossy(lines).lines().filter(|line| !line.is_empty()) {
        let shown = match line.split_once(':') {
            // A value that was never captured is not in the vault.
            Some((name, value)) if looks_secret(name) && !value.contains(PLACEHOLDER) => {
                format!("{name}: <secret>")
            }
            _ => line.to_owned(),
        };
        // Writing to a String cannot fail.
        writeln!(text, "{INDENT}{shown}").unwrap_or(());
    }
}

fn body(bytes: &[u8], text: &mut String) {
    if bytes.is_empty() {
        return;
    }
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(BODY_BYTES_SHOWN)]);
    for line in shown.lines() {
        let line: String =
            line.chars().map(|c| if c.is_control() && c != '\t' { '.' } else { c }).collect();
        writeln!(text, "{INDENT}{line}").unwrap_or(());
    }
    if bytes.len() > BODY_BYTES_SHOWN {
        writeln!(text, "{INDENT}... {} more bytes", bytes.len() - BODY_BYTES_SHOWN).unwrap_or(());
    }
}

/// Every placeholder as `<secret 3fa2>`: enough to tell two apart, and shorter.
pub fn hide_placeholders(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split(PLACEHOLDER);
    out.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits >= 16 {
            write!(out, "<secret {}>{}", &part[12..16], &part[16..]).unwrap_or(());
        } else {
            out.push_str(PLACEHOLDER);
            out.push_str(part);
        }
    }
    out
}

//! Two recordings of one session, step by step: where the server first answered otherwise, and
//! where the bot first did otherwise.
//!
//! Clocks differ always and are not compared, nor are secrets, nor what a question about the run
//! was answered. Requests are computed again on both sides, without the host they went to.

use tallyho_replay::replayer::Replayer;
use tallyho_replay::secret::{PLACEHOLDER_BYTES, PLACEHOLDER_PREFIX};
use tallyho_replay::trace::record::{Content, Event, Events, RecordedInput};
use tallyho_replay::trace::{Found, Header};
use tallyho_replay::{Command, Registry, Session};

use anyhow::{Context, anyhow};

use super::traces::{SessionName, Stage};

/// One recording.
pub(super) struct Side<'a> {
    pub(super) header: &'a Header,
    pub(super) found: &'a Found,
}

/// How far two recordings agree.
pub(super) struct Agreement {
    /// Steps of the earlier one.
    steps: usize,
    answers: Part,
    commands: Part,
}

/// One half of every step.
struct Part {
    /// Steps before the first difference.
    same: usize,
    /// What was, and what is now.
    first: Option<(String, String)>,
}

/// Compares them.
///
/// # Errors
///
/// When one of them does not replay.
pub(super) fn compare(
    recorded: &Side<'_>,
    now: &Side<'_>,
    bots: &Registry,
) -> anyhow::Result<Agreement> {
    let was = steps(recorded, bots).context("the recorded session")?;
    let is = steps(now, bots).context("the session as it was run now")?;
    Ok(Agreement {
        steps: was.len(),
        answers: Part::of(&was, &is, |step| &step.answer),
        commands: Part::of(&was, &is, |step| &step.command),
    })
}

impl Part {
    fn of(was: &[Step], is: &[Step], half: fn(&Step) -> &String) -> Self {
        let differs = |index: &usize| is.get(*index).map(half) != Some(half(&was[*index]));
        let Some(same) = (0..was.len()).find(differs) else {
            return Self { same: was.len(), first: None };
        };
        let now =
            is.get(same).map_or("the session had ended".to_owned(), |step| half(step).clone());
        Self { same, first: Some((half(&was[same]).clone(), now)) }
    }

    fn render(&self, whose: &str, steps: usize) -> String {
        let Self { same, first } = self;
        let Some((was, now)) = first else {
            return format!("  {whose}: the same in {steps} of {steps} steps\n");
        };
        format!(
            "  {whose}: the same in {same} of {steps} steps, first difference at step {same}\n    \
             recorded: {}\n    now:      {}\n",
            indented(was),
            indented(now)
        )
    }
}

impl Agreement {
    pub(super) fn agrees(&self) -> bool {
        self.answers.first.is_none() && self.commands.first.is_none()
    }

    pub(super) fn render(&self, name: &SessionName, run: &str) -> String {
        format!(
            "compared with session {name} of run {run}\n{}{}",
            self.answers.render("the server's answers", self.steps),
            self.commands.render("the bot's commands", self.steps)
        )
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n              ")
}

/// A step as far as it is compared.
struct Step {
    answer: String,
    command: String,
}

fn steps(side: &Side<'_>, bots: &Registry) -> anyhow::Result<Vec<Step>> {
    let stage = Stage::new(side.header, bots)?;
    let bot = stage.bot(side.found.who.scenario).context("its scenario is not in the header")?;
    let mut replayer = Replayer::new(bot, &stage.facts, &side.found.record);
    let mut events = Events::new(&side.found.record);
    let mut steps = Vec::new();
    let target = side.header.target.as_deref().unwrap_or_default();
    while let Some(command) = replayer.next_step().map_err(|error| anyhow!("{error}"))? {
        let command = without_secrets(&described(replayer.session(), &command, target));
        steps.push(Step { answer: without_secrets(&answer(&mut events)), command });
    }
    Ok(steps)
}

/// What the server answered in the next step, and what the bot read of it.
fn answer(events: &mut Events<'_>) -> String {
    let mut parts = Vec::new();
    for event in events {
        match event {
            Ok(Event::Input { input: RecordedInput::Response(status), .. }) => {
                parts.push(format!("status {status}"));
            }
            Ok(Event::Input { input: RecordedInput::Failed(failure), .. }) => {
                parts.push(format!("no response: {failure}"));
            }
            Ok(Event::Value { asked, content }) => {
                let name = asked.as_str();
                parts.push(match content {
                    Content::Json(json) => format!("{name} = {}", String::from_utf8_lossy(json)),
                    Content::Error(error) => format!("{name}: {error}"),
                    Content::Panicked => format!("{name}: it panicked"),
                });
            }
            Ok(Event::Start(_) | Event::Input { .. }) => {}
            Ok(Event::Command(_)) | Err(_) => break,
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("\n") }
}

fn described(session: &Session, command: &Command, target: &str) -> String {
    match command {
        Command::Send => session.with_request(|request, _| {
            let canonical = request.canonical();
            // Where it goes is the run's affair; the bot only decides what.
            let text = match canonical.split_once(target) {
                Some((method, rest)) if !target.is_empty() && !method.contains('\n') => {
                    format!("{method}{rest}")
                }
                _ => canonical,
            };
            format!("send {}\n{text}", request.name)
        }),
        Command::Sleep(duration) => format!("pause {duration:?}"),
        Command::Ask(question) => format!("ask {question:?}"),
        Command::End(outcome) => format!("end {outcome:?}"),
    }
}

/// Placeholders are another one in every run.
fn without_secrets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(PLACEHOLDER_PREFIX) {
        out.push_str(&rest[..at]);
        out.push_str("<secret>");
        let end = (at + PLACEHOLDER_BYTES).min(rest.len());
        let end = (end..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        rest = &rest[end..];
    }
    out + rest
}

//! One declared bot against scripted answers, step by step.

use std::rc::Rc;
use std::time::Duration;

use tallyho::config::{self, BotKind, Checked, Options};
use tallyho_replay::flow::Definition;
use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::{
    BotType, Carry, Command, Event, Failure, Input, Note, Outcome, Place, ResponseParts, RunFacts,
    Scratch, SecretKey, Session, Start, Who,
};

use super::declared;

/// A request as it went over the wire, with its secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) at_us: u64,
    pub(crate) is_prepared: bool,
    pub(crate) keeps_body: bool,
    /// The request as it is recorded: secrets are placeholders.
    pub(crate) canonical: String,
}

/// What a script answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    Json(u16, String),
    Headers(u16, &'static str),
    Fails(Failure),
}

pub(crate) fn json(text: &str) -> Reply {
    Reply::Json(200, text.to_owned())
}

/// What a session did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) sent: Vec<Sent>,
    pub(crate) pauses: Vec<Duration>,
    pub(crate) notes: Vec<Note>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) is_failing: bool,
    pub(crate) record: Vec<u8>,
    pub(crate) carry: Vec<u8>,
    pub(crate) ended_us: u64,
}

impl Ran {
    /// Names of the requests, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.sent.iter().map(|sent| sent.name.as_str()).collect()
    }

    /// Names of the actions, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        let name = |note: &Note| match note {
            Note::Action { name, .. } => Some(name.to_string()),
            _ => None,
        };
        self.notes.iter().filter_map(name).collect()
    }

    pub(crate) fn checks(&self) -> Vec<(String, bool)> {
        let check = |note: &Note| match note {
            Note::Check { name, passed } => Some((name.to_string(), *passed)),
            _ => None,
        };
        self.notes.iter().filter_map(check).collect()
    }
}

/// A scenario whose sessions a test runs one at a time.
pub(crate) struct Script {
    pub(crate) definition: Definition,
    pub(crate) bot: Rc<BotType>,
    pub(crate) run: RunFacts,
    pub(crate) setup: Option<Rc<[u8]>>,
    /// When the run stops, in microseconds.
    pub(crate) stops_us: u64,
    /// Inputs after which a session that does not end is given up.
    pub(crate) steps_max: u32,
}

pub(crate) fn checked(text: &str, options: &Options) -> Checked {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    match config::check_text("scenario.json", text, &folder, options) {
        Ok(checked) => checked,
        Err(findings) => panic!("{}", findings.render(config::Colour::Never)),
    }
}

impl Script {
    pub(crate) fn new(text: &str) -> Script {
        Script::with(text, &Options::default())
    }

    pub(crate) fn with(text: &str, options: &Options) -> Script {
        let checked = checked(text, options);
        let BotKind::Declared(definition) = checked.plan.bots[0].kind.clone() else {
            panic!("not a declared bot")
        };
        let mut run = RunFacts {
            seed: 1,
            run_id: 2,
            target: Some("http://api.test:8080".into()),
            secret_key: SecretKey::new([3; 16]),
            bots_per_task: 1000,
            ..RunFacts::default()
        };
        for (name, value) in &checked.plan.secrets {
            run.secrets.insert(name.as_str(), value.as_str());
        }
        Script {
            bot: declared(&definition),
            definition: *definition,
            run,
            setup: None,
            stops_us: u64::MAX,
            steps_max: 100_000,
        }
    }

    /// The first session of bot 0.
    pub(crate) fn session(&self, reply: impl FnMut(&Sent) -> Reply) -> Ran {
        self.sessions(0, 1, reply).pop().expect("one session")
    }

    /// The first sessions of a bot, each with what the one before it left.
    pub(crate) fn sessions(
        &self,
        bot: u64,
        count: u64,
        mut reply: impl FnMut(&Sent) -> Reply,
    ) -> Vec<Ran> {
        let run = Rc::new(self.run.clone());
        let mut session = Session::new(&self.bot, &run, &Scratch::new());
        let mut now_us = 0;
        let mut all = Vec::new();
        for ordinal in 0..count {
            let who = Who { scenario: 0, bot, session: ordinal };
            let ran = self.one(&mut session, who, now_us, &mut reply);
            now_us = ran.ended_us + 1_000_000;
            self.replays(&run, &ran);
            all.push(ran);
        }
        all
    }

    fn one(
        &self,
        session: &mut Session,
        who: Who,
        begins_us: u64,
        reply: &mut dyn FnMut(&Sent) -> Reply,
    ) -> Ran {
        let mut ran = Ran::default();
        let mut now_us = begins_us;
        let mut command = session.start(Start {
            who,
            carry: Carry::Own,
            setup: self.setup.as_ref(),
            at_us: now_us,
            stopping: now_us >= self.stops_us,
        });
        let mut steps = 0;
        loop {
            session.for_each_note(|note| ran.notes.push(note.clone()));
            steps += 1;
            assert!(steps < self.steps_max, "the session does not end");
            let event = match &command {
                Command::End(outcome) => {
                    ran.outcome = Some(outcome.clone());
                    ran.is_failing = session.is_failing();
                    ran.carry = session.carry().to_vec();
                    session.take_record(&mut ran.record);
                    ran.ended_us = now_us;
                    return ran;
                }
                Command::Sleep(pause) => {
                    ran.pauses.push(*pause);
                    let woken = now_us + u64::try_from(pause.as_micros()).expect("short");
                    now_us = woken.min(self.stops_us.max(now_us));
                    Event::Woke
                }
                Command::Ask(_) => Event::Answer(7),
                Command::Send => {
                    let sent = sent(session, now_us);
                    now_us += 10_000;
                    let event = event(reply(&sent));
                    ran.sent.push(sent);
                    event
                }
            };
            let stopping = now_us >= self.stops_us;
            command = session.step(Input { at_us: now_us, stopping, event });
            drop(session.reclaim_response());
        }
    }

    /// Every session of every test replays exactly, with an empty vault.
    fn replays(&self, run: &Rc<RunFacts>, ran: &Ran) {
        let replayed = replay(&self.bot, run, &ran.record);
        let replayed = replayed.unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(replayed.end, ReplayEnd::Whole { .. }), "{replayed:?}");
    }
}

fn sent(session: &Session, at_us: u64) -> Sent {
    session.with_request(|request, vault| {
        let part = |place, bytes: &[u8]| {
            let mut out = Vec::new();
            vault.substitute(place, bytes, &mut out).expect("can be put there");
            String::from_utf8(out).expect("text")
        };
        Sent {
            name: request.name.to_string(),
            method: request.method.as_str().to_owned(),
            target: part(Place::Target, request.target().as_bytes()),
            head: part(Place::Header, request.header_lines()),
            body: part(Place::JsonBody, request.body()),
            at_us,
            is_prepared: request.prepared_address().is_some(),
            keeps_body: request.body_use == tallyho_replay::BodyUse::Keep,
            canonical: request.canonical(),
        }
    })
}

fn event(reply: Reply) -> Event {
    let (status, head, body) = match reply {
        Reply::Fails(failure) => return Event::Failed(failure),
        Reply::Status(status) => (status, String::new(), String::new()),
        Reply::Json(status, body) => (status, "Content-Type: application/json\r\n".into(), body),
        Reply::Headers(status, head) => (status, head.to_owned(), String::new()),
    };
    let mut bytes = head.clone().into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    Event::Response(ResponseParts {
        status,
        head: 0..head.len(),
        body: head.len()..bytes.len(),
        body_size: body.len() as u64,
        bytes,
    })
}

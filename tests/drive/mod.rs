//! Declared bots against the stand-in API, in virtual time and without a socket.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod crowd;
pub(crate) mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use tallyho::config::{self, BotKind, Checked, Options};
use tallyho::demo::{self, Delivery, Rules, State};
use tallyho_replay::flow::{Flow, compile, setup_results};
use tallyho_replay::{
    BotType, Carry, Command, Event, Failure, Input, Note, Outcome, Place, Recording, ResponseParts,
    RunFacts, Scratch, SecretKey, Session, Start, Who,
};

/// Between two sessions of a bot, so that sessions without a pause do not fill the memory with
/// records.
const SESSION_GAP_US: u64 = 5_000_000;

/// What a run of a scenario left.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) actions: BTreeMap<String, u64>,
    pub(crate) checks: BTreeMap<String, (u64, u64)>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) logs: Vec<String>,
    pub(crate) failing: u64,
    /// Bot type index, record and set-up of every session.
    pub(crate) records: Vec<(usize, Vec<u8>)>,
}

impl Seen {
    /// Everything but the records.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} sessions, {} failing\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            self.records.len(),
            self.failing,
            self.requests,
            self.statuses,
            self.actions,
            self.checks,
            self.counters,
            self.outcomes,
            self.logs
        )
    }
}

/// A scenario that is ready to run.
pub(crate) struct Driver {
    pub(crate) checked: Checked,
    pub(crate) bots: Vec<Rc<BotType>>,
    pub(crate) run: Rc<RunFacts>,
    setup: Option<Rc<[u8]>>,
    scratch: Rc<Scratch>,
    state: State,
    pub(crate) seen: Seen,
}

pub(crate) fn check(path: &std::path::Path, options: &Options) -> Checked {
    match config::check(path, options) {
        Ok(checked) => checked,
        Err(findings) => panic!("{}", findings.render(config::Colour::Never)),
    }
}

impl Driver {
    pub(crate) fn new(checked: Checked, seed: u64, rules: Rules) -> Driver {
        let mut run = RunFacts {
            seed,
            run_id: seed ^ 0xABCD,
            target: Some("http://127.0.0.1:8080".into()),
            secret_key: SecretKey::new([7; 16]),
            ..RunFacts::default()
        };
        for (name, value) in &checked.plan.secrets {
            run.secrets.insert(name.as_str(), value.as_str());
        }
        let bots = checked.plan.bots.iter().map(|bot| match &bot.kind {
            BotKind::Declared(definition) => declared(definition),
            BotKind::Registered { bot, .. } => panic!("{bot} is not declared"),
        });
        Driver {
            bots: bots.collect(),
            checked,
            run: Rc::new(run),
            setup: None,
            scratch: Scratch::new(),
            state: State::new(rules),
            seen: Seen::default(),
        }
    }

    /// Runs set-up, then `bots` bots of each kind until the run stops at `duration`.
    pub(crate) fn run(&mut self, bots: u64, duration: Duration) {
        let setup_bot = u64::MAX - 1;
        if let Some(setup) = self.checked.plan.setup.clone() {
            let bot = declared(&setup);
            let carry = self.alone(&bot, setup_bot);
            self.setup = Some(Rc::from(setup_results(&setup, &carry)));
        }
        self.all(bots, duration);
        if let Some(teardown) = self.checked.plan.teardown.clone() {
            self.alone(&declared(&teardown), setup_bot);
        }
    }

    fn alone(&mut self, bot: &Rc<BotType>, number: u64) -> Vec<u8> {
        let mut session = Session::new(bot, &self.run, &self.scratch);
        let who = Who { scenario: 0, bot: number, session: 0 };
        let setup = self.setup.clone();
        let mut command = session.start(Start {
            who,
            carry: Carry::Own,
            setup: setup.as_ref(),
            at_us: 0,
            stopping: false,
        });
        let mut now_us = 0;
        loop {
            self.notes(&session);
            if let Command::End(outcome) = &command {
                assert_eq!(*outcome, Outcome::Done, "set-up and teardown work");
                return session.carry().to_vec();
            }
            let (at_us, event) = self.perform(&session, &command, now_us);
            now_us = at_us;
            command = session.step(Input { at_us, stopping: false, event });
            drop(session.reclaim_response());
        }
    }

    fn all(&mut self, bots: u64, duration: Duration) {
        let end_us = u64::try_from(duration.as_micros()).expect("short");
        let mut sessions: Vec<Running> = Vec::new();
        let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for (kind, bot) in self.bots.iter().enumerate() {
            for number in 0..bots {
                let mut session = Session::new(bot, &self.run, &self.scratch);
                session.set_recording(Recording::On);
                queue.push(Reverse((number * 1000, sessions.len())));
                let number = number + 1000 * kind as u64;
                sessions.push(Running { kind, session, number, ordinal: 0, next: None });
            }
        }
        while let Some(Reverse((at_us, index))) = queue.pop() {
            let running = &mut sessions[index];
            let stopping = at_us >= end_us;
            let command = match running.next.take() {
                Some(event) => running.session.step(Input { at_us, stopping, event }),
                None if stopping => continue,
                None => {
                    let who = Who { scenario: 0, bot: running.number, session: running.ordinal };
                    running.ordinal += 1;
                    running.session.start(Start {
                        who,
                        carry: Carry::Own,
                        setup: self.setup.as_ref(),
                        at_us,
                        stopping,
                    })
                }
            };
            drop(running.session.reclaim_response());
            self.notes(&running.session);
            if let Command::End(outcome) = &command {
                let text = outcome
                    .reason()
                    .map_or_else(|| format!("{outcome:?}"), |name| name.to_string());
                *self.seen.outcomes.entry(text).or_default() += 1;
                self.seen.failing += u64::from(running.session.is_failing());
                let mut record = Vec::new();
                running.session.take_record(&mut record);
                self.seen.records.push((running.kind, record));
                if *outcome != Outcome::StopBot {
                    queue.push(Reverse((at_us + SESSION_GAP_US, index)));
                }
                continue;
            }
            let (mut then_us, event) = self.perform(&running.session, &command, at_us);
            if matches!(event, Event::Woke) && then_us > end_us {
                then_us = at_us.max(end_us);
            }
            running.next = Some(event);
            queue.push(Reverse((then_us, index)));
        }
    }

    fn notes(&mut self, session: &Session) {
        let seen = &mut self.seen;
        session.for_each_note(|note| match note {
            Note::Check { name, passed } => {
                let counts = seen.checks.entry(name.to_string()).or_default();
                counts.0 += u64::from(*passed);
                counts.1 += u64::from(!*passed);
            }
            Note::Action { name, .. } => *seen.actions.entry(name.to_string()).or_default() += 1,
            Note::Counter { name, by } => *seen.counters.entry(name.to_string()).or_default() += by,
            Note::Log { text, .. } => seen.logs.push(text.clone()),
            _ => {}
        });
    }

    /// Does what the session asks for, and says when that is done.
    fn perform(&mut self, session: &Session, command: &Command, now_us: u64) -> (u64, Event) {
        match command {
            Command::Sleep(pause) => {
                (now_us + u64::try_from(pause.as_micros()).expect("short"), Event::Woke)
            }
            Command::Ask(_) => (now_us, Event::Answer(3)),
            Command::Send => self.exchange(session, now_us),
            Command::End(_) => unreachable!("handled before"),
        }
    }

    fn exchange(&mut self, session: &Session, now_us: u64) -> (u64, Event) {
        let (name, method, target, head, body) = session.with_request(|request, vault| {
            let part = |place, bytes: &[u8]| {
                let mut out = Vec::new();
                vault.substitute(place, bytes, &mut out).expect("can be put there");
                String::from_utf8(out).expect("text")
            };
            (
                request.name.to_string(),
                request.method.as_str(),
                part(Place::Target, request.target().as_bytes()),
                part(Place::Header, request.header_lines()),
                part(Place::JsonBody, request.body()),
            )
        });
        *self.seen.requests.entry(name).or_default() += 1;
        let header = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value)
        };
        let request = demo::Request {
            method: match method {
                "GET" => demo::Method::Get,
                "POST" => demo::Method::Post,
                _ => demo::Method::Other,
            },
            target: &target,
            authorization: header("authorization"),
            amz_target: header("x-amz-target"),
            body: body.as_bytes(),
        };
        let response = demo::handle(&mut self.state, &request, now_us);
        let then_us = now_us + 2_000 + response.delay_us;
        if response.delivery == Delivery::Reset {
            return (then_us, Event::Failed(Failure::Reset));
        }
        *self.seen.statuses.entry(response.status).or_default() += 1;
        let head = format!("Content-Type: {}\r\n", response.content_type);
        let mut bytes = head.clone().into_bytes();
        bytes.extend_from_slice(&response.body);
        let body = head.len()..bytes.len();
        let parts = ResponseParts {
            status: response.status,
            body_size: body.len() as u64,
            head: 0..head.len(),
            body,
            bytes,
        };
        (then_us, Event::Response(parts))
    }
}

struct Running {
    kind: usize,
    session: Session,
    number: u64,
    ordinal: u64,
    next: Option<Event>,
}

/// A bot from its definition, by the way of the JSON that a trace keeps.
pub(crate) fn declared(definition: &tallyho_replay::flow::Definition) -> Rc<BotType> {
    let direct = compile(definition).expect("checked");
    let json = serde_json::to_string(definition).expect("plain data");
    let again: tallyho_replay::flow::Program = serde_json::from_str(&json).expect("the same");
    assert_eq!(direct.hash(), again.hash());
    Rc::new(BotType::new::<Flow>(Rc::new(again)))
}

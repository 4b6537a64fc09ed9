//! Many bots written in Rust against the stand-in API, in virtual time and without a socket.
//!
//! Sessions are stepped straight with what `demo::handle` answers, so an hour of play takes
//! seconds, and whatever fails can be debugged at the exact request.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use tallyho::demo::{self, Delivery, Rules, State};
use tallyho_replay::{
    BotType, Carry, Command, Event, Failure, Input, Note, Outcome, Place, Question, Recording,
    ResponseParts, RunFacts, Scratch, SecretKey, Session, Site, Start, Who,
};

/// From sending to the answer.
const LATENCY_US: u64 = 2_000;
/// How long a bot waits whose session ended at once.
const SESSION_GAP_US: u64 = 10_000;

/// What is to be played.
#[derive(Clone)]
pub(crate) struct Play<'a> {
    pub(crate) bot: &'a str,
    pub(crate) config: &'a str,
    pub(crate) seed: u64,
    pub(crate) rules: Rules,
    pub(crate) bots: u64,
    pub(crate) duration: Duration,
    /// The number of the first bot.
    pub(crate) first: u64,
    /// Every so many-th bot's sessions are kept as records; 0 for none.
    pub(crate) recorded_each: u64,
    /// Weights that replace the bot's, by set and action.
    pub(crate) weights: &'a [(&'a str, &'a str, u32)],
    pub(crate) task_index: u32,
    /// Whether set-up runs first.
    pub(crate) preparation: Preparation,
    /// Changes a response: given the request's name.
    pub(crate) tamper: Option<fn(&str, &mut Vec<u8>)>,
    /// Looks at every request, with its head, and at its response.
    pub(crate) look: Option<Look>,
    /// How many bytes are allocated: then the end weighs the sessions instead of stopping them.
    pub(crate) weigh: Option<fn() -> usize>,
}

/// Is shown a request, its header lines, and the response.
pub(crate) type Look = fn(&demo::Request<'_>, &str, &demo::Response);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    SetUp,
    None,
}

impl Default for Play<'_> {
    fn default() -> Self {
        Self {
            bot: "tallyup",
            config: "{}",
            seed: 1,
            rules: Rules::default(),
            bots: 1,
            duration: Duration::from_secs(60),
            first: 0,
            recorded_each: 0,
            weights: &[],
            task_index: 0,
            preparation: Preparation::SetUp,
            tamper: None,
            look: None,
            weigh: None,
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Refusals and failures, by request.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) actions: BTreeMap<String, u64>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) rates: BTreeMap<String, (u64, u64)>,
    pub(crate) trends: BTreeMap<String, Vec<f64>>,
    pub(crate) failed_checks: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Why sessions failed, and one that did.
    pub(crate) failing: BTreeMap<String, (u64, Who)>,
    pub(crate) logs: Vec<String>,
    pub(crate) sessions: u64,
    pub(crate) records: Vec<Vec<u8>>,
    /// For each bot, a hash of all it did: requests and actions in order.
    pub(crate) choices: BTreeMap<u64, u64>,
    /// What all sessions held, if they were weighed.
    pub(crate) session_bytes: usize,
}

/// A crowd of bots and the server they play against.
pub(crate) struct Crowd {
    bot: Rc<BotType>,
    pub(crate) facts: Rc<RunFacts>,
    scratch: Rc<Scratch>,
    state: State,
    epoch_ms: u64,
    pub(crate) seen: Seen,
    tamper: Option<fn(&str, &mut Vec<u8>)>,
    look: Option<Look>,
}

struct Running {
    session: Session,
    number: u64,
    ordinal: u64,
    next: Option<Event>,
    record: Vec<u8>,
    is_recorded: bool,
}

/// Plays it all, set-up first, and checks the server's books at the end.
pub(crate) fn play(play: &Play<'_>) -> Crowd {
    let registry = tallyho::built_in_bots();
    let make = |name: &str| {
        let made = registry.bot(name, play.config).expect("a bot of that name");
        Rc::new(made.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    let facts = RunFacts {
        seed: play.seed,
        run_id: play.seed ^ 0xABCD,
        target: Some("http://127.0.0.1:8080".into()),
        secret_key: SecretKey::new([7; 16]),
        task_index: play.task_index,
        ..RunFacts::default()
    };
    let mut crowd = Crowd {
        bot: make(play.bot),
        facts: Rc::new(facts),
        scratch: Scratch::new(),
        epoch_ms: play.rules.epoch_ms,
        state: State::new(play.rules.clone()),
        seen: Seen::default(),
        tamper: play.tamper,
        look: play.look,
    };
    for (set, action, weight) in play.weights {
        Rc::make_mut(&mut crowd.facts).weights.insert(set, action, *weight);
    }
    let start_us = match registry.companions(play.bot).set_up {
        Some(name) if play.preparation == Preparation::SetUp => crowd.set_up(&make(name)),
        _ => 0,
    };
    crowd.all(play, start_us);
    crowd
}

impl Crowd {
    pub(crate) fn bot(&self) -> &Rc<BotType> {
        &self.bot
    }

    /// Whether the server's books add up.
    pub(crate) fn audit(&self) -> Result<(), String> {
        self.state.audit()
    }

    /// Plays set-up to its end, and returns when that was.
    fn set_up(&mut self, bot: &Rc<BotType>) -> u64 {
        let mut session = Session::new(bot, &self.facts, &self.scratch);
        let who = Who { scenario: 1, bot: u64::MAX, session: 0 };
        let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
        let mut command = session.start(start);
        let mut now_us = 0;
        loop {
            if let Command::End(outcome) = &command {
                let fault = session.first_failure();
                assert!(*outcome == Outcome::Done && fault.is_none(), "{outcome:?} {fault:?}");
                return now_us;
            }
            let (at_us, event) = self.perform(&session, &command, now_us);
            now_us = at_us;
            command = session.step(Input { at_us, stopping: false, event });
        }
    }

    /// The bots' clocks begin at 0 when set-up has ended, as in a run.
    fn all(&mut self, play: &Play<'_>, start_us: u64) {
        self.epoch_ms += start_us / 1_000;
        let end_us = u64::try_from(play.duration.as_micros()).expect("short");
        let mut sessions: Vec<Running> = Vec::new();
        let mut queue: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for number in play.first..play.first + play.bots {
            let mut session = Session::new(&self.bot, &self.facts, &self.scratch);
            let is_recorded = play.recorded_each > 0 && number % play.recorded_each == 0;
            session.set_recording(if is_recorded { Recording::On } else { Recording::Off });
            queue.push(Reverse((number * 1_000, sessions.len())));
            let record = Vec::new();
            let running = Running { session, number, ordinal: 0, next: None, record, is_recorded };
            sessions.push(running);
        }
        while let Some(Reverse((at_us, index))) = queue.pop() {
            let stopping = at_us >= end_us;
            if let (Some(weigh), true) = (play.weigh, stopping) {
                let before = weigh();
                drop(sessions);
                self.seen.session_bytes = before - weigh();
                return;
            }
            let running = &mut sessions[index];
            let command = match running.next.take() {
                Some(event) => running.session.step(Input { at_us, stopping, event }),
                None if stopping => continue,
                None => {
                    let (bot, session) = (running.number, running.ordinal);
                    let who = Who { scenario: Site::of("default").key(), bot, session };
                    running.ordinal += 1;
                    let carry = Carry::Own;
                    let start = Start { who, carry, setup: None, at_us, stopping };
                    running.session.start(start)
                }
            };
            let _buffer = running.session.reclaim_response();
            self.notes(&running.session);
            if running.is_recorded {
                running.session.take_record(&mut running.record);
            }
            if let Command::End(outcome) = &command {
                self.ended(running, outcome);
                if *outcome != Outcome::StopBot {
                    queue.push(Reverse((at_us + SESSION_GAP_US, index)));
                }
                continue;
            }
            let (mut then_us, event) =
                self.perform_from(&running.session, &command, (at_us, start_us));
            // A stop wakes a sleeping bot once.
            if matches!(event, Event::Woke) && !stopping && then_us > end_us {
                then_us = end_us;
            }
            running.next = Some(event);
            queue.push(Reverse((then_us, index)));
        }
    }

    fn ended(&mut self, running: &mut Running, outcome: &Outcome) {
        let seen = &mut self.seen;
        seen.sessions += 1;
        let kind = outcome.reason().map_or(format!("{outcome:?}"), |reason| reason.to_string());
        *seen.outcomes.entry(kind).or_default() += 1;
        if let Some(fault) = running.session.first_failure() {
            let entry = seen.failing.entry(fault.to_string());
            entry.or_insert((0, running.session.who())).0 += 1;
        }
        if running.is_recorded {
            seen.records.push(std::mem::take(&mut running.record));
        }
    }

    fn notes(&mut self, session: &Session) {
        let seen = &mut self.seen;
        let bot = session.who().bot;
        session.for_each_note(|note| match note {
            Note::Check { passed: true, .. } => {}
            Note::Check { name, .. } => count(&mut seen.failed_checks, name.as_str(), 1),
            Note::Action { set, name, .. } => {
                let action = format!("{set}.{name}");
                mix(seen.choices.entry(bot).or_default(), &action);
                count(&mut seen.actions, &action, 1);
            }
            Note::Counter { name, by } => count(&mut seen.counters, name.as_str(), *by),
            Note::Rate { name, hit } => {
                let rate = seen.rates.entry(name.to_string()).or_default();
                rate.0 += u64::from(*hit);
                rate.1 += 1;
            }
            Note::Trend { name, value, .. } => match seen.trends.get_mut(name.as_str()) {
                Some(values) => values.push(*value),
                None => drop(seen.trends.insert(name.to_string(), vec![*value])),
            },
            Note::Log { text, .. } if seen.logs.len() < 1_000 => seen.logs.push(text.clone()),
            Note::Log { .. } | Note::Gauge { .. } => {}
        });
    }

    fn perform(&mut self, session: &Session, command: &Command, now_us: u64) -> (u64, Event) {
        self.perform_from(session, command, (now_us, 0))
    }

    /// Does what the session asks for, and says when that is done.
    fn perform_from(
        &mut self,
        session: &Session,
        command: &Command,
        (now_us, start_us): (u64, u64),
    ) -> (u64, Event) {
        match command {
            Command::Sleep(pause) => {
                (now_us + u64::try_from(pause.as_micros()).expect("short"), Event::Woke)
            }
            Command::Ask(Question::ActiveBots) => (now_us, Event::Answer(10)),
            Command::Ask(Question::UnixMs) => {
                (now_us, Event::Answer(self.epoch_ms + now_us / 1_000))
            }
            Command::Send => {
                let (delay_us, event) = self.exchange(session, start_us + now_us);
                (now_us + delay_us, event)
            }
            Command::End(_) => unreachable!("handled before"),
        }
    }

    fn exchange(&mut self, session: &Session, now_us: u64) -> (u64, Event) {
        let (state, tamper, look) = (&mut self.state, self.tamper, self.look);
        let seen = &mut self.seen;
        let bot = session.who().bot;
        session.with_request(|request, vault| {
            let part = |place, bytes: &[u8]| {
                let mut out = Vec::with_capacity(bytes.len() + 64);
                vault.substitute(place, bytes, &mut out).expect("can be put there");
                String::from_utf8(out).expect("text")
            };
            let name = request.name.as_str();
            mix(seen.choices.entry(bot).or_default(), name);
            count(&mut seen.requests, name, 1);
            let target = part(Place::Target, request.target().as_bytes());
            let head = part(Place::Header, request.header_lines());
            let body = part(request.body_place(), request.body());
            let header = |wanted: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
            };
            let sent = demo::Request {
                method: match request.method.as_str() {
                    "GET" => demo::Method::Get,
                    "POST" => demo::Method::Post,
                    _ => demo::Method::Other,
                },
                target: &target,
                authorization: header("authorization"),
                amz_target: header("x-amz-target"),
                body: body.as_bytes(),
            };
            let response = demo::handle(state, &sent, now_us);
            if let Some(look) = look {
                look(&sent, &head, &response);
            }
            let delay_us = LATENCY_US + response.delay_us;
            if response.delivery == Delivery::Reset {
                count(&mut seen.refused, &format!("{name}: reset"), 1);
                return (delay_us, Event::Failed(Failure::Reset));
            }
            *seen.statuses.entry(response.status).or_default() += 1;
            if response.status >= 400 {
                let text = String::from_utf8_lossy(&response.body).into_owned();
                let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
                let text: String = text.chars().map(digits).collect();
                count(&mut seen.refused, &format!("{name}: {} {text}", response.status), 1);
            }
            let mut bytes = response.body.to_vec();
            if let Some(tamper) = tamper {
                tamper(name, &mut bytes);
            }
            let parts = ResponseParts {
                status: response.status,
                head: 0..0,
                body: 0..bytes.len(),
                body_size: bytes.len() as u64,
                bytes,
            };
            (delay_us, Event::Response(parts))
        })
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    match counts.get_mut(name) {
        Some(count) => *count += by,
        None => drop(counts.insert(name.to_owned(), by)),
    }
}

fn mix(hash: &mut u64, text: &str) {
    for byte in text.bytes() {
        *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

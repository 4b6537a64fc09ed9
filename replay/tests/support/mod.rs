//! Shared by the tests: seeds, golden files, and a server that answers at random.

#![expect(clippy::disallowed_methods, reason = "tests read SEED and golden files")]
#![allow(dead_code, reason = "each test uses its own part")]
#![allow(unreachable_pub, reason = "a module of several test programs")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use tallyho_replay::trace::record::PlainStart;
use tallyho_replay::{
    BotType, Carry, Command, Draw, Event, Failure, Input, Outcome, ResponseParts, RunFacts,
    Scratch, Session, SessionKey, Start, Who, site,
};

/// Runs a law for many seeds, or for `SEED` alone, and names the seed that breaks it.
pub fn for_each_seed(count: u64, law: impl Fn(u64)) {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| law(seed))) {
            eprintln!("rerun with SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Whether a law that holds over all seeds together can be judged.
pub fn all_seeds_run() -> bool {
    std::env::var_os("SEED").is_none()
}

/// Compares a text with a golden file, or writes it with `UPDATE_GOLDEN=1`.
pub fn assert_golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("golden file is writable");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (ours, theirs)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, theirs, "{path}:{}", number + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{path}: UPDATE_GOLDEN=1 to rewrite");
}

/// Panics of bots are part of these tests; without this they would fill the output.
pub fn silence_panics_of_bots() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_of_a_bot = info.payload_as_str().is_some_and(|text| text.starts_with("bot: "));
        if !is_of_a_bot {
            default(info);
        }
    }));
}

/// One draw of the test's own.
pub fn random(seed: u64, n: u32) -> Draw {
    SessionKey::new(seed, 0x7E57, 0, 0).draw(site!("test"), n)
}

/// What a session did, as text per step, and its record.
pub struct Lived {
    pub who: Who,
    pub steps: Vec<String>,
    pub outcome: Outcome,
    pub record: Vec<u8>,
    /// Its start, if that was taken apart from the record.
    pub start: Option<PlainStart>,
    /// How long the record was after each step.
    pub ends: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A server, clock and run that answer at random, but the same for the same seed.
pub struct World {
    pub seed: u64,
    pub n: u32,
    pub at_us: u64,
    /// The body for a response; the default tries what breaks views.
    pub body: fn(&mut Draw) -> Vec<u8>,
    /// Statuses other than 200, failures and early stops in one of so many cases.
    pub trouble: u64,
    /// What set-up hands over.
    pub setup: Option<Rc<[u8]>>,
    /// Records are taken as a worker takes them.
    pub takes_pieces: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { seed, n: 0, at_us: 0, body: any_body, trouble: 8, setup: None, takes_pieces: false }
    }

    pub fn draw(&mut self) -> Draw {
        self.n += 1;
        random(self.seed, self.n)
    }

    /// Answers a command.
    pub fn answer(&mut self, command: &Command) -> Input {
        let mut draw = self.draw();
        self.at_us += draw.below(2_000_000);
        let stopping = draw.chance(1, 10 * self.trouble);
        let event = match command {
            Command::Send if draw.chance(1, self.trouble) => {
                Event::Failed(*draw.pick(Failure::ALL).expect("some"))
            }
            Command::Send => {
                let statuses = [503, 302, 307];
                let status = match draw.chance(1, self.trouble) {
                    true => *draw.pick(&statuses).expect("some"),
                    false => 200,
                };
                let mut head = b"X-Token: abcdefghij\r\nSet-Cookie: sid=0123456789\r\n".to_vec();
                if status < 400 && status != 200 {
                    let places = ["/items?é", "../up", "//other.example/", "ftp://no/"];
                    let place = draw.pick(&places).expect("some");
                    head.extend_from_slice(format!("Location: {place}\r\n").as_bytes());
                }
                let body = (self.body)(&mut draw);
                let mut bytes = head.clone();
                bytes.extend_from_slice(&body);
                Event::Response(ResponseParts {
                    status,
                    head: 0..head.len(),
                    body: head.len()..bytes.len(),
                    body_size: body.len() as u64,
                    bytes,
                })
            }
            Command::Sleep(_) => Event::Woke,
            Command::Ask(_) => Event::Answer(draw.bits() >> draw.below(64)),
            Command::End(_) => panic!("nothing follows the end"),
        };
        Input { at_us: self.at_us, stopping, event }
    }

    /// Lives one session to its end.
    pub fn live(&mut self, session: &mut Session, who: Who) -> Lived {
        let setup = self.setup.clone();
        let (carry, at_us) = (Carry::Own, self.at_us);
        let start = Start { who, carry, setup: setup.as_ref(), at_us, stopping: false };
        let mut command = session.start(start);
        let mut lived = Lived {
            who,
            steps: Vec::new(),
            outcome: Outcome::Stuck,
            record: Vec::new(),
            start: None,
            ends: Vec::new(),
            bytes: Vec::new(),
        };
        loop {
            lived.steps.push(describe(session, &command));
            if self.takes_pieces {
                let start = session.tap().take_piece(&mut lived.record);
                lived.start = lived.start.or(start);
            } else {
                session.take_record(&mut lived.record);
            }
            lived.ends.push(lived.record.len());
            if let Command::End(outcome) = command {
                lived.outcome = outcome;
                return lived;
            }
            command = session.step(self.answer(&command));
            let _ = session.reclaim_response();
        }
    }
}

/// A command with its request and notes.
pub fn describe(session: &Session, command: &Command) -> String {
    let mut text = format!("{command:?}");
    if *command == Command::Send {
        session.with_request(|request, _| {
            text += &format!(" {}", request.canonical());
        });
    }
    session.for_each_note(|note| text += &format!(" {note:?}"));
    text
}

/// JSON of many shapes, and what is none.
fn any_body(draw: &mut Draw) -> Vec<u8> {
    let n = draw.below(1000);
    let float = f64::from_bits(draw.bits());
    match draw.below(8) {
        0 => Vec::new(),
        1 => b"{\"id\": 1, \"items\":".to_vec(),
        2 => vec![0xFF, 0xFE, b'{'],
        3 => b"[1,2,3]".to_vec(),
        4 if float.is_finite() => format!(r#"{{"id":{n},"price":{float:?},"items":[]}}"#).into(),
        _ => format!(
            r#"{{"id":{n},"price":0.1,"token":"tok-\"en-{n}","items":[{{"id":{}}},{{"id":7}}]}}"#,
            n + 1
        )
        .into(),
    }
}

/// A run with everything a bot can ask for.
pub fn run_facts(seed: u64) -> Rc<RunFacts> {
    let mut run = RunFacts {
        seed,
        run_id: seed ^ 0xABCD,
        target: Some("http://127.0.0.1:8080/api".to_owned()),
        secret_key: tallyho_replay::SecretKey::new([7; 16]),
        ..RunFacts::default()
    };
    run.secrets.insert("password", "hunter2-is-long");
    Rc::new(run)
}

/// The same run as a replay knows it: no key, no secrets.
pub fn replay_facts(seed: u64) -> Rc<RunFacts> {
    let live = run_facts(seed);
    Rc::new(RunFacts {
        seed: live.seed,
        run_id: live.run_id,
        target: live.target.clone(),
        ..RunFacts::default()
    })
}

pub fn session(bot: &Rc<BotType>, run: &Rc<RunFacts>) -> Session {
    Session::new(bot, run, &Scratch::new())
}

//! Any bytes as what a server answers a bot: its session must replay to the same bytes.
#![allow(dead_code, unreachable_pub, reason = "used by a test and by a fuzz target")]

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho_replay::replayer::{ReplayEnd, Replayer, replay};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Failure, Input, Outcome, Question, Response,
    ResponseParts, RunFacts, Scratch, Secret, Session, Start, Who, site,
};

/// A bot that reads whatever comes in every way there is.
struct Guest {
    token: Option<Secret>,
    seen: u64,
}

#[derive(Serialize, Deserialize, Default)]
struct Kept {
    token: Option<Secret>,
    seen: u64,
}

#[derive(Serialize, Deserialize)]
struct View {
    id: u64,
    #[serde(default)]
    items: Vec<serde_json::Value>,
}

impl Bot for Guest {
    const NAME: &'static str = "guest";
    type Config = ();
    type Carry = Kept;

    fn new(_: Rc<()>, _: Who, kept: Kept) -> Self {
        Self { token: kept.token, seen: kept.seen }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        for step in 0..ctx.draw(site!("steps")).between(3..=12) {
            let path = format!("/{step}?seen={}", self.seen);
            let mut request = ctx.post(&path).name("step");
            if let Some(token) = self.token {
                request = request.header("Authorization", &format!("Bearer {token}"));
            }
            match request.send().await {
                Ok(response) => self.read(ctx, &response),
                Err(failure) => {
                    ctx.check(failure.as_str(), false);
                }
            }
            match ctx.draw(site!("then")).below(4) {
                0 => ctx.sleep(ctx.draw(site!("pause")).exponential(Duration::from_secs(1))).await,
                1 => self.seen ^= ctx.ask(Question::ActiveBots).await,
                _ => {}
            }
        }
        assert!(self.seen % 7 != 3, "one in seven panics");
        if self.seen % 5 == 1 { Outcome::Failed("fifth".into()) } else { Outcome::Done }
    }

    fn carry(self) -> Kept {
        Kept { token: self.token, seen: self.seen }
    }
}

impl Guest {
    fn read(&mut self, ctx: &mut Context, response: &Response) {
        match ctx.draw(site!("how")).below(6) {
            0 => {
                let view = response.json::<View>();
                self.seen += view.map_or(1, |view| view.id.wrapping_add(view.items.len() as u64));
            }
            1 => self.seen += response.pointer::<u64>("/items/1").unwrap_or(2),
            2 => self.seen += response.header("X-Id").map_or(3, |value| value.len() as u64),
            3 => self.seen += response.text().map_or(4, |text| text.len() as u64),
            4 => self.token = response.pointer::<Secret>("/token").ok().or(self.token),
            _ => self.seen += response.body_size(),
        }
        self.seen %= 1 << 32;
        ctx.check("small", self.seen < 1 << 20);
        ctx.trend("seen", self.seen as f64);
    }
}

/// Two sessions of one bot, the bytes being what it is answered.
pub fn check_bot_inputs(bytes: &[u8]) {
    std::panic::set_hook(Box::new(|_| {}));
    let facts = Rc::new(RunFacts { seed: 7, ..RunFacts::default() });
    let bot = Rc::new(BotType::new::<Guest>(Rc::new(())));
    let mut session = Session::new(&bot, &facts, &Scratch::new());
    let mut answers = Answers(bytes);
    for number in 0..2 {
        let who = Who { scenario: 1, bot: 2, session: number };
        let at_us = number * 1_000_000_000;
        let start = Start { who, carry: Carry::Own, setup: None, at_us, stopping: false };
        let outcome = play(&mut session, start, &mut answers);
        let mut record = Vec::new();
        session.take_record(&mut record);
        let replayed = replay(&bot, &facts, &record).expect("what was recorded replays");
        let ReplayEnd::Whole { outcome: again, .. } = replayed.end else { panic!("it is whole") };
        assert_eq!(again, outcome);
        let mut replayer = Replayer::new(&bot, &facts, &record);
        while replayer.next_step().expect("as before").is_some() {}
        let mut copy = Vec::new();
        replayer.take_record(&mut copy);
        assert_eq!(copy, record, "a replay records the same bytes");
        // A record that came by mail: cut and changed where the input says.
        let at = answers.number() % record.len();
        let _cut_off = replay(&bot, &facts, &record[..at]);
        record[at] ^= answers.byte() | 1;
        let changed = replay(&bot, &facts, &record);
        assert!(
            !matches!(changed, Ok(replayed) if matches!(replayed.end, ReplayEnd::Whole { .. }))
        );
    }
}

fn play(session: &mut Session, start: Start<'_>, answers: &mut Answers<'_>) -> Outcome {
    let mut at_us = start.at_us;
    let mut command = session.start(start);
    loop {
        at_us += u64::from(answers.byte());
        let stopping = answers.0.is_empty();
        let event = match command {
            Command::Send => answers.response(),
            Command::Sleep(_) => Event::Woke,
            Command::Ask(_) => Event::Answer(answers.number() as u64),
            Command::End(outcome) => return outcome,
        };
        command = session.step(Input { at_us, stopping, event });
        drop(session.reclaim_response());
    }
}

/// The bytes that are left; zeros behind them.
struct Answers<'a>(&'a [u8]);

impl Answers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    fn bytes(&mut self) -> Vec<u8> {
        let size = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken.to_vec()
    }

    fn response(&mut self) -> Event {
        let kind = self.byte();
        if let Some(failure) = Failure::from_byte(kind) {
            return Event::Failed(failure);
        }
        let status = if kind < 200 { 200 } else { 100 + u16::from(self.byte()) * 3 };
        let mut bytes = self.bytes();
        let head = 0..bytes.len();
        bytes.extend(self.bytes());
        let body = head.end..bytes.len();
        let body_size = body.len() as u64;
        Event::Response(ResponseParts { status, bytes, head, body, body_size })
    }
}

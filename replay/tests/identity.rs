//! The master law: record, replay, equal at every step.
//!
//! Random bots meet random responses, failures and panics. A random bot is a list of steps drawn
//! from its configuration's seed; it uses every way in which bot code can read, draw, note,
//! choose and end.

#![expect(clippy::cast_possible_truncation, reason = "small numbers, or any bits will do")]

mod support;

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho_replay::dispatch::{ActionResult, ActionSet};
use tallyho_replay::replayer::{Cause, ReplayEnd, ReplayError, Replayer, Trail, replay};
use tallyho_replay::trace::record::Events;
use tallyho_replay::{
    Bot, BotType, Context, Level, Method, Outcome, Question, ReadError, Response, Secret, Session,
    Who, dispatch, permuted, site,
};

use support::{World, describe, for_each_seed, random, replay_facts, run_facts};

const SEEDS: u64 = 400;

#[derive(Clone, Deserialize)]
struct Program {
    steps: Vec<u64>,
    weights: [u32; 6],
}

#[derive(Default, Serialize, Deserialize)]
struct Memory {
    visits: u32,
    token: Option<Secret>,
    note: String,
}

#[derive(Serialize, Deserialize)]
struct View {
    id: u64,
    price: f64,
    token: Option<Secret>,
    items: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    id: u32,
}

struct Random {
    program: Rc<Program>,
    memory: Memory,
    menu: ActionSet,
    plain: ActionSet,
}

enum Acted {
    Skipped,
    Done,
}

impl ActionResult for Acted {
    fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped)
    }
}

impl Bot for Random {
    const NAME: &'static str = "random";
    type Config = Program;
    type Carry = Memory;

    fn new(program: Rc<Program>, who: Who, carry: Memory) -> Self {
        assert!(who.session != 13, "bot: unlucky");
        let (menu, plain) = (ActionSet::new("menu").no_repeat(), ActionSet::new("plain"));
        Self { program, memory: carry, menu, plain }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        self.memory.visits += 1;
        let program = Rc::clone(&self.program);
        for step in &program.steps {
            if ctx.stopping() {
                return Outcome::StopBot;
            }
            match step % 16 {
                0 => ctx.sleep(ctx.draw(site!("think")).exponential(Duration::from_secs(3))).await,
                1 => {
                    let active = ctx.ask(Question::ActiveBots).await;
                    ctx.gauge("active", active as f64);
                }
                2 => self.choose(ctx).await,
                3 => self.choose_plainly(ctx),
                4 => self.log_in(ctx).await,
                5 if *step > 3800 => return Outcome::Failed("enough".into()),
                6 if *step > 3800 => return Outcome::AbortRun(format!("step {step}").into()),
                7 if *step > 4000 => std::future::pending().await,
                8 if *step > 3500 => panic!("bot: {step}"),
                9 => {
                    // A future that is dropped before it is polled does nothing.
                    drop(ctx.sleep(Duration::from_secs(1)));
                    let _ = ctx.get("no scheme").name("broken").send().await;
                }
                _ => self.fetch(ctx, *step).await,
            }
        }
        Outcome::Done
    }

    fn carry(self) -> Memory {
        assert!(self.memory.visits % 7 != 6, "bot: carries badly");
        self.memory
    }
}

impl Random {
    async fn fetch(&mut self, ctx: &mut Context, step: u64) {
        let id = ctx.draw(site!("fetch.id")).between(1..=500);
        let place = permuted(ctx.seed(), site!("place"), 1000, id);
        let name = ["list", "item", "search", "user"][(step % 4) as usize];
        let mut request = ctx.request(Method::ALL[(step % 7) as usize], "/items?é=1").name(name);
        if let Some(token) = self.memory.token {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        let sent = request.json(&(id, place)).expect_status(200).send().await;
        let Ok(response) = sent else { return };
        ctx.check("status is 200", response.status() == 200);
        self.read(ctx, &response, step);
    }

    fn read(&mut self, ctx: &mut Context, response: &Response, step: u64) {
        match step % 9 {
            0 => match response.json::<View>() {
                Ok(view) => {
                    self.memory.token = view.token;
                    let ids: u32 = view.items.iter().map(|item| item.id).sum();
                    ctx.trend("price", view.price);
                    ctx.counter("ids", u64::from(ids) + view.id);
                }
                Err(error) => ctx.log(Level::Warn, error),
            },
            1 => {
                let id = response.pointer::<u32>("/items/1/id");
                ctx.rate("has second item", id == Ok(7));
            }
            2 => ctx.log(Level::Info, format_args!("{:?}", response.header("x-token"))),
            3 => ctx.log(Level::Info, format_args!("{:?}", response.header("Set-Cookie"))),
            4 => self.memory.note = response.text().unwrap_or_else(|error| error.to_string()),
            5 => ctx.counter("bytes", response.body_size()),
            6 => {
                let panics = response.json::<Panics>();
                ctx.check("no panic", panics.is_ok());
            }
            _ => {}
        }
    }

    async fn log_in(&mut self, ctx: &mut Context) {
        let password = ctx.secret("password").expect("bot: set");
        let length = ctx.reveal(password, str::len).expect("bot: held");
        ctx.check("password is long", length > 8);
        let signature = ctx.derive(&[password], |values| format!("sig:{}\"", values[0].len()));
        ctx.trend_time("login", ctx.now());
        let body = (password, signature.expect("bot: held"));
        let sent = ctx.post("/login").name("log in").json(&body).send().await;
        if let Ok(response) = sent {
            self.memory.token = response.pointer("/token").ok();
        }
    }

    async fn choose(&mut self, ctx: &mut Context) {
        let weights = self.program.weights;
        let menu = &mut self.menu;
        let chosen = dispatch!(ctx, menu, {
            "rest": weights[0] => {
                ctx.sleep(Duration::from_millis(5)).await;
                Acted::Done
            },
            "look": weights[1], if !ctx.stopping() => {
                let sent = ctx.get("http://other.example/look").send().await;
                if sent.is_err() { return }
                Acted::Done
            },
            "skip": weights[2] => Acted::Skipped,
        });
        ctx.counter("chosen", u64::from(chosen.acted().is_some()));
    }

    fn choose_plainly(&mut self, ctx: &Context) {
        let weights = self.program.weights;
        let plain = &mut self.plain;
        let chosen = dispatch!(ctx, plain, {
            "count": weights[3] => ctx.counter("plain", 1),
            "check": weights[4], if self.memory.visits > 1 => {
                ctx.check("again", ctx.draw(site!("again")).chance(9, 10));
            },
            "draw": weights[5] => ctx.counter("new", ctx.draw_new(site!("new")).below(100)),
        });
        ctx.rate("acted", chosen.acted().is_some());
    }
}

/// A view whose own code panics over some values.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Panics(u64);

impl TryFrom<serde_json::Value> for Panics {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, &'static str> {
        let id = value.get("id").and_then(serde_json::Value::as_u64);
        assert!(id != Some(3) && id.is_none_or(|id| id % 5 > 0), "bot: cannot read this");
        // What it is written as, a number, cannot be read back: it fails live, at once.
        id.map(Self).ok_or("no id")
    }
}

fn program(seed: u64) -> Program {
    let mut draw = random(seed, 0);
    let count = draw.between(1..=30);
    Program {
        steps: (0..count).map(|_| draw.below(4096)).collect(),
        weights: std::array::from_fn(|_| draw.below(4) as u32),
    }
}

fn bot(program: Program) -> Rc<BotType> {
    Rc::new(BotType::new::<Random>(Rc::new(program)))
}

/// Lives a few sessions of one bot, and hands each to a law.
fn for_each_life(seeds: u64, law: impl Fn(u64, &Program, &support::Lived)) {
    support::silence_panics_of_bots();
    for_each_seed(seeds, |seed| {
        let program = program(seed);
        let mut session = support::session(&bot(program.clone()), &run_facts(seed));
        let mut world = World::new(seed);
        for number in 10..16 {
            let who = Who { scenario: 1, bot: seed, session: number };
            let lived = world.live(&mut session, who);
            law(seed, &program, &lived);
        }
    });
}

#[test]
fn a_replay_equals_its_record_at_every_step() {
    let mut outcomes = std::cell::RefCell::new([0_u32; 6]);
    for_each_life(SEEDS, |seed, program, lived| {
        let bot = bot(program.clone());
        let run = replay_facts(seed);
        let mut replayer = Replayer::new(&bot, &run, &lived.record);
        let mut record = Vec::new();
        for (index, expected) in lived.steps.iter().enumerate() {
            let command = replayer.next_step().expect("no difference").expect("as many steps");
            assert_eq!(describe(replayer.session(), &command), *expected, "step {index}");
            replayer.take_record(&mut record);
        }
        assert_eq!(replayer.next_step(), Ok(None));
        assert_eq!(record, lived.record, "the replay's own record is the same bytes");
        let replayed = replay(&bot, &run, &lived.record).expect("no difference");
        assert_eq!(replayed.who, lived.who);
        assert_eq!(replayed.steps as usize, lived.steps.len());
        let ReplayEnd::Whole { outcome, .. } = replayed.end else { panic!("not whole") };
        assert_eq!(outcome, lived.outcome);
        let kind = match outcome {
            Outcome::Done => 0,
            Outcome::Failed(_) => 1,
            Outcome::StopBot => 2,
            Outcome::AbortRun(_) => 3,
            Outcome::Panicked => 4,
            Outcome::Stuck => 5,
        };
        outcomes.borrow_mut()[kind] += 1;
    });
    let outcomes = *outcomes.get_mut();
    if support::all_seeds_run() {
        assert!(outcomes.iter().all(|count| *count > 10), "one-sided test: {outcomes:?}");
    }
}

#[test]
fn no_secret_is_in_any_record_carry_or_note() {
    support::silence_panics_of_bots();
    for_each_seed(SEEDS, |seed| {
        let mut session = support::session(&bot(program(seed)), &run_facts(seed));
        let mut world = World::new(seed);
        for number in 0..4 {
            let lived = world.live(&mut session, Who { scenario: 1, bot: seed, session: number });
            let steps = lived.steps.concat();
            let all = [&lived.record, session.carry(), steps.as_bytes()].concat();
            for canary in ["hunter2-is-long", "sid=0123456789"] {
                assert!(memchr::memmem::find(&all, canary.as_bytes()).is_none(), "{canary}");
            }
        }
    });
}

#[test]
fn a_record_cut_anywhere_is_exact_up_to_its_last_whole_step() {
    for_each_life(SEEDS / 50, |seed, program, lived| {
        let (bot, run) = (bot(program.clone()), replay_facts(seed));
        for cut in 0..lived.record.len() {
            let whole = lived.ends.iter().filter(|end| **end <= cut).count();
            match replay(&bot, &run, &lived.record[..cut]) {
                Ok(replayed) => {
                    assert_eq!(replayed.steps as usize, whole, "cut at {cut}");
                    assert_eq!(replayed.end, ReplayEnd::Partial);
                }
                Err(error) => assert_eq!((error, whole), (ReplayError::Empty, 0)),
            }
        }
    });
}

#[test]
fn a_flipped_bit_is_never_silent() {
    for_each_life(SEEDS / 8, |seed, program, lived| {
        let (bot, run) = (bot(program.clone()), replay_facts(seed));
        for n in 0..100 {
            let bit = random(seed, n).below(lived.record.len() as u64 * 8) as usize;
            let mut record = lived.record.clone();
            record[bit / 8] ^= 1 << (bit % 8);
            let is_silent = replay(&bot, &run, &record)
                .is_ok_and(|replayed| matches!(replayed.end, ReplayEnd::Whole { .. }));
            assert!(!is_silent, "bit {bit}");
        }
    });
}

#[test]
fn garbage_gives_an_error_and_never_a_panic() {
    for_each_life(SEEDS / 10, |seed, program, lived| {
        let (bot, run) = (bot(program.clone()), replay_facts(seed));
        let mut draw = random(seed, 1);
        for _ in 0..50 {
            let mut record = lived.record.clone();
            for _ in 0..draw.between(1..=8) {
                let at = draw.below(record.len() as u64) as usize;
                match draw.below(3) {
                    0 => record[at] = draw.bits() as u8,
                    1 => {
                        record.remove(at);
                        record.push(0);
                    }
                    _ => record.insert(at, draw.bits() as u8),
                }
            }
            let _ = replay(&bot, &run, &record);
            assert!(Events::new(&record).count() <= record.len());
        }
    });
}

#[test]
fn a_changed_weight_is_named_as_the_first_difference_and_only_where_a_command_changed() {
    let found = std::cell::Cell::new((0, 0));
    for_each_life(SEEDS, |seed, program, lived| {
        let mut changed = program.clone();
        changed.weights[0] += 3;
        let (bot, run) = (bot(changed), replay_facts(seed));
        let (same, different) = found.get();
        match replay(&bot, &run, &lived.record) {
            Ok(_) => found.set((same + 1, different)),
            Err(ReplayError::Differs(difference)) => {
                found.set((same, different + 1));
                let text = difference.to_string();
                let picks = |trail: &Trail| matches!(trail, Trail::Pick { .. });
                assert!(difference.trail.iter().any(picks), "{text}");
                assert!(matches!(difference.cause, Cause::Choice | Cause::Content), "{text}");
                assert!(text.contains("picked menu."), "{text}");
                // All before it is the same.
                let step = difference.step as usize;
                let before = &lived.record[..lived.ends[step.max(1) - 1]];
                assert!(step == 0 || replay(&bot, &run, before).is_ok(), "{text}");
            }
            Err(error) => panic!("{error}"),
        }
    });
    let (same, different) = found.get();
    if support::all_seeds_run() {
        assert!(same > 20 && different > 20, "{same} same, {different} different");
    }
}

#[test]
fn sessions_do_not_depend_on_what_else_runs_on_their_worker() {
    support::silence_panics_of_bots();
    for_each_seed(SEEDS / 8, |seed| {
        let (bot, run) = (bot(program(seed)), run_facts(seed));
        let scratch = tallyho_replay::Scratch::new();
        let mut sessions: Vec<_> = (0..4).map(|_| Session::new(&bot, &run, &scratch)).collect();
        let who = |number| Who { scenario: 1, bot: number, session: 0 };
        let alone: Vec<_> = (0..4)
            .map(|number| {
                let mut session = support::session(&bot, &run);
                World::new(seed + number).live(&mut session, who(number)).record
            })
            .collect();
        assert_eq!(interleaved(&mut sessions, seed, who), alone);
    });
}

/// Steps sessions in turn, and gives their records.
fn interleaved(sessions: &mut [Session], seed: u64, who: impl Fn(u64) -> Who) -> Vec<Vec<u8>> {
    use tallyho_replay::{Carry, Command, Start};
    let mut worlds: Vec<_> = (0..sessions.len() as u64).map(|n| World::new(seed + n)).collect();
    let mut records = vec![Vec::new(); sessions.len()];
    let mut commands: Vec<_> = sessions
        .iter_mut()
        .zip(0..)
        .map(|(session, number)| {
            let who = who(number);
            session.start(Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false })
        })
        .collect();
    while commands.iter().any(|command| !matches!(command, Command::End(_))) {
        for (index, session) in sessions.iter_mut().enumerate() {
            if !matches!(commands[index], Command::End(_)) {
                commands[index] = session.step(worlds[index].answer(&commands[index]));
                let _ = session.reclaim_response();
            }
        }
    }
    for (session, record) in sessions.iter_mut().zip(&mut records) {
        session.take_record(record);
    }
    records
}

#[test]
fn a_view_that_does_not_survive_the_record_fails_live() {
    #[derive(Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(deserialize = "id"))]
        key: u64,
    }
    struct Reader;
    impl Bot for Reader {
        const NAME: &'static str = "reader";
        type Config = ();
        type Carry = ();
        fn new(_: Rc<()>, _: Who, (): ()) -> Self {
            Self
        }
        async fn session(&mut self, ctx: &mut Context) -> Outcome {
            let response = ctx.get("/x").name("x").send().await.expect("a response");
            let read = response.json::<Renamed>().map(|view| view.key);
            assert_eq!(read, Err(ReadError::NotRecordable));
            Outcome::Done
        }
        fn carry(self) {}
    }
    let bot = Rc::new(BotType::new::<Reader>(Rc::new(())));
    let mut session = support::session(&bot, &run_facts(0));
    let mut world = World::new(0);
    world.trouble = u64::MAX / 100;
    world.body = |_| br#"{"id":1}"#.to_vec();
    let lived = world.live(&mut session, Who::default());
    assert_eq!(lived.outcome, Outcome::Done);
    assert!(replay(&bot, &replay_facts(0), &lived.record).is_ok());
}

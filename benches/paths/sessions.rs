//! Steps of bots: declared ones beside those written by hand, choices, captures.
//!
//! A declared session of one request may take 250 ns more than the single-request bot; the other
//! lines say what each feature of a step costs. Allocations are not counted here: see
//! `tests/declared_allocations.rs`.

use std::path::Path as FilePath;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho::config::{self, BotKind, Options};
use tallyho_bots::SingleRequest;
use tallyho_replay::dispatch::ActionSet;
use tallyho_replay::flow::{Flow, compile};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Input, Outcome, Recording, ResponseParts,
    RunFacts, Scratch, Session, Start, Who, dispatch,
};

use super::{BODY, Path, large_body};

/// Scenario by name.
const DECLARED: &[(&str, &str)] = &[
    ("fixed request", r#"{"steps": [{"get": "/items?x=1"}]}"#),
    ("path with a variable", r#"{"steps": [{"get": "/items/${bot | pad 5}", "name": "item"}]}"#),
    (
        "header, check, counter",
        r#"{"metrics": {"c": "counter"}, "steps": [
            {"get": "/items", "headers": {"X-Bot": "${bot}"}, "check": {"ok": "status == 200"}},
            {"add": {"c": 1}}]}"#,
    ),
    (
        "json body with a draw",
        r#"{"steps": [{"post": "/items", "json": {"level": "${draw.level.between(1, 9)}", "bot":
            "${bot}"}}]}"#,
    ),
    (
        "choice of four",
        r#"{"session": {"actions": 1}, "actions": [
            {"name": "a", "weight": 1, "steps": [{"get": "/a"}]}, {"name": "b", "weight": 2,
                "steps": [{"get": "/b"}]},
            {"name": "c", "weight": 3, "when": "bot < 5", "steps": [{"get": "/c"}]}, {"name":
                "d", "weight": 4, "steps": [{"get": "/d"}]}]}"#,
    ),
];

/// A declared bot that keeps two values of each answer.
pub(crate) const TWO_CAPTURES: &str = r#"{"keep": ["id", "name"], "steps": [{"get": "/items",
    "capture": {"id": "/id", "name": "/name"}}]}"#;

/// The second scenario, written by hand.
struct Item;

impl Bot for Item {
    const NAME: &'static str = "path";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Item {
        Item
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let path = format!("/items/{:05}", ctx.who().bot);
        let _ = ctx.get(&path).name("item").discard_body().send().await;
        Outcome::Done
    }

    fn carry(self) {}
}

/// Reads a view of two fields of each answer.
struct Reads;

#[derive(Serialize, Deserialize)]
struct View {
    id: u64,
    name: String,
}

impl Bot for Reads {
    const NAME: &'static str = "reads";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Reads {
        Reads
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let Ok(response) = ctx.get("/items").send().await else { return Outcome::StopBot };
        let View { id, name } = response.json().expect("the body is one");
        ctx.check("read", id > 0 && !name.is_empty());
        Outcome::Done
    }

    fn carry(self) {}
}

/// Only sleeps, or chooses before it does.
struct Chooses {
    menu: Option<ActionSet>,
}

impl Bot for Chooses {
    const NAME: &'static str = "chooses";
    type Config = bool;
    type Carry = ();

    fn new(chooses: Rc<bool>, _: Who, (): ()) -> Chooses {
        Chooses { menu: chooses.then(|| ActionSet::new("menu")) }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        loop {
            let mut think = Duration::ZERO;
            if let Some(menu) = &mut self.menu {
                let chosen = dispatch!(ctx, menu, {
                    "list": 5 => think = Duration::from_millis(1),
                    "add": 3 => think = Duration::from_millis(2),
                    "look": 2, if ctx.who().bot < 5 => think = Duration::from_millis(3),
                    "leave": 1 => think = Duration::from_millis(4),
                });
                assert!(chosen.acted().is_some(), "something can be chosen");
            }
            ctx.sleep(think).await;
        }
    }

    fn carry(self) {}
}

/// The bot of a scenario's text.
pub(crate) fn declared(text: &str) -> BotType {
    let checked = config::check_text("bench.json", text, FilePath::new(""), &Options::default());
    let checked = checked.unwrap_or_else(|found| panic!("{}", found.render(config::Colour::Never)));
    match &checked.plan.bots[0].kind {
        BotKind::Declared(definition) => {
            BotType::new::<Flow>(Rc::new(compile(definition).expect("checked")))
        }
        BotKind::Registered { .. } => panic!("not declared"),
    }
}

/// What all benchmarks' runs have in common.
pub(crate) fn facts() -> Rc<RunFacts> {
    Rc::new(RunFacts { target: Some("http://127.0.0.1:8080".into()), ..RunFacts::default() })
}

/// A bot, and the answer that all its requests get.
pub(crate) struct Played {
    pub(crate) session: Session,
    parts: Option<ResponseParts>,
    at_us: u64,
    number: u64,
    /// Its number, and what each of its waits takes.
    pub(crate) bot: u64,
    pub(crate) wait_us: u64,
}

impl Played {
    pub(crate) fn new(bot: BotType, recording: Recording, body: &[u8]) -> Self {
        let mut session = Session::new(&Rc::new(bot), &facts(), &Scratch::new());
        session.set_recording(recording);
        let parts = ResponseParts {
            status: 200,
            bytes: body.to_vec(),
            head: 0..0,
            body: 0..body.len(),
            body_size: body.len() as u64,
        };
        Self { session, parts: Some(parts), at_us: 0, number: 0, bot: 3, wait_us: 100 }
    }

    /// Starts the bot's next session.
    pub(crate) fn start(&mut self) -> Command {
        let who = Who { scenario: 0, bot: self.bot, session: self.number };
        self.number += 1;
        let (carry, at_us) = (Carry::Own, self.at_us);
        self.session.start(Start { who, carry, setup: None, at_us, stopping: false })
    }

    /// One session from start to end.
    pub(crate) fn play(&mut self) -> u32 {
        let mut command = self.start();
        while !matches!(command, Command::End(_)) {
            command = self.answer(&command);
        }
        self.session.step_index()
    }

    /// Ends what the bot waits for.
    fn answer(&mut self, command: &Command) -> Command {
        self.at_us += self.wait_us;
        let event = match command {
            Command::Send => Event::Response(self.parts.take().expect("given back")),
            _ => Event::Woke,
        };
        let command = self.session.step(Input { at_us: self.at_us, stopping: false, event });
        self.parts = self.session.reclaim_response().or(self.parts.take());
        command
    }
}

/// A whole session, unrecorded.
fn session(name: &str, bot: BotType, body: &[u8]) -> Path {
    let mut played = Played::new(bot, Recording::Off, body);
    Path::new(name, move || played.play())
}

/// One step of a session that never ends.
fn step(name: &str, chooses: bool) -> Path {
    let bot = BotType::new::<Chooses>(Rc::new(chooses));
    let mut played = Played::new(bot, Recording::Off, BODY);
    let mut command = played.start();
    Path::new(name, move || command = played.answer(&command))
}

pub(crate) fn all() -> Vec<Path> {
    let url = r#"{"url": "http://127.0.0.1:8080/items?x=1"}"#;
    let single = BotType::from_json::<SingleRequest>(url).expect("a configuration");
    let by_hand = BotType::new::<Item>(Rc::new(()));
    let reads = || BotType::new::<Reads>(Rc::new(()));
    let large = large_body();
    let mut paths = vec![
        step("dispatch/a sleep alone", false),
        step("dispatch/a choice of four and a sleep", true),
        session("declared step/by hand: fixed request", single, BODY),
        session("declared step/by hand: path with a variable", by_hand, BODY),
    ];
    paths.extend(
        DECLARED
            .iter()
            .map(|(name, text)| session(&format!("declared step/{name}"), declared(text), BODY)),
    );
    paths.extend([
        session("json capture/declared: two of 75 B", declared(TWO_CAPTURES), BODY),
        session("json capture/declared: two of 10 kB", declared(TWO_CAPTURES), &large),
        session("json capture/by hand: a view of 75 B", reads(), BODY),
        session("json capture/by hand: a view of 10 kB", reads(), &large),
    ]);
    paths
}

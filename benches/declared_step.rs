//! What a declared bot costs over one written by hand.
//!
//! `cargo bench --bench declared_step`. The limit is 250 ns more for a session of one request than
//! the single-request bot; the other lines say what each feature of a step costs. Allocations are
//! not counted here: see `tests/declared_bots.rs`.

use std::path::Path;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use tallyho::config::{self, BotKind, Options};
use tallyho_bots::SingleRequest;
use tallyho_replay::flow::{Flow, compile};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Input, Outcome, Recording, ResponseParts,
    RunFacts, Scratch, Session, Start, Who,
};

const BODY: &[u8] =
    br#"{"id":12345,"name":"ada","items":[1,2,3],"more":{"a":"b","c":[true,false]}}"#;

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
        "two captures",
        r#"{"keep": ["id", "name"], "steps": [{"get": "/items", "capture": {"id": "/id", "name":
            "/name"}}]}"#,
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

fn declared(text: &str) -> BotType {
    let checked = config::check_text("bench.json", text, Path::new(""), &Options::default());
    let checked = checked.unwrap_or_else(|found| panic!("{}", found.render(config::Colour::Never)));
    match &checked.plan.bots[0].kind {
        BotKind::Declared(definition) => {
            BotType::new::<Flow>(Rc::new(compile(definition).expect("checked")))
        }
        BotKind::Registered { .. } => panic!("not declared"),
    }
}

/// One session from start to end.
fn session(session: &mut Session, parts: &mut Option<ResponseParts>) {
    let mut command = session.start(Start {
        who: Who { scenario: 0, bot: 3, session: 0 },
        carry: Carry::Own,
        setup: None,
        at_us: 0,
        stopping: false,
    });
    let mut at_us = 0;
    while !matches!(command, Command::End(_)) {
        at_us += 100;
        let response = parts.take().expect("given back");
        let input = Input { at_us, stopping: false, event: Event::Response(response) };
        command = session.step(input);
        *parts = session.reclaim_response();
    }
}

fn measure(criterion: &mut Criterion) {
    let run =
        Rc::new(RunFacts { target: Some("http://127.0.0.1:8080".into()), ..RunFacts::default() });
    let url = r#"{"url": "http://127.0.0.1:8080/items?x=1"}"#;
    let by_hand = BotType::from_json::<SingleRequest>(url).expect("a configuration");
    let by_hand = [
        ("by hand: fixed request", by_hand),
        ("by hand: path with a variable", BotType::new::<Item>(Rc::new(()))),
    ];
    let declared = DECLARED.iter().map(|(name, text)| (*name, declared(text)));
    for (name, bot) in by_hand.into_iter().chain(declared) {
        let mut bot = Session::new(&Rc::new(bot), &run, &Scratch::new());
        bot.set_recording(Recording::Off);
        let mut parts = Some(ResponseParts {
            status: 200,
            bytes: BODY.to_vec(),
            head: 0..0,
            body: 0..BODY.len(),
            body_size: BODY.len() as u64,
        });
        criterion.bench_function(name, |bencher| bencher.iter(|| session(&mut bot, &mut parts)));
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);

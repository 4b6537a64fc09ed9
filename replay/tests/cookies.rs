//! Cookies of a session: kept, sent, replayed, and never written down.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Input, Method, Outcome, Place, Prepared,
    ResponseParts, Secret, Start, Who, site,
};

use support::{describe, for_each_seed, random, replay_facts, run_facts};

const SEEDS: u64 = 300;
/// What every value in these tests starts with.
const CANARY: &str = "canary-in-the-jar-";

/// Sends some requests to some places, now prepared and now built, and uses what it was given.
struct Browser(Rc<u64>);

impl Bot for Browser {
    const NAME: &'static str = "browser";
    type Config = u64;
    type Carry = Option<Secret>;

    fn new(seed: Rc<u64>, _: Who, _: Option<Secret>) -> Self {
        Self(seed)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        for _ in 0..ctx.draw(site!("requests")).between(1..=12) {
            let draw = || ctx.draw(site!("what"));
            let hosts = ["http://shop.test", "https://shop.test:8443", "http://www.shop.test"];
            let host = draw().pick(&hosts).expect("some");
            let path = draw().pick(&["/", "/cart", "/cart/items?id=1"]).expect("some");
            let url = format!("{host}{path}");
            let sent = match draw().below(8) {
                0..=2 => {
                    let prepared = Prepared::builder(Method::Put, None, &url).body("body");
                    let prepared = prepared.header("A", "1").build().expect("good");
                    ctx.send_prepared(&prepared).await
                }
                3 => ctx.get(&url).header("Cookie", "own=1").send().await,
                4 => {
                    ctx.clear_cookies();
                    ctx.get(&url).send().await
                }
                5 if self.0.is_multiple_of(5) => {
                    ctx.ignore_cookies();
                    ctx.get(&url).send().await
                }
                _ => ctx.get(&url).send().await,
            };
            if let Ok(response) = sent {
                let text = response.text().unwrap_or_default();
                ctx.log(tallyho_replay::Level::Info, text);
                if let Some(secret) = ctx.cookie("a") {
                    ctx.log(tallyho_replay::Level::Info, secret);
                    // A token from a cookie goes into a header, as double submit wants it.
                    let url = format!("{host}/submit");
                    let _ = ctx.post(&url).header("X-Token", &secret.to_string()).send().await;
                }
            }
        }
        Outcome::Done
    }

    fn carry(self) -> Option<Secret> {
        None
    }
}

/// Sets cookies of all kinds, redirects now and then, and shows values in its bodies.
fn answer(seed: u64, n: u32) -> ResponseParts {
    let mut draw = random(seed, n);
    let mut head = String::from("Date: Tue, 24 Nov 2026 10:00:00 GMT\r\n");
    let mut body = String::from("none");
    for _ in 0..draw.below(3) {
        let name = draw.pick(&["a", "b", "c"]).expect("some");
        let value = format!("{CANARY}{}", draw.below(50));
        let attributes = [
            "",
            "; Path=/cart",
            "; Domain=shop.test",
            "; Max-Age=2",
            "; Max-Age=0",
            "; Secure; HttpOnly",
            "; Expires=Tue, 24 Nov 2026 10:00:03 GMT; Path=/",
            "; Domain=evil.test",
        ];
        let attributes = draw.pick(&attributes).expect("some");
        head += &format!("Set-Cookie: {name}={value}{attributes}\r\n");
        // Who ignores cookies reads them as any other text.
        if !seed.is_multiple_of(5) {
            body = format!("you have {value} now");
        }
    }
    let status = if draw.chance(1, 6) { 302 } else { 200 };
    if status == 302 {
        let places = ["/cart", "http://www.shop.test/", "//shop.test/x"];
        head += &format!("Location: {}\r\n", draw.pick(&places).expect("some"));
    }
    let bytes = format!("{head}{body}").into_bytes();
    ResponseParts {
        status,
        head: 0..head.len(),
        body: head.len()..bytes.len(),
        body_size: body.len() as u64,
        bytes,
    }
}

#[test]
fn a_session_with_cookies_replays_exactly_and_its_record_holds_no_value() {
    let sent_count = RefCell::new((0, 0));
    for_each_seed(SEEDS, |seed| {
        let bot = Rc::new(BotType::new::<Browser>(Rc::new(seed)));
        let mut session = support::session(&bot, &run_facts(seed));
        for number in 0..3 {
            let who = Who { scenario: 1, bot: seed, session: number };
            let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
            let (mut at_us, mut n) = (0, number as u32 * 1000);
            let (mut command, mut shown, mut record) =
                (session.start(start), String::new(), vec![]);
            let mut is_first = true;
            loop {
                shown += &describe(&session, &command);
                if command == Command::Send {
                    session.with_request(|request, vault| {
                        let mut wire = Vec::new();
                        vault
                            .substitute(Place::Header, request.header_lines(), &mut wire)
                            .expect("fits");
                        let wire = String::from_utf8(wire).expect("text");
                        assert!(!wire.contains("tallyho-secret"), "{wire}");
                        let cookies =
                            wire.lines().filter(|line| line.starts_with("Cookie:")).count();
                        assert!(cookies <= 1, "{wire}");
                        assert!(
                            !is_first || cookies == 0 || wire.contains("own=1"),
                            "a new jar: {wire}"
                        );
                        let mut counts = sent_count.borrow_mut();
                        counts.0 += cookies;
                        counts.1 += wire.matches("; ").count();
                    });
                }
                is_first = false;
                let event = match command {
                    Command::End(_) => break,
                    Command::Send => Event::Response(answer(seed, n)),
                    _ => Event::Woke,
                };
                (at_us, n) = (at_us + 700_000, n + 1);
                command = session.step(Input { at_us, stopping: false, event });
                let _ = session.reclaim_response();
            }
            session.take_record(&mut record);
            shown += &String::from_utf8_lossy(&record);
            shown += &String::from_utf8_lossy(session.carry());
            assert!(!shown.contains(CANARY), "{shown}");
            let replayed = replay(&bot, &replay_facts(seed), &record).expect("no difference");
            assert!(matches!(replayed.end, ReplayEnd::Whole { .. }));
        }
    });
    let (with_cookies, pairs) = *sent_count.borrow();
    if support::all_seeds_run() {
        assert!(with_cookies > 1000 && pairs > 300, "one-sided: {with_cookies}, {pairs}");
    }
}

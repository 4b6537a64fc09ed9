//! Mutations: whatever a bot does differently, the replay says so, at the step where it does.
//!
//! The other direction of `identity.rs`: a check that checks nothing would pass all of that.

mod support;

use std::rc::Rc;
use std::time::Duration;

use tallyho_replay::replayer::{Cause, Difference, ReplayError, replay};
use tallyho_replay::{
    Bot, BotType, Context, Level, Method, Outcome, ReadError, Session, Who, site,
};

use support::World;

/// What one version of the bot does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
enum Change {
    Nothing,
    Check,
    CheckName,
    Counter,
    Rate,
    Gauge,
    Trend,
    TrendIsTime,
    Log,
    LogLevel,
    Sleep,
    Method,
    Path,
    Header,
    Body,
    RequestName,
    OtherDraw,
    MoreReads,
    FewerReads,
    OtherRead,
    View,
    Reason,
    Outcome,
    Carry,
    Panic,
}

struct Changing(Change);

impl Bot for Changing {
    const NAME: &'static str = "changing";
    type Config = Change;
    type Carry = bool;

    fn new(change: Rc<Change>, _: Who, _: bool) -> Self {
        Self(*change)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let does = |change| self.0 == change;
        ctx.check(if does(Change::CheckName) { "one" } else { "two" }, !does(Change::Check));
        ctx.counter("counter", 1 + u64::from(does(Change::Counter)));
        ctx.rate("rate", does(Change::Rate));
        ctx.gauge("gauge", if does(Change::Gauge) { -0.0 } else { 0.0 });
        ctx.trend("trend", 1.0 + f64::from(u8::from(does(Change::Trend))));
        if does(Change::TrendIsTime) {
            ctx.trend_time("time", Duration::from_millis(5));
        } else {
            ctx.trend("time", 5.0);
        }
        let level = if does(Change::LogLevel) { Level::Info } else { Level::Debug };
        ctx.log(level, if does(Change::Log) { "a" } else { "b" });
        let think = if does(Change::OtherDraw) { site!("one") } else { site!("two") };
        let think = ctx.draw(think).exponential(Duration::from_secs(1));
        ctx.sleep(think + Duration::from_micros(u64::from(does(Change::Sleep)))).await;

        let method = if does(Change::Method) { Method::Put } else { Method::Post };
        let path = if does(Change::Path) { "/b" } else { "/a" };
        let name = if does(Change::RequestName) { "b" } else { "a" };
        let request = ctx.request(method, path).name(name);
        let request = request.header("X-A", if does(Change::Header) { "1" } else { "2" });
        let request = request.json(&u8::from(does(Change::Body)));
        let response = request.send().await.expect("this world has no trouble");
        if !does(Change::FewerReads) {
            let _ = response.pointer::<u64>("/id");
        }
        if does(Change::MoreReads) {
            let _ = response.body_size();
        }
        let read = if does(Change::OtherRead) {
            response.text()
        } else if does(Change::View) {
            response.json::<(u8, u8)>().map(|_| String::new())
        } else {
            response.json::<serde_json::Value>().map(|value| value.to_string())
        };
        assert!(!does(Change::Panic), "bot: changed");
        match (self.0, read) {
            (Change::Reason, _) => Outcome::Failed("other".into()),
            (Change::Outcome, _) => Outcome::Done,
            (_, Err(ReadError::TooLarge)) => Outcome::StopBot,
            _ => Outcome::Failed("usual".into()),
        }
    }

    fn carry(self) -> bool {
        self.0 == Change::Carry
    }
}

/// Lives a session of the unchanged bot, and replays it with a change.
fn difference(change: Change) -> Option<Box<Difference>> {
    let bot = |change| Rc::new(BotType::new::<Changing>(Rc::new(change)));
    let mut session: Session = support::session(&bot(Change::Nothing), &support::run_facts(3));
    let mut world = World::new(3);
    world.trouble = 1 << 40;
    world.body = |_| br#"{"id":7}"#.to_vec();
    let lived = world.live(&mut session, Who { scenario: 1, bot: 2, session: 3 });
    match replay(&bot(change), &support::replay_facts(3), &lived.record) {
        Ok(_) => None,
        Err(ReplayError::Differs(difference)) => Some(difference),
        Err(error) => panic!("{change:?}: {error}"),
    }
}

#[test]
fn every_change_is_found_at_its_step_and_with_its_cause() {
    support::silence_panics_of_bots();
    assert_eq!(difference(Change::Nothing), None);
    for (step, changes) in [
        (0, &[Change::Check, Change::CheckName, Change::Counter, Change::Rate][..]),
        (0, &[Change::Gauge, Change::Trend, Change::TrendIsTime, Change::Log, Change::LogLevel]),
        (0, &[Change::Sleep, Change::OtherDraw]),
        (1, &[Change::Method, Change::Path, Change::Header, Change::Body, Change::RequestName]),
        (2, &[Change::MoreReads, Change::FewerReads, Change::OtherRead, Change::View]),
        (2, &[Change::Reason, Change::Outcome, Change::Carry, Change::Panic]),
    ] {
        for change in changes {
            let difference = difference(*change).unwrap_or_else(|| panic!("{change:?}: not found"));
            assert_eq!(difference.step, step, "{change:?}: {difference}");
            let is_expected = match change {
                Change::RequestName | Change::Reason | Change::Outcome | Change::Panic => {
                    difference.cause == Cause::Way
                }
                Change::MoreReads | Change::FewerReads | Change::OtherRead | Change::View => {
                    matches!(difference.cause, Cause::Reads(_))
                }
                _ => difference.cause == Cause::Content,
            };
            assert!(is_expected, "{change:?}: {difference}");
        }
    }
}

#[test]
fn another_seed_run_or_target_is_a_difference() {
    let bot = Rc::new(BotType::new::<Changing>(Rc::new(Change::Nothing)));
    let mut session = support::session(&bot, &support::run_facts(3));
    let mut world = World::new(3);
    world.trouble = 1 << 40;
    world.body = |_| br#"{"id":7}"#.to_vec();
    let lived = world.live(&mut session, Who::default());
    let replay_with = |change: fn(&mut tallyho_replay::RunFacts)| {
        let mut run = (*support::replay_facts(3)).clone();
        change(&mut run);
        replay(&bot, &Rc::new(run), &lived.record)
    };
    assert!(replay_with(|_| {}).is_ok());
    assert!(replay_with(|run| run.seed += 1).is_err());
    assert!(replay_with(|run| run.target = Some("http://other".to_owned())).is_err());
    // What no bot can see is no difference.
    assert!(replay_with(|run| run.task_index += 1).is_ok());
}

#[test]
fn a_record_of_other_samplers_is_replayed_until_it_differs() {
    let bot = Rc::new(BotType::new::<Changing>(Rc::new(Change::Nothing)));
    let mut session = support::session(&bot, &support::run_facts(3));
    let mut world = World::new(3);
    world.trouble = 1 << 40;
    let mut lived = world.live(&mut session, Who::default());
    // Kind, clock, record version, then the low byte of the sampler version.
    lived.record[3] += 1;
    let error = replay(&bot, &support::replay_facts(3), &lived.record).expect_err("another");
    let ReplayError::Differs(difference) = error else { panic!("{error}") };
    assert_eq!(difference.cause, Cause::Samplers { recorded: 2 });
}

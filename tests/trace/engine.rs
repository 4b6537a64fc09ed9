//! The engine's own runs: every session is in the trace, and replays.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::tallyho::background;
use ::tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Observer, OnNotRecorded, Profile, Record, RunPlan,
    ScenarioPlan, TracePlan, TraceResult,
};
use ::tallyho::http::Limits;
use ::tallyho::metrics::Collector;
use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::trace::{Found, FoundEnd, Header, TraceReader, Wanted};
use tallyho_replay::{Bot, BotType, Context, Outcome, Question, RunFacts, Who, site};

use crate::counting;
use crate::servers::Scratch;

/// Does a bit of everything: reads, waits, asks, checks, carries, and fails now and then.
struct Visitor {
    visits: u64,
}

impl Bot for Visitor {
    const NAME: &'static str = "visitor";
    type Config = ();
    type Carry = u64;

    fn new(_: Rc<()>, _: Who, visits: u64) -> Self {
        Self { visits }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        self.visits += 1;
        for page in 0..ctx.draw(site!("pages")).between(1..=3) {
            let path = format!("/pages/{page}?visit={}", self.visits);
            if let Ok(response) = ctx.get(&path).name("page").send().await {
                let id = response.pointer::<u64>("/id").unwrap_or(0);
                ctx.check("even", id % 2 == 0);
                ctx.trend("id", id as f64);
            }
            ctx.sleep(ctx.draw(site!("think")).exponential(Duration::from_millis(3))).await;
            ctx.gauge("bots", ctx.draw_new(site!("new")).below(10) as f64);
        }
        let active = ctx.ask(Question::ActiveBots).await;
        ctx.counter("active", active);
        Outcome::Done
    }

    fn carry(self) -> u64 {
        self.visits
    }
}

struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

/// Plays visitors on so many workers, as one of several tasks, and gives what became of the trace.
fn play(
    (driver, record): (DriverChoice, Record),
    (workers, task_index): (usize, u32),
    target: &str,
    path: PathBuf,
) -> TraceResult {
    let control = Arc::new(Control::default());
    let facts = RunFacts {
        seed: 11,
        run_id: 12,
        target: Some(target.to_owned()),
        task_index,
        ..RunFacts::default()
    };
    let plan = RunPlan {
        limits: Limits::default(),
        scenarios: vec![ScenarioPlan {
            name: "default".to_owned(),
            key: 5,
            bot: Box::new(|| Rc::new(BotType::new::<Visitor>(Rc::new(())))),
            profile: Profile::PerVuIterations {
                vus: 8,
                iterations: 6,
                max_duration: Duration::from_secs(60),
            },
            start: Duration::ZERO,
            graceful_stop: Duration::from_secs(5),
            begin: None,
        }],
        trace: Some(TracePlan {
            header: Header::new(&facts),
            path,
            record,
            bytes_max: 1 << 30,
            failures: None,
            on_not_recorded: OnNotRecorded::Continue,
        }),
        facts,
        setup: None,
        thresholds: Vec::new(),
        task_index,
        pins: vec![None; workers],
        io_driver: driver,
        origins: Vec::new(),
        resolver: background::start(Arc::clone(&control)).expect("a background thread").resolver,
        tls: engine::Tls::default(),
        sources: Vec::new(),
        watch: None,
        traceparent: false,
        shared_secrets: Vec::new(),
        timeout: Duration::from_secs(10),
        drain: Duration::from_secs(5),
        start_at: None,
    };
    engine::run(plan, &control, &mut Silent).expect("the run starts").trace.expect("a trace")
}

/// All sessions of a trace file.
fn sessions(path: &Path) -> Vec<Found> {
    let mut reader = TraceReader::open(File::open(path).unwrap()).unwrap();
    let mut all = Vec::new();
    reader
        .sessions(&Wanted::default(), |found| {
            all.push(found);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(reader.damages().is_empty() && reader.torn().is_none());
    all
}

/// Replays a visitor's session and says whether it is whole.
fn replays(found: &Found, target: &str) -> bool {
    let target = Some(target.to_owned());
    let facts = Rc::new(RunFacts { seed: 11, run_id: 12, target, ..RunFacts::default() });
    let bot = Rc::new(BotType::new::<Visitor>(Rc::new(())));
    let replayed = replay(&bot, &facts, &found.record);
    let replayed = replayed.unwrap_or_else(|error| panic!("{}: {error}", found.who));
    matches!(replayed.end, ReplayEnd::Whole { .. })
}

#[test]
fn every_session_replays_on_both_drivers_with_one_to_seven_workers_and_on_two_tasks() {
    let server = counting();
    let target = server.url("");
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        for workers in 1..=7 {
            let scratch = Scratch::new("identity");
            let mut seen = Vec::new();
            for task in 0..=u32::from(workers == 3) {
                let path = scratch.path().join(format!("trace-{task}.tly"));
                let place = (workers, task);
                let result = play((driver, Record::All), place, &target, path.clone());
                assert!(result.totals.adds_up(), "{:?}", result.totals);
                assert_eq!((result.totals.started, result.totals.exact), (48, 48));
                for found in sessions(&path) {
                    assert_eq!(found.end, FoundEnd::Whole);
                    assert!(replays(&found, &target), "{driver:?} {workers}");
                    seen.push((found.who.bot, found.who.session));
                }
            }
            // Tasks continue each other's numbers: together they are one run.
            seen.sort_unstable();
            let bots = if workers == 3 { 16 } else { 8 };
            let all: Vec<_> = (0..bots).flat_map(|bot| (0..6).map(move |n| (bot, n))).collect();
            assert_eq!(seen, all, "{driver:?} {workers}");
        }
    }
}

#[test]
fn with_record_failing_only_those_are_kept_and_the_rest_is_counted() {
    let server = counting();
    let target = server.url("");
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        let scratch = Scratch::new("failing");
        let path = scratch.path().join("trace-0.tly");
        let result = play((driver, Record::Failing), (2, 0), &target, path.clone());
        let found = sessions(&path);
        assert!(found.iter().all(|found| found.signature.is_some() && replays(found, &target)));
        let totals = result.totals;
        assert!(totals.adds_up() && totals.exact > 0 && totals.not_recorded.not_wanted > 0);
        assert_eq!(totals.exact, found.len() as u64);
    }
}

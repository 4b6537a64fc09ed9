//! k6's executors with bots of the tests' own, over real sockets, on both IO drivers.

mod servers;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use servers::{RawServer, answer_all};
use tallyho::background;
use tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Observer, OnNoFreeBot, Profile, Rate, RunPlan,
    RunResult, ScenarioPlan, Spacing, Stage, Supply,
};
use tallyho::http::Limits;
use tallyho::metrics::{Collector, ScenarioTotals};
use tallyho_replay::{Bot, BotType, Context, Outcome, RunFacts, Who};

const DRIVERS: [DriverChoice; 2] = [DriverChoice::Uring, DriverChoice::Epoll];
const SECOND: Duration = Duration::from_secs(1);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn stage(milliseconds: u64, target: u64) -> Stage {
    Stage { duration: ms(milliseconds), target }
}

struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

/// A scenario of bots of type `B`, with 100 ms to end its sessions.
fn scenario<B: Bot<Config = ()>>(name: &str, start: Duration, profile: Profile) -> ScenarioPlan {
    ScenarioPlan {
        name: name.to_owned(),
        key: 0,
        bot: Box::new(|| Rc::new(BotType::new::<B>(Rc::new(())))),
        profile,
        start,
        graceful_stop: ms(100),
        begin: None,
    }
}

fn play(driver: DriverChoice, scenarios: Vec<ScenarioPlan>, target: &str) -> RunResult {
    let control = Arc::new(Control::default());
    let plan = RunPlan {
        limits: Limits::default(),
        scenarios,
        facts: RunFacts { target: Some(target.to_owned()), ..RunFacts::default() },
        setup: None,
        shared_secrets: Vec::new(),
        trace: None,
        thresholds: Vec::new(),
        task_index: 0,
        pins: vec![None, None],
        io_driver: driver,
        origins: Vec::new(),
        resolver: background::start(Arc::clone(&control)).expect("a background thread").resolver,
        tls: engine::Tls::default(),
        sources: Vec::new(),
        watch: None,
        traceparent: false,
        timeout: 5 * SECOND,
        drain: 5 * SECOND,
        start_at: None,
    };
    engine::run(plan, &control, &mut Silent).expect("the run starts")
}

fn totals<'a>(result: &'a RunResult, scenario: &str) -> &'a ScenarioTotals {
    &result.measured.totals.scenarios[scenario]
}

fn no_content() -> RawServer {
    RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"))
}

/// Sends one request, and thinks for 10 ms.
struct Short;

impl Bot for Short {
    const NAME: &'static str = "short";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let answer = ctx.get("/").send().await;
        ctx.check("answered", answer.is_ok());
        ctx.sleep(ms(10)).await;
        Outcome::Done
    }

    fn carry(self) {}
}

/// Goes on until it is told to stop, and then for 10 s more.
struct Stubborn;

impl Bot for Stubborn {
    const NAME: &'static str = "stubborn";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        ctx.sleep(60 * SECOND).await;
        ctx.check("told to stop", ctx.stopping());
        ctx.sleep(10 * SECOND).await;
        ctx.check("went on to its end", true);
        Outcome::Done
    }

    fn carry(self) {}
}

/// Ends when it is told to stop, 50 ms later.
struct Obedient;

impl Bot for Obedient {
    const NAME: &'static str = "obedient";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        ctx.sleep(60 * SECOND).await;
        ctx.sleep(ms(50)).await;
        Outcome::Done
    }

    fn carry(self) {}
}

#[test]
fn scenarios_run_at_once_each_from_its_own_start_and_are_counted_apart() {
    let server = no_content();
    let supply = Supply { prepared: 1, max: 10, on_no_free_bot: OnNoFreeBot::Drop };
    for driver in DRIVERS {
        let constant = Profile::ConstantVus { vus: 2, duration: ms(400) };
        let per_vu = Profile::PerVuIterations { vus: 3, iterations: 4, max_duration: SECOND };
        let shared = Profile::SharedIterations { vus: 3, iterations: 10, max_duration: SECOND };
        let even = Profile::ConstantArrivalRate {
            rate: Rate { count: 100, unit: SECOND },
            duration: ms(500),
            iterations: None,
            supply,
            spacing: Spacing::Even,
        };
        let ramp = Profile::RampingArrivalRate {
            start_rate: 0,
            unit: SECOND,
            stages: vec![stage(400, 100), stage(0, 50), stage(200, 50)],
            supply,
            spacing: Spacing::Even,
        };
        let scenarios = vec![
            scenario::<Short>("constant", Duration::ZERO, constant),
            scenario::<Short>("per bot", ms(300), per_vu),
            scenario::<Short>("shared", ms(100), shared),
            scenario::<Short>("even", ms(200), even),
            scenario::<Short>("ramp", ms(400), ramp),
        ];
        let result = play(driver, scenarios, &server.url(""));
        let done = |name| totals(&result, name).completed;
        assert_eq!((done("per bot"), done("shared"), done("even")), (12, 10, 50), "{driver:?}");
        assert_eq!(done("ramp"), 30, "{driver:?}: the area is 20 + 10");
        assert!((4..=2 * 41).contains(&done("constant")), "{}", done("constant"));
        let all = result.measured.totals.all_iterations();
        assert_eq!((all.dropped, all.interrupted), (0, 0), "{driver:?}");
        assert_eq!(result.measured.totals.all_checks().fails, 0, "{driver:?}");
        // The last one begins at 400 ms and lasts 600.
        assert!(result.elapsed >= ms(990) && result.elapsed < 5 * SECOND, "{:?}", result.elapsed);
    }
}

#[test]
fn bots_that_a_ramp_removed_come_back_when_it_rises_again() {
    let server = no_content();
    for driver in DRIVERS {
        let profile = Profile::RampingVus {
            start_vus: 4,
            stages: vec![stage(200, 4), stage(0, 0), stage(300, 0), stage(0, 4), stage(200, 4)],
            graceful_ramp_down: SECOND,
        };
        let scenarios = vec![scenario::<Obedient>("ramp", Duration::ZERO, profile)];
        let result = play(driver, scenarios, &server.url(""));
        let ramp = totals(&result, "ramp");
        // Two sessions of each: one ended by the ramp, one by the end of all.
        assert_eq!((ramp.started, ramp.completed, ramp.interrupted), (8, 8, 0), "{driver:?}");
        assert!(result.elapsed < 3 * SECOND, "{driver:?}: {:?}", result.elapsed);
    }
}

#[test]
fn a_bot_that_a_ramp_removed_is_told_and_cut_off_when_its_grace_is_over() {
    for driver in DRIVERS {
        let profile = Profile::RampingVus {
            start_vus: 3,
            stages: vec![stage(200, 3), stage(0, 1), stage(600, 1)],
            graceful_ramp_down: ms(100),
        };
        let scenarios = vec![scenario::<Stubborn>("ramp", Duration::ZERO, profile)];
        let result = play(driver, scenarios, "http://127.0.0.1:1");
        assert_eq!(totals(&result, "ramp").interrupted, 3, "{driver:?}");
        let checks = result.measured.totals.all_checks();
        assert_eq!((checks.passes, checks.fails), (3, 0), "{driver:?}: told, and no more");
        assert!(result.elapsed >= ms(890) && result.elapsed < 5 * SECOND, "{:?}", result.elapsed);
    }
}

#[test]
fn sessions_that_do_not_end_in_time_are_interrupted_and_what_never_started_is_dropped() {
    for driver in DRIVERS {
        let (vus, max_duration) = (2, ms(300));
        let per_vu = Profile::PerVuIterations { vus, iterations: 5, max_duration };
        let shared = Profile::SharedIterations { vus, iterations: 9, max_duration };
        let scenarios = vec![
            scenario::<Stubborn>("per bot", Duration::ZERO, per_vu),
            scenario::<Stubborn>("shared", Duration::ZERO, shared),
        ];
        let result = play(driver, scenarios, "http://127.0.0.1:1");
        let of = |name| {
            let totals = totals(&result, name);
            (totals.interrupted, totals.dropped, totals.due)
        };
        assert_eq!((of("per bot"), of("shared")), ((2, 8, 10), (2, 7, 9)), "{driver:?}");
        assert!(result.elapsed < 3 * SECOND, "{driver:?}: {:?}", result.elapsed);
    }
}

#[test]
fn arrivals_that_still_wait_when_the_grace_is_over_are_counted_as_dropped() {
    for driver in DRIVERS {
        let profile = Profile::ConstantArrivalRate {
            rate: Rate { count: 1_000, unit: SECOND },
            duration: ms(300),
            iterations: None,
            supply: Supply { prepared: 1, max: 1, on_no_free_bot: OnNoFreeBot::Wait },
            spacing: Spacing::Even,
        };
        let scenarios = vec![scenario::<Stubborn>("even", Duration::ZERO, profile)];
        let result = play(driver, scenarios, "http://127.0.0.1:1");
        let even = totals(&result, "even");
        assert_eq!((even.due, even.started, even.dropped), (300, 1, 299), "{driver:?}");
        assert!(result.elapsed < 3 * SECOND, "{driver:?}: {:?}", result.elapsed);
    }
}

#[test]
fn a_profile_beyond_what_can_be_computed_is_refused() {
    let profile = Profile::ConstantArrivalRate {
        rate: Rate { count: u64::MAX, unit: SECOND },
        duration: SECOND,
        iterations: None,
        supply: Supply { prepared: 1, max: 1, on_no_free_bot: OnNoFreeBot::Wait },
        spacing: Spacing::Even,
    };
    assert!(profile.check().is_err_and(|error| error.contains("too many")));
    let year = Profile::ConstantVus { vus: 1, duration: 367 * 86_400 * SECOND };
    assert!(year.check().is_err_and(|error| error.contains("too long")));
}

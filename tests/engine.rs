//! The engine with bots of the tests' own, on both IO drivers.

mod servers;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use servers::{RawServer, answer_all};
use tallyho::background;
use tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Observer, Profile, RunPlan, RunResult, ScenarioPlan,
};
use tallyho::http::Limits;
use tallyho::metrics::Collector;
use tallyho_replay::{Bot, BotType, Context, Outcome, RunFacts, Who, site};

const DRIVERS: [DriverChoice; 2] = [DriverChoice::Uring, DriverChoice::Epoll];

struct Silent;

impl Observer for Silent {
    fn started(&mut self, _: &[DriverReport]) {}
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

/// Runs bots of type `B` by the profile, against `target`, on two workers.
fn play<B: Bot<Config = ()>>(driver: DriverChoice, profile: Profile, target: &str) -> RunResult {
    let control = Arc::new(Control::default());
    let plan = RunPlan {
        limits: Limits::default(),
        scenarios: vec![ScenarioPlan {
            name: "default".to_owned(),
            key: 0,
            bot: Box::new(|| Rc::new(BotType::new::<B>(Rc::new(())))),
            profile,
            start: Duration::ZERO,
            graceful_stop: Duration::from_secs(5),
            begin: None,
        }],
        facts: RunFacts { target: Some(target.to_owned()), ..RunFacts::default() },
        setup: None,
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
        trace: None,
        shared_secrets: Vec::new(),
        timeout: Duration::from_millis(500),
        drain: Duration::from_secs(5),
        start_at: None,
    };
    engine::run(plan, &control, &mut Silent).expect("the run starts")
}

fn shared(vus: u64, iterations: u64) -> Profile {
    Profile::SharedIterations { vus, iterations, max_duration: Duration::from_secs(60) }
}

fn no_content() -> RawServer {
    RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"))
}

/// Panics in every third session, half of them with a request on the way.
struct Panicking(u64);

impl Bot for Panicking {
    const NAME: &'static str = "panicking";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, who: Who, (): ()) -> Self {
        Self(who.bot)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        assert!(!self.0.is_multiple_of(6), "on purpose, at once");
        let response = ctx.get("/").send().await;
        ctx.check("answered", response.is_ok());
        assert!(self.0 % 6 != 3, "on purpose, after a request");
        Outcome::Done
    }

    fn carry(self) {}
}

#[test]
fn a_bot_that_panics_ends_its_session_and_nothing_else() {
    let server = no_content();
    for driver in DRIVERS {
        let result = play::<Panicking>(driver, shared(7, 600), &server.url(""));
        let sessions = result.measured.totals.all_iterations();
        assert_eq!((sessions.completed, sessions.failed), (600, 200));
        assert_eq!(result.measured.totals.all_checks().passes, 500);
        assert_eq!(result.lost_workers, 0);
    }
}

/// Ends without ever waiting for anything.
struct Hasty;

impl Bot for Hasty {
    const NAME: &'static str = "hasty";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, _: &mut Context) -> Outcome {
        Outcome::Done
    }

    fn carry(self) {}
}

#[test]
fn a_bot_that_waits_for_nothing_does_not_keep_its_worker_from_ending_the_run() {
    for driver in DRIVERS {
        let profile = Profile::ConstantVus { vus: 4, duration: Duration::from_millis(300) };
        let result = play::<Hasty>(driver, profile, "http://127.0.0.1:1");
        assert!(result.elapsed < Duration::from_secs(5), "{:?}", result.elapsed);
        let sessions = result.measured.totals.all_iterations().completed;
        assert!((4..=4 * 300).contains(&sessions), "{sessions} sessions");
    }
}

/// Sleeps, and notes how often it was woken before its time.
struct Sleepy;

impl Bot for Sleepy {
    const NAME: &'static str = "sleepy";
    type Config = ();
    type Carry = u32;

    fn new(_: Rc<()>, _: Who, _: u32) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let before = ctx.now();
        let pause =
            ctx.draw(site("pause")).duration(Duration::from_millis(1)..=Duration::from_millis(40));
        ctx.sleep(pause).await;
        ctx.check("slept long enough", ctx.now() - before >= pause || ctx.stopping());
        Outcome::Done
    }

    fn carry(self) -> u32 {
        0
    }
}

#[test]
fn sleeps_last_as_long_as_asked_for() {
    for driver in DRIVERS {
        let result = play::<Sleepy>(driver, shared(50, 1_000), "http://127.0.0.1:1");
        let checks = result.measured.totals.all_checks();
        assert_eq!((checks.passes, checks.fails), (1_000, 0));
    }
}

/// Ends the run in its tenth session.
struct Aborting(Who);

impl Bot for Aborting {
    const NAME: &'static str = "aborting";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, who: Who, (): ()) -> Self {
        Self(who)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let _answered = ctx.get("/").send().await;
        if self.0.bot == 10 { Outcome::AbortRun("enough".into()) } else { Outcome::Done }
    }

    fn carry(self) {}
}

#[test]
fn a_bot_can_end_the_whole_run_and_its_reason_is_kept() {
    let server = no_content();
    for driver in DRIVERS {
        let result = play::<Aborting>(driver, shared(2, 1_000_000), &server.url(""));
        assert_eq!(result.abort_reason.as_deref(), Some("enough"));
        assert!(result.measured.totals.all_iterations().completed < 100_000);
    }
}

/// Talks to a host that nobody knows.
struct Lost;

impl Bot for Lost {
    const NAME: &'static str = "lost";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let unknown = ctx.get("http://no-such-host.invalid/").send().await;
        ctx.check("dns", unknown.err() == Some(tallyho_replay::Failure::Dns));
        let refused = ctx.get("http://localhost:1/").send().await;
        ctx.check("refused", refused.err() == Some(tallyho_replay::Failure::Refused));
        Outcome::Done
    }

    fn carry(self) {}
}

#[test]
fn hosts_that_turn_up_in_mid_run_are_looked_up_off_the_workers() {
    for driver in DRIVERS {
        let result = play::<Lost>(driver, shared(3, 9), "http://127.0.0.1:1");
        let checks = result.measured.totals.all_checks();
        assert_eq!((checks.passes, checks.fails), (18, 0), "{:?}", result.measured.totals.failures);
    }
}

#[test]
fn a_connect_that_is_not_answered_times_out_as_such() {
    // A listener whose queue is full lets further SYNs fall.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("a port");
    listener.listen(0).expect("a queue");
    let address = listener.local_addr().expect("an address").as_socket().expect("an IP address");
    let _occupant = std::net::TcpStream::connect(address).expect("the one place");
    for driver in DRIVERS {
        let result = play::<Waiting>(driver, shared(2, 4), &format!("http://{address}"));
        let checks = result.measured.totals.all_checks();
        assert_eq!((checks.passes, checks.fails), (4, 0), "{:?}", result.measured.totals.failures);
    }
}

/// Expects a connect to time out.
struct Waiting;

impl Bot for Waiting {
    const NAME: &'static str = "waiting";
    type Config = ();
    type Carry = ();

    fn new(_: Rc<()>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let answer = ctx.get("/").send().await;
        ctx.check("timed out", answer.err() == Some(tallyho_replay::Failure::ConnectTimeout));
        Outcome::Done
    }

    fn carry(self) {}
}

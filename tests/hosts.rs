//! Where connections go: other hosts and ports, several addresses, names that change.

#[path = "tallyho/mod.rs"]
mod binary;
mod servers;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use binary::{DRIVERS, run};
use servers::{RawServer, Scratch, answer_all, read_request};
use tallyho::engine::{
    self, Control, DriverChoice, DriverReport, Names, Notice, Observer, Profile, Resolver, RunPlan,
    RunResult, ScenarioPlan, Tls,
};
use tallyho::http::Limits;
use tallyho::metrics::Collector;
use tallyho_bots::{SingleRequest, SingleRequestConfig, SingleRequestSettings};
use tallyho_replay::{BotType, RunFacts};

/// A server that keeps the heads of its requests.
fn listening() -> (RawServer, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = RawServer::start(move |mut stream| {
        while let Some(head) = read_request(&mut stream) {
            seen.lock().expect("no panic").push(head);
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            if io::Write::write_all(&mut stream, answer).is_err() {
                return;
            }
        }
    });
    (server, heads)
}

#[test]
fn connect_to_changes_where_connections_go_and_nothing_else() {
    let (server, heads) = listening();
    for driver in DRIVERS {
        let to = format!("shop.example:8099:127.0.0.1:{}", server.address.port());
        let url = "http://shop.example:8099/items";
        run(&[url, "-n", "10", "--connect-to", &to, "--io-driver", driver]).expect_exit(0);
        let heads = std::mem::take(&mut *heads.lock().expect("no panic"));
        assert_eq!(heads.len(), 10);
        assert!(heads[0].contains("\r\nHost: shop.example:8099\r\n"), "{}", heads[0]);
    }
    let wrong = run(&["http://a", "--connect-to", "a:80:b"]).expect_exit(2);
    assert!(wrong.stderr.contains("example.org:443:10.0.0.5:8443"), "{}", wrong.stderr);
}

#[test]
fn hosts_of_a_scenario_send_one_bot_to_several_servers() {
    let ((one, one_heads), (two, two_heads)) = (listening(), listening());
    let scratch = Scratch::new("hosts");
    let file = scratch.file(
        "two.json",
        &format!(
            r#"{{ "target": "http://one.example", "vus": 3, "iterations": 30,
                 "hosts": {{ "one.example": "{}", "*.two.example": "{}" }},
                 "steps": [ {{ "get": "/a" }}, {{ "get": "http://x.two.example:81/b" }},
                            {{ "get": "/c" }} ] }}"#,
            one.address, two.address
        ),
    );
    for driver in DRIVERS {
        let file = file.display().to_string();
        let run = run(&[&file, "--io-driver", driver]).expect_exit(0);
        let take = |heads: &Mutex<Vec<String>>| std::mem::take(&mut *heads.lock().expect("ok"));
        let (one, two) = (take(&one_heads), take(&two_heads));
        assert_eq!((one.len(), two.len()), (60, 30));
        assert!(two[0].contains("Host: x.two.example:81\r\n"), "{}", two[0]);
        assert_eq!(run.report().counter("connections_opened"), 6, "one per bot and host");
    }
}

struct Noting(Vec<Notice>);

impl Observer for Noting {
    fn started(&mut self, _: &[DriverReport]) {}
    fn noticed(&mut self, notice: &Notice) {
        self.0.push(notice.clone());
    }
    fn tick(&mut self, _: Duration, _: u64, _: &Collector) {}
}

/// Sends requests for so long to `http://changing.example`, over a connection each where the
/// server closes it.
fn play(
    driver: DriverChoice,
    resolver: Resolver,
    (vus, duration): (u64, Duration),
) -> (RunResult, Vec<Notice>) {
    let control = Arc::new(Control::default());
    let settings = SingleRequestSettings {
        url: "http://changing.example".to_owned(),
        ..SingleRequestSettings::default()
    };
    let plan = RunPlan {
        limits: Limits::default(),
        scenarios: vec![ScenarioPlan {
            name: "default".to_owned(),
            key: 0,
            bot: Box::new(move || {
                let config = SingleRequestConfig::try_from(settings.clone()).expect("valid");
                Rc::new(BotType::new::<SingleRequest>(Rc::new(config)))
            }),
            profile: Profile::ConstantVus { vus, duration },
            start: Duration::ZERO,
            graceful_stop: Duration::from_secs(5),
            begin: None,
        }],
        facts: RunFacts::default(),
        setup: None,
        thresholds: Vec::new(),
        task_index: 0,
        pins: vec![None],
        io_driver: driver,
        origins: Vec::new(),
        resolver,
        tls: Tls::default(),
        sources: Vec::new(),
        watch: None,
        traceparent: false,
        trace: None,
        shared_secrets: Vec::new(),
        timeout: Duration::from_millis(500),
        drain: Duration::from_secs(5),
        start_at: None,
    };
    let mut observer = Noting(Vec::new());
    let result = engine::run(plan, &control, &mut observer).expect("the run starts");
    (result, observer.0)
}

/// Listeners on the same port of 127.0.0.1 and 127.0.0.2, and how many connections each got.
fn twins(response: &'static [u8]) -> (u16, [Arc<AtomicU64>; 2]) {
    let first = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = first.local_addr().expect("an address").port();
    let second = TcpListener::bind(("127.0.0.2", port)).expect("the same port");
    let counts = [first, second].map(|listener| {
        let count = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                seen.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || answer_all(stream, response));
            }
        });
        count
    });
    (port, counts)
}

fn loopback(last: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), port).into()
}

const KEPT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn bots_are_spread_over_addresses_and_one_that_refuses_is_skipped_and_counted() {
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        let (port, counts) = twins(KEPT);
        // Nobody listens on 127.0.0.3.
        let addresses = [1, 2, 3].map(|last| loopback(last, port));
        let resolver = Resolver::of(move |_, _| Ok(addresses.to_vec()));
        let (result, notices) = play(driver, resolver, (9, Duration::from_millis(300)));
        let totals = &result.measured.totals;
        assert_eq!(totals.counters["addresses_skipped"], 3);
        assert_eq!(totals.counters["connections_opened"], 9);
        assert_eq!(totals.all_iterations().failed, 0);
        // The three that were refused went on to the first.
        assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [6, 3]);
        assert_eq!(notices, []);
    }
}

#[test]
fn a_name_is_looked_up_again_and_a_change_is_followed_and_told() {
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        let (port, counts) = twins(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        let lookups = Arc::new(AtomicU64::new(0));
        let asked = Arc::clone(&lookups);
        let resolver = Resolver::of(move |host, _| {
            assert_eq!(host, "changing.example");
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(vec![loopback(1, port)]),
                1 => Ok(vec![loopback(2, port)]),
                _ => Err(io::Error::other("no such host")),
            }
        });
        let names = Names { ttl: Duration::from_secs(1), ..Names::default() };
        let resolver = resolver.with_names(names);
        let (result, notices) = play(driver, resolver, (1, Duration::from_millis(3_500)));
        assert_eq!(result.measured.totals.all_iterations().failed, 0);
        let [before, after] = counts.map(|count| count.load(Ordering::Relaxed));
        assert!(before > 0 && after > 0, "{before} and {after} connections");
        let [Notice::AddressesChanged { before, after, second, .. }, failed] = &notices[..] else {
            panic!("{notices:?}");
        };
        assert_eq!(
            (before[0].to_string(), after[0].to_string()),
            addresses("127.0.0.1", "127.0.0.2")
        );
        assert!((1..=3).contains(second), "{second}");
        let Notice::LookupFailed { error, .. } = failed else { panic!("{failed:?}") };
        assert!(error.contains("no such host"), "{error}");
        assert!((3..=4).contains(&lookups.load(Ordering::Relaxed)), "once a second");
        assert_eq!(result.notices, notices);
    }
}

fn addresses(before: &str, after: &str) -> (String, String) {
    (before.to_owned(), after.to_owned())
}

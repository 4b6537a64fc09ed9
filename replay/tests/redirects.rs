//! Redirects: where they lead, what goes along, and that a replay takes the same way.

mod support;

use std::rc::Rc;

use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Input, Method, Note, Outcome, Place, Prepared,
    ResponseParts, Session, Start, Who,
};

use support::{describe, replay_facts, run_facts};

/// How the bot sends its request.
#[derive(Clone, Copy, PartialEq, serde::Deserialize)]
enum Kind {
    Built,
    Prepared,
    AtMost(u32),
}

/// Sends one request with all that can go along, and notes what came back.
struct Sends(Rc<(Kind, String)>);

impl Bot for Sends {
    const NAME: &'static str = "sends";
    type Config = (Kind, String);
    type Carry = ();

    fn new(config: Rc<(Kind, String)>, _: Who, (): ()) -> Self {
        Self(config)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let (kind, method) = &*self.0;
        let method: Method = method.parse().expect("a method");
        let url = "http://first.example:8080/a/b?c=d";
        let headers = [
            ("Accept", "x/y"),
            ("Authorization", "Bearer t"),
            ("X-Api-Key", "k"),
            ("Content-Type", "text/plain"),
        ];
        let result = if *kind == Kind::Prepared {
            let mut prepared = Prepared::builder(method, None, url).name("one").body("text");
            for (name, value) in headers {
                prepared = prepared.header(name, value);
            }
            ctx.send_prepared(&prepared.build().expect("good")).await
        } else {
            let mut request = ctx.request(method, url).name("one").text("text");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if let Kind::AtMost(redirects) = kind {
                request = request.redirects(*redirects);
            }
            request.expect_status(200).send().await
        };
        match result {
            Ok(response) => ctx.counter("status", u64::from(response.status())),
            Err(failure) => ctx.counter(failure.as_str(), 1),
        };
        Outcome::Done
    }

    fn carry(self) {}
}

/// What a session did, and its record.
struct Lived {
    /// Name and canonical form of every request.
    requests: Vec<(String, String)>,
    notes: Vec<Note>,
    is_failing: bool,
}

/// Lives a session against a list of answers, the last of which is repeated, and replays it.
fn live(kind: Kind, method: &str, answers: &[(u16, &str)]) -> Lived {
    let bot = Rc::new(BotType::new::<Sends>(Rc::new((kind, method.to_owned()))));
    let mut session = support::session(&bot, &run_facts(1));
    let who = Who { scenario: 1, bot: 2, session: 3 };
    let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
    let mut lived = Lived { requests: Vec::new(), notes: Vec::new(), is_failing: false };
    let mut steps = vec![];
    let mut command = session.start(start);
    loop {
        session.for_each_note(|note| lived.notes.push(note.clone()));
        steps.push(describe(&session, &command));
        let event = match command {
            Command::End(_) => break,
            Command::Send => {
                let request = session
                    .with_request(|request, _| (request.name.to_string(), request.canonical()));
                let (status, location) = answers[lived.requests.len().min(answers.len() - 1)];
                lived.requests.push(request);
                Event::Response(response(status, location))
            }
            _ => Event::Woke,
        };
        command = session.step(Input { at_us: steps.len() as u64, stopping: false, event });
    }
    lived.is_failing = session.is_failing();
    let mut record = Vec::new();
    session.take_record(&mut record);
    assert_replays(&bot, &record, steps.len());
    lived
}

fn response(status: u16, location: &str) -> ResponseParts {
    let mut bytes = b"Server: x\r\n".to_vec();
    if !location.is_empty() {
        bytes.extend_from_slice(format!("locaTION: {location}\r\n").as_bytes());
    }
    ResponseParts { status, head: 0..bytes.len(), bytes, ..ResponseParts::default() }
}

fn assert_replays(bot: &Rc<BotType>, record: &[u8], steps: usize) {
    let replayed = replay(bot, &replay_facts(1), record).expect("no difference");
    assert_eq!(replayed.steps as usize, steps);
    assert!(matches!(replayed.end, ReplayEnd::Whole { .. }));
}

fn counted(lived: &Lived) -> Option<(&str, u64)> {
    lived.notes.iter().find_map(|note| match note {
        Note::Counter { name, by } => Some((name.as_str(), *by)),
        _ => None,
    })
}

#[test]
fn a_location_is_resolved_by_the_url_standard() {
    for (location, url) in [
        ("/x", "http://first.example:8080/x"),
        ("x?y=z#fragment", "http://first.example:8080/a/x?y=z"),
        ("?q", "http://first.example:8080/a/b?q"),
        ("../../../up/./on", "http://first.example:8080/up/on"),
        ("//other.example/p", "http://other.example/p"),
        ("HTTP://First.Example:8080", "http://first.example:8080/"),
        ("http://first.example:80/", "http://first.example/"),
        ("https://user:word@first.example:8443/s", "https://first.example:8443/s"),
        ("/with space/ü", "http://first.example:8080/with%20space/%C3%BC"),
        ("http:\\\\back.example\\slash", "http://back.example/slash"),
        ("http://[::1]:81/six", "http://[::1]:81/six"),
        ("", "http://first.example:8080/a/b?c=d"),
    ] {
        // An empty location is none; one of a fragment alone leads to the same place.
        let location = if location.is_empty() { "#here" } else { location };
        for kind in [Kind::Built, Kind::Prepared] {
            let lived = live(kind, "GET", &[(302, location), (200, "")]);
            let (name, canonical) = &lived.requests[1];
            assert_eq!(canonical.lines().next(), Some(&*format!("GET {url}")), "{location}");
            assert_eq!(name, "one (redirect)");
            assert_eq!(counted(&lived), Some(("status", 200)));
            assert!(!lived.is_failing, "the 302 was not expected, but followed");
        }
    }
}

#[test]
fn the_method_and_the_body_follow_the_status() {
    for (status, method, next, repeats) in [
        (301, "POST", "GET", false),
        (302, "PUT", "GET", false),
        (303, "DELETE", "GET", false),
        (303, "HEAD", "HEAD", false),
        (302, "GET", "GET", false),
        (307, "POST", "POST", true),
        (308, "PUT", "PUT", true),
        (307, "GET", "GET", true),
    ] {
        for kind in [Kind::Built, Kind::Prepared] {
            let lived = live(kind, method, &[(status, "/next"), (200, "")]);
            let canonical = &lived.requests[1].1;
            assert!(canonical.starts_with(&format!("{next} http://")), "{status} {method}");
            assert_eq!(canonical.ends_with("\n\ntext"), repeats, "{status} {method}: {canonical}");
            assert_eq!(canonical.contains("Content-Type"), repeats, "{status} {method}");
            assert!(canonical.contains("\nReferer: http://first.example:8080/a/b?c=d\n"));
            assert!(canonical.contains("\nAuthorization: Bearer t\n"), "the host is the same");
        }
    }
}

#[test]
fn credentials_stay_with_their_host() {
    for (location, goes_along) in [
        ("http://first.example:9999/", true),
        ("https://first.example/", true),
        ("http://sub.first.example:8080/", false),
        ("http://other.example/", false),
    ] {
        let lived = live(Kind::Prepared, "GET", &[(302, location), (200, "")]);
        let canonical = &lived.requests[1].1;
        assert_eq!(canonical.contains("Authorization"), goes_along, "{location}: {canonical}");
        assert_eq!(canonical.contains("X-Api-Key"), goes_along, "{location}: {canonical}");
        assert!(canonical.contains("Accept: x/y"));
    }
    // What was left behind once does not come back, and no secure place is told to an insecure one.
    let there_and_back =
        [(302, "https://first.example/s"), (302, "http://first.example:8080/"), (200, "")];
    let lived = live(Kind::Built, "GET", &there_and_back);
    assert!(lived.requests[1].1.contains("Authorization"));
    let back = &lived.requests[2].1;
    assert!(!back.contains("Authorization") && !back.contains("Referer"), "{back}");
}

#[test]
fn what_a_location_tells_in_confidence_is_sent_and_not_written_down() {
    let location = "/cb?state=1&access_token=can%2Bary&code=can+ary2&x=#id_token=canary";
    let bot = Rc::new(BotType::new::<Sends>(Rc::new((Kind::Built, "GET".to_owned()))));
    let mut session = support::session(&bot, &run_facts(1));
    let who = Who { scenario: 1, bot: 2, session: 3 };
    let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
    assert_eq!(session.start(start), Command::Send);
    let input = |status, location| Input {
        at_us: 1,
        stopping: false,
        event: Event::Response(response(status, location)),
    };
    assert_eq!(session.step(input(302, location)), Command::Send);
    let shown = session.with_request(|request, vault| {
        let mut wire = Vec::new();
        vault.substitute(Place::Target, request.target().as_bytes(), &mut wire).expect("fits");
        let wire = String::from_utf8(wire).expect("text");
        assert_eq!(wire, "/cb?state=1&access_token=can%2Bary&code=can%20ary2&x=");
        request.canonical()
    });
    assert!(matches!(session.step(input(200, "")), Command::End(_)));
    let mut record = Vec::new();
    session.take_record(&mut record);
    assert!(!format!("{shown}{}", String::from_utf8_lossy(&record)).contains("can"), "{shown}");
    assert_replays(&bot, &record, 3);
}

#[test]
fn ten_redirects_are_followed_and_the_eleventh_is_the_answer() {
    let lived = live(Kind::Built, "GET", &[(302, "/again")]);
    assert_eq!(lived.requests.len(), 11);
    assert_eq!(counted(&lived), Some(("status", 302)));
    assert!(lived.is_failing, "it expected 200");
    let warned = lived.notes.iter().filter(|note| matches!(note, Note::Log { .. })).count();
    assert_eq!(warned, 1, "as nobody asked for this limit: {:?}", lived.notes);
    for redirects in [0, 3] {
        let lived = live(Kind::AtMost(redirects), "GET", &[(302, "/again")]);
        assert_eq!(lived.requests.len(), redirects as usize + 1);
        assert_eq!(counted(&lived), Some(("status", 302)));
        assert!(!lived.notes.iter().any(|note| matches!(note, Note::Log { .. })));
    }
}

#[test]
fn a_redirect_that_leads_nowhere_is_a_response_or_a_failure() {
    let lived = live(Kind::Built, "GET", &[(302, "")]);
    assert_eq!(counted(&lived), Some(("status", 302)), "no location");
    assert!(lived.is_failing, "200 was expected");
    for location in ["http://", "ftp://x/", "app:done", "http://x:99999/"] {
        let lived = live(Kind::Built, "GET", &[(302, location)]);
        assert_eq!(counted(&lived), Some(("invalid request", 1)), "{location}");
        assert!(lived.is_failing);
    }
    for status in [300, 304, 305, 306] {
        assert_eq!(live(Kind::Built, "GET", &[(status, "/x")]).requests.len(), 1);
    }
}

#[test]
fn a_dropped_session_gives_its_request_back() {
    let bot = Rc::new(BotType::new::<Sends>(Rc::new((Kind::Built, "GET".to_owned()))));
    let mut session: Session = support::session(&bot, &run_facts(1));
    for number in 0..3 {
        let who = Who { scenario: 1, bot: 2, session: number };
        let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
        assert_eq!(session.start(start), Command::Send);
        session.with_request(|request, _| assert_eq!(request.header_lines().len(), 78));
    }
}

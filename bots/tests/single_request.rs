//! The single request as a session.

use std::rc::Rc;

use tallyho_replay::{
    Carry, Command, Event, Input, Outcome, ResponseParts, RunFacts, Scratch, Session, Start, Who,
};

fn start(session: u64) -> Start<'static> {
    let who = Who { scenario: 1, bot: 2, session };
    Start { who, carry: Carry::Own, setup: None, at_us: 10, stopping: false }
}

#[test]
fn each_session_sends_the_one_request_and_ends() {
    let config = r#"{"method": "post", "url": "http://127.0.0.1:8080/a?b=1", "body": "x",
                     "headers": {"X-A": "1"}}"#;
    let bot = tallyho_bots::registry().bot("single-request", config).expect("known");
    let bot = Rc::new(bot.expect("a good configuration"));
    let run = Rc::new(RunFacts::default());
    let mut session = Session::new(&bot, &run, &Scratch::new());
    for number in 0..3 {
        assert_eq!(session.start(start(number)), Command::Send);
        session.with_request(|request, vault| {
            assert_eq!(request.method.as_str(), "POST");
            assert_eq!(request.origin(), "http://127.0.0.1:8080");
            assert_eq!(request.target(), "/a?b=1");
            assert_eq!(request.host(), "127.0.0.1:8080");
            assert_eq!(request.header_lines(), b"X-A: 1\r\n");
            assert_eq!(request.body(), b"x");
            assert!(vault.is_empty());
        });
        let parts = ResponseParts { status: 200, ..ResponseParts::default() };
        let event = Event::Response(parts.clone());
        let command = session.step(Input { at_us: 20, stopping: false, event });
        assert_eq!(command, Command::End(Outcome::Done));
        assert_eq!(session.reclaim_response(), Some(parts));
        assert!(!session.is_failing());
    }
}

#[test]
fn an_unexpected_status_makes_the_session_fail() {
    let bot = tallyho_bots::registry().bot("single-request", r#"{"url": "http://a"}"#);
    let bot = Rc::new(bot.expect("known").expect("good"));
    let mut session = Session::new(&bot, &Rc::default(), &Scratch::new());
    session.start(start(0));
    let event = Event::Response(ResponseParts { status: 503, ..ResponseParts::default() });
    session.step(Input { at_us: 20, stopping: false, event });
    let fault = session.first_failure().expect("failing");
    assert_eq!(fault.kind.to_string(), "http://a/: unexpected status 503");
}

#[test]
fn a_bad_url_is_found_before_the_run() {
    let bot = tallyho_bots::registry().bot("single-request", r#"{"url": "127.0.0.1"}"#);
    let error = bot.expect("known").expect_err("no scheme");
    assert!(error.message.contains("http://"), "{error}");
}

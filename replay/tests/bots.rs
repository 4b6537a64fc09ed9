//! What bot code may do, and what becomes of a bot that misbehaves.

mod support;

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho_replay::dispatch::{ActionResult, ActionSet, Dispatched, ForcedAction};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Failure, FaultKind, Input, Level, Name, Note,
    Outcome, Place, Question, ReadError, Recording, ResponseParts, RunFacts, Scratch, Secret,
    SecretKey, Session, Start, Who, dispatch, is_secret_name, site,
};

/// A bot whose session is a function: each test writes only that.
macro_rules! bot {
    (|$ctx:ident| $body:expr) => {
        bot!((), |$ctx, _carry| $body)
    };
    ($carry:ty, |$ctx:ident, $kept:ident| $body:expr) => {{
        struct Local($carry);
        impl Bot for Local {
            const NAME: &'static str = "local";
            type Config = ();
            type Carry = $carry;
            fn new(_: Rc<()>, _: Who, carry: $carry) -> Self {
                Self(carry)
            }
            async fn session(&mut self, $ctx: &mut Context) -> Outcome {
                let $kept = &mut self.0;
                $body
            }
            fn carry(self) -> $carry {
                self.0
            }
        }
        Rc::new(BotType::new::<Local>(Rc::new(())))
    }};
}

fn session(bot: &Rc<BotType>) -> Session {
    support::session(bot, &support::run_facts(1))
}

fn start(session: &mut Session) -> Command {
    let who = Who { scenario: 1, bot: 2, session: 3 };
    session.start(Start { who, carry: Carry::Own, setup: None, at_us: 1000, stopping: false })
}

fn input(event: Event) -> Input {
    Input { at_us: 5000, stopping: false, event }
}

fn response(status: u16, body: &str) -> Input {
    input(Event::Response(ResponseParts {
        status,
        bytes: body.into(),
        head: 0..0,
        body: 0..body.len(),
        body_size: body.len() as u64,
    }))
}

fn notes(session: &Session) -> Vec<Note> {
    let mut notes = Vec::new();
    session.for_each_note(|note| notes.push(note.clone()));
    notes
}

const DONE: Command = Command::End(Outcome::Done);

#[test]
fn commands_come_out_in_the_order_of_the_code() {
    let bot = bot!(|ctx| {
        assert_eq!(ctx.now(), Duration::from_micros(1000));
        ctx.sleep(Duration::from_secs(2)).await;
        assert_eq!(ctx.now(), Duration::from_micros(5000));
        let active = ctx.ask(Question::ActiveBots).await;
        ctx.counter("active", active);
        match ctx.get("/x").name("x").send().await {
            Err(Failure::Reset) => Outcome::Failed("reset".into()),
            _ => Outcome::Done,
        }
    });
    let mut session = session(&bot);
    assert_eq!(start(&mut session), Command::Sleep(Duration::from_secs(2)));
    assert_eq!(session.step(input(Event::Woke)), Command::Ask(Question::ActiveBots));
    assert_eq!(session.step(input(Event::Answer(7))), Command::Send);
    assert_eq!(notes(&session), [Note::Counter { name: "active".into(), by: 7 }]);
    assert!(!session.is_failing());
    let command = session.step(input(Event::Failed(Failure::Reset)));
    assert_eq!(command, Command::End(Outcome::Failed("reset".into())));
    let fault = session.first_failure().expect("failing");
    assert_eq!(fault.step, 3);
    assert_eq!(fault.kind.to_string(), "x: connection reset");
}

#[test]
fn a_panic_anywhere_ends_the_session_and_nothing_else() {
    #[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
    enum At {
        New,
        Session,
        AfterWait,
        Carry,
        Drop,
    }
    struct Panics(At);
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bot: drop");
        }
    }
    impl Bot for Panics {
        const NAME: &'static str = "panics";
        type Config = At;
        type Carry = u32;
        fn new(at: Rc<At>, _: Who, _: u32) -> Self {
            assert!(*at != At::New, "bot: new");
            Self(*at)
        }
        async fn session(&mut self, ctx: &mut Context) -> Outcome {
            assert!(self.0 != At::Session, "bot: session");
            let bomb = (self.0 == At::Drop).then_some(Bomb);
            ctx.sleep(Duration::from_secs(1)).await;
            assert!(self.0 != At::AfterWait, "bot: after wait");
            drop(bomb);
            Outcome::Done
        }
        fn carry(self) -> u32 {
            assert!(self.0 != At::Carry, "bot: carry");
            5
        }
    }
    support::silence_panics_of_bots();
    for at in [At::New, At::Session, At::AfterWait, At::Carry, At::Drop] {
        let mut session = session(&Rc::new(BotType::new::<Panics>(Rc::new(at))));
        for _ in 0..2 {
            let mut command = start(&mut session);
            if matches!(command, Command::Sleep(_)) {
                command = session.step(input(Event::Woke));
            }
            assert_eq!(command, Command::End(Outcome::Panicked), "{at:?}");
            assert_eq!(session.carry(), b"null");
            let fault = session.first_failure().expect("failing");
            assert!(fault.kind.to_string().starts_with("the bot panicked: bot: "), "{at:?}");
        }
    }
    // A session dropped in mid-wait drops what its bot holds, and survives that too.
    let mut session = session(&Rc::new(BotType::new::<Panics>(Rc::new(At::Drop))));
    start(&mut session);
    start(&mut session);
    drop(session);
}

#[test]
fn awaiting_anything_else_ends_the_session_as_stuck() {
    let bot = bot!(u32, |ctx, kept| {
        *kept += 1;
        ctx.sleep(Duration::from_secs(1)).await;
        std::future::pending::<()>().await;
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    assert_eq!(session.step(input(Event::Woke)), Command::End(Outcome::Stuck));
    assert_eq!(session.first_failure().map(|fault| fault.kind), Some(FaultKind::Stuck));
    assert_eq!(session.carry(), b"null");
}

#[test]
fn a_response_read_too_late_is_a_mistake_of_the_bot() {
    let bot = bot!(|ctx| {
        let response = ctx.get("/x").name("x").send().await.expect("bot: a response");
        ctx.sleep(Duration::from_secs(1)).await;
        let _ = response.text();
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    session.step(response(200, "x"));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let command = session.step(input(Event::Woke));
    std::panic::set_hook(hook);
    assert_eq!(command, Command::End(Outcome::Panicked));
    let fault = session.first_failure().expect("failing").kind.to_string();
    assert!(fault.contains("before the bot's next command"), "{fault}");
}

#[test]
fn what_makes_a_session_fail_is_kept_with_its_step() {
    let bot = bot!(|ctx| {
        let _ = ctx.get("/a").name("a").expect_status(404).send().await;
        let _ = ctx.get("/b").name("b").send().await;
        ctx.check("later", false);
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    session.step(response(404, ""));
    assert!(!session.is_failing(), "an expected status is no failure");
    session.step(response(404, ""));
    let fault = session.first_failure().expect("failing");
    assert_eq!((fault.step, fault.kind.to_string().as_str()), (2, "b: unexpected status 404"));
    // The run's own end is nobody's failure.
    start(&mut session);
    let _ = session.step(input(Event::Failed(Failure::Interrupted)));
    assert!(!session.is_failing());
}

#[test]
fn a_request_that_cannot_be_sent_fails_without_spinning() {
    let bot = bot!(|ctx| {
        let sent = ctx.get("no scheme").name("bad").send().await;
        assert_eq!(sent.map(|response| response.status()), Err(Failure::InvalidRequest));
        Outcome::Done
    });
    let mut session = session(&bot);
    assert_eq!(start(&mut session), Command::Sleep(Duration::ZERO));
    let [Note::Log { level: Level::Error, text }] = &notes(&session)[..] else { panic!("no log") };
    assert!(text.contains("bad") && text.contains("http://"), "{text}");
    assert_eq!(session.step(input(Event::Woke)), DONE);
    assert!(session.is_failing());
}

#[test]
fn the_clock_never_goes_back() {
    let bot = bot!(|ctx| {
        ctx.sleep(Duration::ZERO).await;
        ctx.sleep(ctx.now()).await;
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    let command = session.step(Input { at_us: 10, stopping: false, event: Event::Woke });
    assert_eq!(command, Command::Sleep(Duration::from_micros(1000)));
}

#[test]
fn carried_state_reaches_the_next_session_and_no_other() {
    let bot = bot!(Vec<u64>, |ctx, kept| {
        kept.push(ctx.draw(site!("kept")).below(100));
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    let one = session.carry().to_vec();
    start(&mut session);
    assert!(session.carry().starts_with(&one[..one.len() - 1]));
    assert_eq!(session.carry().iter().filter(|byte| **byte == b',').count(), 1);
    let who = Who::default();
    let carry = Carry::Given(b"null");
    session.start(Start { who, carry, setup: None, at_us: 0, stopping: false });
    assert!(!session.carry().contains(&b','));
}

#[test]
fn after_a_panic_or_a_stuck_session_nothing_is_carried() {
    let bot = bot!(u32, |ctx, kept| {
        *kept += 1;
        match (*kept, ctx.who().session) {
            (1, _) => Outcome::Done,
            (_, 3) => panic!("bot: on purpose"),
            _ => {
                std::future::pending::<()>().await;
                Outcome::Done
            }
        }
    });
    support::silence_panics_of_bots();
    let mut session = session(&bot);
    for (number, end, carry) in [
        (1, Outcome::Done, "1"),
        (2, Outcome::Stuck, "null"),
        (3, Outcome::Done, "1"),
        (3, Outcome::Panicked, "null"),
        (4, Outcome::Done, "1"),
    ] {
        let who = Who { scenario: 1, bot: 2, session: number };
        let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
        assert_eq!(session.start(start), Command::End(end));
        assert_eq!(String::from_utf8_lossy(session.carry()), carry);
    }
}

#[test]
fn a_draw_at_one_site_moves_no_draw_of_another() {
    let plain = bot!(|ctx| Outcome::Failed(ctx.draw(site!("a")).bits().to_string().into()));
    let more = bot!(|ctx| {
        let _ = (ctx.draw(site!("b")).bits(), ctx.draw_new(site!("a")).bits());
        Outcome::Failed(ctx.draw(site!("a")).bits().to_string().into())
    });
    assert_eq!(start(&mut session(&plain)), start(&mut session(&more)));
}

#[test]
fn ids_that_must_be_new_differ_between_runs_with_the_same_seed() {
    let bot = bot!(|ctx| {
        let (old, new) = (ctx.draw(site!("id")).bits(), ctx.draw_new(site!("id")).bits());
        ctx.counter("old", old);
        ctx.counter("new", new);
        Outcome::Done
    });
    let live = |run_id| {
        let run = Rc::new(RunFacts { seed: 1, run_id, ..RunFacts::default() });
        let mut session = support::session(&bot, &run);
        start(&mut session);
        notes(&session)
    };
    let (one, two) = (live(1), live(2));
    assert_eq!(one[0], two[0]);
    assert_ne!(one[1], two[1]);
}

#[test]
fn pointers_read_one_value_and_say_what_is_wrong() {
    let bot = bot!(|ctx| {
        let sent = ctx.get("/x").name("x").send().await.expect("bot: a response");
        assert_eq!(sent.pointer("/a/b/1"), Ok(2));
        assert_eq!(sent.pointer("/a/~1~0"), Ok("t".to_owned()));
        assert_eq!(sent.pointer("/a/n"), Ok(None::<u8>));
        assert_eq!(sent.pointer::<u8>("/a/b/01"), Err(ReadError::Missing));
        assert_eq!(sent.pointer::<u8>("/a/b/9"), Err(ReadError::Missing));
        assert_eq!(sent.pointer::<u8>("/z"), Err(ReadError::Missing));
        assert_eq!(sent.pointer::<u8>("/a/~1~0/x"), Err(ReadError::Missing));
        assert_eq!(sent.pointer::<u8>("a"), Err(ReadError::Missing));
        assert_eq!(sent.pointer::<u8>("/a/b"), Err(ReadError::WrongShape));
        assert_eq!(sent.pointer::<Vec<u8>>("/a/b"), Ok(vec![1, 2, 3]));
        assert_eq!(sent.json::<Vec<u8>>(), Err(ReadError::WrongShape));
        assert_eq!(sent.body_size(), 43);
        let sent = ctx.get("/x").name("x").send().await.expect("bot: a response");
        assert_eq!(sent.pointer::<u8>("/a"), Err(ReadError::NotJson));
        let sent = ctx.get("/x").name("x").send().await.expect("bot: a response");
        assert_eq!(sent.json::<u8>(), Err(ReadError::NoBody));
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    session.step(response(200, r#"{"a":{"b":[1,2,3],"/~":"t","n":null},"c":1}"#));
    session.step(response(200, r#"{"a":1"#));
    let end = session.step(response(200, ""));
    assert_eq!((end, session.first_failure()), (DONE, None));
}

#[test]
fn weights_guards_and_repeats_decide_what_can_be_chosen() {
    let bot = bot!(|ctx| {
        let mut set = ActionSet::new("set").no_repeat();
        let mut done = String::new();
        for round in 0..30 {
            let acted = dispatch!(ctx, set, {
                "a": 1 => done.push('a'),
                "b": 5, if round > 9 => done.push('b'),
                "c": 0 => done.push('c'),
            });
            if acted == Dispatched::Nothing {
                done.push('-');
            }
        }
        Outcome::Failed(done.into())
    });
    let mut session = session(&bot);
    let Command::End(Outcome::Failed(done)) = start(&mut session) else { panic!("no end") };
    // Alone, and not to be repeated, it is chosen once.
    assert_eq!(done.as_str(), "a---------babababababababababa");
    let actions = notes(&session).len();
    assert_eq!(actions, 21, "each action done is noted");
}

#[test]
fn a_skipped_action_is_followed_by_another_choice_a_bounded_number_of_times() {
    enum Result {
        Skipped,
    }
    impl ActionResult for Result {
        fn is_skipped(&self) -> bool {
            true
        }
    }
    let bot = bot!(|ctx| {
        let mut set = ActionSet::new("set").retries(9);
        let mut tries = 0;
        let skipped = dispatch!(ctx, set, {
            "a": 1 => {
                tries += 1;
                Result::Skipped
            },
        });
        assert!(matches!(skipped, Dispatched::Skipped(Result::Skipped)));
        ctx.counter("tries", tries);
        Outcome::Done
    });
    let mut session = session(&bot);
    assert_eq!(start(&mut session), DONE);
    assert_eq!(notes(&session), [Note::Counter { name: "tries".into(), by: 10 }]);
}

#[test]
fn a_skipped_action_does_not_make_room_for_a_repeat() {
    let bot = bot!(|ctx| {
        let mut set = ActionSet::new("set").no_repeat();
        let mut done = 0;
        for _ in 0..5 {
            let _ = dispatch!(ctx, set, {
                "act": 1 => {
                    done += 1;
                    Act::Done
                },
                "skip": 1 => Act::Skipped,
            });
        }
        ctx.counter("done", done);
        Outcome::Done
    });
    enum Act {
        Done,
        Skipped,
    }
    impl ActionResult for Act {
        fn is_skipped(&self) -> bool {
            matches!(self, Self::Skipped)
        }
    }
    let mut session = session(&bot);
    start(&mut session);
    let last = notes(&session).pop();
    assert_eq!(last, Some(Note::Counter { name: "done".into(), by: 1 }));
}

#[test]
fn an_action_left_by_return_is_noted_with_its_time() {
    let bot = bot!(|ctx| {
        let mut set = ActionSet::new("set");
        let _ = dispatch!(ctx, set, {
            "leave": 1 => {
                ctx.sleep(Duration::from_secs(1)).await;
                return Outcome::Done;
            },
            "stay": 0 => ctx.counter("stays", 1),
        });
        Outcome::Stuck
    });
    let mut session = session(&bot);
    start(&mut session);
    assert_eq!(session.step(input(Event::Woke)), DONE);
    let (set, name) = (Name::from("set"), Name::from("leave"));
    assert_eq!(notes(&session), [Note::Action { set, name, took_us: 4000 }]);
}

#[test]
fn the_run_replaces_weights_by_name_and_forces_actions() {
    let bot = bot!(|ctx| {
        let (mut home, mut shop) = (ActionSet::new("home"), ActionSet::new("shop"));
        let mut done = String::new();
        for _ in 0..4 {
            let _ = dispatch!(ctx, home, {
                "a": 1 => done.push('a'),
                "b": 0 => done.push('b'),
                "c": 0, if false => done.push('c'),
            });
            let _ = dispatch!(ctx, shop, { "x": 1 => done.push('x'), "y": 0 => done.push('y') });
        }
        Outcome::Failed(done.into())
    });
    let live = |forced: &[&str], weights: &[(&str, &str, u32)]| {
        let forced = forced.iter().map(|text| text.parse().expect("good")).collect();
        let mut run = RunFacts { forced, ..RunFacts::default() };
        for (set, action, weight) in weights {
            run.weights.insert(set, action, *weight);
        }
        match start(&mut support::session(&bot, &Rc::new(run))) {
            Command::End(Outcome::Failed(done)) => done.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(live(&[], &[]), "axaxaxax");
    assert_eq!(live(&[], &[("home", "a", 0), ("home", "b", 3), ("no", "b", 9)]), "bxbxbxbx");
    // A guard holds against a weight from outside, but not against force.
    assert_eq!(live(&[], &[("home", "a", 0), ("home", "c", 3)]), "xxxx");
    assert_eq!(live(&["home.c", "home.b", "shop.y"], &[]), "cxbyaxax");
    assert_eq!(live(&["shop?.y", "home.c", "home?.b", "shop?.y"], &[]), "cyaxaxax");
    for bad in ["home", ".a", "home.", "?.a"] {
        assert!(bad.parse::<ForcedAction>().is_err(), "{bad}");
    }
}

#[test]
fn secrets_go_out_escaped_for_their_place_and_are_never_written_down() {
    let bot = bot!(Option<Secret>, |ctx, kept| {
        if let Some(token) = kept {
            let sent = ctx.get(&format!("/t/{token}")).name("again").json(token).send().await;
            // A server that echoes a token as an ordinary text: masked, as the bot holds it.
            let text = sent.expect("bot: a response").text();
            assert_eq!(text, Ok(format!("{{\"echo\":\"{token}\"}}")));
            return Outcome::Done;
        }
        #[derive(Serialize, Deserialize)]
        struct View {
            token: Secret,
        }
        let sent = ctx.post("/log-in").name("log in").send().await.expect("bot: a response");
        *kept = sent.json::<View>().ok().map(|view| view.token);
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    session.step(response(200, r#"{"token":"a\"b c/d-e"}"#));
    assert_eq!(start(&mut session), Command::Send);
    let mut target = Vec::new();
    let mut body = Vec::new();
    let mut header = Vec::new();
    session.with_request(|request, vault| {
        assert!(request.has_secrets() && !vault.is_empty());
        vault.substitute(Place::Target, request.target().as_bytes(), &mut target).expect("fits");
        vault.substitute(Place::JsonBody, request.body(), &mut body).expect("fits");
        vault.substitute(Place::Header, request.body(), &mut header).expect("fits");
        assert!(!format!("{vault:?} {request:?}").contains("b c"), "Debug shows placeholders");
    });
    assert_eq!(String::from_utf8_lossy(&target), "/api/t/a%22b%20c%2Fd-e");
    assert_eq!(String::from_utf8_lossy(&body), r#""a\"b c/d-e""#);
    assert_eq!(String::from_utf8_lossy(&header), r#""a"b c/d-e""#);
    assert_eq!(session.step(response(200, r#"{"echo":"a\"b c/d-e"}"#)), DONE);
    let mut record = Vec::new();
    session.take_record(&mut record);
    assert!(!String::from_utf8_lossy(&record).contains("b c/d"));
    // The next bot in the same place starts with an empty vault.
    let carry = Carry::Given(b"null");
    let who = Who::default();
    session.start(Start { who, carry, setup: None, at_us: 0, stopping: false });
    session.with_vault(|vault| assert!(vault.is_empty()));
}

#[test]
fn a_secret_with_a_line_break_cannot_become_a_header() {
    let bot = bot!(|ctx| {
        let broken = ctx.derive(&[], |_| "a\r\nX: y".to_owned()).expect("bot: short");
        let header = format!("Bearer {broken}");
        let _ = ctx.get("/x").name("x").header("Authorization", &header).send().await;
        Outcome::Done
    });
    let mut session = session(&bot);
    start(&mut session);
    session.with_request(|request, vault| {
        let mut out = Vec::new();
        assert!(vault.substitute(Place::Header, request.header_lines(), &mut out).is_err());
    });
}

#[test]
fn what_set_up_read_as_secret_reaches_all_bots() {
    let key = SecretKey::new([9; 16]);
    let run = Rc::new(RunFacts { secret_key: key, ..RunFacts::default() });
    let set_up = bot!(Option<Secret>, |ctx, kept| {
        let sent = ctx.get("http://a/").name("a").send().await.expect("bot: a response");
        *kept = sent.pointer("/token").ok();
        Outcome::Done
    });
    let mut first = support::session(&set_up, &run);
    start(&mut first);
    first.step(response(200, r#"{"token":"of-set-up"}"#));
    let setup: Rc<[u8]> = first.carry().into();
    let bot = bot!(|ctx| {
        assert_eq!(ctx.setup::<u8>(), Err(ReadError::WrongShape));
        let token: Secret = ctx.setup().expect("bot: set up");
        let length = ctx.reveal(token, str::len);
        Outcome::Failed(format!("{length:?}").into())
    });
    let scratch = Scratch::new();
    first.with_vault(|vault| scratch.share_secrets(key, vault.values()));
    let mut session = Session::new(&bot, &run, &scratch);
    let setup = Some(&setup);
    let who = Who::default();
    let end = session.start(Start { who, carry: Carry::Own, setup, at_us: 0, stopping: false });
    assert_eq!(end, Command::End(Outcome::Failed("Ok(9)".into())));
    let mut record = Vec::new();
    session.take_record(&mut record);
    let replayed = tallyho_replay::replayer::replay(&bot, &support::replay_facts(0), &record);
    assert!(replayed.is_ok(), "{replayed:?}");
}

#[test]
fn an_unrecorded_session_does_the_same_and_leaves_nothing() {
    let bot = bot!(|ctx| {
        let sent = ctx.get("/x").name("x").send().await.expect("bot: a response");
        Outcome::Failed(sent.text().unwrap_or_default().into())
    });
    let mut session = session(&bot);
    session.set_recording(Recording::Off);
    start(&mut session);
    let end = session.step(response(200, "x"));
    assert_eq!(end, Command::End(Outcome::Failed("x".into())));
    assert_eq!(session.record_size(), 0);
}

#[test]
fn a_difference_is_told_in_plain_words() {
    let recorded = bot!(|ctx| {
        ctx.sleep(ctx.draw(site!("think")).duration(Duration::ZERO..=Duration::from_secs(1))).await;
        let _ = ctx.get("http://a/users").name("users").send().await;
        Outcome::Done
    });
    let replayed = bot!(|ctx| {
        ctx.sleep(ctx.draw(site!("think")).duration(Duration::ZERO..=Duration::from_secs(1))).await;
        let mut set = ActionSet::new("home");
        let _ = dispatch!(ctx, set, {
            "events": 1 => {
                let page = ctx.draw(site!("page")).below(1).to_string();
                let sent = ctx.get("http://a/events").name("events").header("X-Page", &page).send();
                let _ = sent.await;
            },
        });
        Outcome::Done
    });
    let mut session = session(&recorded);
    start(&mut session);
    session.step(input(Event::Woke));
    session.step(response(200, ""));
    let mut record = Vec::new();
    session.take_record(&mut record);
    let run = support::replay_facts(1);
    assert!(tallyho_replay::replayer::replay(&recorded, &run, &record).is_ok());
    let error = tallyho_replay::replayer::replay(&replayed, &run, &record).expect_err("differs");
    support::assert_golden("difference.txt", &format!("{error}\n"));
}

#[test]
fn names_that_look_like_secrets_are_secrets() {
    for name in ["Authorization", "set-cookie", "X-Auth-Token", "x-api-key", "userPassword"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["Content-Type", "ETag", "X-Request-Id", ""] {
        assert!(!is_secret_name(name), "{name}");
    }
}

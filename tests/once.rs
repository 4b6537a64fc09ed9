//! One session as `tallyho run FILE --once` prints it, held by a golden file.

mod drive;

use std::rc::Rc;

use drive::declared;
use drive::script::checked;
use tallyho::config::{BotKind, Options, Printer};
use tallyho_replay::{
    Carry, Command, Event, Failure, Input, ResponseParts, RunFacts, Scratch, SecretKey, Session,
    Start, Who,
};

const GOLDEN: &str = "tests/golden/once.txt";

const SCENARIO: &str = r#"{
    "metrics": {"orders": "counter"},
    "env": {"PASSWORD": "correct horse"},
    "auth": {
        "login": [{"post": "/login", "json": {"user": "ada", "password": "${env.PASSWORD}"},
            "capture": {"token": "/token"}, "check": {"logged in": "status == 200"}}],
        "headers": {"Authorization": "Bearer ${token}"}
    },
    "think": "1500ms", "session": {"actions": 2},
    "actions": [{"name": "order", "weight": 1, "steps": [
        {"post": "/orders", "json": {"item": "${draw.item.between(1, 9)}"}},
        {"add": {"orders": 1}}, {"log": "ordered with ${token}"}
    ]}]
}"#;

fn response(status: u16, body: &str) -> ResponseParts {
    let head = "Content-Type: application/json\r\nSet-Cookie: id=not-in-the-vault\r\n";
    let bytes = format!("{head}{body}").into_bytes();
    ResponseParts {
        status,
        head: 0..head.len(),
        body: head.len()..bytes.len(),
        body_size: body.len() as u64,
        bytes,
    }
}

/// Drives a session as the engine does, and prints every step.
fn print() -> String {
    let plan = checked(SCENARIO, &Options::default()).plan;
    let BotKind::Declared(definition) = &plan.bots[0].kind else { panic!("declared") };
    let mut run = RunFacts {
        seed: 1,
        target: Some("http://shop.test".into()),
        secret_key: SecretKey::new([5; 16]),
        ..RunFacts::default()
    };
    for (name, value) in &plan.secrets {
        run.secrets.insert(name.as_str(), value.as_str());
    }
    let mut session = Session::new(&declared(definition), &Rc::new(run), &Scratch::new());
    let mut printer = Printer::default();
    let who = Who { scenario: 0, bot: 3, session: 0 };
    let mut text = printer.start(&definition.name, who);
    let mut at_us = 0;
    let start = Start { who, carry: Carry::Own, setup: None, at_us, stopping: false };
    let mut command = session.start(start);
    let mut exchanges = 0;
    loop {
        session.for_each_note(|note| text.push_str(&printer.note(note)));
        text.push_str(&printer.command(at_us, &command));
        let event = match &command {
            Command::Send => {
                text.push_str(&session.with_request(|request, _| printer.request(at_us, request)));
                at_us += 12_300;
                exchanges += 1;
                match exchanges {
                    1 => Event::Response(response(200, r#"{"token":"very-secret-token-1"}"#)),
                    2 => Event::Response(response(503, "a\u{7}b\nsecond line")),
                    _ => Event::Failed(Failure::Reset),
                }
            }
            Command::Sleep(pause) => {
                at_us += u64::try_from(pause.as_micros()).expect("short");
                Event::Woke
            }
            Command::Ask(_) => Event::Answer(1),
            Command::End(_) => return text,
        };
        if let Event::Failed(failure) = event {
            text.push_str(&printer.failure(at_us, failure));
        }
        command = session.step(Input { at_us, stopping: false, event });
        if let Some(parts) = session.reclaim_response() {
            let shown = session.with_vault(|vault| printer.response(at_us, &parts, vault));
            text.push_str(&shown);
        }
    }
}

#[test]
fn a_session_is_printed_as_it_was_agreed_and_without_secrets() {
    let printed = print();
    for secret in ["correct horse", "very-secret", "not-in-the-vault", "tallyho-secret-"] {
        assert!(!printed.contains(secret), "{secret}:\n{printed}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &printed).expect("writable");
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(printed == golden, "not as agreed; UPDATE_GOLDEN=1 accepts it\n{printed}");
}

//! What declared bots do, fact by fact. Every session here is also replayed from its record.

mod drive;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use drive::script::{Reply, Script, json};
use tallyho::config::Options;
use tallyho_replay::{Failure, Note, Outcome};

fn ok(_: &drive::script::Sent) -> Reply {
    Reply::Status(200)
}

#[test]
fn values_are_encoded_where_they_land() {
    let script = Script::new(
        r#"{"variables": {"name": "a b/ü?&\"x\"\n"}, "steps": [{
            "post": "/users/${name}/${bot}", "query": {"q": "${name}", "plain": "1 2"},
            "headers": {"X-Name": "<${name}>"},
            "json": {"name": "${name}", "in": "<${name}>", "bot": "${bot}", "text": "${bot | text}"}
        }]}"#,
    );
    let ran = script.session(ok);
    let sent = &ran.sent[0];
    assert_eq!(
        sent.target,
        "/users/a%20b%2F%C3%BC%3F%26%22x%22%0A/0?q=a%20b%2F%C3%BC%3F%26%22x%22%0A&plain=1%202"
    );
    assert_eq!(sent.head, "X-Name: <a b/ü?&\"x\" >\r\nContent-Type: application/json\r\n");
    assert_eq!(
        sent.body,
        r#"{"name":"a b/ü?&\"x\"\n","in":"<a b/ü?&\"x\"\n>","bot":0,"text":"0"}"#
    );
    assert_eq!(sent.name, "POST /users/${name}/${bot}");
}

#[test]
fn forms_are_encoded_as_a_browser_does() {
    let script = Script::new(
        r#"{"variables": {"v": "a&b"}, "steps": [{"post": "/f", "form": {"x y": "${v}", "z":
            "ü"}}]}"#,
    );
    let sent = script.session(ok).sent.remove(0);
    assert_eq!(sent.body, "x%20y=a%26b&z=%C3%BC");
    assert_eq!(sent.head, "Content-Type: application/x-www-form-urlencoded\r\n");
}

#[test]
fn members_without_a_value_can_be_left_out() {
    let text = r#"{"variables": {"a": AAA, "b": "${null}"}, "steps": [{"post": "/", "json":
        {"x": "${a | optional}", "y": "${b | optional}", "z": 1, "w": "${a | optional}"}}]}"#;
    let body = |a: &str| Script::new(&text.replace("AAA", a)).session(ok).sent.remove(0).body;
    assert_eq!(body("5"), r#"{"x":5,"z":1,"w":5}"#);
    assert_eq!(body("null"), r#"{"z":1}"#);
}

#[test]
fn a_request_in_which_nothing_changes_is_built_once() {
    let script =
        Script::new(r#"{"steps": [{"get": "/same", "headers": {"A": "b"}}, {"get": "/${bot}"}]}"#);
    let ran = script.session(ok);
    assert!(ran.sent[0].is_prepared);
    assert!(!ran.sent[1].is_prepared);
}

#[test]
fn a_body_that_nothing_reads_is_not_kept() {
    let script = Script::new(
        r#"{"steps": [{"get": "/a"}, {"get": "/${bot}"}, {"get": "/c", "check": {"x":
            "body contains 'y'"}}]}"#,
    );
    let kept: Vec<bool> = script.session(ok).sent.iter().map(|sent| sent.keeps_body).collect();
    assert_eq!(kept, [false, false, true]);
}

#[test]
fn what_is_captured_is_used_in_later_requests() {
    let script = Script::new(
        r#"{"steps": [
            {"get": "/1", "capture": {
                "id": "/data/0/id", "etag": {"header": "etag"}, "csrf": {"regex": "csrf=(\\w+)"},
                "missing": {"json": "/nowhere", "optional": true}, "kind": {"json": "/kind",
                    "default": "none"}
            }},
            {"get": "/2/${id}/${etag}/${csrf}/${missing | default 'no'}/${kind}"}
        ]}"#,
    );
    let ran = script.session(|sent| match sent.name.as_str() {
        "GET /1" => {
            let reply = r#"{"data": [{"id": 12345678901234}], "page": "csrf=abc"}"#;
            Reply::Json(200, reply.to_owned())
        }
        _ => Reply::Status(200),
    });
    assert!(ran.is_failing, "there was no etag");
    assert_eq!(ran.checks(), [("GET /1 gives etag".to_owned(), false)]);
    assert_eq!(ran.sent.len(), 1, "the steps are left");
    assert_eq!(ran.outcome.expect("ended").reason().expect("a reason").as_str(), "GET /1");
}

#[test]
fn headers_and_whole_documents_can_be_captured() {
    let script = Script::new(
        r#"{"steps": [
            {"get": "/1", "capture": {"place": {"header": "Location"}}},
            {"get": "/2", "capture": {"all": ""}},
            {"set": {"items": "${all.items}"}},
            {"get": "/3/${place}/${items[1].name}/${length(items)}/${find(items, 'name', 'x').n}"}
        ]}"#,
    );
    let ran = script.session(|sent| match sent.name.as_str() {
        "GET /1" => Reply::Headers(201, "Location: here\r\n"),
        _ => json(r#"{"items": [{"name": "x", "n": 1.5}, {"name": "y"}]}"#),
    });
    assert_eq!(ran.sent[2].target, "/3/here/y/2/1.5");
    assert!(!ran.is_failing);
}

#[test]
fn a_failed_request_leaves_the_action_and_the_session_goes_on() {
    let script = Script::new(
        r#"{"session": {"actions": 2}, "actions": [
            {"name": "a", "weight": 1, "steps": [{"get": "/bad"}, {"get": "/never"}]}
        ]}"#,
    );
    let ran = script.session(|_| Reply::Status(500));
    assert_eq!(ran.names(), ["GET /bad", "GET /bad"]);
    assert_eq!(ran.actions(), ["a", "a"]);
    assert_eq!(ran.outcome, Some(Outcome::Done));
    assert!(ran.is_failing);
}

#[test]
fn on_failure_decides_what_a_failed_request_does() {
    let outcome = |word: &str| {
        let text = format!(
            r#"{{"steps": [{{"get": "/bad", "onFailure": "{word}"}}, {{"get": "/next"}}]}}"#
        );
        let ran = Script::new(&text).session(|_| Reply::Status(500));
        (ran.sent.len(), ran.outcome.expect("ended"))
    };
    assert_eq!(outcome("continue").0, 2);
    assert_eq!(outcome("leave"), (1, Outcome::Failed("GET /bad".into())));
    assert_eq!(outcome("end"), (1, Outcome::Failed("GET /bad".into())));
    assert_eq!(outcome("stopBot"), (1, Outcome::StopBot));
    assert_eq!(outcome("abort"), (1, Outcome::AbortRun("GET /bad".into())));
}

#[test]
fn retries_wait_longer_each_time_and_stop_when_it_works() {
    let script = Script::new(
        r#"{"steps": [{"get": "/x", "retry": {"tries": 4, "on": ["5xx", "failure"], "wait": "1s",
            "multiplier": 3},
            "check": {"works": "status == 200"}}]}"#,
    );
    let mut answers =
        [Reply::Status(503), Reply::Fails(Failure::Reset), Reply::Status(200)].into_iter();
    let ran = script.session(|_| answers.next().expect("no more than three"));
    assert_eq!(ran.pauses, [Duration::from_secs(1), Duration::from_secs(3)]);
    assert_eq!(ran.checks(), [("works".to_owned(), true)], "checked once, after the last try");
    let mut answers = std::iter::repeat_n(Reply::Status(500), 4);
    let ran = script.session(|_| answers.next().expect("no more than four"));
    assert_eq!(ran.sent.len(), 4);
    let ran = script.session(|_| Reply::Status(404));
    assert_eq!(ran.sent.len(), 1, "404 is not tried again");
}

#[test]
fn polls_ask_until_it_holds_or_the_deadline_is_over() {
    let text = r#"{"steps": [{"get": "/x", "name": "job", "capture": {"state": "/state"},
        "poll": {"until": "state == 'done'", "every": "2s", "within": "5s"}}]}"#;
    let script = Script::new(text);
    let mut turn = 0;
    let ran = script.session(|_| {
        turn += 1;
        json(if turn == 3 { r#"{"state": "done"}"# } else { r#"{"state": "waiting"}"# })
    });
    assert_eq!(ran.sent.len(), 3);
    assert_eq!(ran.checks(), [("job in time".to_owned(), true)]);
    assert!(!ran.is_failing);
    let ran = script.session(|_| json("{}"));
    assert_eq!(ran.sent.len(), 4, "at 0, 2, 4 and 6 seconds");
    assert_eq!(ran.checks(), [("job in time".to_owned(), false)]);
    assert_eq!(ran.outcome, Some(Outcome::Failed("job".into())));
}

const AUTH: &str = r#"{
    "auth": {
        "login": [{"post": "/login", "json": {}, "capture": {"token": "/token", "refreshToken":
            "/refresh", "ttl": "/ttl"}}],
        "refresh": [{"post": "/refresh", "json": {"with": "${refreshToken}"}, "capture":
            {"token": "/token", "ttl": "/ttl"}}],
        "expiresIn": "ttl", "margin": "10s", "headers": {"Authorization": "Bearer ${token}"},
            "keep": KEEP
    },
    "steps": [{"get": "/free", "auth": false}, {"repeat": 5, "steps": [{"get": "/mine"},
        {"think": "25s"}]}]
}"#;

fn login_reply(sent: &drive::script::Sent, serial: &mut u32) -> Reply {
    *serial += 1;
    match sent.name.as_str() {
        "POST /login" => json(&format!(
            r#"{{"token": "first-secret-{serial}", "refresh": "other-secret-{serial}", "ttl": 60}}"#
        )),
        "POST /refresh" => json(&format!(r#"{{"token": "next-secret-{serial}", "ttl": 60}}"#)),
        _ => Reply::Status(200),
    }
}

#[test]
fn a_login_happens_when_it_is_needed_and_is_refreshed_before_it_expires() {
    let script = Script::new(&AUTH.replace("KEEP", "false"));
    let mut serial = 0;
    let ran = script.session(|sent| login_reply(sent, &mut serial));
    assert_eq!(
        ran.names(),
        [
            "GET /free",
            "POST /login",
            "GET /mine",
            "GET /mine",
            "POST /refresh",
            "GET /mine",
            "GET /mine",
            "POST /refresh",
            "GET /mine",
        ]
    );
    assert_eq!(ran.sent[0].head, "");
    assert_eq!(ran.sent[2].head, "Authorization: Bearer first-secret-2\r\n");
    assert_eq!(ran.sent[4].body, r#"{"with":"other-secret-2"}"#);
    assert_eq!(ran.sent[5].head, "Authorization: Bearer next-secret-5\r\n");
    assert!(!ran.is_failing);
}

#[test]
fn a_refresh_that_fails_is_followed_by_a_login() {
    let script = Script::new(&AUTH.replace("KEEP", "false"));
    let mut serial = 0;
    let ran = script.session(|sent| match sent.name.as_str() {
        "POST /refresh" => Reply::Status(400),
        _ => login_reply(sent, &mut serial),
    });
    assert_eq!(&ran.names()[4..7], ["POST /refresh", "POST /login", "GET /mine"]);
}

#[test]
fn a_kept_login_is_used_by_the_next_session() {
    let logins = |keep: &str| {
        let script = Script::new(&AUTH.replace("KEEP", keep));
        let mut serial = 0;
        let ran = script.sessions(0, 3, |sent| login_reply(sent, &mut serial));
        let names: Vec<&str> = ran.iter().flat_map(drive::script::Ran::names).collect();
        names.iter().filter(|name| **name == "POST /login").count()
    };
    assert_eq!(logins("true"), 1);
    assert_eq!(logins("false"), 3);
}

#[test]
fn tokens_are_in_no_record_no_carry_and_no_canonical_request() {
    let script = Script::new(&AUTH.replace("KEEP", "true"));
    let mut serial = 0;
    let ran = script.sessions(0, 2, |sent| login_reply(sent, &mut serial));
    for ran in &ran {
        let mut all = ran.record.clone();
        all.extend_from_slice(&ran.carry);
        ran.sent.iter().for_each(|sent| all.extend_from_slice(sent.canonical.as_bytes()));
        let text = String::from_utf8_lossy(&all);
        assert!(!text.contains("-secret-2") && !text.contains("next-secret"), "{text}");
        assert!(text.contains("tallyho-secret-"));
    }
}

#[test]
fn secrets_of_the_command_line_are_references_in_the_definition() {
    let options = Options {
        parameters: vec![("API_PASSWORD".into(), "hunter2hunter2".into())],
        ..Options::default()
    };
    let script = Script::with(
        r#"{"steps": [{"post": "/", "json": {"p": "${env.API_PASSWORD}"}}]}"#,
        &options,
    );
    let definition = serde_json::to_string(&script.definition).expect("plain data");
    assert!(!definition.contains("hunter2"));
    let ran = script.session(ok);
    assert_eq!(ran.sent[0].body, r#"{"p":"hunter2hunter2"}"#);
    assert!(!ran.sent[0].canonical.contains("hunter2"));
    assert!(!String::from_utf8_lossy(&ran.record).contains("hunter2"));
}

#[test]
fn kept_variables_are_there_in_the_next_session() {
    let script = Script::new(
        r#"{"keep": ["n"], "steps": [{"set": {"n": "${default(n, 0) + 1}"}}, {"get": "/${n}"}]}"#,
    );
    let ran = script.sessions(0, 3, ok);
    let targets: Vec<&str> = ran.iter().map(|ran| ran.sent[0].target.as_str()).collect();
    assert_eq!(targets, ["/1", "/2", "/3"]);
}

#[test]
fn rows_are_dealt_without_repeats_and_the_same_in_every_run() {
    let text = r#"{"data": {"players": {"file": "players.csv", "deal": "DEAL"}},
        "steps": [{"get": "/${data.players.nickname}"}]}"#;
    let rows = |deal: &str, seed: u64, session: u64| -> Vec<String> {
        let mut script = Script::new(&text.replace("DEAL", deal));
        script.run.seed = seed;
        (0..20)
            .map(|bot| {
                let mut ran = script.sessions(bot, session + 1, ok);
                ran.pop().expect("the last").sent.remove(0).target
            })
            .collect()
    };
    let per_bot = rows("perBot", 1, 0);
    assert_eq!(per_bot.iter().collect::<BTreeSet<_>>().len(), 20, "{per_bot:?}");
    assert_eq!(per_bot, rows("perBot", 1, 2), "a bot keeps its row");
    assert_ne!(per_bot, rows("perBot", 2, 0), "another seed deals in another order");
    let first = rows("perSession", 1, 0);
    let third = rows("perSession", 1, 2);
    assert_ne!(first, third);
    assert_eq!(third.iter().collect::<BTreeSet<_>>().len(), 20, "{third:?}");
}

#[test]
fn results_of_set_up_reach_all_bots() {
    let text = r#"{"setup": [{"post": "/make", "capture": {"id": "/id"}}], "setupKeep": ["id"],
        "steps": [{"get": "/things/${setup.id}"}]}"#;
    let mut script = Script::new(text);
    let plan = drive::script::checked(text, &Options::default()).plan;
    let setup = plan.setup.expect("there is one");
    let set_up = Script { bot: drive::declared(&setup), ..Script::new(text) };
    let carry = set_up.session(|_| json(r#"{"id": 42}"#)).carry;
    let results = tallyho_replay::flow::setup_results(&setup, &carry);
    assert_eq!(String::from_utf8_lossy(&results), r#"{"id":42}"#);
    script.setup = Some(Rc::from(results));
    assert_eq!(script.session(ok).sent[0].target, "/things/42");
}

const MENU: &str = r#"{"session": {"actions": COUNT}, "think": "1s..20s", "actions": [
    {"name": "a", "weight": 1, "steps": [{"think": "0s..3s"}]},
    {"name": "b", "weight": 2, "steps": []},
    {"name": "c", "weight": "2 + 2", "steps": []},
    {"name": "d", "weight": 13, "steps": [{"log": "${draw.level.between(1, 1000)}"}]},
    {"name": "never", "weight": 50, "when": "bot == 77", "steps": []}
]}"#;

#[test]
fn actions_are_chosen_by_their_weights() {
    let script = Script::new(&MENU.replace("COUNT", "2000"));
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for bot in 0..10 {
        for action in script.sessions(bot, 1, ok).remove(0).actions() {
            *counts.entry(action).or_default() += 1.0;
        }
    }
    let weights = [("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 13.0)];
    let chi_square: f64 = weights
        .iter()
        .map(|(name, weight)| {
            let expected = 20_000.0 * weight / 20.0;
            (counts[*name] - expected).powi(2) / expected
        })
        .sum();
    // 99.9 % of fair samples with 3 degrees of freedom are below 16.27.
    assert!(chi_square < 16.27, "{chi_square} {counts:?}");
    assert!(!counts.contains_key("never"));
}

#[test]
fn a_delay_scale_shortens_think_times_and_changes_no_choice() {
    let text = MENU.replace("COUNT", "50");
    let whole = Script::new(&text).session(ok);
    let options = Options { delay_scale_ppm: Some(100_000), ..Options::default() };
    let tenth = Script::with(&text, &options).session(ok);
    assert_eq!(whole.actions(), tenth.actions());
    for (long, short) in whole.pauses.iter().zip(&tenth.pauses) {
        assert_eq!(long.as_micros() / 10, short.as_micros());
    }
    let none = Options { delay_scale_ppm: Some(0), ..Options::default() };
    let none = Script::with(&text, &none).session(ok);
    assert_eq!(whole.actions(), none.actions());
    assert!(none.pauses.iter().all(Duration::is_zero));
}

#[test]
fn an_edit_elsewhere_moves_no_draw() {
    let text = MENU.replace("COUNT", "50");
    let before = Script::new(&text).session(ok);
    let more = text.replace(
        r#""weight": 2, "steps": []"#,
        r#""weight": 2, "steps": [{"log": "${draw.other.between(1, 6)}"}, {"think": "1s..2s"}]"#,
    );
    assert_ne!(text, more);
    let after = Script::new(&more).session(ok);
    assert_eq!(before.actions(), after.actions());
    let levels = |ran: &drive::script::Ran| -> Vec<String> {
        let line = |note: &Note| match note {
            Note::Log { text, .. } if text.len() > 1 => Some(text.clone()),
            _ => None,
        };
        ran.notes.iter().filter_map(line).collect()
    };
    assert_eq!(levels(&before), levels(&after));
}

#[test]
fn ids_are_new_in_every_run_and_draws_are_not() {
    let mut script = Script::new(
        r#"{"steps": [{"get": "/${uuid}/${draw.n.between(1, 1000000)}"}, {"get": "/${uuid}/x"}]}"#,
    );
    let first = script.session(ok);
    script.run.run_id = 99;
    let second = script.session(ok);
    let parts = |ran: &drive::script::Ran| {
        let target = ran.sent[0].target.clone();
        let (id, draw) = target[1..].split_once('/').expect("two parts");
        (id.to_owned(), draw.to_owned())
    };
    assert_ne!(parts(&first).0, parts(&second).0);
    assert_eq!(parts(&first).1, parts(&second).1);
    assert_ne!(first.sent[0].target[..37], first.sent[1].target[..37]);
    let id = parts(&first).0;
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
    assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
}

#[test]
fn a_run_that_stops_ends_sessions_between_actions() {
    let mut script = Script::new(
        r#"{"think": "1h", "actions": [{"name": "a", "weight": 1, "steps": [{"get": "/1"},
            {"get": "/2"}]}]}"#,
    );
    script.stops_us = 5_000_000;
    let ran = script.session(ok);
    assert_eq!(ran.outcome, Some(Outcome::Done));
    assert_eq!((ran.sent.len(), ran.ended_us), (0, 5_000_000));
}

#[test]
fn loops_choices_and_conditions_nest() {
    let script = Script::new(
        r#"{"variables": {"n": 0}, "steps": [
            {"while": "n < 3", "steps": [
                {"set": {"n": "${n + 1}"}},
                {"if": "n == 2", "then": [{"get": "/two"}], "else": [{"get": "/n/${n}"}]}
            ]},
            {"repeat": "n - 1", "steps": [{"choose": [
                {"name": "only", "weight": 1, "steps": [{"get": "/in"}, {"end": "action"}]}
            ], "name": "inner"}]},
            {"countBots": "bots"}, {"get": "/${bots}"}
        ]}"#,
    );
    let ran = script.session(ok);
    let targets: Vec<&str> = ran.sent.iter().map(|sent| sent.target.as_str()).collect();
    assert_eq!(targets, ["/n/1", "/two", "/n/3", "/in", "/in", "/7"]);
    assert_eq!(ran.actions(), ["only", "only"]);
}

#[test]
fn ends_are_what_they_say() {
    let outcome = |step: &str| {
        let text = format!(r#"{{"steps": [{{"get": "/"}}, {step}]}}"#);
        Script::new(&text).session(ok).outcome.expect("ended")
    };
    assert_eq!(outcome(r#"{"end": "session"}"#), Outcome::Done);
    assert_eq!(outcome(r#"{"end": "bot"}"#), Outcome::StopBot);
    assert_eq!(outcome(r#"{"fail": "no luck"}"#), Outcome::Failed("no luck".into()));
    assert_eq!(outcome(r#"{"abort": "enough"}"#), Outcome::AbortRun("enough".into()));
}

#[test]
fn metrics_take_values_of_their_kind() {
    let script = Script::new(
        r#"{"metrics": {"c": "counter", "r": "rate", "g": "gauge", "t": {"type": "trend", "time":
            true}},
            "steps": [{"get": "/"}, {"add": {"c": "1 + 1", "r": "status == 200", "g": "bot", "t":
                "time"}}]}"#,
    );
    let notes = script.session(ok).notes;
    assert!(notes.contains(&Note::Counter { name: "c".into(), by: 2 }));
    assert!(notes.contains(&Note::Rate { name: "r".into(), hit: true }));
    assert!(notes.contains(&Note::Gauge { name: "g".into(), value: 0.0 }));
    assert!(notes.contains(&Note::Trend { name: "t".into(), value: 10.0, is_time: true }));
}

#[test]
fn checks_look_at_status_headers_json_body_and_time() {
    let script = Script::new(
        r#"{"steps": [{"get": "/", "check": {
            "status": "status == 200", "type": "header('content-type') == 'application/json'",
            "number": "json('/n') >= 5", "text": "body contains 'hello'",
            "pattern": "body matches 'h.l{2}o'", "time": "time <= 10ms", "not": "time < 10ms"
        }}]}"#,
    );
    let ran = script.session(|_| json(r#"{"n": 5, "say": "hello"}"#));
    let failed: Vec<String> =
        ran.checks().into_iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    assert_eq!(failed, ["not"]);
}

#[test]
fn a_request_whose_value_is_missing_is_not_sent() {
    let script = Script::new(
        r#"{"steps": [
            {"get": "/1", "capture": {"id": {"json": "/id", "optional": true}}}, {"get": "/2/${id}"}
        ]}"#,
    );
    let ran = script.session(|_| json("{}"));
    assert_eq!(ran.names(), ["GET /1"]);
    assert_eq!(ran.checks(), [("id has a value".to_owned(), false)]);
}

#[test]
fn actions_that_wait_for_nothing_give_their_worker_back() {
    let mut script = Script::new(
        r#"{"variables": {"n": 0}, "actions": [{"name": "spin", "weight": 1, "steps": [{"set":
            {"n": "${n + 1}"}}]}]}"#,
    );
    script.steps_max = 4;
    let stuck = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script.session(ok)));
    assert!(stuck.is_err(), "it pauses again and again instead of hanging");
}

#[test]
fn bots_are_told_apart_by_padding() {
    let script = Script::new(r#"{"steps": [{"get": "/${bot | pad 5}/${task}/${session}"}]}"#);
    let ran = script.sessions(42, 2, ok);
    assert_eq!(ran[0].sent[0].target, "/00042/0/0");
    assert_eq!(ran[1].sent[0].target, "/00042/0/1");
}

#[test]
fn the_deepest_scenario_that_is_accepted_survives_the_trace() {
    let step = |depth: usize| {
        let open = r#"{"choose": [{"name": "a", "weight": 1, "steps": ["#.repeat(depth);
        let close = r#"]}], "name": "NAME"}"#.repeat(depth);
        let body = format!("{}1{}", r#"{"a": ["#.repeat(8), "]}".repeat(8));
        format!(r#"{{"steps": [{open}{{"post": "/", "json": {body}}}{close}]}}"#)
    };
    // Compiled by way of its JSON.
    let ran = Script::new(&step(11)).session(ok);
    assert_eq!((ran.sent.len(), ran.actions().len()), (1, 11));
    let folder = std::path::Path::new("");
    let deeper = tallyho::config::check_text("x", &step(12), folder, &Options::default());
    assert!(deeper.is_err());
}

#[test]
fn secret_columns_are_sent_and_written_down_nowhere() {
    let script = Script::new(
        r#"{"data": {"players": {"file": "players.csv", "secret": ["phone"]}},
            "steps": [{"post": "/", "json": {"phone": "${data.players.phone}"}}]}"#,
    );
    // The bot that runs was read from the definition's JSON, as in a replay: it has no phone.
    let ran = script.session(ok);
    assert_eq!(ran.sent[0].body, r#"{"phone":""}"#);
    let live = tallyho_replay::flow::compile(&script.definition).expect("checked");
    let live = Rc::new(tallyho_replay::BotType::new::<tallyho_replay::flow::Flow>(Rc::new(live)));
    let from_trace = Rc::clone(&script.bot);
    let live = Script { bot: live, ..script };
    let ran = live.session(ok);
    let replayed =
        tallyho_replay::replayer::replay(&from_trace, &Rc::new(live.run.clone()), &ran.record);
    assert!(replayed.is_ok(), "{replayed:?}");
    assert!(ran.sent[0].body.starts_with(r#"{"phone":"+1555"#), "{}", ran.sent[0].body);
    let definition = serde_json::to_string(&live.definition).expect("plain data");
    for text in [definition, ran.sent[0].canonical.clone(), lossy(&ran.record)] {
        assert!(!text.contains("+1555"), "{text}");
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

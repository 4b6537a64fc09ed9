//! Record and replay is an identity for every scenario, not only for those that somebody thought
//! of.
//!
//! Scenarios, answers and faults are generated from a seed; on failure, rerun with SEED=n.

mod drive;

use std::fmt::Write;

use drive::script::{Reply, Script};
use tallyho::config::{self, Options};
use tallyho_replay::Failure;

const SEEDS: u64 = 150;

/// A generator of its own, so that a seed means the same scenario for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        let index = self.below(items.len() as u64);
        items[usize::try_from(index).expect("small")]
    }
}

/// Writes a scenario.
struct Writer {
    random: Random,
    labels: u32,
    has_login: bool,
}

impl Writer {
    fn scenario(&mut self) -> String {
        let mut text = String::from(
            r#"{"metrics": {"c": "counter", "r": "rate", "g": "gauge", "t": "trend"},
            "data": {"players": {"file": "players.csv", "deal": "perSession", "secret": ["phone"]}},
            "variables": {"v0": 1, "v1": "a b/\"ü", "v2": null, "v3": [1, {"k": "x"}, 2.5], "v4":
                {"k": 7}},
            "keep": ["v0", "v2"], "#,
        );
        self.has_login = self.random.below(2) == 0;
        if self.has_login {
            let refresh = if self.random.below(2) == 0 {
                r#""refresh": [{"post": "/refresh", "json": {"t": "${token}"}, "capture":
                    {"token": "/token"}}],"#
            } else {
                ""
            };
            let keep = self.random.below(2) == 0;
            write!(
                text,
                r#""auth": {{"login": [{{"post": "/login", "capture": {{"token": "/token"}},
                    "retry": {{"tries": 2}}}}], {refresh}
                "expiresIn": "draw.life.between(1, 120)", "margin": "5s", "keep": {keep},
                "headers": {{"Authorization": "Bearer ${{token}}"}}}}, "#
            )
            .expect("a String");
        }
        let steps = self.steps(3);
        let _ = write!(text, r#""steps": [{steps}]"#);
        if self.random.below(3) > 0 {
            let actions = self.actions(2);
            let most = self.random.below(6) + 1;
            let _ = write!(
                text,
                r#", "think": "0s..2s", "session": {{"actions": {most}}}, "actions": [{actions}]"#
            );
        }
        text.push('}');
        text
    }

    fn steps(&mut self, depth: u32) -> String {
        let count = self.random.below(4) + u64::from(depth == 3);
        let steps: Vec<String> = (0..count).map(|_| self.step(depth)).collect();
        steps.join(", ")
    }

    fn step(&mut self, depth: u32) -> String {
        let kinds = if depth == 0 { 9 } else { 13 };
        match self.random.below(kinds) {
            0..=3 => self.request(),
            4 => format!(r#"{{"set": {{"{}": "${{{}}}"}}}}"#, self.variable(), self.expression(2)),
            5 => r#"{"think": "10ms..2s"}"#.into(),
            6 => format!(r#"{{"log": "${{text({})}}"}}"#, self.expression(1)),
            7 => format!(
                r#"{{"add": {{"{}": "{}"}}}}"#,
                self.random.pick(&["c", "r", "g", "t"]),
                self.expression(1)
            ),
            8 => format!(r#"{{"check": {{"k": "{} || v0 == 1"}}}}"#, self.expression(1)),
            9 => format!(
                r#"{{"if": "{} || v0 > 3", "then": [{}], "else": [{}]}}"#,
                self.expression(2),
                self.steps(depth - 1),
                self.steps(depth - 1)
            ),
            10 => format!(
                r#"{{"while": "{} && v0 != 9", "max": 3, "steps": [{}]}}"#,
                self.variable(),
                self.steps(depth - 1)
            ),
            11 => format!(r#"{{"repeat": "int(v0) % 3", "steps": [{}]}}"#, self.steps(depth - 1)),
            _ => {
                self.labels += 1;
                let label = self.labels;
                let actions = self.actions(depth - 1);
                format!(r#"{{"choose": [{actions}], "name": "menu{label}"}}"#)
            }
        }
    }

    fn actions(&mut self, depth: u32) -> String {
        let count = self.random.below(3) + 2;
        let actions: Vec<String> = (0..count)
            .map(|index| {
                let weight = self.random.below(5) + 1;
                let when = match (index, self.random.below(3)) {
                    (0, _) | (_, 0) => String::new(),
                    _ => format!(r#""when": "{} != 5 || v0 == 1", "#, self.variable()),
                };
                let end = match self.random.below(8) {
                    0 => r#", {"end": "action"}"#,
                    1 if index > 0 => r#", {"end": "session"}"#,
                    _ => "",
                };
                let steps = self.steps(depth);
                let first = r#"{"think": "1ms"}"#;
                let steps = if steps.is_empty() { first.into() } else { steps };
                format!(
                    r#"{{"name": "a{index}", "weight": "{weight} + 0 * length(text(v0))",
                        {when}"steps": [{steps}{end}]}}"#
                )
            })
            .collect();
        actions.join(", ")
    }

    fn request(&mut self) -> String {
        let mut text = match self.random.below(4) {
            0 => r#"{"get": "/fixed""#.into(),
            1 => format!(r#"{{"get": "/x/${{default({}, 'none')}}""#, self.expression(2)),
            2 => format!(
                r#"{{"post": "/y", "json": {{"a": "${{{} | optional}}", "b": [1,
                    "${{{} | optional}}"], "c": "<${{uuid}}>"}}"#,
                self.expression(2),
                "v0"
            ),
            _ => r#"{"put": "/z", "form": {"n": "${data.players.nickname}", "p":
                "${data.players.phone}"}"#
                .into(),
        };
        let name = self.random.below(20);
        let _ = write!(text, r#", "name": "r{name}""#);
        if self.random.below(2) == 0 {
            let from = self.random.pick(&[
                r#""/a""#,
                r#"{"json": "/b/0", "optional": true}"#,
                r#"{"header": "etag", "default": "none"}"#,
                r#"{"regex": "\"a\":(\\w+)", "optional": true}"#,
                r#"{"json": "/token", "secret": true}"#,
            ]);
            let _ = write!(text, r#", "capture": {{"{}": {from}}}"#, self.variable());
        }
        if self.random.below(2) == 0 {
            let check = self.random.pick(&[
                "status == 200",
                "time < 50ms",
                "json('/a') == 5",
                "body contains 'x'",
                "body matches '[0-9]+'",
                "header('etag') == null",
                "length(json('/b')) > 0",
            ]);
            let _ = write!(text, r#", "check": {{"k": "{check}"}}"#);
        }
        match self.random.below(5) {
            0 => text.push_str(r#", "retry": {"tries": 3, "wait": "1ms..9ms", "multiplier": 2}"#),
            1 => text.push_str(
                r#", "poll": {"until": "status == 200 && json('/a') != 5", "every": "1s..2s",
                    "within": "4s"}"#,
            ),
            2 => text.push_str(r#", "onFailure": "continue""#),
            3 if self.has_login => text.push_str(r#", "auth": false"#),
            _ => {}
        }
        text.push('}');
        text
    }

    fn variable(&mut self) -> &'static str {
        self.random.pick(&["v0", "v1", "v2", "v3", "v4"])
    }

    fn expression(&mut self, depth: u32) -> String {
        let kinds = if depth == 0 { 4 } else { 10 };
        match self.random.below(kinds) {
            0 => self.variable().into(),
            1 => self.random.below(20).to_string(),
            2 => self.random.pick(&["bot", "session", "now", "status", "time", "'t x'"]).into(),
            3 => {
                self.labels += 1;
                let label = self.labels;
                let sampler = self.random.pick(&[
                    "between(-3, 9)",
                    "chance(1, 3)",
                    "pick(1, 'b', v3)",
                    "element(v3)",
                ]);
                format!("draw.d{label}.{sampler}")
            }
            4 => format!("({} + {})", self.expression(depth - 1), self.expression(depth - 1)),
            5 => {
                let operator = self.random.pick(&["-", "*", "/", "%", "==", "<", ">=", "&&", "||"]);
                format!(
                    "({} {operator} {})",
                    self.expression(depth - 1),
                    self.expression(depth - 1)
                )
            }
            6 => format!("default({}, {})", self.expression(depth - 1), self.variable()),
            7 => format!(
                "({} ? {} : {})",
                self.variable(),
                self.expression(depth - 1),
                self.variable()
            ),
            8 => format!("length({})", self.variable()),
            _ => format!("({} | pad 4)", self.variable()),
        }
    }
}

fn answer(random: &mut Random) -> Reply {
    let body = |random: &mut Random| {
        let a =
            random.pick(&["5", "\"x\"", "null", "7.25", "[1,2]", "18446744073709551615", "true"]);
        let b = random.pick(&["[]", "[\"é\\n\"]", "{\"0\":1}", "[1,2,3]"]);
        let serial = random.below(1000);
        format!(r#"{{"a":{a},"b":{b},"token":"very-secret-{serial}"}}"#)
    };
    match random.below(12) {
        0 => Reply::Status(503),
        1 => Reply::Status(404),
        2 => Reply::Fails(Failure::ALL[usize::try_from(random.below(5)).expect("small")]),
        3 => Reply::Json(200, body(random)[..9].to_owned()),
        4 => Reply::Json(401, body(random)),
        5 => Reply::Headers(200, "ETag: \"x\"\r\nSet-Cookie: a=secret-cookie\r\n"),
        _ => Reply::Json(200, body(random)),
    }
}

#[test]
fn record_and_replay_is_an_identity_for_random_scenarios() {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let (mut sessions, mut requests, mut failing) = (0_u64, 0, 0_u64);
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        println!("rerun with SEED={seed}");
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let text = Writer { random, labels: 0, has_login: false }.scenario();
        let options = Options::default();
        let folder = std::path::Path::new("scenarios");
        if let Err(findings) = config::check_text("random.json", &text, folder, &options) {
            panic!("{text}\n{}", findings.render(config::Colour::Never));
        }
        let mut script = Script::new(&text);
        script.stops_us = 600_000_000;
        let mut answers = Random(seed + 77);
        // Each session is replayed by `sessions`, and must end as it did.
        let ran = script.sessions(seed % 50, 3, |_| answer(&mut answers));
        for ran in &ran {
            let text = String::from_utf8_lossy(&ran.record);
            assert!(!text.contains("very-secret"), "{text}");
            sessions += 1;
            requests += ran.sent.len();
            failing += u64::from(ran.is_failing);
        }
    }
    if only.is_none() {
        assert!(sessions == 3 * SEEDS && requests > 1000 && failing > 50 && failing < sessions);
    }
}

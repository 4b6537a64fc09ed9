//! The TallyUp bot makes the same choices on one core, on two, and as three tasks.
//!
//! What a bot is answered decides what it does next, and in a crowd that depends on the others and
//! on the time. So each bot has a stand-in API to itself here, whose clock counts that bot's
//! requests: what is left to decide by are the seed and the bot's number. Compared is what arrives
//! at the server, whole: every request of every bot, in order, with its target and body.
//!
//! Left out are two actions: `settings.setInviter`, which draws among as many users as its task
//! has, and `settings.toggleIncludeBots`, after which a player waits for opponents of a crowd.

mod servers;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use servers::Scratch;
use tallyho::demo::{self, Method, Request, Rules, State};

const BOTS: u32 = 9;
/// What a bot's clock moves on with each of its requests: opponents and moves come at once.
const STEP_US: u64 = 10_000_000;

/// What one bot plays against.
struct World {
    state: State,
    now_us: u64,
    asked: Vec<String>,
}

type Worlds = Arc<Mutex<BTreeMap<u32, World>>>;

/// A request as it came over the wire.
struct Arrived {
    method: String,
    target: String,
    head: String,
    body: String,
}

impl Arrived {
    fn header(&self, wanted: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// Whose it is: by its device, or to Cognito by its phone number, +1 AAA 5550 1NN.
    fn number(&self) -> Option<u32> {
        if let Some(device) = self.header("x-tu-device-id") {
            return device.rsplit('-').next()?.parse().ok();
        }
        let phone = &self.body[self.body.find("\"+1")? + 3..];
        let (high, low): (u32, u32) =
            (phone.get(..3)?.parse().ok()?, phone.get(7..10)?.parse().ok()?);
        Some(high * 100 + low - 100)
    }
}

impl World {
    /// A world with events in it, as set-up would make them.
    fn new(number: u32) -> Self {
        let rules = Rules { seed: u64::from(number), ..Rules::default() };
        let mut world = Self { state: State::new(rules), now_us: 0, asked: Vec::new() };
        let phone = "+19995550199";
        let cognito = |operation: &str, body: String| Arrived {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            head: format!("x-amz-target: AWSCognitoIdentityProviderService.{operation}"),
            body,
        };
        let part = |answer: &(u16, Vec<u8>), pointer: &str| {
            let json: serde_json::Value = serde_json::from_slice(&answer.1).expect("json");
            json.pointer(pointer).and_then(|text| text.as_str()).expect(pointer).to_owned()
        };
        let auth = format!(
            r#"{{"ClientId": "c", "AuthFlow": "CUSTOM_AUTH",
                "AuthParameters": {{"USERNAME": "{phone}"}}}}"#
        );
        let sign_up = format!(
            r#"{{"ClientId": "c", "Username": "{phone}", "Password": "Password1!",
                "UserAttributes": []}}"#
        );
        world.answer(&cognito("SignUp", sign_up));
        let session = part(&world.answer(&cognito("InitiateAuth", auth)), "/Session");
        let challenge = format!(
            r#"{{"ClientId": "c", "ChallengeName": "CUSTOM_CHALLENGE", "Session": "{session}",
                "ChallengeResponses": {{"USERNAME": "{phone}", "ANSWER": "123456"}}}}"#
        );
        let answer = world.answer(&cognito("RespondToAuthChallenge", challenge));
        let token = part(&answer, "/AuthenticationResult/AccessToken");
        for (kind, code) in [("adhocBG", ""), ("adhocMini", "INVITE0001_local")] {
            let is_hidden = !code.is_empty();
            let name = if is_hidden { "Private 0001" } else { kind };
            let body = serde_json::json!({"event": {
                "type": kind, "name": name, "status": "upcoming", "joinType": "joinWindow",
                "isHidden": is_hidden, "inviteCode": code, "joinCost": 5,
                "startTs": "2024-01-01T00:00:00.000Z", "endTs": "9999-12-31T00:00:00.000Z",
                "closeTs": "9999-12-31T00:00:00.000Z",
            }});
            let (status, answer) = world.answer(&Arrived {
                method: "POST".to_owned(),
                target: "/api/v1/testing/special_events".to_owned(),
                head: format!("Authorization: Bearer {token}"),
                body: body.to_string(),
            });
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        }
        world
    }

    fn answer(&mut self, arrived: &Arrived) -> (u16, Vec<u8>) {
        self.now_us += STEP_US;
        let request = Request {
            method: if arrived.method == "GET" { Method::Get } else { Method::Post },
            target: &arrived.target,
            authorization: arrived.header("authorization"),
            amz_target: arrived.header("x-amz-target"),
            body: arrived.body.as_bytes(),
        };
        let response = demo::handle(&mut self.state, &request, self.now_us);
        (response.status, response.body.to_vec())
    }
}

/// Answers one connection, which is one bot's.
fn serve(stream: TcpStream, worlds: &Worlds) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut words = head.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let mut arrived = Arrived { method, target, head, body: String::new() };
        let size = arrived.header("content-length").and_then(|text| text.trim().parse().ok());
        let mut body = vec![0; size.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        arrived.body = String::from_utf8(body).ok()?;
        let (status, body) = respond(&arrived, worlds);
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        out.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

/// What a bot asks is answered by its world, which begins with its first session. What set-up
/// asks on top of that as the task's first account, before any bot, leaves no trace.
fn respond(arrived: &Arrived, worlds: &Worlds) -> (u16, Vec<u8>) {
    if arrived.target.starts_with("/api/v1/testing/") {
        return (200, br#"{"data": true}"#.to_vec());
    }
    let Some(number) = arrived.number() else { return (200, b"{}".to_vec()) };
    let mut worlds = worlds.lock().expect("no panic");
    let is_known = worlds.get(&number).is_some_and(|world| !world.asked.is_empty());
    if arrived.target == "/api/v1/startup" && !is_known {
        worlds.insert(number, World::new(number));
    }
    let world = worlds.entry(number).or_insert_with(|| World::new(number));
    if arrived.target == "/api/v1/startup" || !world.asked.is_empty() {
        let operation = arrived.header("x-amz-target").unwrap_or_default();
        let Arrived { method, target, body, .. } = arrived;
        world.asked.push(format!("{method} {target} {operation} {body}"));
    }
    world.answer(arrived)
}

fn server() -> (String, Worlds) {
    let worlds = Worlds::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let shared = Arc::clone(&worlds);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let worlds = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &worlds));
        }
    });
    (url, worlds)
}

fn scenario(bots: u32) -> String {
    format!(
        r#"{{
  "bot": "tallyup", "executor": "per-vu-iterations", "vus": {bots}, "vusMax": {bots},
  "iterations": 2, "maxDuration": "30m", "gracefulStop": "1m", "delayScale": 0.001,
  "config": {{
    "heartbeat": false, "enableDelays": true, "playAsync": true, "setUpPauseSec": 0,
    "actionWeights": {{
      "session": {{ "exit": 25, "activityScreen": 20, "socialScreen": 30 }},
      "homeScreen": {{ "playRandom": 6, "newTab": 20 }}, "goalsScreen": {{ "practice": 5 }},
      "settings": {{ "setInviter": 0, "toggleIncludeBots": 0 }}
    }},
    "events": [
      {{ "type": "adhocBG" }},
      {{ "type": "adhocMini", "name": "Private 0001", "isHidden": true,
         "inviteCode": "INVITE0001" }}
    ]
  }}
}}"#
    )
}

fn start(scratch: &Scratch, name: &str, words: &[&str]) -> Child {
    let folder = scratch.path().join(name);
    Command::new(env!("CARGO_BIN_EXE_tallyho"))
        .args(["run", "--quiet", "--allow-degraded", "--run-id", "same-choices"])
        .args(words)
        .arg("--out")
        .arg(folder)
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tallyho runs")
}

/// How many cores this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn the_same_seed_gives_the_same_requests_on_one_core_on_two_and_as_three_tasks() {
    let scratch = Scratch::new("tallyup-cores");
    scratch.file("one.json", &scenario(BOTS));
    scratch.file("third.json", &scenario(BOTS / 3));
    let worlds: Vec<(String, Worlds)> = (0..4).map(|_| server()).collect();
    let url = |index: usize| worlds[index].0.as_str();
    let two = if cores() > 1 { "2" } else { "1" };
    let runs: [(&str, &[&str]); 6] = [
        ("one", &["one.json", "--target", url(0), "--seed", "7", "--cores", "1"]),
        (
            "two",
            &[
                "one.json",
                "--target",
                url(1),
                "--seed",
                "7",
                "--cores",
                two,
                "--io-driver",
                "epoll",
            ],
        ),
        ("first", &["third.json", "--target", url(2), "--seed", "7", "--task-index", "0"]),
        ("second", &["third.json", "--target", url(2), "--seed", "7", "--task-index", "1"]),
        ("third", &["third.json", "--target", url(2), "--seed", "7", "--task-index", "2"]),
        ("other", &["one.json", "--target", url(3), "--seed", "8", "--cores", "1"]),
    ];
    let children = runs.map(|(name, words)| (name, start(&scratch, name, words)));
    for (name, child) in children {
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{name}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let asked = |index: usize| -> BTreeMap<u32, Vec<String>> {
        let worlds = worlds[index].1.lock().expect("no panic");
        worlds.iter().map(|(number, world)| (*number, world.asked.clone())).collect()
    };
    let one = asked(0);
    assert_eq!(one.keys().copied().collect::<Vec<_>>(), (0..BOTS).collect::<Vec<_>>());
    let requests: usize = one.values().map(Vec::len).sum();
    eprintln!("{requests} requests of {BOTS} bots");
    assert!(requests > 60 * BOTS as usize, "only {requests} requests");
    for (name, index) in [("two cores", 1), ("three tasks", 2)] {
        let other = asked(index);
        assert_eq!(other.len(), one.len(), "{name}");
        for (number, asked) in &one {
            differ((name, *number), asked, &other[number]);
        }
    }
    assert_ne!(asked(3), one, "another seed, other choices");
}

/// Compares what a bot asked, and shows the first difference.
fn differ((name, number): (&str, u32), one: &[String], other: &[String]) {
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(one, other, "{name}: bot {number}, request {index}");
    }
    assert_eq!(one.len(), other.len(), "{name}: bot {number}");
}

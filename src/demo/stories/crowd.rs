//! Many clients that do anything at any time: whatever they do, money is kept and nothing breaks.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Client, SECOND, World};
use crate::demo::{Rules, draws, route::Route};

const CLIENTS: u32 = 12;
const STEPS: u64 = 1_500;
const SEEDS: u64 = 4;

/// Draws for the clients, apart from those of the API.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.drawn += 1;
        let bits = draws::bits(!self.seed, draws::Site::Token, self.drawn);
        usize::try_from(draws::below(bits, bound as u64)).unwrap()
    }
}

/// One thing that a client might do, sensible or not.
fn act(client: &Client, world: &mut World, chance: &mut Chance) -> (&'static str, u16) {
    let user = client.data(world, "users");
    let sessions = user["sessions"].as_array().unwrap();
    let session = match sessions.len() {
        0 => Value::Null,
        count => sessions[chance.below(count)].clone(),
    };
    let session_id = json!({"sessionId": session["id"].as_str().unwrap_or("s0")});
    let game = session["gameId"].as_str().unwrap_or("g0").to_owned();
    let level = chance.below(8);
    let other = format!("load_{:05}", chance.below(CLIENTS as usize));
    let (name, body) = match chance.below(16) {
        0 => ("games/request_match", json!({"type": "live", "level": level % 3})),
        1 => ("games/request_match", json!({"type": "arcade", "level": level})),
        2 => {
            ("games/request_match", json!({"type": "challenge", "level": level, "username": other}))
        }
        3 => ("games/accept_match", session_id),
        4 => ("games/decline_match", session_id),
        5 | 6 => ("games/acknowledge_match", session_id),
        7 => ("games/cancel_request_level", json!({})),
        8 => ("special_events/join", event(client, world, chance, "current")),
        9 => ("special_events/rejoin", event(client, world, chance, "current")),
        10 => ("special_events/claim", event(client, world, chance, "current")),
        11 if chance.below(20) == 0 => ("users/session_start", json!({})),
        12 => ("users/use_item", json!({"itemType": "BasicSpin"})),
        13 => ("event", json!({"event": {"type": "ackResult"}})),
        14 => ("event", json!({"event": {"type": "finishedLoading"}})),
        _ => {
            let (_, game) = client.get(world, &format!("games/{game}"));
            let round = game["data"]["data"]["gameStatus"]["roundNumber"].as_u64().unwrap_or(1);
            let data = chance.below(7);
            ("answer", json!({"answer": {"round": round, "data": data}}))
        }
    };
    let path = match name {
        "event" | "answer" => format!("games/{game}/{name}"),
        _ => name.to_owned(),
    };
    (name, client.post(world, &path, &body).0)
}

/// An event of one of the lists.
fn event(client: &Client, world: &mut World, chance: &mut Chance, list: &str) -> Value {
    let lists = client.data(world, "special_events");
    let events = lists[list].as_array().unwrap();
    let event = match events.len() {
        0 => "e0",
        count => events[chance.below(count)]["id"].as_str().unwrap(),
    };
    json!({"eventId": event})
}

/// What clients did, and how often it was answered how.
type Done = BTreeMap<(&'static str, u16), u32>;

/// Lets clients do things, and checks the API after each.
fn crowd(seed: u64, done: &mut Done) -> World {
    let token_lifetime = Duration::from_secs(1_000_000);
    let mut world = World::new(Rules { seed, token_lifetime, ..Rules::default() });
    let mut chance = Chance { seed, drawn: 0 };
    let clients: Vec<Client> = (0..CLIENTS).map(|number| world.user(number)).collect();
    for step in 0..STEPS {
        world.now_us += chance.below(10) as u64 * SECOND;
        let client = &clients[chance.below(clients.len())];
        let (name, status) = act(client, &mut world, &mut chance);
        assert!(status < 500, "{name} {status} at step {step}, rerun with SEED={seed}");
        *done.entry((name, status)).or_insert(0) += 1;
        if let Err(error) = world.state.audit() {
            panic!("{error} after {name} at step {step}, rerun with SEED={seed}");
        }
    }
    world
}

#[test]
fn whatever_clients_do_no_money_comes_from_nothing() {
    let mut done = Done::new();
    for seed in 0..SEEDS {
        let mut world = crowd(seed, &mut done);
        // A day later everything that had a time limit is over.
        world.now_us += 86_400 * SECOND;
        world.stats();
        world.state.audit().unwrap();
        let held: u64 = world.state.games.values().map(|game| game.held).sum();
        assert_eq!(held, 0, "stakes are held for ever, rerun with SEED={seed}");
    }
    // Clients that only meet refusals would prove nothing.
    for (name, times) in [("games/accept_match", 10), ("answer", 50), ("special_events/claim", 5)] {
        assert!(done[&(name, 200)] >= times, "{done:?}");
    }
}

#[test]
fn a_crowd_that_does_the_same_leaves_the_same_world() {
    let world = |seed| {
        let mut done = Done::new();
        let world = crowd(seed, &mut done);
        (format!("{:?}", world.state), done)
    };
    assert!(world(1) == world(1), "two runs of the same story differ");
}

#[test]
fn nothing_that_is_sent_breaks_an_endpoint() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let challenge = json!({"type": "challenge", "level": 1, "username": bob.username});
    ada.done(&mut world, "games/request_match", &challenge);
    let huge = json!({
        "amount": u64::MAX, "xp": u64::MAX, "level": u32::MAX, "type": "live", "item": "x",
        "quantity": u64::MAX, "progressTrackerId": u64::MAX, "desiredCharityAmount": u64::MAX,
        "desiredPlayerAmount": u64::MAX, "sessionId": "s18446744073709551616", "username": "\u{0}",
        "answer": {"round": u32::MAX, "data": u32::MAX}, "event": {"type": "", "name": "",
        "startTs": u64::MAX, "closeTs": u64::MAX, "endTs": "9999-12-31T23:59:59.999999Z"},
    });
    let bodies = ["", "{", "[]", "null", "{}", "\u{ff}", &huge.to_string()];
    let ids = ["x", "e0", "g0", "s0", "e", "e18446744073709551615", "%FF%00"];
    let queries = ["", "?", "?type=", "?type=SurgeScore&id=e9&offset=-1", "?limit=99999999999999"];
    for &route in Route::ALL {
        let (method, template) = route.template();
        for (id, query) in ids.iter().flat_map(|id| queries.iter().map(move |query| (id, query))) {
            let target = format!("{}{query}", template.replace("{id}", id));
            for body in bodies {
                let status = ada.send(&mut world, method, &target, body.as_bytes());
                assert!((200..500).contains(&status), "{target} {body}: {status}");
            }
        }
    }
    world.state.audit().unwrap();
}

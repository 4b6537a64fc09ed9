//! Matches, games, and what is won with them.

use serde_json::{Value, json};

use super::{Client, World};
use crate::demo::Rules;

/// Starts a match and returns the session's id.
fn request(client: &Client, world: &mut World, request: &Value) -> String {
    let data = client.done(world, "games/request_match", request);
    data["sessionId"].as_str().unwrap().to_owned()
}

fn live(level: u32) -> Value {
    json!({"type": "live", "level": level, "gameType": "CrystalCaveGame"})
}

/// The user's only session.
fn session(client: &Client, world: &mut World) -> Value {
    let user = client.data(world, "users");
    let sessions = user["sessions"].as_array().unwrap();
    assert!(sessions.len() < 2, "{sessions:?}");
    sessions.first().cloned().unwrap_or(Value::Null)
}

fn path(session: &Value, what: &str) -> String {
    format!("games/{}{what}", session["gameId"].as_str().unwrap())
}

fn load(client: &Client, world: &mut World, session: &Value) -> Value {
    let event = json!({"event": {"type": "finishedLoading"}});
    client.done(world, &path(session, "/event"), &event)
}

fn answer(client: &Client, world: &mut World, session: &Value, round: u32, value: u32) -> Value {
    let answer = json!({"answer": {"round": round, "data": value}});
    client.done(world, &path(session, "/answer"), &answer)
}

fn balance(client: &Client, world: &mut World) -> u64 {
    client.data(world, "users")["account"].as_u64().unwrap()
}

#[test]
fn two_who_wait_for_the_same_level_play_each_other_and_the_winner_takes_both_stakes() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let session_id = request(&ada, &mut world, &live(5));
    assert_eq!(balance(&ada, &mut world), 500 - 16);
    let waiting = session(&ada, &mut world);
    assert_eq!((&waiting["id"], &waiting["isLive"]), (&json!(session_id), &json!(true)));
    assert_eq!(
        (&waiting["status"], &waiting["gameId"]),
        (&json!("waiting_opponent"), &Value::Null)
    );
    assert_eq!(ada.post(&mut world, "games/request_match", &live(5)).0, 409);
    request(&bob, &mut world, &live(5));
    let game = session(&ada, &mut world);
    assert_eq!(
        (&game["status"], &game["opponent"]["username"]),
        (&json!("playing"), &json!("load_00002"))
    );
    world.state.audit().unwrap();

    assert_eq!(load(&ada, &mut world, &game).get("data"), None, "bob still loads");
    assert_eq!(load(&bob, &mut world, &game)["data"]["gameStatus"]["roundNumber"], 1);
    for round in 1..=2 {
        answer(&ada, &mut world, &game, round, 2);
        answer(&bob, &mut world, &game, round, 1);
    }
    let result = bob.data(&mut world, &path(&game, ""));
    assert_eq!(result["data"]["gameStatus"]["winStatus"], "lost");
    assert_eq!((balance(&ada, &mut world), balance(&bob, &mut world)), (516, 484));
    world.state.audit().unwrap();

    let ack = json!({"event": {"type": "ackResult"}});
    ada.done(&mut world, &path(&game, "/event"), &ack);
    assert_eq!(session(&ada, &mut world), Value::Null);
    assert_eq!(session(&bob, &mut world)["status"], "completed");
    let feed = ada.data(&mut world, "feeds/activity?type=Winnings&offset=0&limit=40");
    assert_eq!(feed[0]["winner"]["username"], "load_00001");
    let watched = bob.data(&mut world, &path(&game, "/watch"));
    assert_eq!(watched["data"]["gameStatus"]["winStatus"], "won");
    let board = ada.data(&mut world, "users/leaderboard?type=WinningsToday");
    assert_eq!(board[0], json!({"place": 1, "username": "load_00001", "score": 16}));
}

#[test]
fn who_waits_gets_a_computer_opponent_within_eight_seconds_unless_it_wants_none() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    bob.done(&mut world, "users", &json!({"profile": {"excludeBots": true}}));
    request(&ada, &mut world, &live(1));
    request(&bob, &mut world, &live(2));
    world.now_us += 1_999_999;
    assert_eq!(session(&ada, &mut world)["status"], "waiting_opponent");
    world.now_us += 6_000_001;
    let game = session(&ada, &mut world);
    assert_eq!((&game["status"], &game["opponent"]["isBot"]), (&json!("playing"), &json!(true)));
    assert_eq!(load(&ada, &mut world, &game)["isBot"], true);
    let name = game["opponent"]["username"].as_str().unwrap();
    let found = bob.data(&mut world, &format!("users/find?username={name}&allowBots=True"));
    assert_eq!(found[0]["isBot"], true);
    world.wait(170);
    assert_eq!(session(&bob, &mut world)["status"], "waiting_opponent");
    bob.done(&mut world, "games/cancel_request_level", &json!({}));
    assert_eq!((session(&bob, &mut world), balance(&bob, &mut world)), (Value::Null, 500));
    let (_, answer) = ada.post(&mut world, "games/request_match", &live(1));
    assert_eq!(answer["error"]["msg"], "User is already matched.");
    world.state.audit().unwrap();
}

#[test]
fn a_game_against_the_computer_goes_on_by_itself_and_ends() {
    for seed in 0..50 {
        let mut world = World::new(Rules { seed, ..Rules::default() });
        let ada = world.user(1);
        request(&ada, &mut world, &json!({"type": "live", "level": 3, "botsOnly": true}));
        let game = session(&ada, &mut world);
        load(&ada, &mut world, &game);
        // Nobody answers: the computer wins every round that it plays.
        world.wait(91);
        let result = ada.data(&mut world, &path(&game, ""));
        assert_eq!(result["data"]["gameStatus"]["winStatus"], "lost", "rerun with SEED={seed}");
        assert_eq!(balance(&ada, &mut world), 500 - 4);
        world.state.audit().unwrap();
    }
}

#[test]
fn practice_costs_nothing_and_wins_nothing() {
    let mut world = World::new(Rules::default());
    let ada = world.user(1);
    request(&ada, &mut world, &json!({"type": "arcade", "level": 4}));
    let game = session(&ada, &mut world);
    assert_eq!((&game["status"], &game["matchedLevelValue"]), (&json!("playing"), &json!(0)));
    world.wait(200);
    assert_eq!(session(&ada, &mut world)["status"], "completed");
    ada.done(&mut world, &path(&game, "/event"), &json!({"event": {"type": "ackResult"}}));
    assert_eq!(balance(&ada, &mut world), 500);
    assert_eq!(ada.get(&mut world, &path(&game, "")).0, 404, "forgotten when all have seen it");
    assert!(world.state.games.is_empty());
}

#[test]
fn a_player_who_starts_over_loses_the_live_game_it_was_in() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    request(&ada, &mut world, &live(5));
    request(&bob, &mut world, &live(5));
    ada.done(&mut world, "users/session_start", &json!({}));
    assert_eq!(session(&ada, &mut world), Value::Null);
    assert_eq!((balance(&ada, &mut world), balance(&bob, &mut world)), (484, 516));
    let game = session(&bob, &mut world);
    let result = bob.data(&mut world, &path(&game, ""));
    assert_eq!(result["data"]["gameStatus"]["winStatus"], "won");
    world.state.audit().unwrap();
}

#[test]
fn a_challenge_is_played_when_each_likes() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let challenge = json!({
        "type": "challenge", "level": 5, "username": "load_00002",
        "gameType": "ShootingGalleryGame",
    });
    let session_id = request(&ada, &mut world, &challenge);
    assert_eq!(ada.post(&mut world, "games/request_match", &challenge).0, 409);
    let game = session(&ada, &mut world);
    assert_eq!((&game["status"], &game["requiresAction"]), (&json!("playing"), &json!(true)));
    assert_eq!(load(&ada, &mut world, &game)["data"]["gameStatus"]["roundNumber"], 1);
    answer(&ada, &mut world, &game, 1, 50);
    assert_eq!(session(&ada, &mut world)["requiresAction"], false);
    assert_eq!(session(&bob, &mut world)["status"], "received");
    let too_early = json!({"answer": {"round": 1, "data": 1}});
    assert_eq!(bob.post(&mut world, &path(&game, "/answer"), &too_early).0, 409);

    let accept = json!({"sessionId": session_id});
    assert_eq!(ada.post(&mut world, "games/accept_match", &accept).0, 409);
    let user = bob.done(&mut world, "games/accept_match", &accept);
    assert_eq!(
        (&user["account"], &user["sessions"][0]["status"]),
        (&json!(484), &json!("playing"))
    );
    let seen = answer(&bob, &mut world, &game, 1, 51);
    assert_eq!(seen["data"]["gameStatus"]["roundNumber"], 2);
    let state = &seen["data"]["player"]["currentRoundData"]["playerState"];
    assert_eq!(state["water"], 49);
    assert_eq!(session(&ada, &mut world)["requiresAction"], true);
    answer(&ada, &mut world, &game, 2, 10);
    answer(&bob, &mut world, &game, 2, 11);
    assert_eq!((balance(&ada, &mut world), balance(&bob, &mut world)), (484, 516));
    for client in [&ada, &bob] {
        assert_eq!(session(client, &mut world)["status"], "completed");
        client.done(&mut world, "games/acknowledge_match", &accept);
        assert_eq!(session(client, &mut world), Value::Null);
    }
    world.state.audit().unwrap();
}

#[test]
fn a_challenge_declined_or_not_answered_gives_the_stake_back() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let challenge = json!({"type": "challenge", "level": 5, "username": "load_00002"});
    for is_declined in [true, false] {
        let session_id = json!({"sessionId": request(&ada, &mut world, &challenge)});
        assert_eq!(ada.post(&mut world, "games/acknowledge_match", &session_id).0, 409);
        if is_declined {
            bob.done(&mut world, "games/decline_match", &session_id);
        } else {
            world.wait(601);
        }
        assert_eq!(session(&bob, &mut world), Value::Null);
        assert_eq!(session(&ada, &mut world)["status"], "rejected");
        let user = ada.done(&mut world, "games/acknowledge_match", &session_id);
        assert_eq!((&user["account"], &user["sessions"]), (&json!(500), &json!([])));
        assert!(world.state.games.is_empty());
        world.state.audit().unwrap();
    }
}

#[test]
fn power_play_takes_any_level_of_its_range_that_waits() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    request(&ada, &mut world, &live(4));
    let profile = |lowest| {
        json!({"profile": {
            "useDefaultMatchmakingLevel": true, "excludeBots": true,
            "lowestMatchmakingLevel": lowest, "defaultMatchmakingLevel": 6,
        }})
    };
    for (lowest, is_strict, meets) in [(5, false, false), (3, true, false), (3, false, true)] {
        bob.done(&mut world, "users", &profile(lowest));
        let wanted = json!({"type": "live", "level": 6, "strictMatching": is_strict});
        request(&bob, &mut world, &wanted);
        let status = session(&bob, &mut world)["status"].clone();
        assert_eq!(status == "playing", meets);
        if !meets {
            bob.done(&mut world, "games/cancel_request_level", &json!({}));
        }
    }
    assert_eq!(balance(&bob, &mut world), 500 - 8, "the stake is that of the level played");
    world.state.audit().unwrap();
}

#[test]
fn who_joins_before_the_start_is_paired_when_it_starts() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let event = |join_type: &str| {
        json!({"event": {"name": "cup", "type": "adhocQF", "joinType": join_type,
            "startTs": "2024-04-01T00:01:00.000Z", "endTs": "2024-04-01T01:00:00.000Z"}})
    };
    let created = ada.done(&mut world, "testing/special_events", &event("preJoin"));
    let join = json!({"eventId": created["_id"]});
    ada.done(&mut world, "special_events/join", &join);
    bob.done(&mut world, "special_events/join", &join);
    assert_eq!(session(&ada, &mut world), Value::Null);
    world.wait(60);
    assert_eq!(session(&ada, &mut world)["opponent"]["username"], "load_00002");
    let created = ada.done(&mut world, "testing/special_events", &event("admin"));
    let join = json!({"eventId": created["_id"]});
    assert_eq!(ada.post(&mut world, "special_events/join", &join).0, 409);
}

#[test]
fn nobody_plays_with_money_that_it_does_not_have() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    bob.done(&mut world, "users/set_balance", &json!({"amount": 15}));
    request(&ada, &mut world, &live(5));
    let (status, refusal) = bob.post(&mut world, "games/request_match", &live(5));
    assert_eq!((status, &refusal["error"]["code"]), (409, &json!(6)));
    assert_eq!(session(&bob, &mut world), Value::Null);
    assert_eq!(session(&ada, &mut world)["status"], "waiting_opponent");
    ada.done(&mut world, "games/cancel_request_level", &json!({}));
    let challenge = json!({"type": "challenge", "level": 5, "username": "load_00002"});
    let session_id = json!({"sessionId": request(&ada, &mut world, &challenge)});
    assert_eq!(bob.post(&mut world, "games/accept_match", &session_id).0, 409);
    world.state.audit().unwrap();
}

#[test]
fn a_level_takes_its_rank_and_a_game_is_for_its_players_only() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    bob.done(&mut world, "users/set_xp", &json!({"xp": 0}));
    assert_eq!(bob.post(&mut world, "games/request_match", &live(1)).0, 409);
    request(&ada, &mut world, &json!({"type": "arcade", "level": 0}));
    let game = session(&ada, &mut world);
    assert_eq!(bob.get(&mut world, &path(&game, "")).0, 404);
    assert_eq!(bob.get(&mut world, &path(&game, "/watch")).0, 200);
    assert_eq!(bob.get(&mut world, "games/g99").0, 404);
}

#[test]
fn entrants_of_an_event_are_paired_and_play_until_one_is_left() {
    let mut world = World::new(Rules::default());
    let (ada, bob) = (world.user(1), world.user(2));
    let end = json!({"name": "cup", "type": "adhoc", "joinCost": 10,
        "endTs": "2024-04-01T00:10:00.000Z"});
    let created = ada.done(&mut world, "testing/special_events", &json!({"event": end}));
    let join = json!({"eventId": created["_id"]});
    ada.done(&mut world, "special_events/join", &join);
    assert_eq!(session(&ada, &mut world), Value::Null);
    bob.done(&mut world, "special_events/join", &join);
    let game = session(&ada, &mut world);
    assert_eq!(game["specialEventData"]["id"], created["_id"]);
    assert_eq!((&game["type"], &game["status"]), (&json!("challenge"), &json!("playing")));
    load(&ada, &mut world, &game);
    answer(&ada, &mut world, &game, 1, 2);
    world.wait(601);
    // The round was not answered by bob in time; by then the event has ended, and ada leads.
    let lists = bob.data(&mut world, "special_events");
    let own = lists["current"].as_array().expect("a list").iter();
    let cup = own.clone().find(|event| event["name"] == "cup").expect("until the prize is claimed");
    assert_eq!(cup["userStatus"], "RunnerUp");
    ada.done(&mut world, "special_events/claim", &join);
    world.state.audit().unwrap();
}

#[test]
fn an_entrant_alone_plays_the_computer_and_who_wins_plays_again() {
    for seed in 0..20 {
        let mut world = World::new(Rules { seed, ..Rules::default() });
        let ada = world.user(1);
        let created = ada.done(
            &mut world,
            "testing/special_events",
            &json!({"event": {"name": "cup", "type": "adhoc", "joinCost": 0}}),
        );
        let join = json!({"eventId": created["_id"]});
        ada.done(&mut world, "special_events/join", &join);
        world.wait(8);
        let game = session(&ada, &mut world);
        assert_eq!(game["opponent"]["isBot"], true);
        load(&ada, &mut world, &game);
        let event = format!("special_events/{}", created["_id"].as_str().unwrap());
        for round in 1..=3 {
            if session(&ada, &mut world)["status"] == "completed" {
                break;
            }
            answer(&ada, &mut world, &game, round, 4 - round);
            world.wait(5);
        }
        let result = ada.data(&mut world, &path(&game, ""));
        let has_won = result["data"]["gameStatus"]["winStatus"] == "won";
        let status = ada.data(&mut world, &event)["userStatus"].clone();
        assert_eq!(status, if has_won { "Active" } else { "Eliminated" }, "SEED={seed}");
        ada.done(&mut world, "games/acknowledge_match", &json!({"sessionId": game["id"]}));
        world.wait(8);
        assert_eq!(session(&ada, &mut world).is_null(), !has_won, "SEED={seed}");
        let score = ada.data(
            &mut world,
            &format!("users/leaderboard?type=AdHocScore&id={}", created["_id"].as_str().unwrap()),
        );
        assert_eq!(score[0]["score"], u64::from(has_won), "SEED={seed}");
        if !has_won {
            ada.done(&mut world, "special_events/rejoin", &join);
        }
    }
}

#[test]
fn a_clean_slate_gives_all_stakes_back() {
    let mut world = World::new(Rules::default());
    let clients: Vec<Client> = (0..4).map(|number| world.user(number)).collect();
    request(&clients[0], &mut world, &live(5));
    request(&clients[1], &mut world, &live(5));
    request(&clients[2], &mut world, &live(4));
    let challenge = json!({"type": "challenge", "level": 3, "username": "load_00000"});
    request(&clients[3], &mut world, &challenge);
    clients[0].done(&mut world, "testing/users/clean_sessions", &json!({}));
    for client in &clients {
        assert_eq!((session(client, &mut world), balance(client, &mut world)), (Value::Null, 500));
    }
    world.wait(1_000);
    clients[0].data(&mut world, "users");
    world.state.audit().unwrap();
}

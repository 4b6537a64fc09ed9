//! Short stories told to `handle` in virtual time: what a client asks and what it sees.
//!
//! Tests only. `Client` speaks as a bot does; time is a number that the story moves.

mod crowd;
mod games;

use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::{Delivery, Faults, Method, Request, Response, Rules, State, handle};

pub(super) const SECOND: u64 = 1_000_000;

/// An API and the time there.
pub(super) struct World {
    pub(super) state: State,
    pub(super) now_us: u64,
}

impl World {
    pub(super) fn new(rules: Rules) -> Self {
        Self { state: State::new(rules), now_us: 0 }
    }

    pub(super) fn send(&mut self, request: &Request<'_>) -> Response {
        handle(&mut self.state, request, self.now_us)
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now_us += seconds * SECOND;
    }

    pub(super) fn cognito(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let response = self.send(&Request {
            method: Method::Post,
            target: "/",
            authorization: None,
            amz_target: Some(&target),
            body: body.to_string().as_bytes(),
        });
        (response.status, parsed(&response))
    }

    /// What `/_stats` says.
    pub(super) fn stats(&mut self) -> Value {
        let response = self.send(&Request {
            method: Method::Get,
            target: "/_stats",
            authorization: None,
            amz_target: None,
            body: b"",
        });
        parsed(&response)
    }

    /// Signs up and logs in.
    pub(super) fn log_in(&mut self, number: u32) -> Client {
        let phone = format!("+1000555{number:04}");
        self.cognito("SignUp", &json!({"Username": phone, "Password": "Password1!"}));
        let (_, challenge) = self.cognito(
            "InitiateAuth",
            &json!({"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": phone}}),
        );
        let responses = json!({"USERNAME": phone, "ANSWER": "123456"});
        let (status, result) = self.cognito(
            "RespondToAuthChallenge",
            &json!({
                "ChallengeName": "CUSTOM_CHALLENGE",
                "Session": challenge["Session"],
                "ChallengeResponses": responses,
            }),
        );
        assert_eq!(status, 200, "{result}");
        Client { username: format!("load_{number:05}"), ..Client::new(&result) }
    }

    /// A user as a load test sets it up.
    pub(super) fn user(&mut self, number: u32) -> Client {
        let client = self.log_in(number);
        client.post(self, "users/register", &json!({}));
        client.post(self, "users/activate", &json!({"username": client.username}));
        client.post(self, "users/set_xp", &json!({"xp": 1_734}));
        client.post(self, "users/set_balance", &json!({"amount": 500}));
        client.post(self, "users/set_secondary_balance", &json!({"amount": 100}));
        client.post(self, "users/add_item", &json!({"item": "BasicSpin", "quantity": 1_000}));
        client
    }
}

/// Someone with tokens.
pub(super) struct Client {
    pub(super) username: String,
    access_token: String,
    refresh_token: Value,
}

impl Client {
    fn new(result: &Value) -> Self {
        let tokens = &result["AuthenticationResult"];
        Self {
            username: String::new(),
            access_token: format!("Bearer {}", tokens["AccessToken"].as_str().unwrap()),
            refresh_token: tokens["RefreshToken"].clone(),
        }
    }

    pub(super) fn get(&self, world: &mut World, path: &str) -> (u16, Value) {
        self.call(world, Method::Get, path, b"")
    }

    pub(super) fn post(&self, world: &mut World, path: &str, body: &Value) -> (u16, Value) {
        self.call(world, Method::Post, path, body.to_string().as_bytes())
    }

    /// What a call that is to succeed answers.
    pub(super) fn done(&self, world: &mut World, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(world, path, body);
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    }

    pub(super) fn data(&self, world: &mut World, path: &str) -> Value {
        let (status, answer) = self.get(world, path);
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    }

    /// Sends anything anywhere; returns the status.
    pub(super) fn send(&self, world: &mut World, method: Method, target: &str, body: &[u8]) -> u16 {
        let authorization = Some(&*self.access_token);
        let amz_target = Some("AWSCognitoIdentityProviderService.SignUp");
        world.send(&Request { method, target, authorization, amz_target, body }).status
    }

    fn call(&self, world: &mut World, method: Method, path: &str, body: &[u8]) -> (u16, Value) {
        let response = world.send(&Request {
            method,
            target: &format!("/api/v1/{path}"),
            authorization: Some(&self.access_token),
            amz_target: None,
            body,
        });
        (response.status, parsed(&response))
    }
}

fn parsed(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn a_new_account_has_no_user_until_it_registers_and_activates() {
    let mut world = World::new(Rules::default());
    let client = world.log_in(1);
    let (status, answer) = client.post(&mut world, "users/session_start", &json!({}));
    assert_eq!((status, &answer["error"]["code"]), (404, &json!(5)));
    let user = client.done(&mut world, "users/register", &json!({}));
    assert_eq!(user["inviteData"]["status"], "invited");
    let user = client.done(&mut world, "users/activate", &json!({"username": "ada"}));
    assert_eq!(
        (&user["inviteData"]["status"], &user["username"]),
        (&json!("playing"), &json!("ada"))
    );
    assert_eq!(client.data(&mut world, "users?projection=standard"), user);
    assert_eq!(client.post(&mut world, "users/register", &json!({})).0, 409);
}

#[test]
fn a_user_is_as_it_was_left_when_it_comes_back() {
    let mut world = World::new(Rules::default());
    let user = world.user(1).data(&mut world, "users");
    world.wait(100);
    let again = world.log_in(1).done(&mut world, "users/session_start", &json!({}));
    assert_eq!(again, user);
    assert_eq!((&again["rank"], &again["account"]), (&json!(20), &json!(500)));
}

#[test]
fn a_username_belongs_to_one_user() {
    let mut world = World::new(Rules::default());
    let (first, second) = (world.user(1), world.user(2));
    let taken = json!({"username": first.username});
    assert_eq!(second.post(&mut world, "users/activate", &taken).0, 409);
    let path = format!("users/find?username={}&exact=True", first.username);
    assert_eq!(second.data(&mut world, &path)[0]["username"], json!(first.username));
    first.done(&mut world, "users/activate", &json!({"username": "free"}));
    assert_eq!(second.data(&mut world, &path), json!([]));
    second.done(&mut world, "users/activate", &taken);
}

#[test]
fn tokens_expire_and_are_refreshed() {
    let token_lifetime = Duration::from_secs(60);
    let mut world = World::new(Rules { token_lifetime, ..Rules::default() });
    let client = world.user(1);
    world.wait(59);
    assert_eq!(client.get(&mut world, "users").0, 200);
    world.wait(1);
    let (status, answer) = client.get(&mut world, "users");
    assert_eq!((status, &answer["error"]["code"]), (401, &json!(2)));
    let parameters = json!({"USERNAME": "any", "REFRESH_TOKEN": client.refresh_token});
    let refresh = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": parameters});
    let (status, result) = world.cognito("InitiateAuth", &refresh);
    assert_eq!((status, &result["AuthenticationResult"]["ExpiresIn"]), (200, &json!(60)));
    assert_eq!(result["AuthenticationResult"].get("RefreshToken"), None);
    assert_eq!(Client::new(&result).get(&mut world, "users").0, 200);
}

#[test]
fn only_tokens_that_were_issued_are_good() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let good = client.access_token.clone();
    let forged = good.replace("access.0.", "access.1.");
    for token in ["", "Bearer ", "Bearer x", &good[7..], &forged, &format!("{good}0")] {
        let client = Client { access_token: token.to_owned(), ..Client::new_like(&client) };
        assert_eq!(client.get(&mut world, "users").0, 401, "{token}");
    }
    let refresh = Client {
        access_token: format!("Bearer {}", client.refresh_token.as_str().unwrap()),
        ..Client::new_like(&client)
    };
    assert_eq!(refresh.get(&mut world, "users").0, 401);
}

impl Client {
    fn new_like(other: &Self) -> Self {
        Self {
            username: other.username.clone(),
            access_token: other.access_token.clone(),
            refresh_token: other.refresh_token.clone(),
        }
    }
}

#[test]
fn cognito_refuses_what_is_wrong_with_a_type() {
    let mut world = World::new(Rules::default());
    world.log_in(1);
    let phone = "+10005550001";
    let kind = |world: &mut World, operation: &str, body: Value| {
        let (status, answer) = world.cognito(operation, &body);
        assert_eq!(status, 400);
        answer["__type"].as_str().unwrap().to_owned()
    };
    let again = json!({"Username": phone, "Password": "Password1!"});
    assert_eq!(kind(&mut world, "SignUp", again), "UsernameExistsException");
    let unknown = json!({"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "+1"}});
    assert_eq!(kind(&mut world, "InitiateAuth", unknown), "UserNotFoundException");
    let respond = json!({
        "ChallengeName": "CUSTOM_CHALLENGE",
        "Session": "login.0.0.0",
        "ChallengeResponses": {"USERNAME": phone, "ANSWER": "123456"},
    });
    assert_eq!(kind(&mut world, "RespondToAuthChallenge", respond), "NotAuthorizedException");
    assert_eq!(kind(&mut world, "DeleteUser", json!({})), "UnknownOperationException");
    assert_eq!(kind(&mut world, "SignUp", json!([])), "SerializationException");
}

#[test]
fn cognito_throttles_above_its_rate() {
    let mut world = World::new(Rules { auth_per_sec_max: Some(3), ..Rules::default() });
    world.log_in(1);
    let sign_up = json!({"Username": "+1", "Password": "Password1!"});
    let (status, answer) = world.cognito("SignUp", &sign_up);
    assert_eq!((status, &answer["__type"]), (400, &json!("TooManyRequestsException")));
    world.wait(1);
    assert_eq!(world.cognito("SignUp", &sign_up).0, 200);
}

#[test]
fn unknown_paths_and_wrong_methods_are_told_apart() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    assert_eq!(client.get(&mut world, "nothing").0, 404);
    assert_eq!(client.get(&mut world, "users/register").0, 405);
    assert_eq!(client.call(&mut world, Method::Other, "users", b"").0, 405);
    assert_eq!(client.call(&mut world, Method::Post, "users/set_xp", b"{").0, 400);
    assert_eq!(client.call(&mut world, Method::Post, "users/set_xp", &[b' '; 70_000]).0, 413);
}

#[test]
fn a_broken_answer_is_the_first_half_of_the_right_one() {
    let whole = World::new(Rules::default()).send(&STARTUP);
    let faults = Faults::parse("badjson=100%").unwrap();
    let broken = World::new(Rules { faults, ..Rules::default() }).send(&STARTUP);
    assert_eq!(broken.status, 200);
    assert_eq!(broken.body, whole.body[..whole.body.len() / 2]);
    assert!(serde_json::from_slice::<Value>(&broken.body).is_err());
}

#[test]
fn a_request_that_is_reset_was_carried_out_and_one_answered_503_was_not() {
    for (list, registered) in [("reset=100%", true), ("status=100%", false)] {
        let mut world = World::new(Rules::default());
        let client = world.log_in(1);
        world.state.rules.faults = Faults::parse(list).unwrap();
        let response = world.send(&Request {
            method: Method::Post,
            target: "/api/v1/users/register",
            authorization: Some(&client.access_token),
            amz_target: None,
            body: b"{}",
        });
        assert_eq!(response.delivery == Delivery::Reset, registered);
        assert_eq!(response.status, if registered { 200 } else { 503 });
        world.state.rules.faults = Faults::default();
        let status = client.post(&mut world, "users/session_start", &json!({})).0;
        assert_eq!(status == 200, registered, "{list}");
    }
}

#[test]
fn probes_meet_no_faults() {
    let faults = Faults::parse("status=100%,slow=100%:1s").unwrap();
    let mut world = World::new(Rules { faults, ..Rules::default() });
    let response = world.send(&Request { method: Method::Get, target: "/health", ..STARTUP });
    assert_eq!((response.status, response.delay_us), (200, 0));
    let response = world.send(&STARTUP);
    assert_eq!((response.status, response.delay_us), (503, SECOND));
}

#[test]
fn every_request_is_counted_once_whatever_became_of_it() {
    let faults = Faults::parse("status=10%,reset=10%,slow=10%:1s,badjson=10%").unwrap();
    let mut world = World::new(Rules { faults, seed: 3, ..Rules::default() });
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..1_000 {
        let response = world.send(&STARTUP);
        let status = match response.delivery {
            Delivery::Whole => response.status.to_string(),
            Delivery::Reset => "reset".to_owned(),
        };
        *seen.entry(status).or_insert(0) += 1;
    }
    let stats = world.stats();
    assert_eq!(stats, world.stats());
    assert_eq!(stats["requests"], 1_000);
    assert_eq!(stats["audit_error"], Value::Null);
    assert_eq!(stats["by_status"], json!({"200": seen["200"], "503": seen["503"]}));
    assert_eq!(stats["resets"], seen["reset"]);
    assert_eq!(stats["faults"]["reset"], seen["reset"]);
    assert_eq!(stats["faults"]["status"], seen["503"]);
    assert_eq!(stats["routes"]["POST /api/v1/startup"]["requests"], 1_000);
}

const STARTUP: Request<'static> = Request {
    method: Method::Post,
    target: "/api/v1/startup",
    authorization: None,
    amz_target: None,
    body: br#"{"foregrounded":false,"installed":false}"#,
};

#[test]
fn spins_and_goals_and_cash_outs_move_money_and_make_none() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let spun = client.done(&mut world, "users/use_item", &json!({"itemType": "BasicSpin"}));
    assert!(spun["account"].as_u64().unwrap() > 500);
    assert_eq!(spun["inventory"][0]["quantity"], 900);
    let (status, _) = client.post(&mut world, "users/use_item", &json!({"itemType": "BasicSpin"}));
    assert_eq!(status, 409, "the wheel rests");
    world.wait(60);
    client.done(&mut world, "users/use_item", &json!({"itemType": "BasicSpin"}));
    world.state.audit().unwrap();

    assert_eq!(client.data(&mut world, "users/progress_trackers")["goals"][1]["state"], "Active");
    let goal = json!({"progressTrackerId": 1});
    let user = client.done(&mut world, "users/progress_trackers/claim", &goal);
    assert_eq!(user["secondaryAccount"], 110);
    assert_eq!(client.post(&mut world, "users/progress_trackers/claim", &goal).0, 409);
    world.state.audit().unwrap();

    let cash_out = json!({"desiredCharityAmount": 300, "desiredPlayerAmount": 900});
    assert_eq!(client.post(&mut world, "users/cashout_finish", &cash_out).0, 409);
    client.done(&mut world, "users/set_balance", &json!({"amount": 1_500}));
    let start = client.done(&mut world, "users/cashout_start", &json!({}));
    assert_eq!(start["isAllowed"], true);
    let user = client.done(&mut world, "users/cashout_finish", &cash_out);
    assert_eq!(user["account"], 300);
    world.state.audit().unwrap();
}

#[test]
fn an_event_opens_closes_and_pays_its_pool_by_the_clock() {
    let mut world = World::new(Rules::default());
    let (winner, second) = (world.user(1), world.user(2));
    let event = json!({"event": {
        "name": "cup", "type": "adhoc", "startTs": "2024-04-01T00:01:00.000Z",
        "closeTs": "2024-04-01T00:02:00.000Z", "endTs": "2024-04-01T00:03:00.000Z",
        "joinCost": 50, "prizePoolTotal": "100",
    }});
    let created = winner.done(&mut world, "testing/special_events", &event);
    let join = json!({"eventId": created["_id"]});
    assert_eq!(winner.post(&mut world, "special_events/join", &join).0, 409, "not open yet");
    world.wait(60);
    let user = winner.done(&mut world, "special_events/join", &join);
    assert_eq!(user["account"], 450);
    second.done(&mut world, "special_events/join", &join);
    world.state.audit().unwrap();
    world.wait(60);
    let late = world.user(3);
    assert_eq!(late.post(&mut world, "special_events/join", &join).0, 409, "closed");
    world.wait(60);
    let user = winner.done(&mut world, "special_events/claim", &join);
    assert_eq!(user["account"], 450 + 140);
    let user = second.done(&mut world, "special_events/claim", &join);
    assert_eq!(user["account"], 450 + 60);
    assert_eq!(second.post(&mut world, "special_events/claim", &join).0, 409);
    world.state.audit().unwrap();
    let lists = winner.data(&mut world, "special_events");
    assert_eq!(lists["last"][0]["name"], "cup");
    assert_eq!(lists["last"][0]["userStatus"], "Claimed");
}

#[test]
fn hidden_events_are_found_by_their_code_only() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let event = json!({"event": {
        "name": "Private 0001", "type": "adhoc", "isHidden": true, "inviteCode": "INVITE0001_t-1",
    }});
    let created = client.done(&mut world, "testing/special_events", &event);
    let path = format!("special_events/{}", created["_id"].as_str().unwrap());
    assert_eq!(client.get(&mut world, &path).0, 404);
    let found = client.data(&mut world, "special_events/invite_only/INVITE0001%5Ft-1");
    assert_eq!(found["id"], created["_id"]);
    assert_eq!(found["end"], "9999-12-31T00:00:00.000Z");
    let join = json!({"eventId": found["id"], "inviteCode": "INVITE0002_t-1"});
    assert_eq!(client.post(&mut world, "special_events/join", &join).0, 409);
    let join = json!({"eventId": found["id"], "inviteCode": "INVITE0001_t-1"});
    client.done(&mut world, "special_events/join", &join);
    assert_eq!(client.data(&mut world, &path)["userStatus"], "Active");
}

#[test]
fn standing_events_follow_one_another() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let running = |world: &mut World| {
        let lists = client.data(world, "special_events");
        assert_eq!(lists["next"].as_array().unwrap().len(), 2);
        let current = lists["current"].as_array().unwrap().clone();
        current.iter().map(|event| event["start"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(running(&mut world), ["2024-04-01T00:00:00.000Z", "2024-04-01T00:00:00.000Z"]);
    world.state.rules.token_lifetime = Duration::from_secs(1_000_000);
    let client = world.log_in(1);
    world.wait(25 * 3_600 + 1);
    let lists = client.data(&mut world, "special_events");
    assert_eq!(lists["current"][0]["start"], "2024-04-02T01:00:00.000Z");
    assert_eq!(lists["next"].as_array().unwrap().len(), 2);
    assert_eq!(lists["last"].as_array().unwrap().len(), 10);
    world.state.audit().unwrap();
}

#[test]
fn tasks_wait_for_a_flag_that_the_first_of_them_sets() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let path = "testing/flags/run-1/setup";
    assert_eq!(client.data(&mut world, path), false);
    let flag = json!({"testId": "run-1", "key": "setup", "value": true});
    client.done(&mut world, "testing/flags", &flag);
    assert_eq!(client.data(&mut world, path), true);
    assert_eq!(client.data(&mut world, "testing/flags/run-2/setup"), false);
}

#[test]
fn a_test_finds_running_events_and_cancels_them() {
    let mut world = World::new(Rules::default());
    let client = world.user(1);
    let filter = "testing/special_events?filter=%7B%22status%22%3A%22running%22%7D";
    let running = client.data(&mut world, filter);
    assert_eq!(running.as_array().unwrap().len(), 2);
    for event in running.as_array().unwrap() {
        let path = format!("testing/special_events/{}/cancel", event["_id"].as_str().unwrap());
        client.done(&mut world, &path, &json!({}));
    }
    assert_eq!(client.data(&mut world, filter), json!([]));
    assert_eq!(client.data(&mut world, "special_events")["current"], json!([]));
    world.state.audit().unwrap();
}

#[test]
fn a_leaderboard_ranks_by_score_and_is_computed_every_five_seconds() {
    let mut world = World::new(Rules::default());
    let clients: Vec<Client> = (0..5).map(|number| world.user(number)).collect();
    clients[3].done(&mut world, "users/set_balance", &json!({"amount": 900}));
    let path = "users/leaderboard?type=CurrentBalance&offset=0&limit=2";
    let rows = clients[0].data(&mut world, path);
    assert_eq!(
        rows,
        json!([
            {"place": 1, "username": "load_00003", "score": 900},
            {"place": 2, "username": "load_00000", "score": 500},
        ])
    );
    clients[4].done(&mut world, "users/set_balance", &json!({"amount": 901}));
    world.wait(4);
    assert_eq!(clients[0].data(&mut world, path), rows);
    world.wait(1);
    assert_eq!(clients[0].data(&mut world, path)[0]["username"], "load_00004");
    assert_eq!(clients[0].get(&mut world, "users/leaderboard?type=Luck").0, 404);
    assert_eq!(clients[0].data(&mut world, "users/active_count")["count"], 5);
}

#[test]
fn the_same_requests_at_the_same_times_get_the_same_bytes() {
    let story = |seed: u64| {
        let faults = Faults::parse("status=5%,reset=5%,badjson=5%,slow=5%:10ms").unwrap();
        let mut world = World::new(Rules { seed, ..Rules::default() });
        let clients: Vec<Client> = (0..20).map(|number| world.user(number)).collect();
        world.state.rules.faults = faults;
        let mut responses = Vec::new();
        for round in 0..50 {
            for client in &clients {
                world.now_us += 12_345;
                let path = ["users", "special_events", "users/find_challengees"][round % 3];
                responses.push(world.send(&Request {
                    method: Method::Get,
                    target: &format!("/api/v1/{path}"),
                    authorization: Some(&client.access_token),
                    amz_target: None,
                    body: b"",
                }));
            }
        }
        responses
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

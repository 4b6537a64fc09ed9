//! What the TallyUp bot sends, endpoint by endpoint, and what the stand-in API answers.
//!
//! The table is the API's contract: method, path, query, body, and what a client reads of the
//! answer. A crowd plays against the stand-in; each of its requests must be in the table with
//! exactly the headers, parameters and fields that are due, each line of the table must be asked
//! for, and the answers must have every field.

mod drive;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drive::crowd::{Look, Play, Preparation, play};
use serde_json::Value;
use tallyho::demo::{Delivery, Method, Request, Response};

/// Method, path (`*` is any segment), query (`?` ends a key that may be missing, `*` is any value),
/// body (a text stands for any value of the type that it names), and what is read of the answer,
/// from `data` on, by JSON pointer.
type Endpoint = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const USER: &[&str] = &[
    "/account",
    "/secondaryAccount",
    "/rank",
    "/profile",
    "/inventory/0/itemType",
    "/inviteData/status",
    "/available_games/AsteroidGame/isUnlocked",
    "/sessions",
];
/// An account that has been there before has sessions, one that starts has none.
const USER_WITH_SESSIONS: &[&str] = &[
    "/account",
    "/profile/excludeBots",
    "/profile/useDefaultMatchmakingLevel",
    "/inventory/0/quantity",
    "/inventory/0/nextUseTs",
    "/sessions/0/id",
    "/sessions/0/type",
    "/sessions/0/status",
    "/sessions/0/isLive",
    "/sessions/0/requiresAction",
    "/sessions/0/gameId",
    "/sessions/0/matchedLevelValue",
    "/sessions/0/opponent/username",
    "/sessions/0/specialEventData/id",
];
const NOTHING: &[&str] = &[];
const EVENT: &[&str] = &[
    "/id",
    "/name",
    "/type",
    "/userStatus",
    "/isHidden",
    "/hasInviteCode",
    "/close",
    "/end",
    "/joinCost",
    "/joinCurrency",
    "/userNextRejoinCost",
    "/userRejoinCurrency",
];
const GAME: &[&str] = &[
    "/type",
    "/isBot",
    "/status",
    "/level",
    "/data/gameStatus/roundNumber",
    "/data/gameStatus/winStatus",
    "/data/currentRoundData/roundNumber",
    "/data/player/currentRoundData/playerState/water",
    "/data/player/currentRoundData/playerState/buttons/0/value",
];
const PAGE: &str = "type=* id?=* offset=0 limit=40";
const LEVEL: &str = r#"{"type": "text", "level": "number", "username?": "text",
    "strictMatching": false, "botsOnly": false, "gameType": null}"#;
const ITEM: &str = r#"{"item": "text", "quantity": "number"}"#;
const SESSION: &str = r#"{"sessionId": "text"}"#;
const CASH_OUT: &str = r#"{"charityPercent": "number", "desiredCharityAmount": "number",
    "desiredPlayerAmount": "number", "payee": "text"}"#;

const ENDPOINTS: &[Endpoint] = &[
    ("POST", "startup", "", r#"{"foregrounded": false, "installed": false}"#, NOTHING),
    ("POST", "users/session_start", "", "{}", USER),
    ("POST", "users/register", "", "{}", &["/inviteData/status"]),
    ("POST", "users/activate", "", r#"{"username": "text"}"#, &["/inviteData/status"]),
    ("POST", "users/set_xp", "", r#"{"xp": 1734}"#, &["/rank"]),
    ("POST", "users/unlock_game", "", r#"{"game": "text"}"#, &["/available_games"]),
    ("POST", "users/set_balance", "", r#"{"amount": 1500}"#, &["/account"]),
    ("POST", "users/set_secondary_balance", "", r#"{"amount": 100}"#, &["/secondaryAccount"]),
    ("POST", "users/add_item", "", ITEM, &["/inventory/0/itemType"]),
    ("GET", "users", "projection?=*", "", USER_WITH_SESSIONS),
    ("POST", "users", "", r#"{"profile": "object"}"#, NOTHING),
    ("GET", "users/progress_trackers", "", "", &["/goals/0/id", "/goals/0/state"]),
    ("POST", "users/progress_trackers/claim", "", r#"{"progressTrackerId": "number"}"#, USER),
    ("GET", "users/active_count", "", "", NOTHING),
    ("GET", "users/stats", "", "", NOTHING),
    ("GET", "users/find", "username=* allowBots=True projection=brief exact=True", "", &["/0"]),
    ("GET", "users/find_stats", "username=*", "", NOTHING),
    ("GET", "users/find_challengees", "", "", &["/users/0/username"]),
    ("GET", "users/leaderboard", PAGE, "", NOTHING),
    ("POST", "users/set_inviter", "", r#"{"inviter": "text"}"#, USER),
    ("POST", "users/use_item", "", r#"{"itemType": "text"}"#, USER),
    ("POST", "users/cashout_start", "", "{}", &["/isAllowed"]),
    ("POST", "users/cashout_finish", "", CASH_OUT, USER),
    ("POST", "ads/start", "", "{}", NOTHING),
    ("POST", "ads/finish", "", "{}", NOTHING),
    ("GET", "config/towerdata", "", "", &["/0/0/level", "/0/0/available", "/0/0/unlocksAtRank"]),
    ("GET", "config/appData", "", "", NOTHING),
    ("GET", "config/charitydata", "", "", NOTHING),
    ("GET", "special_events", "", "", &["/last/0/id", "/current/0/userStatus", "/next"]),
    ("GET", "special_events/*", "", "", EVENT),
    ("GET", "special_events/invite_only/*", "", "", EVENT),
    (
        "POST",
        "special_events/join",
        "",
        r#"{"eventId": "text", "inviteCode?": "text"}"#,
        USER_WITH_SESSIONS,
    ),
    ("POST", "special_events/rejoin", "", r#"{"eventId": "text"}"#, USER),
    ("POST", "special_events/claim", "", r#"{"eventId": "text", "claimant": "text"}"#, USER),
    ("GET", "feeds/activity", PAGE, "", &["/0/gameId"]),
    ("POST", "games/request_match", "", LEVEL, &["/user/sessions/0/id", "/sessionId"]),
    ("POST", "games/accept_match", "", SESSION, USER_WITH_SESSIONS),
    ("POST", "games/decline_match", "", SESSION, USER),
    ("POST", "games/acknowledge_match", "", SESSION, USER),
    ("POST", "games/cancel_request_level", "", "{}", NOTHING),
    ("GET", "games/*", "", "", GAME),
    ("GET", "games/*/watch", "", "", NOTHING),
    (
        "POST",
        "games/*/event",
        "",
        r#"{"event": {"type": "text", "data?": {"round": "number"}}}"#,
        GAME,
    ),
    ("POST", "games/*/answer", "", r#"{"answer": {"round": "number", "data": "number"}}"#, GAME),
    ("POST", "testing/flags", "", r#"{"testId": "local", "key": "setup", "value": "bool"}"#, &[]),
    ("GET", "testing/flags/local/setup", "", "", &[""]),
    ("GET", "testing/special_events", r#"filter={"status":"running"}"#, "", &["/0/_id"]),
    ("POST", "testing/special_events", "", r#"{"event": "object"}"#, NOTHING),
    ("POST", "testing/special_events/*/cancel", "", "{}", NOTHING),
    ("POST", "testing/users/clean_sessions", "", "{}", NOTHING),
];

/// Cognito's operations: the body, and what is read of the answer.
const COGNITO: &[(&str, &str, &[&str])] = &[
    (
        "SignUp",
        r#"{"ClientId": "load-test", "Username": "text", "Password": "Password1!",
            "UserAttributes": [{"Name": "phone_number", "Value": "text"}]}"#,
        NOTHING,
    ),
    (
        "InitiateAuth",
        r#"{"ClientId": "load-test", "AuthFlow": "text",
            "AuthParameters": {"USERNAME": "text", "REFRESH_TOKEN?": "text"}}"#,
        &["/Session", "/AuthenticationResult/AccessToken"],
    ),
    (
        "RespondToAuthChallenge",
        r#"{"ClientId": "load-test", "ChallengeName": "CUSTOM_CHALLENGE", "Session": "text",
            "ChallengeResponses": {"USERNAME": "text", "ANSWER": "123456"}}"#,
        &[
            "/AuthenticationResult/AccessToken",
            "/AuthenticationResult/ExpiresIn",
            "/AuthenticationResult/RefreshToken",
        ],
    ),
];

/// By endpoint, the pointers that answers had.
type Pointers = BTreeMap<String, BTreeSet<&'static str>>;

thread_local! {
    /// What was asked and answered; and what was wrong.
    static SEEN: RefCell<(Pointers, BTreeSet<String>)> = RefCell::default();
}

fn wrong(what: String) {
    SEEN.with_borrow_mut(|(_, wrong)| wrong.insert(what));
}

fn look(request: &Request<'_>, head: &str, response: &Response) {
    let method = if request.method == Method::Get { "GET" } else { "POST" };
    let body = std::str::from_utf8(request.body).expect("text");
    let (name, expected, pointers) = if let Some(path) = request.target.strip_prefix("/api/v1/") {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let is_it = |known: &&Endpoint| known.0 == method && is_path(known.1, path);
        // A path with fewer wildcards is the better fit.
        let found = ENDPOINTS.iter().filter(is_it).min_by_key(|known| known.1.matches('*').count());
        let Some((_, template, parameters, expected, pointers)) = found else {
            return wrong(format!("{method} {} is no endpoint", request.target));
        };
        if !is_query(parameters, query) {
            wrong(format!("{method} {path}: query {query}"));
        }
        api_head(method, path, head);
        (format!("{method} {template}"), *expected, *pointers)
    } else {
        let operation = request.amz_target.and_then(|target| target.rsplit('.').next());
        let found = COGNITO.iter().find(|known| Some(known.0) == operation);
        let Some((operation, expected, pointers)) = found else {
            return wrong(format!("{method} {} {operation:?}", request.target));
        };
        cognito_head(operation, head);
        (format!("cognito {operation}"), *expected, *pointers)
    };
    if !is_body(expected, body) {
        wrong(format!("{name}: body {body}"));
    }
    answered(name, pointers, response);
}

/// Which of the pointers this answer has.
fn answered(name: String, pointers: &[&'static str], response: &Response) {
    let is_whole = response.delivery == Delivery::Whole && response.status == 200;
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let data = if name.starts_with("cognito") { &json } else { &json["data"] };
    SEEN.with_borrow_mut(|(seen, _)| {
        let seen = seen.entry(name).or_default();
        seen.extend(pointers.iter().filter(|at| is_whole && data.pointer(at).is_some()));
    });
}

fn is_path(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(known, part)| *known == "*" || *known == part)
}

/// The keys in their order, with their values.
fn is_query(template: &str, query: &str) -> bool {
    let mut given = form_urlencoded::parse(query.as_bytes()).peekable();
    for known in template.split(' ').filter(|known| !known.is_empty()) {
        let (key, value) = known.split_once('=').expect("key=value");
        match given.next_if(|(given, _)| given == key.trim_end_matches('?')) {
            Some((_, given)) if value == "*" && !given.is_empty() || given == value => {}
            None if key.ends_with('?') => {}
            _ => return false,
        }
    }
    given.next().is_none()
}

fn is_body(template: &str, body: &str) -> bool {
    if template.is_empty() {
        return body.is_empty();
    }
    let template: Value = serde_json::from_str(template).expect("json");
    serde_json::from_str::<Value>(body).is_ok_and(|body| fits(&template, &body))
}

fn fits(template: &Value, value: &Value) -> bool {
    match template {
        Value::String(kind) => match kind.as_str() {
            "text" => value.as_str().is_some_and(|text| !text.is_empty()),
            "number" => value.is_number(),
            "bool" => value.is_boolean(),
            "object" => value.is_object(),
            _ => template == value,
        },
        Value::Object(known) => value.as_object().is_some_and(|fields| {
            let is_known =
                |key: &str| known.contains_key(key) || known.contains_key(&format!("{key}?"));
            fields.keys().all(|key| is_known(key))
                && known.iter().all(|(key, template)| match fields.get(key.trim_end_matches('?')) {
                    Some(value) => fits(template, value),
                    None => key.ends_with('?'),
                })
        }),
        Value::Array(known) => value.as_array().is_some_and(|items| {
            items.len() == known.len() && known.iter().zip(items).all(|(a, b)| fits(a, b))
        }),
        _ => template == value,
    }
}

fn header_lines(head: &str) -> Vec<(&str, &str)> {
    head.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k, v.trim())).collect()
}

/// Every call of the API has the same headers; before login the token is empty.
fn api_head(method: &str, path: &str, head: &str) {
    let mut lines = header_lines(head);
    let is_first = path == "startup";
    let mut expected = vec![
        ("Authorization", if is_first { "Bearer" } else { "Bearer access.*" }),
        ("X-TU-device-Id", "00000000-0000-0000-0000-0000000000*"),
        ("X-TU-Client-Version", "3.9.0"),
        ("X-TU-Server-Version", "3.10.1"),
        ("X-TU-OS-Version", "k6"),
    ];
    if method == "POST" {
        expected.push(("Content-Type", "application/json"));
    }
    let fits = |(name, value): (&str, &str), (known, template): (&str, &str)| {
        let start = template.strip_suffix('*');
        name == known && start.map_or(value == template, |start| value.starts_with(start))
    };
    // A bot's later sessions begin with the login of the one before.
    if is_first && lines.first().is_some_and(|first| first.1 != "Bearer") {
        expected[0].1 = "Bearer access.*";
    }
    let all = lines.len() == expected.len();
    let same = lines.drain(..).zip(expected).all(|(line, known)| fits(line, known));
    if !all || !same {
        wrong(format!("{method} {path}: headers {head}"));
    }
}

fn cognito_head(operation: &str, head: &str) {
    let target = format!("AWSCognitoIdentityProviderService.{operation}");
    let expected = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("x-amz-api-version", "2016-04-18"),
        ("x-amz-target", target.as_str()),
    ];
    if header_lines(head) != expected {
        wrong(format!("cognito {operation}: headers {head}"));
    }
}

#[test]
fn every_endpoint_is_asked_as_the_contract_says_and_answers_what_is_read() {
    let usual = Play {
        config: r#"{"playAsync": true, "enableDelays": true, "delayScale": 0.1, "vusMax": 40,
            "minBalance": 1500, "events": [
            {"type": "surge", "name": "Surge"}, {"type": "adhocBG", "name": "Best Of Three"},
            {"type": "adhoc", "name": "Short", "endTs": "1m", "joinCost": 5},
            {"type": "adhocQF", "name": "Quickfire"}, {"type": "adhocMini", "name": "Private 1",
            "isHidden": true, "inviteCode": "INVITE1"}]}"#,
        weights: &[
            ("homeScreen", "settings", 30_000),
            ("homeScreen", "walletDetails", 20_000),
            ("homeScreen", "playRandom", 10_000),
            ("socialScreen", "matchupAction", 200_000),
            ("gameOver", "matchupAgainst", 50_000),
        ],
        bots: 40,
        duration: Duration::from_secs(400),
        look: Some(look as Look),
        ..Play::default()
    };
    play(&usual);
    // Excluding computer opponents a bot alone waits in vain, and takes its request back.
    let alone = &[("homeScreen", "playRandom", 900_000), ("homeScreen", "settings", 300_000)];
    play(&Play { bots: 1, weights: alone, duration: Duration::from_secs(3_600), ..usual.clone() });
    // Another task looks whether the first has prepared the test.
    let raise: fn(&str, &mut Vec<u8>) = |name, body| {
        if name.starts_with("testing/flags/") {
            *body = br#"{"data":true}"#.to_vec();
        }
    };
    play(&Play { bots: 0, task_index: 1, tamper: Some(raise), ..usual.clone() });
    let (seen, wrong) = SEEN.take();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let api = ENDPOINTS.iter().map(|known| (format!("{} {}", known.0, known.1), known.4));
    let cognito = COGNITO.iter().map(|known| (format!("cognito {}", known.0), known.2));
    for (name, pointers) in api.chain(cognito) {
        let seen = seen.get(&name).unwrap_or_else(|| panic!("{name} was never asked for"));
        let missing: Vec<_> = pointers.iter().filter(|at| !seen.contains(*at)).collect();
        assert!(missing.is_empty(), "{name}: no answer had {missing:?}");
    }
}

#[test]
fn the_look_at_the_target_s_health_is_a_plain_get() {
    let look: Look = |request, head, response| {
        if (request.method, request.target) != (Method::Get, "/health") || !head.is_empty() {
            wrong(format!("{} {head}", request.target));
        }
        let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if response.status != 200 || json.is_null() {
            wrong(format!("{} {json}", response.status));
        }
    };
    let duration = Duration::from_secs(60);
    let preparation = Preparation::None;
    let bot = "tallyup-health";
    let crowd = play(&Play { bot, look: Some(look), duration, preparation, ..Play::default() });
    assert_eq!(crowd.seen.requests["health"], 6, "every ten seconds");
    let (_, wrong) = SEEN.take();
    assert!(wrong.is_empty(), "{wrong:?}");
}

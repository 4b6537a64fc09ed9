//! What a scenario says about the bot, in the words of the original's config files.
//!
//! Numbers may be texts, as web forms send them. Keys that are not here are none of the bot's
//! business: whoever reads the file warns of them.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tallyho_replay::{Expected, Level};

use super::calendar::KnownEvents;
use super::documents::whole;

/// What a scenario says about the bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TallyUpConfig {
    /// Bots of each task: how far apart the account numbers of two tasks are.
    #[serde(deserialize_with = "whole")]
    pub(super) vus_max: u64,
    /// Whether delays are drawn from their range; without it each is as short as it can be.
    #[serde(deserialize_with = "flag")]
    pub(super) enable_delays: bool,
    /// What all delays are multiplied by.
    #[serde(rename = "delayScale", deserialize_with = "millionths")]
    pub(super) delay_scale_ppm: u64,
    /// Whether a bot beside the others looks at the target's health.
    #[serde(deserialize_with = "flag")]
    pub(super) heartbeat: bool,
    /// Whether bots visit events, challenges and the social screen.
    #[serde(deserialize_with = "flag")]
    pub(super) play_async: bool,
    /// Actions in a row that may do nothing.
    #[serde(deserialize_with = "whole")]
    pub(super) max_action_retries: u64,
    /// Hidden events that a bot joins at most.
    #[serde(deserialize_with = "whole")]
    pub(super) max_hidden_tournaments: u64,
    pub(super) client_version: String,
    pub(super) min_server_version: String,
    pub(super) log_levels: BTreeMap<String, LogLevel>,
    /// Special events that set-up creates. The console writes `null` for one that it cannot make.
    pub(super) events: Option<Vec<Option<Map<String, Value>>>>,
    /// What tells this test's flags and invite codes from another's.
    pub(super) test_id: String,
    /// The client of the Cognito user pool.
    pub(super) client_id: String,
    /// Where Cognito is; the target itself if there is none.
    pub(super) cognito_url: Option<String>,
    /// What paths of the API begin with.
    pub(super) api_path: String,
    /// Logins that one task begins per second; 0 for as many as come.
    #[serde(deserialize_with = "whole")]
    pub(super) logins_per_sec: u64,
    /// What a bot does when Cognito throttles it.
    pub(super) login_throttles: LoginThrottles,
    /// Whether a bot's next session goes on with its login.
    #[serde(deserialize_with = "flag")]
    pub(super) carry_logins: bool,
    /// Statuses besides 200 to 399 that are answers of the game's rules, not failures.
    pub(super) refusals: Vec<u16>,
    /// Money that every user has when a session starts.
    #[serde(deserialize_with = "whole")]
    pub(super) min_balance: u64,
    /// Pause after the test's events are cancelled, in seconds.
    #[serde(deserialize_with = "whole")]
    pub(super) set_up_pause_sec: u64,
    /// No setting: what the bots of a worker remember in common.
    #[serde(skip)]
    pub(super) known_events: KnownEvents,
}

impl Default for TallyUpConfig {
    fn default() -> Self {
        Self {
            vus_max: 0,
            enable_delays: false,
            delay_scale_ppm: MILLION,
            heartbeat: true,
            play_async: false,
            max_action_retries: 50,
            max_hidden_tournaments: 5,
            client_version: "3.9.0".to_owned(),
            min_server_version: "3.10.1".to_owned(),
            log_levels: BTreeMap::from([("*".to_owned(), LogLevel::WARN)]),
            events: None,
            test_id: "local".to_owned(),
            client_id: "load-test".to_owned(),
            cognito_url: None,
            api_path: "/api/v1/".to_owned(),
            // Cognito allows 120 authentication requests per second and user pool unless told
            // otherwise, and a login takes two.
            logins_per_sec: 50,
            login_throttles: LoginThrottles::BackOff,
            carry_logins: true,
            refusals: vec![404, 409],
            min_balance: 500,
            set_up_pause_sec: 15,
            known_events: KnownEvents::default(),
        }
    }
}

const MILLION: u64 = 1_000_000;

/// What a bot does when Cognito throttles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LoginThrottles {
    /// Tries again, later and later.
    BackOff,
    /// As the original: the session fails, and a threshold on the metric ends the run.
    Abort,
}

/// Down to which level a part of the bot logs: 0, critical, to 5, trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogLevel(u8);

impl LogLevel {
    const WARN: Self = Self(2);
    const INFO: Self = Self(3);

    const fn admits(self, level: Level) -> bool {
        let number = match level {
            Level::Error => 1,
            Level::Warn => 2,
            Level::Info => 3,
            Level::Debug => 4,
        };
        number <= self.0
    }
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const WORDS: [&str; 6] = ["critical", "error", "warn", "info", "debug", "trace"];
        let value = Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
        let by_word = WORDS.iter().position(|word| *word == text);
        let number = by_word.or_else(|| text.parse().ok()).filter(|number| *number < WORDS.len());
        number.and_then(|number| u8::try_from(number).ok()).map(Self).ok_or_else(|| {
            D::Error::custom(format!("no log level: {value}; expected one of {WORDS:?}"))
        })
    }
}

impl TallyUpConfig {
    /// Whether lines of this level from this part of the bot are wanted.
    pub(super) fn logs(&self, part: &str, level: Level) -> bool {
        let levels = &self.log_levels;
        levels.get(part).or_else(|| levels.get("*")).unwrap_or(&LogLevel::INFO).admits(level)
    }

    pub(super) fn expected(&self) -> Expected {
        let refusals = self.refusals.iter().map(|status| *status..=*status);
        Expected::new([200..=399].into_iter().chain(refusals).take(6)).unwrap_or_default()
    }

    /// An invite code as it is on the server: unique to the test.
    pub(super) fn invite_code(&self, code: &str) -> String {
        format!("{code}_{}", self.test_id)
    }

    /// The events that set-up creates.
    pub(super) fn events(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.events.iter().flatten().flatten()
    }

    /// The hidden events: names, and invite codes as they are on the server.
    pub(super) fn hidden_events(&self) -> impl Iterator<Item = (&str, String)> {
        self.events().filter_map(|event| {
            let is_hidden = event.get("isHidden").is_some_and(is_true);
            let (name, code) = (text(event, "name")?, text(event, "inviteCode")?);
            (is_hidden && !code.is_empty()).then(|| (name, self.invite_code(code)))
        })
    }

    /// The invite code of an event of that name, as it is on the server.
    pub(super) fn invite_code_of(&self, name: &str) -> Option<String> {
        let event = self.events().find(|event| text(event, "name") == Some(name))?;
        let code = text(event, "inviteCode").filter(|code| !code.is_empty())?;
        Some(self.invite_code(code))
    }
}

pub(super) fn text<'a>(event: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    event.get(key)?.as_str()
}

/// True, or the text of it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(is_true) => *is_true,
        Value::String(text) => text == "true",
        _ => false,
    }
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| is_true(&value))
}

/// A decimal number, or the text of one, in millionths.
fn millionths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let digits = format!("{whole}{:0<6}", fraction.get(..6).unwrap_or(fraction));
    digits.parse().map_err(|_| D::Error::custom(format!("delayScale: no number: {text}")))
}

/// What a session leaves to the bot's next one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TallyUpCarry {
    pub(super) tokens: Option<Tokens>,
    /// How often in a row Cognito has throttled this bot.
    pub(super) throttled: u32,
}

/// A login.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) access: tallyho_replay::Secret,
    pub(super) refresh: tallyho_replay::Secret,
    /// When it must be renewed, by the session clock.
    pub(super) renew_at_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> TallyUpConfig {
        serde_json::from_str(json).expect("a configuration")
    }

    #[test]
    fn a_file_of_the_console_is_read_with_its_numbers_as_texts() {
        let config = read(
            r#"{"vusMax": "200", "maxHiddenTournaments": "5", "playAsync": true, "delayScale": 0.1,
            "logLevels": {"*": "Info", "API": 0}, "events": [{"name": "Private 0001",
            "isHidden": true, "inviteCode": "INVITE0001"}], "testId": "abc"}"#,
        );
        assert_eq!((config.vus_max, config.max_hidden_tournaments), (200, 5));
        assert_eq!(config.delay_scale_ppm, 100_000);
        assert!(config.logs("Main", Level::Info) && !config.logs("API", Level::Error));
        let hidden: Vec<_> = config.hidden_events().collect();
        assert_eq!(hidden, [("Private 0001", "INVITE0001_abc".to_owned())]);
        assert_eq!(config.invite_code_of("Private 0001").as_deref(), Some("INVITE0001_abc"));
    }

    #[test]
    fn events_may_be_empty_or_absent() {
        for json in ["{}", r#"{"events": []}"#, r#"{"events": null}"#] {
            assert_eq!(read(json).events().count(), 0, "{json}");
        }
        let config = read(r#"{"events": [null, {"name": "a"}, null]}"#);
        assert_eq!(config.events().count(), 1, "the console makes seven of a kind, then null");
    }
}

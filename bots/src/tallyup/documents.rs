//! What the bot reads of the API's documents: its own views, and only what it decides by.
//!
//! Whatever is read is recorded, so a field here costs trace and memory; lists are boxed slices,
//! which have no room to spare, as a bot holds them for as long as it idles. Numbers may come as
//! whole numbers, as decimals or as texts; decimals are cut to whole numbers, which changes none of
//! the bot's comparisons.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::dates;

/// What every answer of the API is wrapped in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: Option<T>,
}

/// The part of an answer that says what is wrong.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ErrorEnvelope {
    #[serde(default)]
    pub(super) error: ApiError,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ApiError {
    #[serde(deserialize_with = "whole")]
    pub(super) code: u64,
    pub(super) msg: Box<str>,
}

/// Answers whose content decides nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unread {}

/// The bot's own account, as the server last said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct User {
    #[serde(deserialize_with = "whole")]
    pub(super) account: u64,
    #[serde(deserialize_with = "whole")]
    pub(super) secondary_account: u64,
    #[serde(deserialize_with = "whole")]
    pub(super) rank: u64,
    pub(super) profile: Profile,
    pub(super) invite_data: InviteData,
    #[serde(rename = "available_games")]
    pub(super) available_games: AvailableGames,
    pub(super) inventory: Box<[Item]>,
    pub(super) sessions: Box<[GameSession]>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Profile {
    pub(super) exclude_bots: bool,
    pub(super) use_default_matchmaking_level: bool,
    #[serde(deserialize_with = "whole")]
    pub(super) lowest_matchmaking_level: u64,
    #[serde(deserialize_with = "whole")]
    pub(super) default_matchmaking_level: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InviteData {
    pub(super) status: InviteStatus,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InviteStatus {
    /// The account has been activated.
    Playing,
    #[default]
    #[serde(other)]
    Other,
}

/// The games that a user of the test must have unlocked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct AvailableGames {
    pub(super) crystal_cave_game: Unlock,
    pub(super) shooting_gallery_game: Unlock,
    pub(super) asteroid_game: Unlock,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Unlock {
    pub(super) is_unlocked: bool,
}

/// Something that the user owns; quantities are in hundredths.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) item_type: ItemType,
    #[serde(deserialize_with = "whole")]
    pub(super) quantity: u64,
    /// When it can be used again, in ms since 1970.
    #[serde(default, deserialize_with = "date_ms")]
    pub(super) next_use_ts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ItemType {
    BasicSpin,
    MegaSpin,
    #[serde(other)]
    Other,
}

impl ItemType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::BasicSpin => "BasicSpin",
            Self::MegaSpin => "MegaSpin",
            Self::Other => "",
        }
    }
}

/// A match that the user is in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GameSession {
    pub(super) id: Box<str>,
    #[serde(rename = "type")]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) status: SessionStatus,
    #[serde(default)]
    pub(super) is_live: bool,
    #[serde(default)]
    pub(super) requires_action: bool,
    #[serde(default)]
    pub(super) game_id: Option<Box<str>>,
    #[serde(default, deserialize_with = "whole")]
    pub(super) matched_level_value: u64,
    #[serde(default)]
    pub(super) opponent: Option<Opponent>,
    #[serde(default)]
    pub(super) special_event_data: Option<EventLink>,
}

impl GameSession {
    /// The event it is part of.
    pub(super) fn event_id(&self) -> Option<&str> {
        self.special_event_data.as_ref().map(|event| &*event.id)
    }

    /// Whether it is a challenge that waits for the user's move.
    pub(super) fn is_required(&self) -> bool {
        self.requires_action
            && self.status == SessionStatus::Playing
            && self.mode == Mode::Challenge
    }

    /// Whether it is a match against this user, outside of events.
    pub(super) fn is_against(&self, username: &str) -> bool {
        let opponent = self.opponent.as_ref();
        self.mode == Mode::Challenge
            && self.special_event_data.is_none()
            && opponent.is_some_and(|opponent| &*opponent.username == username)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Live,
    Arcade,
    Challenge,
    #[serde(other)]
    Other,
}

impl Mode {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Arcade => "arcade",
            Self::Challenge => "challenge",
            Self::Other => "",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Issued,
    Received,
    Accepted,
    Rejected,
    WaitingOpponent,
    Confirmed,
    Playing,
    Completed,
    /// None at all, or one that this bot does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opponent {
    #[serde(default)]
    pub(super) username: Box<str>,
    #[serde(default)]
    pub(super) is_bot: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EventLink {
    #[serde(default)]
    pub(super) id: Box<str>,
}

/// The answer to a request for a match.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Matched {
    pub(super) user: User,
    pub(super) session_id: Box<str>,
}

/// A game under way.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Game {
    #[serde(rename = "type")]
    pub(super) game_type: Box<str>,
    pub(super) is_bot: bool,
    pub(super) data: Option<GameData>,
}

impl Game {
    pub(super) fn round(&self) -> Option<u64> {
        self.data.as_ref().map(|data| data.game_status.round_number)
    }

    pub(super) fn is_decided(&self) -> bool {
        self.data.as_ref().is_some_and(|data| data.game_status.win_status.is_some())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GameData {
    pub(super) game_status: GameStatus,
    pub(super) player: Player,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GameStatus {
    #[serde(deserialize_with = "whole")]
    pub(super) round_number: u64,
    pub(super) win_status: Option<Box<str>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Player {
    pub(super) current_round_data: PlayerRound,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PlayerRound {
    pub(super) player_state: PlayerState,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PlayerState {
    #[serde(deserialize_with = "whole")]
    pub(super) water: u64,
    pub(super) buttons: Vec<Button>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Button {
    #[serde(deserialize_with = "whole")]
    pub(super) value: u64,
    pub(super) is_active: bool,
}

/// The user's goals.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Trackers {
    pub(super) goals: Box<[Goal]>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Goal {
    #[serde(deserialize_with = "whole")]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) state: GoalState,
}

impl Goal {
    /// Whether it has been reached, and its award not been claimed.
    pub(super) fn is_reached(&self) -> bool {
        self.id > 0 && self.state == GoalState::Active
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum GoalState {
    Active,
    #[default]
    #[serde(other)]
    Other,
}

/// The special events.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EventLists {
    pub(super) last: Box<[SpecialEvent]>,
    pub(super) current: Box<[SpecialEvent]>,
    pub(super) next: Box<[SpecialEvent]>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpecialEvent {
    pub(super) id: Box<str>,
    #[serde(default)]
    pub(super) name: Box<str>,
    #[serde(default, rename = "type")]
    pub(super) kind: EventKind,
    #[serde(default)]
    pub(super) user_status: UserStatus,
    #[serde(default)]
    pub(super) is_hidden: bool,
    #[serde(default)]
    pub(super) has_invite_code: bool,
    #[serde(default, deserialize_with = "date_ms")]
    pub(super) close: u64,
    #[serde(default, deserialize_with = "date_ms")]
    pub(super) end: u64,
    #[serde(default, deserialize_with = "whole")]
    pub(super) join_cost: u64,
    #[serde(default)]
    pub(super) join_currency: Currency,
    #[serde(default, deserialize_with = "whole")]
    pub(super) user_next_rejoin_cost: u64,
    #[serde(default)]
    pub(super) user_rejoin_currency: Currency,
}

/// How an event is played, from its type. Texts of every event of every bot would be most of what
/// a bot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Cow<'_, str>", into = "&'static str")]
pub(super) enum EventKind {
    /// Everybody takes part, and nothing is done for it.
    Surge,
    /// All rounds of a game are played in one go.
    Quickfire,
    /// Move by move.
    #[default]
    Other,
}

impl From<Cow<'_, str>> for EventKind {
    fn from(kind: Cow<'_, str>) -> Self {
        match &*kind {
            "surge" => Self::Surge,
            kind if kind.contains("QF") => Self::Quickfire,
            _ => Self::Other,
        }
    }
}

impl From<EventKind> for &'static str {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Surge => "surge",
            EventKind::Quickfire => "adhocQF",
            EventKind::Other => "adhoc",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum UserStatus {
    Uninvolved,
    Active,
    Playing,
    Eliminated,
    Won,
    RunnerUp,
    /// None, or one in which there is nothing to do.
    #[default]
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Currency {
    #[default]
    Primary,
    #[serde(other)]
    Secondary,
}

/// A level of a tower.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Level {
    #[serde(deserialize_with = "whole")]
    pub(super) level: u64,
    #[serde(default)]
    pub(super) available: bool,
    #[serde(default, deserialize_with = "whole")]
    pub(super) unlocks_at_rank: u64,
}

/// Another user, by name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Username {
    #[serde(default)]
    pub(super) username: Box<str>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Challengees {
    pub(super) users: Vec<Username>,
}

/// A line of the activity feed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeedItem {
    #[serde(default)]
    pub(super) game_id: Box<str>,
}

/// The answer to the wish to cash out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CashOut {
    pub(super) is_allowed: bool,
}

/// An event as `testing/special_events` lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunningEvent {
    #[serde(rename = "_id")]
    pub(super) id: Box<str>,
}

/// Reads a number however it comes; what is none counts as 0, as it does in JavaScript's
/// comparisons.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Whole { read: |text| text.trim().parse::<f64>().map_or(0, cut) })
}

/// As [`whole`]; texts are dates such as `2024-04-01T00:00:00.000Z`.
fn date_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let read = |text: &str| dates::parse(text).map_or(0, |date| date.0);
    deserializer.deserialize_any(Whole { read })
}

struct Whole {
    read: fn(&str) -> u64,
}

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        Ok(u64::try_from(number).unwrap_or(0))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        Ok(cut(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        Ok((self.read)(text))
    }

    fn visit_bool<E: de::Error>(self, is_true: bool) -> Result<u64, E> {
        Ok(u64::from(is_true))
    }

    fn visit_unit<E: de::Error>(self) -> Result<u64, E> {
        Ok(0)
    }
}

/// The whole part of a number that is not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn cut(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_they_come_and_survive_the_record() {
        for (json, account) in [("12.75", 12), ("\"12\"", 12), ("-3", 0), ("null", 0), ("7", 7)] {
            let user: User =
                serde_json::from_str(&format!(r#"{{"account": {json}}}"#)).expect("a user");
            assert_eq!(user.account, account, "{json}");
            let record = serde_json::to_string(&user).expect("json");
            let again: User = serde_json::from_str(&record).expect("the same");
            assert_eq!(again.account, account);
        }
    }

    #[test]
    fn an_event_survives_the_record() {
        let json = r#"{"id": "e1", "name": "a", "type": "adhocQF", "userStatus": "Claimed",
            "close": "2024-04-01T00:00:00.000Z", "joinCost": "5", "joinCurrency": "secondary"}"#;
        let event: SpecialEvent = serde_json::from_str(json).expect("an event");
        assert_eq!((event.close, event.join_cost), (1_711_929_600_000, 5));
        assert_eq!((event.user_status, event.kind), (UserStatus::Other, EventKind::Quickfire));
        let record = serde_json::to_string(&event).expect("json");
        assert_eq!(serde_json::from_str::<SpecialEvent>(&record).expect("the same"), event);
    }
}

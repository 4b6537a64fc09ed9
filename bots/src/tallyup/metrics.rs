//! The names of the bot's own metrics.
//!
//! Counters, but for those that say otherwise. What the original tagged (game, level, event) is
//! not part of a metric here: its results never showed the tags.

pub(super) const SESSIONS: &str = "sessions";
pub(super) const SESSION_DURATION: &str = "session_duration"; // Trend of times.
pub(super) const COGNITO_THROTTLES: &str = "cognitoThrottles";
pub(super) const NETWORK_ERRORS: &str = "network_errors";
pub(super) const API_ERRORS: &str = "api_errors";
pub(super) const TIMEOUTS: &str = "timeouts";

pub(super) const HOME_SCREEN: &str = "home_screen";
pub(super) const ACTIVITY_SCREEN: &str = "activity_screen";
pub(super) const SETTINGS_SCREEN: &str = "settings_screen";
pub(super) const GOALS_SCREEN: &str = "goals_screen";
pub(super) const EVENTS_SCREEN: &str = "events_screen";
pub(super) const EVENT_DETAILS_SCREEN: &str = "event_details_screen";
pub(super) const SOCIAL_SCREEN: &str = "social_screen";
pub(super) const PVP_SCREEN: &str = "pvp_screen";
pub(super) const POWERPLAY_SETTINGS_SCREEN: &str = "powerplay_settings_screen";

pub(super) const POWERPLAY_ENABLED: &str = "powerplay_enabled";
pub(super) const POWERPLAY_DISABLED: &str = "powerplay_disabled";
pub(super) const GOAL_AWARDS_CLAIMED: &str = "goal_awards_claimed";
pub(super) const EVENT_PRIZES_CLAIMED: &str = "event_prizes_claimed";
pub(super) const REPLAYS_WATCHED: &str = "replays_watched";
pub(super) const BASIC_SPINS: &str = "basic_spins";
pub(super) const MEGA_SPINS: &str = "mega_spins";
pub(super) const NO_SPINS: &str = "no_spins";

pub(super) const LIVE_GAMES: &str = "live_games";
pub(super) const LIVE_GAME_CANCEL_REQUESTS: &str = "live_game_cancel_requests";
pub(super) const LIVE_GAME_DURATION: &str = "live_game_duration"; // Trend of times.
pub(super) const MATCHING_DELAY: &str = "matching_delay"; // Trend of times.
pub(super) const ROUND_DELAY: &str = "round_delay"; // Trend of times.
pub(super) const BOTS_PERCENT: &str = "bots_percent"; // Rate: how many opponents are computers.

pub(super) const ASYNC_GAME_STARTS: &str = "async_game_starts";
pub(super) const ASYNC_GAME_ACCEPTS: &str = "async_game_accepts";
pub(super) const ASYNC_GAME_DECLINES: &str = "async_game_declines";
pub(super) const ASYNC_GAME_MOVES: &str = "async_game_moves";
pub(super) const ASYNC_GAME_COMPLETES: &str = "async_game_completes";
pub(super) const EVENT_GAME_MOVES: &str = "event_game_moves";
pub(super) const EVENT_GAME_COMPLETES: &str = "event_game_completes";
pub(super) const QUICKFIRE_GAMES: &str = "quickfire_games";
pub(super) const QUICKFIRE_GAME_DURATION: &str = "quickfire_game_duration"; // Trend of times.
pub(super) const EVENT_JOINS: &str = "event_joins";
pub(super) const HIDDEN_EVENT_JOINS: &str = "hidden_event_joins";

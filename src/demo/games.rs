//! Games, and the sessions through which users see them.
//!
//! A match between two players is one `Game` from the moment someone asks for it. A user's
//! session is not stored: it is the view of a game from a seat, so the two never disagree.
//!
//! Who meets whom is in `matching.rs`, how a game goes on in `play.rs`.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::demo::{
    events::{EventId, EventIndex},
    hand::Hand,
    reply::{Kind, Refusal},
    state::{AccountIndex, State},
    users::GameType,
};

/// More sessions than a person would have at a time: beyond it a user is not matched.
pub(super) const SESSIONS_MAX: usize = 50;
/// How many computer opponents there are.
pub(super) const COMPUTERS: u64 = 100;
const COMPUTER_PREFIX: &str = "computer_";

/// Games are numbered in the order in which they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GameIndex(pub(super) u64);

/// One match, from the request until both players have seen the result.
#[derive(Clone, Debug)]
pub(super) struct Game {
    pub(super) mode: Mode,
    pub(super) event: Option<EventIndex>,
    pub(super) game_type: GameType,
    pub(super) level: u32,
    /// What each player pays.
    pub(super) stake: u64,
    /// What has been paid and not paid out.
    pub(super) held: u64,
    pub(super) phase: Phase,
    /// The first is whoever asked; the second is empty while the first waits.
    pub(super) seats: [Option<Seat>; 2],
    /// From 1; 0 while players load.
    pub(super) round: u32,
    pub(super) winner: Option<usize>,
    pub(super) is_in_feed: bool,
}

/// How a game is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Both at the same time, for money.
    Live,
    /// Against the computer, for nothing.
    Arcade,
    /// Each when they like.
    Challenge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For an opponent.
    Waiting,
    /// The challenged user has not answered; the challenger may play on.
    Offered,
    Rejected,
    Playing,
    Completed,
}

/// How a game ended for one player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Won,
    Lost,
}

/// One side of a game.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) player: Player,
    pub(super) hand: Hand,
    pub(super) wins: u32,
    pub(super) has_loaded: bool,
    pub(super) play: Option<u32>,
    /// Whether the game is still among the player's sessions.
    pub(super) is_listed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Player {
    Account(AccountIndex),
    Computer(u8),
}

impl Seat {
    pub(super) const fn new(player: Player, game_type: GameType) -> Self {
        let is_person = matches!(player, Player::Account(_));
        Self {
            player,
            hand: Hand::new(game_type),
            wins: 0,
            has_loaded: !is_person,
            play: None,
            is_listed: is_person,
        }
    }
}

impl Game {
    pub(super) const fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live | Mode::Arcade)
    }

    pub(super) fn seat_of(&self, account: AccountIndex) -> Option<usize> {
        self.seats
            .iter()
            .position(|seat| matches!(seat, Some(seat) if seat.player == Player::Account(account)))
    }

    pub(super) fn players(&self) -> impl Iterator<Item = Player> {
        self.seats.iter().flatten().map(|seat| seat.player)
    }

    fn status(&self, seat: usize) -> &'static str {
        match (self.phase, seat) {
            (Phase::Waiting, _) => "waiting_opponent",
            (Phase::Offered, 1) => "received",
            (Phase::Offered | Phase::Playing, _) => "playing",
            (Phase::Rejected, _) => "rejected",
            (Phase::Completed, _) => "completed",
        }
    }

    fn requires_action(&self, seat: usize) -> bool {
        let has_played = self.seats[seat].as_ref().is_some_and(|seat| seat.play.is_some());
        match (self.phase, seat) {
            (Phase::Waiting, _) => false,
            (Phase::Offered, 1) | (Phase::Rejected | Phase::Completed, _) => true,
            (Phase::Offered | Phase::Playing, _) => !has_played,
        }
    }
}

/// A player as the other sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlayerView<'a> {
    username: Cow<'a, str>,
    is_bot: bool,
}

/// The name of a computer opponent.
pub(super) fn computer_name(number: u8) -> String {
    format!("{COMPUTER_PREFIX}{number:02}")
}

/// Whether a name is a computer opponent's.
pub(super) fn is_computer(username: &str) -> bool {
    let number = username.strip_prefix(COMPUTER_PREFIX).and_then(|digits| digits.parse().ok());
    number.is_some_and(|number: u8| {
        u64::from(number) < COMPUTERS && computer_name(number) == username
    })
}

impl State {
    pub(super) fn player_view(&self, player: Player) -> PlayerView<'_> {
        match player {
            Player::Account(account) => {
                PlayerView { username: self.username(account).into(), is_bot: false }
            }
            Player::Computer(number) => {
                PlayerView { username: computer_name(number).into(), is_bot: true }
            }
        }
    }

    /// The game of an id such as `g12`.
    pub(super) fn game_index(&self, id: &str) -> Result<GameIndex, Refusal> {
        self.numbered(id, 'g').ok_or_else(|| Refusal::not_found("game", id))
    }

    /// The game of a session id such as `s12`, and the caller's seat.
    pub(super) fn session(
        &self,
        id: &str,
        account: AccountIndex,
    ) -> Result<(GameIndex, usize), Refusal> {
        let missing = || Refusal::not_found("session of this user called", id);
        let index = self.numbered(id, 's').ok_or_else(missing)?;
        let seat = self.games[&index].seat_of(account).ok_or_else(missing)?;
        Ok((index, seat))
    }

    fn numbered(&self, id: &str, prefix: char) -> Option<GameIndex> {
        let index = GameIndex(id.strip_prefix(prefix)?.parse().ok()?);
        self.games.contains_key(&index).then_some(index)
    }

    pub(super) fn game_mut(&mut self, index: GameIndex) -> &mut Game {
        self.games.get_mut(&index).expect("a listed game is kept: see `release`")
    }

    /// The live game that a user is in or waits for.
    pub(super) fn live_game(&self, account: AccountIndex) -> Option<GameIndex> {
        let sessions = &self.account(account).user.as_ref()?.sessions;
        sessions.iter().copied().find(|index| self.games[index].is_live())
    }

    /// Puts a game among a user's sessions.
    pub(super) fn list_session(
        &mut self,
        account: AccountIndex,
        index: GameIndex,
    ) -> Result<(), Refusal> {
        let sessions = &mut self.user_mut(account)?.sessions;
        if sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::new(Kind::Conflict, "this user has too many sessions"));
        }
        sessions.push(index);
        Ok(())
    }

    /// Takes a game from a player's sessions; it is forgotten when nobody can see it any more.
    pub(super) fn unlist(&mut self, index: GameIndex, seat: usize) {
        let Some(seat) = &mut self.game_mut(index).seats[seat] else {
            return;
        };
        seat.is_listed = false;
        if let Player::Account(account) = seat.player
            && let Ok(user) = self.user_mut(account)
        {
            user.sessions.retain(|&listed| listed != index);
        }
        self.release(index);
    }

    /// Forgets a game that is over, is nobody's session and is not in the feed.
    pub(super) fn release(&mut self, index: GameIndex) {
        let game = &self.games[&index];
        let is_over = matches!(game.phase, Phase::Completed | Phase::Rejected);
        if is_over && !game.is_in_feed && !game.seats.iter().flatten().any(|seat| seat.is_listed) {
            self.games.remove(&index);
        }
    }
}

/// A user's sessions, for the user document.
pub(super) struct Sessions<'a> {
    pub(super) state: &'a State,
    pub(super) account: AccountIndex,
    pub(super) listed: &'a [GameIndex],
}

impl Serialize for Sessions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.listed.len()))?;
        for &index in self.listed {
            let game = &self.state.games[&index];
            let seat = game.seat_of(self.account).expect("a user is in the games it lists");
            list.serialize_element(&SessionView::new(self.state, index, seat))?;
        }
        list.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView<'a> {
    id: SessionId,
    #[serde(rename = "type")]
    mode: Mode,
    status: &'static str,
    is_live: bool,
    requires_action: bool,
    game_id: Option<GameId>,
    game_type: GameType,
    level: u32,
    matched_level_value: u64,
    opponent: Option<PlayerView<'a>>,
    special_event_data: Option<SpecialEventData>,
}

#[derive(Serialize)]
struct SpecialEventData {
    id: EventId,
}

impl<'a> SessionView<'a> {
    fn new(state: &'a State, index: GameIndex, seat: usize) -> Self {
        let game = &state.games[&index];
        let opponent = game.seats[1 - seat].as_ref();
        Self {
            id: SessionId(index),
            mode: game.mode,
            status: game.status(seat),
            is_live: game.is_live(),
            requires_action: game.requires_action(seat),
            game_id: (game.phase != Phase::Waiting).then_some(GameId(index)),
            game_type: game.game_type,
            level: game.level,
            matched_level_value: game.stake,
            opponent: opponent.map(|seat| state.player_view(seat.player)),
            special_event_data: game.event.map(|event| SpecialEventData { id: EventId(event) }),
        }
    }
}

/// A game as seen from a seat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GameView<'a> {
    id: GameId,
    #[serde(rename = "type")]
    game_type: GameType,
    status: &'static str,
    level: u32,
    /// Whether the opponent is the computer.
    is_bot: bool,
    opponent: Option<PlayerView<'a>>,
    /// Missing while players load.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<GameData>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GameData {
    game_status: GameStatus,
    current_round_data: RoundNumber,
    player: PlayerData,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GameStatus {
    round_number: u32,
    /// `null` until the game is decided.
    win_status: Option<&'static str>,
    wins: u32,
    opponent_wins: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoundNumber {
    round_number: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlayerData {
    current_round_data: PlayerRound,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlayerRound {
    player_state: Hand,
    has_answered: bool,
}

impl<'a> GameView<'a> {
    pub(super) fn new(state: &'a State, index: GameIndex, seat: usize) -> Self {
        let game = &state.games[&index];
        let opponent = game.seats[1 - seat].as_ref();
        let player = opponent.map(|seat| seat.player);
        Self {
            id: GameId(index),
            game_type: game.game_type,
            status: game.status(seat),
            level: game.level,
            is_bot: matches!(player, Some(Player::Computer(_))),
            opponent: player.map(|player| state.player_view(player)),
            data: game.seats[seat].as_ref().filter(|_| game.round > 0).map(|own| GameData {
                game_status: GameStatus {
                    round_number: game.round,
                    win_status: game
                        .winner
                        .map(|winner| if winner == seat { "won" } else { "lost" }),
                    wins: own.wins,
                    opponent_wins: opponent.map_or(0, |seat| seat.wins),
                },
                current_round_data: RoundNumber { round_number: game.round },
                player: PlayerData {
                    current_round_data: PlayerRound {
                        player_state: own.hand,
                        has_answered: own.play.is_some(),
                    },
                },
            }),
        }
    }
}

/// `g12`.
pub(super) struct GameId(pub(super) GameIndex);

impl Serialize for GameId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("g{}", self.0.0))
    }
}

/// `s12`: a user's session has the number of its game.
pub(super) struct SessionId(pub(super) GameIndex);

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("s{}", self.0.0))
    }
}

//! Who plays against whom.
//!
//! A live match pairs the users that wait for the same level, in the order in which they asked; a
//! user who waits for long gets a computer opponent, unless it does not want one. A challenge is
//! offered to one user, who may decline. Events pair their entrants.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::demo::{
    config::{LEVEL_MAX, level_amount, level_rank},
    draws::Site,
    events::EventIndex,
    games::{COMPUTERS, Game, GameIndex, Mode, Phase, Player, Seat, SessionId},
    handle::Call,
    ledger::{Currency, Pocket},
    reply::{self, Answer, EMPTY, Kind, Refusal},
    state::{AccountIndex, State, Timer},
    users::{GameType, UserView},
};

/// A computer opponent comes after 2 to 8 s.
const COMPUTER_DELAY_MIN_US: u64 = 2_000_000;
const COMPUTER_DELAY_SPREAD_US: u64 = 6_000_000;
/// An offer that is not answered counts as declined after 10 minutes.
const OFFER_US: u64 = 600_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchRequest<'a> {
    #[serde(rename = "type", borrow)]
    mode: Cow<'a, str>,
    level: u32,
    #[serde(borrow, default)]
    username: Option<Cow<'a, str>>,
    #[serde(default)]
    bots_only: bool,
    #[serde(default)]
    strict_matching: bool,
    #[serde(default)]
    game_type: Option<GameType>,
}

pub(super) fn request_match(state: &mut State, call: &Call<'_>) -> Answer {
    let request: MatchRequest<'_> = call.parse()?;
    if request.level > LEVEL_MAX {
        return Err(Refusal::new(Kind::BadRequest, format!("levels end at {LEVEL_MAX}")));
    }
    if state.user(call.account)?.rank() < level_rank(request.level) {
        return Err(Refusal::new(Kind::Conflict, "this level takes a higher rank"));
    }
    let index = match &*request.mode {
        "live" => state.request_live(call.account, &request)?,
        "arcade" => state.request_arcade(call.account, &request)?,
        "challenge" => state.request_challenge(call.account, &request)?,
        other => return Err(Refusal::not_found("type of match called", other)),
    };
    session_reply(state, call.account, index)
}

fn session_reply(state: &State, account: AccountIndex, index: GameIndex) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Matched<'a> {
        user: UserView<'a>,
        session_id: SessionId,
    }
    let user = UserView { state, account, user: state.user(account)? };
    Ok(reply::data(&Matched { user, session_id: SessionId(index) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRequest<'a> {
    #[serde(borrow)]
    session_id: Cow<'a, str>,
}

pub(super) fn accept_match(state: &mut State, call: &Call<'_>) -> Answer {
    let index = offered(state, call)?;
    let stake = state.games[&index].stake;
    state.stake(index, Player::Account(call.account), stake)?;
    state.game_mut(index).phase = Phase::Playing;
    state.challenge_accepted(index);
    state.user_reply(call.account)
}

pub(super) fn decline_match(state: &mut State, call: &Call<'_>) -> Answer {
    let index = offered(state, call)?;
    state.reject(index);
    state.user_reply(call.account)
}

/// The offer that a request is about, if it was made to the caller and is still open.
fn offered(state: &State, call: &Call<'_>) -> Result<GameIndex, Refusal> {
    let request: SessionRequest<'_> = call.parse()?;
    match state.session(&request.session_id, call.account)? {
        (index, 1) if state.games[&index].phase == Phase::Offered => Ok(index),
        _ => Err(Refusal::new(Kind::Conflict, "this match was not offered, or was answered")),
    }
}

pub(super) fn acknowledge_match(state: &mut State, call: &Call<'_>) -> Answer {
    let request: SessionRequest<'_> = call.parse()?;
    let (index, seat) = state.session(&request.session_id, call.account)?;
    let game = &state.games[&index];
    if !matches!(game.phase, Phase::Completed | Phase::Rejected) {
        return Err(Refusal::new(Kind::Conflict, "this match is not over"));
    }
    let event = game.event.filter(|_| game.winner == Some(seat));
    let was_listed = game.seats[seat].as_ref().is_some_and(|seat| seat.is_listed);
    state.unlist(index, seat);
    if let Some(event) = event
        && was_listed
    {
        state.seek_opponent(event, call.account);
    }
    state.user_reply(call.account)
}

/// The message is what clients compare with.
const ALREADY_MATCHED: &str = "User is already matched.";

pub(super) fn cancel_request_level(state: &mut State, call: &Call<'_>) -> Answer {
    match state.live_game(call.account) {
        Some(index) if state.games[&index].phase == Phase::Waiting => {
            state.withdraw(index);
            Ok(EMPTY)
        }
        Some(_) => Err(Refusal::new(Kind::Conflict, ALREADY_MATCHED)),
        None => Err(Refusal::new(Kind::Conflict, "this user waits for no match")),
    }
}

impl State {
    fn request_live(
        &mut self,
        account: AccountIndex,
        request: &MatchRequest<'_>,
    ) -> Result<GameIndex, Refusal> {
        self.refuse_second_live(account)?;
        let opponent = match request.bots_only {
            true => None,
            false => self.waiting_opponent(account, request)?,
        };
        if let Some(index) = opponent {
            self.list_session(account, index)?;
            self.join_game(index, Player::Account(account))?;
            self.waiting.remove(&index);
            self.begin_loading(index);
            return Ok(index);
        }
        let stake = level_amount(request.level);
        let game_type = self.pick_game_type(request.game_type);
        let index = self.open_game(account, Mode::Live, game_type, (request.level, stake))?;
        if request.bots_only {
            self.computer_joins(index);
            return Ok(index);
        }
        self.waiting.insert(index);
        if !self.user(account)?.profile.exclude_bots {
            let spread = self.draw(Site::ComputerDelay, COMPUTER_DELAY_SPREAD_US);
            let due_us = self.now_us + COMPUTER_DELAY_MIN_US + spread;
            self.set_timer(due_us, Timer::ComputerJoins(index));
        }
        Ok(index)
    }

    fn request_arcade(
        &mut self,
        account: AccountIndex,
        request: &MatchRequest<'_>,
    ) -> Result<GameIndex, Refusal> {
        self.refuse_second_live(account)?;
        let game_type = self.pick_game_type(request.game_type);
        let index = self.open_game(account, Mode::Arcade, game_type, (request.level, 0))?;
        self.computer_joins(index);
        Ok(index)
    }

    fn request_challenge(
        &mut self,
        account: AccountIndex,
        request: &MatchRequest<'_>,
    ) -> Result<GameIndex, Refusal> {
        let username = request.username.as_deref().unwrap_or_default();
        let Some(opponent) = self.account_called(username).filter(|&found| found != account) else {
            return Err(Refusal::not_found("other user", username));
        };
        let are_at_it = |index: &GameIndex| {
            let game = &self.games[index];
            game.event.is_none() && game.mode == Mode::Challenge && game.seat_of(opponent).is_some()
        };
        if self.user(account)?.sessions.iter().any(are_at_it) {
            return Err(Refusal::new(Kind::Conflict, "there is a match with this user already"));
        }
        let stake = level_amount(request.level);
        let game_type = self.pick_game_type(request.game_type);
        let index = self.open_game(account, Mode::Challenge, game_type, (request.level, stake))?;
        if let Err(refusal) = self.list_session(opponent, index) {
            self.withdraw(index);
            return Err(refusal);
        }
        let game = self.game_mut(index);
        game.seats[1] = Some(Seat::new(Player::Account(opponent), game_type));
        game.phase = Phase::Offered;
        let due_us = self.now_us + OFFER_US;
        self.set_timer(due_us, Timer::OfferEnds(index));
        Ok(index)
    }

    fn refuse_second_live(&self, account: AccountIndex) -> Result<(), Refusal> {
        match self.live_game(account) {
            Some(_) => Err(Refusal::new(Kind::Conflict, ALREADY_MATCHED)),
            None => Ok(()),
        }
    }

    fn pick_game_type(&mut self, wanted: Option<GameType>) -> GameType {
        let draw = self.draw(Site::GameType, GameType::ALL.len() as u64);
        let drawn = usize::try_from(draw).expect("it is below four");
        wanted.unwrap_or(GameType::ALL[drawn])
    }

    /// A game with one seat taken and paid for, among the user's sessions.
    fn open_game(
        &mut self,
        account: AccountIndex,
        mode: Mode,
        game_type: GameType,
        (level, stake): (u32, u64),
    ) -> Result<GameIndex, Refusal> {
        let index = GameIndex(self.games_opened);
        self.list_session(account, index)?;
        if let Err(refusal) = self.charge(account, Currency::Primary, stake, Pocket::Stakes) {
            self.user_mut(account)?.sessions.pop();
            return Err(refusal);
        }
        self.games_opened += 1;
        let player = Player::Account(account);
        self.games.insert(
            index,
            Game {
                mode,
                event: None,
                game_type,
                level,
                stake,
                held: stake,
                phase: Phase::Waiting,
                seats: [Some(Seat::new(player, game_type)), None],
                round: 0,
                winner: None,
                is_in_feed: false,
            },
        );
        Ok(index)
    }

    /// The game that has waited longest of those that suit a request.
    ///
    /// With power play on, a user takes any level of the range that it has set, unless the
    /// request is strict.
    fn waiting_opponent(
        &self,
        account: AccountIndex,
        request: &MatchRequest<'_>,
    ) -> Result<Option<GameIndex>, Refusal> {
        let user = self.user(account)?;
        let (profile, balance) = (&user.profile, user.wallet.holds(Currency::Primary));
        let is_flexible = profile.use_default_matchmaking_level && !request.strict_matching;
        let levels = profile.lowest_matchmaking_level..=profile.default_matchmaking_level;
        Ok(self.waiting.iter().copied().find(|index| {
            let game = &self.games[index];
            let suits = game.level == request.level
                || is_flexible
                    && levels.contains(&game.level)
                    && game.stake <= balance
                    && level_rank(game.level) <= user.rank();
            suits && request.game_type.is_none_or(|game_type| game_type == game.game_type)
        }))
    }

    fn join_game(&mut self, index: GameIndex, player: Player) -> Result<(), Refusal> {
        let stake = self.games[&index].stake;
        if let Err(refusal) = self.stake(index, player, stake) {
            if let Player::Account(account) = player {
                self.user_mut(account)?.sessions.pop();
            }
            return Err(refusal);
        }
        let game = self.game_mut(index);
        game.seats[1] = Some(Seat::new(player, game.game_type));
        game.phase = Phase::Playing;
        Ok(())
    }

    /// Takes a player's stake for a game.
    fn stake(&mut self, index: GameIndex, player: Player, stake: u64) -> Result<(), Refusal> {
        match player {
            Player::Account(account) => {
                self.charge(account, Currency::Primary, stake, Pocket::Stakes)?;
            }
            Player::Computer(_) => {
                self.ledger.shift(Currency::Primary, stake, Pocket::Computer, Pocket::Stakes);
            }
        }
        self.game_mut(index).held += stake;
        Ok(())
    }

    /// Gives a game that waits a computer opponent.
    pub(super) fn computer_joins(&mut self, index: GameIndex) {
        if self.games.get(&index).is_none_or(|game| game.phase != Phase::Waiting) {
            return;
        }
        let computer = self.pick_computer();
        self.waiting.remove(&index);
        self.join_game(index, computer).expect("the computer can always pay");
        self.begin_loading(index);
    }

    fn pick_computer(&mut self) -> Player {
        let number = self.draw(Site::Opponent, COMPUTERS);
        Player::Computer(u8::try_from(number).expect("it is below COMPUTERS"))
    }

    /// Calls a game off that has not begun, and gives the stakes back.
    pub(super) fn withdraw(&mut self, index: GameIndex) {
        self.waiting.remove(&index);
        self.refund(index);
        self.game_mut(index).phase = Phase::Rejected;
        for seat in 0..2 {
            if self.games.contains_key(&index) {
                self.unlist(index, seat);
            }
        }
    }

    /// An offer was declined, or nobody answered it.
    fn reject(&mut self, index: GameIndex) {
        self.refund(index);
        self.game_mut(index).phase = Phase::Rejected;
        self.unlist(index, 1);
    }

    pub(super) fn offer_ends(&mut self, index: GameIndex) {
        if self.games.get(&index).is_some_and(|game| game.phase == Phase::Offered) {
            self.reject(index);
        }
    }

    /// Gives every player back what it paid. In an offer only the challenger has paid.
    pub(super) fn refund(&mut self, index: GameIndex) {
        let game = self.game_mut(index);
        let stake = game.stake;
        let players: Vec<Player> = game.players().collect();
        for player in players {
            if self.games[&index].held < stake {
                break;
            }
            self.pay_out(index, player, stake);
        }
    }

    /// Pays a part of what a game holds.
    pub(super) fn pay_out(&mut self, index: GameIndex, player: Player, amount: u64) {
        self.game_mut(index).held -= amount;
        match player {
            Player::Account(account) => {
                self.pay(account, Currency::Primary, amount, Pocket::Stakes)
                    .expect("who plays has registered");
            }
            Player::Computer(_) => {
                self.ledger.shift(Currency::Primary, amount, Pocket::Stakes, Pocket::Computer);
            }
        }
    }

    /// Finds an entrant of an event someone to play against, now or as soon as there is one.
    pub(super) fn seek_opponent(&mut self, event: EventIndex, account: AccountIndex) {
        if !self.is_in_running(event, account) {
            return;
        }
        match self.events[event.0].waiting.take().filter(|&waiting| waiting != account) {
            Some(waiting) => self.pair_entrants(event, waiting, Player::Account(account)),
            None => {
                self.events[event.0].waiting = Some(account);
                let spread = self.draw(Site::ComputerDelay, COMPUTER_DELAY_SPREAD_US);
                let due_us = self.now_us + COMPUTER_DELAY_MIN_US + spread;
                self.set_timer(due_us, Timer::EntrantWaits(event, account));
            }
        }
    }

    pub(super) fn entrant_waits(&mut self, event: EventIndex, account: AccountIndex) {
        if self.events[event.0].waiting == Some(account) {
            self.events[event.0].waiting = None;
            if self.is_in_running(event, account) {
                let computer = self.pick_computer();
                self.pair_entrants(event, account, computer);
            }
        }
    }

    fn pair_entrants(&mut self, event: EventIndex, account: AccountIndex, opponent: Player) {
        let game_type = self.pick_game_type(None);
        // A full list of sessions leaves the entrant without a match until it makes room.
        let Ok(index) = self.open_game(account, Mode::Challenge, game_type, (0, 0)) else {
            return;
        };
        if let Player::Account(opponent) = opponent
            && self.list_session(opponent, index).is_err()
        {
            self.withdraw(index);
            return;
        }
        self.game_mut(index).event = Some(event);
        self.join_game(index, opponent).expect("there is no stake");
        self.entrants_play(event, index);
        self.begin_loading(index);
    }
}

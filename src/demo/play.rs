//! How a game goes on: loading, rounds, the result.
//!
//! A round is over when both have played or its time is up. The computer loads at once and plays
//! a few seconds into a round.

use std::borrow::Cow;

use serde::Deserialize;

use crate::demo::{
    draws::{self, Site},
    games::{GameIndex, GameView, Mode, Outcome, Phase, Player},
    hand::{self, ROUNDS_MAX, WINS_NEEDED},
    handle::Call,
    reply::{self, Answer, Kind, Refusal},
    state::{AccountIndex, State, Timer},
};

/// A player who has not loaded by then finds the first round begun.
const LOADING_US: u64 = 60_000_000;
/// How long a round lasts when both play at the same time.
const LIVE_ROUND_US: u64 = 30_000_000;
/// How long a round lasts when each plays when they like.
const CHALLENGE_ROUND_US: u64 = 600_000_000;
/// The computer plays 1 to 4 s into a round.
const COMPUTER_MOVE_MIN_US: u64 = 1_000_000;
const COMPUTER_MOVE_SPREAD_US: u64 = 3_000_000;
/// How many games the activity feed remembers: those of the 5 s that a page of it is handed out,
/// at 800 a second, so that whatever a client sees there it can watch.
const FEED_MAX: usize = 4_096;

pub(super) fn game(state: &mut State, call: &Call<'_>) -> Answer {
    let (index, seat) = own_game(state, call)?;
    Ok(reply::data(&GameView::new(state, index, seat)))
}

/// Anyone may watch, from the side of who asked for the game.
pub(super) fn watch(state: &mut State, call: &Call<'_>) -> Answer {
    let index = state.game_index(call.id)?;
    Ok(reply::data(&GameView::new(state, index, 0)))
}

pub(super) fn event(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        event: Event<'a>,
    }
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let (index, seat) = own_game(state, call)?;
    let Message { event } = call.parse()?;
    match &*event.kind {
        "finishedLoading" => state.finish_loading(index, seat),
        // The server's round timer runs from the start of the round, whoever says so.
        "beginRoundTimer" => {}
        "ackResult" => {
            let view = reply::data(&GameView::new(state, index, seat));
            state.acknowledge_result(index, seat)?;
            return Ok(view);
        }
        other => return Err(Refusal::not_found("type of event called", other)),
    }
    Ok(reply::data(&GameView::new(state, index, seat)))
}

pub(super) fn answer(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Message {
        answer: Move,
    }
    #[derive(Deserialize)]
    struct Move {
        round: u32,
        data: u32,
    }
    let (index, seat) = own_game(state, call)?;
    let Message { answer } = call.parse()?;
    state.play(index, seat, answer.round, answer.data)?;
    Ok(reply::data(&GameView::new(state, index, seat)))
}

fn own_game(state: &State, call: &Call<'_>) -> Result<(GameIndex, usize), Refusal> {
    let index = state.game_index(call.id)?;
    let seat = state.games[&index].seat_of(call.account);
    Ok((index, seat.ok_or_else(|| Refusal::not_found("game of this user called", call.id))?))
}

impl State {
    /// Both players are known: they load, then the first round begins.
    pub(super) fn begin_loading(&mut self, index: GameIndex) {
        let due_us = self.now_us + LOADING_US;
        self.set_timer(due_us, Timer::RoundEnds(index, 0));
    }

    /// An offer was accepted. The challenger may have begun long before.
    pub(super) fn challenge_accepted(&mut self, index: GameIndex) {
        if self.games[&index].round == 0 {
            self.begin_loading(index);
        } else {
            self.begin_round(index);
        }
    }

    fn finish_loading(&mut self, index: GameIndex, seat: usize) {
        let game = self.game_mut(index);
        if let Some(seat) = &mut game.seats[seat] {
            seat.has_loaded = true;
        }
        // Who plays when they like does not wait for the other.
        let is_ready = game.mode == Mode::Challenge
            || game.seats.iter().flatten().filter(|seat| seat.has_loaded).count() == 2;
        if is_ready && game.round == 0 {
            match game.phase {
                Phase::Playing => self.begin_round_number(index, 1),
                // No timer: the challenger is alone, and the offer has a time of its own.
                Phase::Offered => game.round = 1,
                Phase::Waiting | Phase::Rejected | Phase::Completed => {}
            }
        }
    }

    fn begin_round_number(&mut self, index: GameIndex, round: u32) {
        let game = self.game_mut(index);
        game.round = round;
        for seat in game.seats.iter_mut().flatten() {
            seat.play = None;
        }
        self.begin_round(index);
    }

    /// Starts the clocks of the current round.
    fn begin_round(&mut self, index: GameIndex) {
        let game = &self.games[&index];
        let round = game.round;
        let has_computer = game.players().any(|player| matches!(player, Player::Computer(_)));
        let lasts_us = if game.is_live() { LIVE_ROUND_US } else { CHALLENGE_ROUND_US };
        self.set_timer(self.now_us + lasts_us, Timer::RoundEnds(index, round));
        if has_computer {
            let spread = self.draw(Site::ComputerDelay, COMPUTER_MOVE_SPREAD_US);
            let due_us = self.now_us + COMPUTER_MOVE_MIN_US + spread;
            self.set_timer(due_us, Timer::ComputerPlays(index, round));
        }
    }

    fn play(
        &mut self,
        index: GameIndex,
        seat: usize,
        round: u32,
        value: u32,
    ) -> Result<(), Refusal> {
        let game = self.game_mut(index);
        let is_open = match game.phase {
            Phase::Playing => true,
            Phase::Offered => seat == 0,
            Phase::Waiting | Phase::Rejected | Phase::Completed => false,
        };
        if !is_open || round == 0 || round != game.round {
            return Err(Refusal::new(Kind::Conflict, "this round is not being played"));
        }
        let seat = game.seats[seat].as_mut().expect("whose game it is has a seat");
        if seat.play.is_some() {
            return Err(Refusal::new(Kind::Conflict, "this round was answered already"));
        }
        if !seat.hand.play(value) {
            return Err(Refusal::new(Kind::BadRequest, format!("{value} cannot be played")));
        }
        seat.play = Some(value);
        if game.seats.iter().flatten().filter(|seat| seat.play.is_some()).count() == 2 {
            self.end_round(index);
        }
        Ok(())
    }

    pub(super) fn computer_plays(&mut self, index: GameIndex, round: u32) {
        if !self.is_in_round(index, round) {
            return;
        }
        let bits =
            draws::bits(self.rules.seed, Site::ComputerMove, index.0 << 8 | u64::from(round));
        let seats = self.games[&index].seats.iter();
        let seat = seats.flatten().position(|seat| matches!(seat.player, Player::Computer(_)));
        if let Some(seat) = seat {
            let hand = self.games[&index].seats[seat].as_ref().map(|seat| seat.hand);
            let value = hand.map_or(0, |hand| hand.choose(bits));
            // It may have played already when the round was long: then this is not a move.
            let _ = self.play(index, seat, round, value);
        }
    }

    /// The time of a round, or of loading (round 0), is up.
    pub(super) fn round_ends(&mut self, index: GameIndex, round: u32) {
        if !self.is_in_round(index, round) {
            return;
        }
        if round == 0 {
            self.begin_round_number(index, 1);
        } else {
            self.end_round(index);
        }
    }

    fn is_in_round(&self, index: GameIndex, round: u32) -> bool {
        self.games
            .get(&index)
            .is_some_and(|game| game.phase == Phase::Playing && game.round == round)
    }

    fn end_round(&mut self, index: GameIndex) {
        let game = self.game_mut(index);
        let plays = [0, 1].map(|seat| game.seats[seat].as_ref().and_then(|seat| seat.play));
        if let Some(winner) = hand::round_winner(game.game_type, plays)
            && let Some(seat) = &mut game.seats[winner]
        {
            seat.wins += 1;
        }
        let wins = [0, 1].map(|seat| game.seats[seat].as_ref().map_or(0, |seat| seat.wins));
        let round = game.round;
        if round < ROUNDS_MAX && wins.iter().all(|&wins| wins < WINS_NEEDED) {
            self.begin_round_number(index, round + 1);
        } else {
            let winner = match wins[0].cmp(&wins[1]) {
                std::cmp::Ordering::Greater => 0,
                std::cmp::Ordering::Less => 1,
                std::cmp::Ordering::Equal => usize::from(self.draw(Site::Tie, 2) == 1),
            };
            self.decide(index, winner);
        }
    }

    /// Ends a game with a winner: pays, and tells what else depends on it.
    fn decide(&mut self, index: GameIndex, winner: usize) {
        let game = self.game_mut(index);
        game.phase = Phase::Completed;
        game.winner = Some(winner);
        // A game left while players load ends before its first round.
        game.round = game.round.max(1);
        let (level, stake, held) = (u64::from(game.level), game.stake, game.held);
        let (mode, event) = (game.mode, game.event);
        let players = [0, 1].map(|seat| game.seats[seat].as_ref().map(|seat| seat.player));
        if let Some(player) = players[winner] {
            self.pay_out(index, player, held);
        }
        let day = self.day();
        for (seat, player) in players.into_iter().enumerate() {
            let Some(Player::Account(account)) = player else {
                continue;
            };
            let user = self.user_mut(account).expect("who plays has registered");
            let outcome = if seat == winner { Outcome::Won } else { Outcome::Lost };
            user.count_game(outcome, level);
            if outcome == Outcome::Won {
                user.winnings.add(day, stake);
            }
            match event {
                Some(event) => self.entrant_played(event, account, outcome),
                None if outcome == Outcome::Won && mode == Mode::Live => {
                    self.score_in_surges(account);
                }
                None => {}
            }
        }
        if mode != Mode::Arcade {
            self.add_to_feed(index);
        }
    }

    fn add_to_feed(&mut self, index: GameIndex) {
        self.game_mut(index).is_in_feed = true;
        self.feed.push_front(index);
        if self.feed.len() > FEED_MAX
            && let Some(oldest) = self.feed.pop_back()
        {
            self.game_mut(oldest).is_in_feed = false;
            self.release(oldest);
        }
    }

    /// A live game's session ends when its result was seen; a challenge's needs a call of its own.
    fn acknowledge_result(&mut self, index: GameIndex, seat: usize) -> Result<(), Refusal> {
        let game = &self.games[&index];
        if game.phase != Phase::Completed {
            return Err(Refusal::new(Kind::Conflict, "this game has no result yet"));
        }
        if game.is_live() {
            self.unlist(index, seat);
        }
        Ok(())
    }

    /// Whoever starts a session again has left the live game that it was in, and loses it.
    pub(super) fn leave_live_game(&mut self, account: AccountIndex) {
        let Some(index) = self.live_game(account) else {
            return;
        };
        let game = &self.games[&index];
        let seat = game.seat_of(account).expect("it is among the user's sessions");
        match game.phase {
            Phase::Waiting => return self.withdraw(index),
            Phase::Playing => self.decide(index, 1 - seat),
            Phase::Offered | Phase::Rejected | Phase::Completed => {}
        }
        self.unlist(index, seat);
    }

    /// Calls every game off and empties every list of sessions: a clean slate for a test.
    pub(super) fn clean_sessions(&mut self) {
        let indices: Vec<GameIndex> = self.games.keys().copied().collect();
        for index in indices {
            self.refund(index);
        }
        self.games.clear();
        self.waiting.clear();
        self.feed.clear();
        self.boards.clear();
        for user in self.accounts.iter_mut().filter_map(|account| account.user.as_mut()) {
            user.sessions.clear();
        }
        for event in &mut self.events {
            event.waiting = None;
        }
    }
}

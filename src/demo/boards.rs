//! Leaderboards, the activity feed, and the count of active users: views over all users.
//!
//! Such views are computed every few seconds and then handed out as they are, as real APIs do: a
//! request costs no walk over all users, and the answer depends only on when it was computed.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use bytes::Bytes;
use serde::Serialize;

use crate::demo::{
    events::EventIndex,
    games::{GameId, PlayerView},
    handle::Call,
    ledger::Currency,
    reply::{self, Answer, Kind, Refusal},
    state::{AccountIndex, State},
    users::{GameType, User, Winnings},
};

/// How long a view is handed out.
const FRESH_US: u64 = 5_000_000;
/// The most views kept: beyond it all are dropped, and computed again when asked for.
const VIEWS_MAX: usize = 1_024;
const LIMIT_MAX: usize = 100;
const LIMIT_DEFAULT: usize = 40;

/// The views computed lately, by what was asked.
#[derive(Debug, Default)]
pub(super) struct Boards {
    views: BTreeMap<View, (u64, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum View {
    ActiveCount,
    Leaderboard { board: Board, offset: usize, limit: usize },
    Feed { event: Option<EventIndex>, offset: usize, limit: usize },
}

/// What users are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Board {
    CurrentBalance,
    HighestBalance,
    MostDonated,
    WinningsToday,
    WinningsYesterday,
    WinningsThisWeek,
    WinningsLastWeek,
    Event(EventIndex),
}

impl Boards {
    /// Forgets all views: what they show is gone.
    pub(super) fn clear(&mut self) {
        self.views.clear();
    }
}

impl Board {
    /// Everyone's score, in the order of their accounts.
    fn scores(self, state: &State) -> Vec<(Reverse<u64>, AccountIndex)> {
        let day = state.day();
        let scores = |score: fn(&User, Winnings) -> u64| {
            let users = state.users();
            users
                .map(|(account, user)| (Reverse(score(user, user.winnings.on(day))), account))
                .collect()
        };
        match self {
            Self::CurrentBalance => scores(|user, _| user.wallet.holds(Currency::Primary)),
            Self::HighestBalance => scores(|user, _| user.highest_balance),
            Self::MostDonated => scores(|user, _| user.donated),
            Self::WinningsToday => scores(|_, winnings| winnings.today),
            Self::WinningsYesterday => scores(|_, winnings| winnings.yesterday),
            Self::WinningsThisWeek => scores(|_, winnings| winnings.this_week),
            Self::WinningsLastWeek => scores(|_, winnings| winnings.last_week),
            Self::Event(event) => {
                let scores = state.events[event.0].scores();
                scores.map(|(account, score)| (Reverse(score), account)).collect()
            }
        }
    }
}

impl State {
    fn view(&mut self, view: View, compute: impl FnOnce(&Self) -> Bytes) -> Bytes {
        if let Some((computed_us, body)) = self.boards.views.get(&view)
            && self.now_us - computed_us < FRESH_US
        {
            return body.clone();
        }
        let body = compute(self);
        if self.boards.views.len() >= VIEWS_MAX {
            self.boards.views.clear();
        }
        self.boards.views.insert(view, (self.now_us, body.clone()));
        body
    }
}

pub(super) fn active_count(state: &mut State, _: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Active {
        count: usize,
    }
    Ok(state.view(View::ActiveCount, |state| {
        let count = state.users().filter(|(_, user)| user.is_active(state.now_us)).count();
        reply::data(&Active { count })
    }))
}

pub(super) fn leaderboard(state: &mut State, call: &Call<'_>) -> Answer {
    let board = match &*call.required("type")? {
        "CurrentBalance" => Board::CurrentBalance,
        "HighestBalance" => Board::HighestBalance,
        "MostDonated" => Board::MostDonated,
        "WinningsToday" => Board::WinningsToday,
        "WinningsYesterday" => Board::WinningsYesterday,
        "WinningsThisWeek" => Board::WinningsThisWeek,
        "WinningsLastWeek" => Board::WinningsLastWeek,
        "AdHocScore" => Board::Event(state.event_index(&call.required("id")?)?),
        "SurgeScore" => match call.parameter("id") {
            Some(id) => Board::Event(state.event_index(&id)?),
            None => Board::Event(
                state
                    .running_surge()
                    .ok_or_else(|| Refusal::new(Kind::NotFound, "no surge is running"))?,
            ),
        },
        other => return Err(Refusal::not_found("leaderboard", other)),
    };
    let (offset, limit) = call.page()?;
    let view = View::Leaderboard { board, offset, limit };
    Ok(state.view(view, |state| ranking(state, board, offset, limit)))
}

fn ranking(state: &State, board: Board, offset: usize, limit: usize) -> Bytes {
    #[derive(Serialize)]
    struct Row<'a> {
        place: usize,
        username: &'a str,
        score: u64,
    }
    let mut scores = board.scores(state);
    let end = offset.saturating_add(limit);
    if end < scores.len() {
        scores.select_nth_unstable(end);
        scores.truncate(end);
    }
    scores.sort_unstable();
    let places = scores.iter().enumerate().skip(offset);
    let rows: Vec<Row<'_>> = places
        .map(|(place, &(Reverse(score), account))| Row {
            place: place + 1,
            username: state.username(account),
            score,
        })
        .collect();
    reply::data(&rows)
}

/// The games decided last: all of them, or those of one event.
pub(super) fn activity_feed(state: &mut State, call: &Call<'_>) -> Answer {
    call.required("type")?;
    let event = match call.parameter("id") {
        Some(id) => Some(state.event_index(&id)?),
        None => None,
    };
    let (offset, limit) = call.page()?;
    let view = View::Feed { event, offset, limit };
    Ok(state.view(view, |state| feed(state, event, offset, limit)))
}

fn feed(state: &State, event: Option<EventIndex>, offset: usize, limit: usize) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Row<'a> {
        game_id: GameId,
        game_type: GameType,
        level: u32,
        winner: Option<PlayerView<'a>>,
        loser: Option<PlayerView<'a>>,
        winnings: u64,
    }
    let games = state.feed.iter().map(|&index| (index, &state.games[&index]));
    let rows: Vec<Row<'_>> = games
        .filter(|(_, game)| event.is_none() || game.event == event)
        .skip(offset)
        .take(limit)
        .map(|(index, game)| {
            let player =
                |seat: usize| game.seats[seat].as_ref().map(|seat| state.player_view(seat.player));
            Row {
                game_id: GameId(index),
                game_type: game.game_type,
                level: game.level,
                winner: game.winner.and_then(player),
                loser: game.winner.and_then(|winner| player(1 - winner)),
                winnings: game.stake,
            }
        })
        .collect();
    reply::data(&rows)
}

impl Call<'_> {
    /// A parameter of the query that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Cow<'_, str>, Refusal> {
        self.parameter(name).ok_or_else(|| {
            Refusal::new(Kind::BadRequest, format!("the query has no parameter `{name}`"))
        })
    }

    /// Where a page of a list begins, and how long it is.
    fn page(&self) -> Result<(usize, usize), Refusal> {
        let limit = self.number("limit")?.unwrap_or(LIMIT_DEFAULT);
        Ok((self.number("offset")?.unwrap_or(0), limit.min(LIMIT_MAX)))
    }

    /// A parameter of the query that is a number if it is there.
    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.parameter(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Refusal::new(Kind::BadRequest, format!("`{name}={text}`: expected a whole number"))
        })
    }
}

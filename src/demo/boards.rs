//! Leaderboards, the activity feed, and the count of active users: views over all users.
//!
//! Such views are computed every few seconds and then handed out as they are, as real APIs do: a
//! request costs no walk over all users, and the answer depends only on when it was computed.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use bytes::Bytes;
use serde::Serialize;

use crate::demo::{
    handle::Call,
    ledger::Currency,
    reply::{self, Answer, Kind, Refusal},
    state::State,
    users::User,
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
}

/// What users are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Board {
    CurrentBalance,
    HighestBalance,
    MostDonated,
    Rank,
}

impl Board {
    fn score(self, user: &User) -> u64 {
        match self {
            Self::CurrentBalance => user.wallet.holds(Currency::Primary),
            Self::HighestBalance => user.highest_balance,
            Self::MostDonated => user.donated,
            Self::Rank => user.xp,
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
        // Nothing is won before there are games: ranked by experience meanwhile.
        "WinningsToday" | "WinningsYesterday" | "WinningsThisWeek" | "WinningsLastWeek"
        | "SurgeScore" | "AdHocScore" => Board::Rank,
        other => return Err(Refusal::not_found("leaderboard", other)),
    };
    let offset = call.number("offset")?.unwrap_or(0);
    let limit = call.number("limit")?.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
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
    let mut users: Vec<_> =
        state.users().map(|(account, user)| (Reverse(board.score(user)), account, user)).collect();
    let order = |row: &(Reverse<u64>, _, &User)| (row.0, row.1);
    let end = offset.saturating_add(limit);
    if end < users.len() {
        users.select_nth_unstable_by_key(end, order);
        users.truncate(end);
    }
    users.sort_unstable_by_key(order);
    let places = users.iter().enumerate().skip(offset);
    let rows: Vec<Row<'_>> = places
        .map(|(place, (score, _, user))| Row {
            place: place + 1,
            username: &user.username,
            score: score.0,
        })
        .collect();
    reply::data(&rows)
}

pub(super) fn activity_feed(_: &mut State, call: &Call<'_>) -> Answer {
    call.required("type")?;
    Ok(reply::data(&[(); 0]))
}

impl Call<'_> {
    /// A parameter of the query that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Cow<'_, str>, Refusal> {
        self.parameter(name).ok_or_else(|| {
            Refusal::new(Kind::BadRequest, format!("the query has no parameter `{name}`"))
        })
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

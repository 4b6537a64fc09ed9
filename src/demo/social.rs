//! Finding other users.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::demo::{
    draws::Site,
    games::is_computer,
    handle::Call,
    reply::{self, Answer, Kind, Refusal},
    state::{AccountIndex, State},
    users::UserId,
};

/// How many users one search offers.
const FOUND_MAX: u64 = 10;
const COMPUTER_RANK: u64 = 20;

/// What users see of others.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Brief<'a> {
    /// Missing for a computer opponent.
    id: Option<UserId>,
    username: &'a str,
    rank: u64,
    is_bot: bool,
}

impl<'a> Brief<'a> {
    const fn computer(username: &'a str) -> Self {
        Self { id: None, username, rank: COMPUTER_RANK, is_bot: true }
    }
}

impl State {
    fn brief(&self, account: AccountIndex) -> Option<Brief<'_>> {
        let user = self.account(account).user.as_deref()?;
        let (id, username) = (Some(UserId(account)), &*user.username);
        Some(Brief { id, username, rank: user.rank(), is_bot: false })
    }

    pub(super) fn account_called(&self, username: &str) -> Option<AccountIndex> {
        self.by_username.get(username).copied()
    }
}

pub(super) fn find(state: &mut State, call: &Call<'_>) -> Answer {
    let username = call.required("username")?;
    if is_computer(&username) && call.parameter("allowBots").is_some_and(|value| value == "True") {
        return Ok(reply::data(&[Brief::computer(&username)]));
    }
    let found = state.account_called(&username).and_then(|account| state.brief(account));
    Ok(reply::data(found.as_slice()))
}

pub(super) fn find_stats(state: &mut State, call: &Call<'_>) -> Answer {
    let username = call.required("username")?;
    if is_computer(&username) {
        return Ok(reply::data(&Brief::computer(&username)));
    }
    let Some(account) = state.account_called(&username) else {
        return Err(Refusal::not_found("user", &username));
    };
    stats_of(state, account)
}

pub(super) fn stats(state: &mut State, call: &Call<'_>) -> Answer {
    stats_of(state, call.account)
}

fn stats_of(state: &State, account: AccountIndex) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Stats<'a> {
        username: &'a str,
        rank: u64,
        highest_balance: u64,
        donated: u64,
        spins: u64,
        games_played: u64,
        games_won: u64,
    }
    let user = state.user(account)?;
    Ok(reply::data(&Stats {
        username: &user.username,
        rank: user.rank(),
        highest_balance: user.highest_balance,
        donated: user.donated,
        spins: user.spins,
        games_played: user.games_played,
        games_won: user.games_won,
    }))
}

/// Up to ten other users, from a place in the list that is drawn.
pub(super) fn find_challengees(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Challengees<'a> {
        users: Vec<Brief<'a>>,
    }
    let count = state.accounts.len() as u64;
    let start = state.draw(Site::Opponent, count);
    let users = (0..count.min(FOUND_MAX + 1))
        .map(|step| {
            let index = u32::try_from((start + step) % count);
            AccountIndex(index.expect("there are at most ACCOUNTS_MAX"))
        })
        .filter(|&account| account != call.account)
        .filter_map(|account| state.brief(account))
        .filter(|brief| !brief.username.is_empty())
        .take(FOUND_MAX.try_into().expect("it is small"))
        .collect();
    Ok(reply::data(&Challengees { users }))
}

pub(super) fn set_inviter(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct SetInviter<'a> {
        #[serde(borrow)]
        inviter: Cow<'a, str>,
    }
    let SetInviter { inviter } = call.parse()?;
    let Some(account) = state.account_called(&inviter) else {
        return Err(Refusal::not_found("user", &inviter));
    };
    let user = state.user_mut(call.account)?;
    if account == call.account || user.inviter.is_some() {
        return Err(Refusal::new(Kind::Conflict, "the inviter is another user, and set once"));
    }
    user.inviter = Some(account);
    state.user_reply(call.account)
}

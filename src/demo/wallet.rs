//! What users do with what they own: cash out, watch ads, spin wheels, claim goals.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::demo::{
    draws::Site,
    handle::Call,
    ledger::{Currency, Pocket},
    reply::{self, Answer, EMPTY, Kind, Refusal},
    state::State,
    users::User,
};

/// The least that can be cashed out.
const CASHOUT_MIN: u64 = 1_000;
/// A whole item: quantities are in hundredths.
const ONE_ITEM: u64 = 100;
/// How long a wheel rests after a spin.
const BASIC_SPIN_REST_MS: u64 = 60_000;
const MEGA_SPIN_REST_MS: u64 = 600_000;

pub(super) fn cashout_start(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Started {
        is_allowed: bool,
    }
    let user = state.user_mut(call.account)?;
    user.may_cash_out = user.wallet.holds(Currency::Primary) >= CASHOUT_MIN;
    Ok(reply::data(&Started { is_allowed: user.may_cash_out }))
}

pub(super) fn cashout_finish(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Finish {
        desired_charity_amount: u64,
        desired_player_amount: u64,
    }
    let request: Finish = call.parse()?;
    let user = state.user_mut(call.account)?;
    if !user.may_cash_out {
        return Err(Refusal::new(Kind::Conflict, "call users/cashout_start first"));
    }
    let (charity, player) = (request.desired_charity_amount, request.desired_player_amount);
    let held = user.wallet.holds(Currency::Primary);
    let total = charity.saturating_add(player);
    if total > held || total < CASHOUT_MIN {
        let message = format!("cash out {CASHOUT_MIN} to {held}, not {total}");
        return Err(Refusal::new(Kind::NotEnoughMoney, message));
    }
    user.may_cash_out = false;
    user.donated += charity;
    state.charge(call.account, Currency::Primary, charity, Pocket::Charity)?;
    state.charge(call.account, Currency::Primary, player, Pocket::CashedOut)?;
    state.user_reply(call.account)
}

pub(super) fn ad_start(state: &mut State, call: &Call<'_>) -> Answer {
    state.user_mut(call.account)?.is_watching_ad = true;
    Ok(EMPTY)
}

pub(super) fn ad_finish(state: &mut State, call: &Call<'_>) -> Answer {
    let user = state.user_mut(call.account)?;
    if !user.is_watching_ad {
        return Err(Refusal::new(Kind::Conflict, "call ads/start first"));
    }
    user.is_watching_ad = false;
    user.ads_watched += 1;
    Ok(EMPTY)
}

pub(super) fn use_item(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct UseItem<'a> {
        #[serde(borrow)]
        item_type: Cow<'a, str>,
    }
    let UseItem { item_type } = call.parse()?;
    // What a spin wins at most, and how long the wheel rests.
    let (prize_max, rest_ms) = match &*item_type {
        "BasicSpin" => (5, BASIC_SPIN_REST_MS),
        "MegaSpin" => (100, MEGA_SPIN_REST_MS),
        _ => return Err(Refusal::not_found("item that can be used, called", &item_type)),
    };
    let now_ms = state.date_ms();
    let prize = 1 + state.draw(Site::Spin, prize_max);
    let user = state.user_mut(call.account)?;
    let Some(item) = user.item_mut(&item_type) else {
        return Err(Refusal::new(Kind::Conflict, format!("there is no {item_type} to use")));
    };
    if item.quantity < ONE_ITEM || item.next_use_ts > now_ms {
        return Err(Refusal::new(Kind::Conflict, format!("{item_type} cannot be used now")));
    }
    item.quantity -= ONE_ITEM;
    item.next_use_ts = now_ms + rest_ms;
    user.spins += 1;
    state.pay(call.account, Currency::Primary, prize, Pocket::Mint)?;
    state.user_reply(call.account)
}

/// Something to reach, and what it is worth in secondary money.
struct Goal {
    award: u64,
    target: u64,
    progress: fn(&User) -> u64,
}

/// Goal 0 is one that clients skip.
const GOALS: [Goal; 7] = [
    Goal { award: 0, target: u64::MAX, progress: |_| 0 },
    Goal { award: 10, target: 1, progress: |user| u64::from(user.is_activated) },
    Goal { award: 20, target: 20, progress: User::rank },
    Goal { award: 10, target: 5, progress: |user| user.spins },
    Goal { award: 10, target: 5, progress: |user| user.ads_watched },
    Goal { award: 10, target: 1, progress: |user| user.games_played },
    Goal { award: 25, target: 10, progress: |user| user.games_won },
];

impl Goal {
    /// `Active` is what clients look for: reached and not claimed.
    fn state(&self, id: usize, user: &User) -> &'static str {
        if user.goals_claimed & (1 << id) != 0 {
            "Claimed"
        } else if (self.progress)(user) >= self.target {
            "Active"
        } else {
            "InProgress"
        }
    }
}

#[derive(Serialize)]
struct Goals {
    goals: Vec<GoalView>,
}

#[derive(Serialize)]
struct GoalView {
    id: usize,
    state: &'static str,
    award: u64,
}

pub(super) fn progress_trackers(state: &mut State, call: &Call<'_>) -> Answer {
    let user = state.user(call.account)?;
    let views = GOALS.iter().enumerate();
    let goals = views
        .map(|(id, goal)| GoalView { id, state: goal.state(id, user), award: goal.award })
        .collect();
    Ok(reply::data(&Goals { goals }))
}

pub(super) fn claim_goal(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Claim {
        progress_tracker_id: usize,
    }
    let Claim { progress_tracker_id: id } = call.parse()?;
    let goal = GOALS.get(id).ok_or_else(|| Refusal::not_found("goal", &id.to_string()))?;
    let user = state.user_mut(call.account)?;
    if goal.state(id, user) != "Active" {
        return Err(Refusal::new(Kind::Conflict, format!("goal {id} has nothing to claim")));
    }
    user.goals_claimed |= 1 << id;
    state.pay(call.account, Currency::Secondary, goal.award, Pocket::Mint)?;
    state.user_reply(call.account)
}

//! Special events: they open and close by the clock, are joined for money, and end with prizes.
//!
//! What entrants pay goes into the event's pool; at the end the best entrant gets it, or the two
//! best share it. A test creates events of its own (see `testing.rs`); two kinds are always on.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::demo::{
    dates::{Date, NEVER_MS},
    games::{GameIndex, Outcome, Player},
    handle::Call,
    ledger::{Currency, Pocket},
    reply::{self, Answer, Kind, Refusal},
    state::{AccountIndex, State, Timer},
};

/// How many ended events a list shows.
const LAST_SHOWN_MAX: usize = 10;
/// The most events ever: the standing ones of a year, and those of many tests.
pub(super) const EVENTS_MAX: usize = 20_000;
/// The second best entrant gets this share of the pool, in percent.
const RUNNER_UP_PERCENT: u64 = 30;
const HOUR_MS: u64 = 3_600_000;
/// The type of events in which live games count.
const SURGE: &str = "surge";

/// The place of an event in [`State::events`]: events are never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventIndex(pub(super) usize);

/// One event.
#[derive(Clone, Debug)]
pub(super) struct SpecialEvent {
    pub(super) terms: Terms,
    pub(super) is_cancelled: bool,
    has_ended: bool,
    /// Start, close and end as text: lists are asked for far more often than events are made.
    dates: [String; 3],
    /// The entrant who waits for an opponent.
    pub(super) waiting: Option<AccountIndex>,
    entrants: BTreeMap<AccountIndex, Entrant>,
    /// By currency: what entrants paid and prizes not claimed.
    pool: [u64; 2],
}

/// What an event is created with.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) join_type: JoinType,
    pub(super) is_hidden: bool,
    pub(super) is_featured: bool,
    pub(super) invite_code: Option<String>,
    pub(super) start_ms: u64,
    pub(super) close_ms: u64,
    pub(super) end_ms: u64,
    pub(super) join: Price,
    pub(super) rejoin: Price,
    pub(super) rejoin_max: u64,
    /// Primary money that the mint adds to the pool.
    pub(super) prize: u64,
    /// A standing event: when it ends, the one after next is created.
    pub(super) recurs_ms: Option<u64>,
}

/// Who can join an event, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum JoinType {
    /// From the start until it closes.
    #[default]
    JoinWindow,
    /// Anyone, like `JoinWindow`; the name tells clients that it costs nothing.
    Global,
    /// Before the start too: entrants are paired when it starts.
    PreJoin,
    /// Nobody: entrants are chosen by hand.
    Admin,
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Price {
    pub(super) amount: u64,
    pub(super) currency: Currency,
}

/// How far a user has come in an event. The names are what clients compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum UserStatus {
    Uninvolved,
    Active,
    Playing,
    Eliminated,
    Won,
    RunnerUp,
    Claimed,
}

#[derive(Clone, Debug)]
struct Entrant {
    status: UserStatus,
    score: u64,
    rejoins: u32,
    prize: [u64; 2],
    /// Whether the prize was paid. The status says so too, but later if there is a race.
    is_paid: bool,
}

/// Where an event is in its life, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Upcoming,
    Running,
    Ended,
    Cancelled,
}

impl SpecialEvent {
    pub(super) fn phase(&self, now_ms: u64) -> Phase {
        match &self.terms {
            _ if self.is_cancelled => Phase::Cancelled,
            terms if now_ms < terms.start_ms => Phase::Upcoming,
            terms if now_ms < terms.end_ms => Phase::Running,
            _ => Phase::Ended,
        }
    }

    fn user_status(&self, account: AccountIndex) -> UserStatus {
        self.entrants.get(&account).map_or(UserStatus::Uninvolved, |entrant| entrant.status)
    }

    /// Doubles with every time, up to the maximum.
    fn rejoin_amount(&self, account: AccountIndex) -> u64 {
        let rejoins = self.entrants.get(&account).map_or(0, |entrant| entrant.rejoins.min(20));
        (self.terms.rejoin.amount << rejoins).min(self.terms.rejoin_max)
    }

    fn is_shown_to(&self, account: AccountIndex) -> bool {
        !self.is_cancelled && (!self.terms.is_hidden || self.entrants.contains_key(&account))
    }
}

/// An event as a user sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView<'a> {
    id: EventId,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    status: Phase,
    user_status: UserStatus,
    is_hidden: bool,
    is_featured: bool,
    has_invite_code: bool,
    start: &'a str,
    close: &'a str,
    end: &'a str,
    join_type: JoinType,
    join_cost: u64,
    join_currency: Currency,
    user_next_rejoin_cost: u64,
    user_rejoin_currency: Currency,
    prize_pool_total: u64,
    entrants: usize,
}

impl<'a> EventView<'a> {
    fn new(state: &'a State, index: EventIndex, account: AccountIndex) -> Self {
        let event = &state.events[index.0];
        let terms = &event.terms;
        let [start, close, end] = &event.dates;
        Self {
            id: EventId(index),
            name: &terms.name,
            kind: &terms.kind,
            status: event.phase(state.date_ms()),
            user_status: event.user_status(account),
            is_hidden: terms.is_hidden,
            is_featured: terms.is_featured,
            has_invite_code: terms.invite_code.is_some(),
            start,
            close,
            end,
            join_type: terms.join_type,
            join_cost: terms.join.amount,
            join_currency: terms.join.currency,
            user_next_rejoin_cost: event.rejoin_amount(account),
            user_rejoin_currency: terms.rejoin.currency,
            prize_pool_total: event.pool[Currency::Primary as usize],
            entrants: event.entrants.len(),
        }
    }
}

/// `e12`.
pub(super) struct EventId(pub(super) EventIndex);

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("e{}", self.0.0))
    }
}

pub(super) fn list(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Serialize, Default)]
    struct Lists<'a> {
        last: Vec<EventView<'a>>,
        current: Vec<EventView<'a>>,
        next: Vec<EventView<'a>>,
    }
    let now_ms = state.date_ms();
    let mut lists = Lists::default();
    // From the newest to the oldest, so that `last` holds the latest ones.
    for (index, event) in state.events.iter().enumerate().rev() {
        if !event.is_shown_to(call.account) {
            continue;
        }
        let view = || EventView::new(state, EventIndex(index), call.account);
        match event.phase(now_ms) {
            Phase::Upcoming => lists.next.push(view()),
            Phase::Running => lists.current.push(view()),
            // Whoever has won finds the prize where it looks first.
            Phase::Ended if event.has_prize_for(call.account) => lists.current.push(view()),
            Phase::Ended if lists.last.len() < LAST_SHOWN_MAX => lists.last.push(view()),
            Phase::Ended | Phase::Cancelled => {}
        }
    }
    Ok(reply::data(&lists))
}

pub(super) fn one(state: &mut State, call: &Call<'_>) -> Answer {
    let index = state.event_index(call.id)?;
    if !state.events[index.0].is_shown_to(call.account) {
        return Err(Refusal::not_found("event", call.id));
    }
    Ok(reply::data(&EventView::new(state, index, call.account)))
}

pub(super) fn invite_only(state: &mut State, call: &Call<'_>) -> Answer {
    let code = call.decoded_id();
    let has_code = |event: &SpecialEvent| {
        event.terms.invite_code.as_deref() == Some(&*code) && !event.is_cancelled
    };
    // The newest: a test that runs again creates events with the same codes again.
    let Some(index) = state.events.iter().rposition(has_code) else {
        return Err(Refusal::not_found("event with the invite code", &code));
    };
    Ok(reply::data(&EventView::new(state, EventIndex(index), call.account)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Join<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow, default)]
    invite_code: Option<Cow<'a, str>>,
}

pub(super) fn join(state: &mut State, call: &Call<'_>) -> Answer {
    let request: Join<'_> = call.parse()?;
    let index = state.open_event(&request.event_id)?;
    let event = &state.events[index.0];
    let has_code = event.terms.invite_code.as_deref() == request.invite_code.as_deref();
    if event.terms.invite_code.is_some() && !has_code {
        return Err(Refusal::new(Kind::Conflict, "the invite code is not this event's"));
    }
    if event.user_status(call.account) != UserStatus::Uninvolved {
        return Err(Refusal::new(Kind::Conflict, "this user has joined already"));
    }
    let price = event.terms.join;
    state.enter(index, call.account, price)?;
    let event = &mut state.events[index.0];
    let entrant =
        Entrant { status: UserStatus::Active, score: 0, rejoins: 0, prize: [0; 2], is_paid: false };
    event.entrants.insert(call.account, entrant);
    state.seek_opponent(index, call.account);
    state.user_reply(call.account)
}

pub(super) fn rejoin(state: &mut State, call: &Call<'_>) -> Answer {
    let request: Join<'_> = call.parse()?;
    let index = state.open_event(&request.event_id)?;
    let event = &state.events[index.0];
    if event.user_status(call.account) != UserStatus::Eliminated {
        return Err(Refusal::new(Kind::Conflict, "only who was eliminated can rejoin"));
    }
    let currency = event.terms.rejoin.currency;
    let price = Price { amount: event.rejoin_amount(call.account), currency };
    state.enter(index, call.account, price)?;
    if let Some(entrant) = state.events[index.0].entrants.get_mut(&call.account) {
        entrant.status = UserStatus::Active;
        entrant.rejoins += 1;
    }
    state.seek_opponent(index, call.account);
    state.user_reply(call.account)
}

pub(super) fn claim(state: &mut State, call: &Call<'_>) -> Answer {
    let request: Join<'_> = call.parse()?;
    let index = state.event_index(&request.event_id)?;
    let event = &mut state.events[index.0];
    let entrant = event
        .entrants
        .get_mut(&call.account)
        .filter(|entrant| matches!(entrant.status, UserStatus::Won | UserStatus::RunnerUp));
    let Some(entrant) = entrant else {
        return Err(Refusal::new(Kind::Conflict, "there is no prize to claim"));
    };
    let prize = entrant.prize;
    let was_paid = std::mem::replace(&mut entrant.is_paid, true);
    let race = state.rules.faults.prize_race;
    match (race.is_zero(), was_paid) {
        (true, _) => entrant.status = UserStatus::Claimed,
        (false, false) => {
            let due_us = state.now_us + u64::try_from(race.as_micros()).unwrap_or(u64::MAX);
            state.set_timer(due_us, Timer::PrizeSettles(index, call.account));
        }
        // The planted bug: the status does not say yet that the prize was paid.
        (false, true) => {}
    }
    for currency in Currency::ALL {
        let amount = prize[currency as usize];
        if !was_paid {
            state.events[index.0].pool[currency as usize] -= amount;
        }
        state.pay(call.account, currency, amount, Pocket::Prizes)?;
    }
    state.user_reply(call.account)
}

impl State {
    /// Creates an event; its pool gets what the mint adds.
    pub(super) fn add_event(&mut self, terms: Terms) -> EventIndex {
        let index = EventIndex(self.events.len());
        let mut pool = [0; 2];
        pool[Currency::Primary as usize] = terms.prize;
        self.ledger.shift(Currency::Primary, terms.prize, Pocket::Mint, Pocket::Prizes);
        let due_us = |ms: u64| ms.saturating_sub(self.rules.epoch_ms).saturating_mul(1_000);
        let (start_us, end_us) = (due_us(terms.start_ms), due_us(terms.end_ms));
        if terms.join_type == JoinType::PreJoin {
            self.set_timer(start_us, Timer::EventStarts(index));
        }
        if terms.end_ms < NEVER_MS {
            self.set_timer(end_us, Timer::EventEnds(index));
        }
        let dates = [terms.start_ms, terms.close_ms, terms.end_ms].map(|ms| Date(ms).to_string());
        self.events.push(SpecialEvent {
            dates,
            terms,
            is_cancelled: false,
            has_ended: false,
            waiting: None,
            entrants: BTreeMap::new(),
            pool,
        });
        index
    }

    /// The events that are there without anyone creating them: each kind has one that runs and
    /// one that is next.
    pub(super) fn add_standing_events(&mut self) {
        for (kind, period_ms, price) in [(SURGE, 24 * HOUR_MS, 0), ("adhoc", HOUR_MS, 5)] {
            for start_ms in [self.rules.epoch_ms, self.rules.epoch_ms + period_ms] {
                let join = Price { amount: price, currency: Currency::Primary };
                self.add_event(Terms {
                    name: kind.to_owned(),
                    kind: kind.to_owned(),
                    join_type: if price == 0 { JoinType::Global } else { JoinType::JoinWindow },
                    is_hidden: false,
                    is_featured: true,
                    invite_code: None,
                    start_ms,
                    close_ms: start_ms + period_ms - period_ms / 6,
                    end_ms: start_ms + period_ms,
                    join,
                    rejoin: join,
                    rejoin_max: 8 * price,
                    prize: 100,
                    recurs_ms: Some(period_ms),
                });
            }
        }
    }

    /// Finds opponents for those who joined before the start.
    pub(super) fn start_event(&mut self, index: EventIndex) {
        let entrants: Vec<_> = self.events[index.0].entrants.keys().copied().collect();
        for account in entrants {
            self.seek_opponent(index, account);
        }
    }

    /// A claimed prize shows as claimed, where there is a race.
    pub(super) fn prize_settles(&mut self, index: EventIndex, account: AccountIndex) {
        self.events[index.0].set_status(account, UserStatus::Claimed);
    }

    /// Decides who won. A cancelled event has been settled before.
    pub(super) fn end_event(&mut self, index: EventIndex) {
        let event = &mut self.events[index.0];
        if event.has_ended || event.is_cancelled {
            return;
        }
        event.has_ended = true;
        let mut best: Vec<AccountIndex> = event.entrants.keys().copied().collect();
        // Who is still in goes before who was eliminated; then by score; then who joined the API
        // first, which the sort keeps.
        best.sort_by_key(|account| {
            let entrant = &event.entrants[account];
            (entrant.status == UserStatus::Eliminated, std::cmp::Reverse(entrant.score))
        });
        let second = event.pool.map(|pool| pool * RUNNER_UP_PERCENT / 100);
        let (first, pool) = (best.first().copied(), event.pool);
        if let Some(runner_up) = best.get(1) {
            event.award(*runner_up, UserStatus::RunnerUp, second);
            let rest = [pool[0] - second[0], pool[1] - second[1]];
            event.award(best[0], UserStatus::Won, rest);
        } else if let Some(winner) = first {
            event.award(winner, UserStatus::Won, pool);
        } else {
            self.empty_pool(index);
        }
        let terms = &self.events[index.0].terms;
        if let Some(period_ms) = terms.recurs_ms
            && self.events.len() < EVENTS_MAX
        {
            let mut terms = terms.clone();
            terms.start_ms += 2 * period_ms;
            terms.close_ms += 2 * period_ms;
            terms.end_ms += 2 * period_ms;
            self.add_event(terms);
        }
    }

    /// Stops an event: entrants get nothing back, as in a game that is called off for all.
    pub(super) fn cancel_event(&mut self, index: EventIndex) {
        let event = &mut self.events[index.0];
        if !event.has_ended && !event.is_cancelled {
            event.is_cancelled = true;
            self.empty_pool(index);
        }
    }

    fn empty_pool(&mut self, index: EventIndex) {
        for currency in Currency::ALL {
            let left = std::mem::take(&mut self.events[index.0].pool[currency as usize]);
            self.ledger.shift(currency, left, Pocket::Prizes, Pocket::Mint);
        }
    }

    fn enter(
        &mut self,
        index: EventIndex,
        account: AccountIndex,
        price: Price,
    ) -> Result<(), Refusal> {
        self.charge(account, price.currency, price.amount, Pocket::Prizes)?;
        self.events[index.0].pool[price.currency as usize] += price.amount;
        Ok(())
    }

    /// Whether someone can still play in an event.
    pub(super) fn is_in_running(&self, index: EventIndex, account: AccountIndex) -> bool {
        let event = &self.events[index.0];
        event.phase(self.date_ms()) == Phase::Running
            && event.user_status(account) == UserStatus::Active
    }

    /// Entrants of an event have begun a game.
    pub(super) fn entrants_play(&mut self, index: EventIndex, game: GameIndex) {
        for player in self.games[&game].players() {
            if let Player::Account(account) = player {
                self.events[index.0].set_status(account, UserStatus::Playing);
            }
        }
    }

    /// An entrant's game is decided. After the event has ended it counts for nothing.
    pub(super) fn entrant_played(
        &mut self,
        index: EventIndex,
        account: AccountIndex,
        outcome: Outcome,
    ) {
        let event = &mut self.events[index.0];
        if event.has_ended || event.is_cancelled {
            return;
        }
        match outcome {
            Outcome::Won => {
                event.set_status(account, UserStatus::Active);
                event.score(account);
            }
            Outcome::Lost => event.set_status(account, UserStatus::Eliminated),
        }
    }

    /// A live game won counts in every surge that the winner has joined.
    pub(super) fn score_in_surges(&mut self, account: AccountIndex) {
        let now_ms = self.date_ms();
        for event in &mut self.events {
            if event.terms.kind == SURGE && event.phase(now_ms) == Phase::Running {
                event.score(account);
            }
        }
    }

    /// The newest surge that runs.
    pub(super) fn running_surge(&self) -> Option<EventIndex> {
        let now_ms = self.date_ms();
        let is_running_surge = |event: &SpecialEvent| {
            event.terms.kind == SURGE && event.phase(now_ms) == Phase::Running
        };
        self.events.iter().rposition(is_running_surge).map(EventIndex)
    }

    pub(super) fn event_index(&self, id: &str) -> Result<EventIndex, Refusal> {
        id.strip_prefix('e')
            .and_then(|digits| digits.parse().ok())
            .filter(|&index| index < self.events.len())
            .map(EventIndex)
            .ok_or_else(|| Refusal::not_found("event", id))
    }

    /// An event that can be joined now.
    fn open_event(&self, id: &str) -> Result<EventIndex, Refusal> {
        let index = self.event_index(id)?;
        let (event, now_ms) = (&self.events[index.0], self.date_ms());
        let is_open = match (event.terms.join_type, event.phase(now_ms)) {
            (JoinType::Admin, _) => false,
            (JoinType::PreJoin, Phase::Upcoming) | (_, Phase::Running) => {
                now_ms < event.terms.close_ms
            }
            _ => false,
        };
        if !is_open {
            return Err(Refusal::new(Kind::Conflict, "this event is not open"));
        }
        Ok(index)
    }

    /// What all events hold of a currency.
    pub(super) fn prizes_held(&self, currency: Currency) -> i64 {
        let held: u64 = self.events.iter().map(|event| event.pool[currency as usize]).sum();
        i64::try_from(held).expect("it is a part of what the mint gave out")
    }
}

impl SpecialEvent {
    /// Entrants and their scores.
    pub(super) fn scores(&self) -> impl Iterator<Item = (AccountIndex, u64)> {
        self.entrants.iter().map(|(&account, entrant)| (account, entrant.score))
    }

    fn has_prize_for(&self, account: AccountIndex) -> bool {
        matches!(self.user_status(account), UserStatus::Won | UserStatus::RunnerUp)
    }

    fn set_status(&mut self, account: AccountIndex, status: UserStatus) {
        if let Some(entrant) = self.entrants.get_mut(&account) {
            entrant.status = status;
        }
    }

    fn score(&mut self, account: AccountIndex) {
        if let Some(entrant) = self.entrants.get_mut(&account) {
            entrant.score += 1;
        }
    }

    fn award(&mut self, account: AccountIndex, status: UserStatus, prize: [u64; 2]) {
        if let Some(entrant) = self.entrants.get_mut(&account) {
            entrant.status = status;
            entrant.prize = prize;
        }
    }
}

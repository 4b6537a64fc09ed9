//! All that the stand-in API remembers.
//!
//! Plain values, found by index or through ordered maps: nothing here depends on a hash, an
//! address or a clock. Things that happen by themselves (an event that ends) are timers: they
//! fire before the first request at or after their time, with the time they were due.
//!
//! Knows nothing of requests: see `handle.rs`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::demo::{
    auth::Throttle,
    boards::Boards,
    config::Documents,
    draws::{self, Site},
    events::{EventIndex, SpecialEvent},
    faults::Faults,
    games::{Game, GameIndex},
    ledger::Ledger,
    reply::{Kind, Refusal},
    stats::{ConnectionCounts, Stats},
    users::User,
};

/// The most accounts that can sign up: about 1 GiB of memory with their users.
pub(super) const ACCOUNTS_MAX: usize = 1_000_000;

/// How one stand-in API behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What all chance is computed from.
    pub seed: u64,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// How long an access token is valid.
    pub token_lifetime: Duration,
    /// Cognito calls per second beyond which it answers `TooManyRequestsException`.
    pub auth_per_sec_max: Option<u32>,
    /// The wall clock at time 0, in ms since 1970: what dates in answers count from.
    pub epoch_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            seed: 1,
            faults: Faults::default(),
            token_lifetime: Duration::from_secs(3_600),
            auth_per_sec_max: None,
            // 2024-04-01T00:00:00Z: a fixed moment, so that runs in virtual time agree.
            epoch_ms: 1_711_929_600_000,
        }
    }
}

/// The place of an account in [`State::accounts`]: accounts are never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AccountIndex(pub(super) u32);

/// Who can log in, registered or not.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) phone: Box<str>,
    pub(super) user: Option<Box<User>>,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    EventStarts(EventIndex),
    EventEnds(EventIndex),
    /// An entrant of an event has waited for an opponent.
    EntrantWaits(EventIndex, AccountIndex),
    ComputerJoins(GameIndex),
    OfferEnds(GameIndex),
    ComputerPlays(GameIndex, u32),
    /// The time of a round is up; round 0 is when players load.
    RoundEnds(GameIndex, u32),
    PrizeSettles(EventIndex, AccountIndex),
}

/// One stand-in API.
#[derive(Debug)]
pub struct State {
    pub(super) rules: Rules,
    /// The time of the latest request, or of the timer that fires, in µs since the start.
    pub(super) now_us: u64,
    pub(super) stats: Stats,
    /// How many requests could have met a fault so far.
    pub(super) ordinal: u64,
    pub(super) throttle: Throttle,
    pub(super) accounts: Vec<Account>,
    pub(super) by_phone: BTreeMap<Box<str>, AccountIndex>,
    pub(super) by_username: BTreeMap<Box<str>, AccountIndex>,
    pub(super) ledger: Ledger,
    pub(super) events: Vec<SpecialEvent>,
    pub(super) games: BTreeMap<GameIndex, Game>,
    pub(super) games_opened: u64,
    /// Live games with an empty seat.
    pub(super) waiting: BTreeSet<GameIndex>,
    /// The games decided last, the newest first.
    pub(super) feed: VecDeque<GameIndex>,
    pub(super) boards: Boards,
    pub(super) documents: Documents,
    pub(super) flags: BTreeMap<(String, String), serde_json::Value>,
    /// By (due, order of setting).
    timers: BTreeMap<(u64, u64), Timer>,
    timers_set: u64,
    /// How often each site has drawn.
    draws: [u64; Site::COUNT],
}

impl State {
    /// An API that nobody has signed up to yet, with the events that are always on.
    pub fn new(rules: Rules) -> Self {
        let mut state = Self {
            now_us: 0,
            stats: Stats::new(),
            ordinal: 0,
            throttle: Throttle::default(),
            accounts: Vec::new(),
            by_phone: BTreeMap::new(),
            by_username: BTreeMap::new(),
            ledger: Ledger::default(),
            events: Vec::new(),
            games: BTreeMap::new(),
            games_opened: 0,
            waiting: BTreeSet::new(),
            feed: VecDeque::new(),
            boards: Boards::default(),
            documents: Documents::new(),
            flags: BTreeMap::new(),
            timers: BTreeMap::new(),
            timers_set: 0,
            draws: [0; Site::COUNT],
            rules,
        };
        state.add_standing_events();
        state
    }

    /// Lets time pass up to `now_us`. Time never goes back.
    pub(super) fn advance(&mut self, now_us: u64) {
        let now_us = now_us.max(self.now_us);
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= now_us
        {
            self.now_us = entry.key().0;
            match entry.remove() {
                Timer::EventStarts(event) => self.start_event(event),
                Timer::EventEnds(event) => self.end_event(event),
                Timer::EntrantWaits(event, account) => self.entrant_waits(event, account),
                Timer::ComputerJoins(game) => self.computer_joins(game),
                Timer::OfferEnds(game) => self.offer_ends(game),
                Timer::ComputerPlays(game, round) => self.computer_plays(game, round),
                Timer::RoundEnds(game, round) => self.round_ends(game, round),
                Timer::PrizeSettles(event, account) => self.prize_settles(event, account),
            }
        }
        self.now_us = now_us;
    }

    pub(super) fn set_timer(&mut self, due_us: u64, timer: Timer) {
        self.timers_set += 1;
        // A timer that is already due fires at the next request, never in the past.
        self.timers.insert((due_us.max(self.now_us), self.timers_set), timer);
    }

    /// The wall clock, in ms since 1970.
    pub(super) const fn date_ms(&self) -> u64 {
        self.rules.epoch_ms + self.now_us / 1_000
    }

    /// The day that it is, counted from 1970.
    pub(super) const fn day(&self) -> u64 {
        self.date_ms() / 86_400_000
    }

    /// A site's next draw below `bound`: requests are handled in order, so draws are too.
    pub(super) fn draw(&mut self, site: Site, bound: u64) -> u64 {
        let drawn = &mut self.draws[site as usize];
        *drawn += 1;
        draws::below(draws::bits(self.rules.seed, site, *drawn), bound)
    }

    pub(super) fn account(&self, account: AccountIndex) -> &Account {
        &self.accounts[account.0 as usize]
    }

    /// The user of an account that has registered.
    pub(super) fn user(&self, account: AccountIndex) -> Result<&User, Refusal> {
        self.account(account).user.as_deref().ok_or_else(not_registered)
    }

    pub(super) fn user_mut(&mut self, account: AccountIndex) -> Result<&mut User, Refusal> {
        self.accounts[account.0 as usize].user.as_deref_mut().ok_or_else(not_registered)
    }

    /// Every registered user, in the order of their accounts.
    pub(super) fn users(&self) -> impl Iterator<Item = (AccountIndex, &User)> {
        (0..)
            .map(AccountIndex)
            .zip(&self.accounts)
            .filter_map(|(index, account)| account.user.as_deref().map(|user| (index, user)))
    }

    /// Tells what the server saw of its connections, for `/_stats`.
    pub(super) fn set_connections(&mut self, connections: ConnectionCounts) {
        self.stats.set_connections(connections);
    }
}

fn not_registered() -> Refusal {
    Refusal::new(Kind::UserNotFound, "this account has no user: call users/register")
}

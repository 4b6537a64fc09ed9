//! Users: registration, what they own, and the endpoints that set tests up.
//!
//! A user persists: a bot that comes back finds its balance, rank and settings as it left them.
//! Most endpoints answer with the whole user, as clients replace what they know by it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::demo::{
    games::{GameIndex, Outcome, Sessions},
    handle::Call,
    ledger::{AMOUNT_MAX, Currency, Pocket, Wallet},
    reply::{self, Answer, Kind, Refusal},
    state::{AccountIndex, State},
};

const XP_MAX: u64 = 1_000_000;
const USERNAME_BYTES_MAX: usize = 64;
/// More kinds of item than the game has.
const ITEM_KINDS_MAX: usize = 16;
/// A user counts as active this long after its last request.
const ACTIVE_FOR_US: u64 = 300 * 1_000_000;

/// The games there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum GameType {
    #[serde(rename = "CrystalCaveGame")]
    CrystalCave,
    #[serde(rename = "ShootingGalleryGame")]
    ShootingGallery,
    #[serde(rename = "MagnetGame")]
    Magnet,
    #[serde(rename = "AsteroidGame")]
    Asteroid,
}

impl GameType {
    pub(super) const ALL: [Self; 4] =
        [Self::CrystalCave, Self::ShootingGallery, Self::Magnet, Self::Asteroid];
}

/// One registered user.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) username: Box<str>,
    pub(super) xp: u64,
    pub(super) wallet: Wallet,
    pub(super) highest_balance: u64,
    pub(super) donated: u64,
    pub(super) profile: Profile,
    pub(super) is_activated: bool,
    pub(super) inviter: Option<AccountIndex>,
    pub(super) unlocked: Unlocked,
    pub(super) inventory: Vec<Item>,
    pub(super) sessions: Vec<GameIndex>,
    pub(super) games_played: u64,
    pub(super) games_won: u64,
    pub(super) winnings: Winnings,
    pub(super) goals_claimed: u64,
    pub(super) spins: u64,
    pub(super) is_watching_ad: bool,
    pub(super) ads_watched: u64,
    pub(super) may_cash_out: bool,
    pub(super) last_seen_us: u64,
}

/// Which games a user has unlocked, by discriminant. The Magnet game is everyone's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unlocked([bool; 4]);

impl Default for Unlocked {
    fn default() -> Self {
        Self(GameType::ALL.map(|game| game == GameType::Magnet))
    }
}

/// How a user wants to be matched.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    pub(super) exclude_bots: bool,
    pub(super) use_default_matchmaking_level: bool,
    pub(super) lowest_matchmaking_level: u32,
    pub(super) default_matchmaking_level: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            exclude_bots: false,
            use_default_matchmaking_level: false,
            lowest_matchmaking_level: 0,
            default_matchmaking_level: 1,
        }
    }
}

/// Something a user owns; quantities are in hundredths.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) item_type: Box<str>,
    pub(super) quantity: u64,
    /// When it can be used again, in ms since 1970.
    pub(super) next_use_ts: u64,
}

/// What a user won, by day and by week (from Monday).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Winnings {
    /// The day, counted from 1970, that `today` is about.
    day: u64,
    pub(super) today: u64,
    pub(super) yesterday: u64,
    pub(super) this_week: u64,
    pub(super) last_week: u64,
}

impl Winnings {
    pub(super) fn add(&mut self, day: u64, amount: u64) {
        *self = self.on(day);
        self.today += amount;
        self.this_week += amount;
    }

    /// The same winnings as seen on a later day.
    pub(super) const fn on(self, day: u64) -> Self {
        // 1970 began on a Thursday: three days after a Monday.
        let (week, own_week) = ((day + 3) / 7, (self.day + 3) / 7);
        let (today, yesterday) = match day - self.day {
            0 => (self.today, self.yesterday),
            1 => (0, self.today),
            _ => (0, 0),
        };
        let (this_week, last_week) = match week - own_week {
            0 => (self.this_week, self.last_week),
            1 => (0, self.this_week),
            _ => (0, 0),
        };
        Self { day, today, yesterday, this_week, last_week }
    }
}

impl User {
    /// Rank n takes 4 n² points: 1,734 points, which load tests set, make rank 20.
    pub(super) fn rank(&self) -> u64 {
        (self.xp / 4).isqrt()
    }

    pub(super) fn item_mut(&mut self, item_type: &str) -> Option<&mut Item> {
        self.inventory.iter_mut().find(|item| &*item.item_type == item_type)
    }

    pub(super) fn count_game(&mut self, outcome: Outcome, level: u64) {
        self.games_played += 1;
        let xp = match outcome {
            Outcome::Won => {
                self.games_won += 1;
                10 + 5 * level
            }
            Outcome::Lost => 5,
        };
        self.xp = (self.xp + xp).min(XP_MAX);
    }

    pub(super) const fn is_active(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.last_seen_us) < ACTIVE_FOR_US
    }
}

pub(super) fn startup(_: &mut State, _: &Call<'_>) -> Answer {
    Ok(reply::EMPTY)
}

pub(super) fn session_start(state: &mut State, call: &Call<'_>) -> Answer {
    // A new account has no user yet: the answer below says so.
    state.leave_live_game(call.account);
    state.user_reply(call.account)
}

pub(super) fn register(state: &mut State, call: &Call<'_>) -> Answer {
    let account = &mut state.accounts[call.account.0 as usize];
    if account.user.is_some() {
        return Err(Refusal::new(Kind::Conflict, "this account has registered already"));
    }
    account.user = Some(Box::new(User { last_seen_us: state.now_us, ..User::default() }));
    state.user_reply(call.account)
}

pub(super) fn activate(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Activate<'a> {
        #[serde(borrow)]
        username: Cow<'a, str>,
    }
    let Activate { username } = call.parse()?;
    if username.is_empty() || username.len() > USERNAME_BYTES_MAX {
        let message = format!("a username has 1 to {USERNAME_BYTES_MAX} bytes");
        return Err(Refusal::new(Kind::BadRequest, message));
    }
    match state.by_username.get(&*username) {
        Some(&holder) if holder != call.account => {
            return Err(Refusal::new(Kind::Conflict, format!("`{username}` is taken")));
        }
        _ => {}
    }
    let user = state.user_mut(call.account)?;
    user.is_activated = true;
    let former = std::mem::replace(&mut user.username, username.as_ref().into());
    state.by_username.remove(&former);
    state.by_username.insert(username.into(), call.account);
    state.user_reply(call.account)
}

pub(super) fn user(state: &mut State, call: &Call<'_>) -> Answer {
    state.user_reply(call.account)
}

pub(super) fn set_profile(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct SetProfile {
        profile: Changes,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Changes {
        exclude_bots: Option<bool>,
        use_default_matchmaking_level: Option<bool>,
        lowest_matchmaking_level: Option<u32>,
        default_matchmaking_level: Option<u32>,
    }
    let SetProfile { profile: changes } = call.parse()?;
    let profile = &mut state.user_mut(call.account)?.profile;
    let set = |field: &mut bool, change: Option<bool>| *field = change.unwrap_or(*field);
    set(&mut profile.exclude_bots, changes.exclude_bots);
    set(&mut profile.use_default_matchmaking_level, changes.use_default_matchmaking_level);
    let set = |field: &mut u32, change: Option<u32>| *field = change.unwrap_or(*field);
    set(&mut profile.lowest_matchmaking_level, changes.lowest_matchmaking_level);
    set(&mut profile.default_matchmaking_level, changes.default_matchmaking_level);
    state.user_reply(call.account)
}

pub(super) fn set_xp(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct SetXp {
        xp: u64,
    }
    let SetXp { xp } = call.parse()?;
    if xp > XP_MAX {
        return Err(Refusal::new(Kind::BadRequest, format!("xp is at most {XP_MAX}")));
    }
    state.user_mut(call.account)?.xp = xp;
    state.user_reply(call.account)
}

pub(super) fn unlock_game(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct UnlockGame {
        game: GameType,
    }
    let UnlockGame { game } = call.parse()?;
    state.user_mut(call.account)?.unlocked.0[game as usize] = true;
    state.user_reply(call.account)
}

pub(super) fn set_balance(state: &mut State, call: &Call<'_>) -> Answer {
    set_money(state, call, Currency::Primary)
}

pub(super) fn set_secondary_balance(state: &mut State, call: &Call<'_>) -> Answer {
    set_money(state, call, Currency::Secondary)
}

fn set_money(state: &mut State, call: &Call<'_>, currency: Currency) -> Answer {
    #[derive(Deserialize)]
    struct SetBalance {
        amount: u64,
    }
    let SetBalance { amount } = call.parse()?;
    if amount > AMOUNT_MAX {
        return Err(Refusal::new(Kind::BadRequest, format!("amount is at most {AMOUNT_MAX}")));
    }
    let held = state.user(call.account)?.wallet.holds(currency);
    if amount >= held {
        state.pay(call.account, currency, amount - held, Pocket::Mint)?;
    } else {
        state.charge(call.account, currency, held - amount, Pocket::Mint)?;
    }
    state.user_reply(call.account)
}

pub(super) fn add_item(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct AddItem<'a> {
        #[serde(borrow)]
        item: Cow<'a, str>,
        quantity: u64,
    }
    let AddItem { item: item_type, quantity } = call.parse()?;
    if quantity > AMOUNT_MAX {
        return Err(Refusal::new(Kind::BadRequest, format!("quantity is at most {AMOUNT_MAX}")));
    }
    let user = state.user_mut(call.account)?;
    if let Some(item) = user.item_mut(&item_type) {
        item.quantity = (item.quantity + quantity).min(AMOUNT_MAX);
    } else if user.inventory.len() >= ITEM_KINDS_MAX {
        return Err(Refusal::new(Kind::Conflict, "the inventory is full"));
    } else {
        user.inventory.push(Item { item_type: item_type.into(), quantity, next_use_ts: 0 });
    }
    state.user_reply(call.account)
}

impl State {
    /// `{"data": user}`: what most endpoints answer with.
    pub(super) fn user_reply(&self, account: AccountIndex) -> Answer {
        Ok(user_data(self, account, self.user(account)?))
    }

    pub(super) fn username(&self, account: AccountIndex) -> &str {
        self.account(account).user.as_ref().map_or("", |user| &user.username)
    }
}

fn user_data(state: &State, account: AccountIndex, user: &User) -> Bytes {
    reply::data(&UserView { state, account, user })
}

/// A user as its owner sees it.
pub(super) struct UserView<'a> {
    pub(super) state: &'a State,
    pub(super) account: AccountIndex,
    pub(super) user: &'a User,
}

impl Serialize for UserView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct InviteData<'a> {
            status: &'static str,
            inviter: Option<&'a str>,
        }
        let user = self.user;
        let invite_data = InviteData {
            status: if user.is_activated { "playing" } else { "invited" },
            inviter: user.inviter.map(|inviter| self.state.username(inviter)),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &UserId(self.account))?;
        map.serialize_entry("username", &user.username)?;
        map.serialize_entry("phone", &self.state.account(self.account).phone)?;
        map.serialize_entry("xp", &user.xp)?;
        map.serialize_entry("rank", &user.rank())?;
        map.serialize_entry("account", &user.wallet.holds(Currency::Primary))?;
        map.serialize_entry("secondaryAccount", &user.wallet.holds(Currency::Secondary))?;
        map.serialize_entry("profile", &user.profile)?;
        map.serialize_entry("inviteData", &invite_data)?;
        map.serialize_entry("available_games", &user.unlocked)?;
        map.serialize_entry("inventory", &user.inventory)?;
        let (state, account, listed) = (self.state, self.account, &user.sessions);
        map.serialize_entry("sessions", &Sessions { state, account, listed })?;
        map.end()
    }
}

impl Serialize for Unlocked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Game {
            is_unlocked: bool,
        }
        let games = GameType::ALL.iter().zip(self.0);
        serializer.collect_map(games.map(|(game, is_unlocked)| (game, Game { is_unlocked })))
    }
}

/// `u12`.
pub(super) struct UserId(pub(super) AccountIndex);

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("u{}", self.0.0))
    }
}

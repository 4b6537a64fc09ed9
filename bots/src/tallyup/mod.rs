//! A player of the TallyUp app: screens, weighted actions, live and asynchronous games, events.
//!
//! Each screen is a method that calls others: what a person does with an app. A screen ends with
//! where to go next, so a jump to another tab unwinds to the session, which opens it. Screens that
//! open each other are boxed and nested to a limited depth; a bot pays memory only for the screens
//! that it is on. `TALLYUP.md` maps each screen to its function, and lists what is done otherwise
//! than in the original.
//!
//! Knows nothing of sockets and clocks: it runs on the same trait as any bot.

mod api;
mod calendar;
mod cognito;
mod config;
mod dates;
mod documents;
mod games;
mod identity;
mod metrics;
mod result;
mod screens;
mod set_up;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tallyho_replay::dispatch::ActionSet;
use tallyho_replay::{Bot, Context, Level, Name, Outcome, Question, Site, Who, dispatch, site};

pub use config::{TallyUpCarry, TallyUpConfig};
pub use set_up::{TallyUpHealth, TallyUpSetUp};

use calendar::Calendar;
use documents::{Trackers, User};
use identity::{Identity, NUMBER_MAX};
use result::{CallError, Next};

/// Weights are written in thousandths, as the original has fractions.
const UNIT: u32 = 1_000;
/// How deep screens may be nested: a challenge from the end of a game from a challenge…
const DEPTH_MAX: u32 = 8;
/// After a failed start a bot waits up to so long, so that a thousand do not come back at once.
const START_PAUSE_MAX_MS: u64 = 60_000;
/// The same after a throttled login, in the original's way.
const THROTTLED_PAUSE_MAX_MS: u64 = 600_000;

/// The player.
pub struct TallyUp {
    config: Rc<TallyUpConfig>,
    identity: Identity,
    carry: TallyUpCarry,
    /// The wall clock at the run's start, in ms since 1970.
    epoch_ms: u64,
    user: User,
    goals: Trackers,
    events: Calendar,
    levels: Levels,
    /// Where the bot is.
    screen: Screen,
    depth: u32,
    /// Why the session, or the run, ends.
    reason: Option<Name>,
    /// Events whose prize was paid.
    claimed: Vec<Box<str>>,
    /// Invite codes of hidden events that have ended.
    ended_codes: Vec<String>,
}

/// What can be played, from the tower data.
#[derive(Debug, Default)]
struct Levels {
    /// The highest that is available at all.
    max: u64,
    /// Levels and the ranks from which they can be played.
    unlocks: Box<[(u32, u32)]>,
}

/// A screen of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    Loading,
    Home,
    PowerPlaySettings,
    Settings,
    Wallet,
    Activity,
    Goals,
    Events,
    EventDetails,
    Social,
    Pvp,
    Feed,
}

impl Bot for TallyUp {
    const NAME: &'static str = "tallyup";
    const SET_UP: Option<&'static str> = Some(<TallyUpSetUp as Bot>::NAME);
    const HEARTBEAT: Option<&'static str> = Some(<TallyUpHealth as Bot>::NAME);
    type Config = TallyUpConfig;
    type Carry = TallyUpCarry;

    fn new(config: Rc<TallyUpConfig>, who: Who, carry: TallyUpCarry) -> Self {
        Self::of(config, Identity::of(who.bot), carry)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        if ctx.who().bot > NUMBER_MAX {
            return Outcome::AbortRun(Name::Static(identity::NONE_LEFT));
        }
        ctx.counter(metrics::SESSIONS, 1);
        let began = ctx.now();
        let end = self.play(ctx).await;
        ctx.trend_time(metrics::SESSION_DURATION, ctx.now().saturating_sub(began));
        let reason = self.reason.take().unwrap_or(Name::Static("no reason was kept"));
        match end {
            Next::Fatal => Outcome::Failed(reason),
            Next::Abort => Outcome::AbortRun(reason),
            _ => Outcome::Done,
        }
    }

    fn carry(mut self) -> TallyUpCarry {
        if !self.config.carry_logins {
            self.carry.tokens = None;
        }
        self.carry
    }
}

impl TallyUp {
    fn of(config: Rc<TallyUpConfig>, identity: Option<Identity>, carry: TallyUpCarry) -> Self {
        Self {
            config,
            // A number out of range ends the session before its first request.
            identity: identity.unwrap_or(Identity(0)),
            carry,
            epoch_ms: 0,
            user: User::default(),
            goals: Trackers::default(),
            events: Calendar::default(),
            levels: Levels::default(),
            screen: Screen::Loading,
            depth: 0,
            reason: None,
            claimed: Vec::new(),
            ended_codes: Vec::new(),
        }
    }

    /// The whole session: loads the app, then goes from tab to tab.
    async fn play(&mut self, ctx: &mut Context) -> Next {
        let now_ms = u64::try_from(ctx.now().as_millis()).unwrap_or(u64::MAX);
        self.epoch_ms = ctx.ask(Question::UnixMs).await.saturating_sub(now_ms);
        if let Err(error) = Box::pin(self.loading(ctx)).await {
            return self.start_failed(ctx, &error).await;
        }
        let mut next = self.home(ctx).await;
        let mut tabs = self.actions("session").no_repeat();
        let play_async = self.config.play_async;
        while !next.ends_session() && !ctx.stopping() {
            next = match next {
                Next::GoToGoals => self.goals(ctx).await,
                Next::GoToHome => self.home(ctx).await,
                Next::GoToEvents if play_async => self.events(ctx).await,
                Next::GoToSocial if play_async => self.social(ctx).await,
                _ => dispatch!(ctx, tabs, {
                    "exit": 2 * UNIT => self.exit(ctx).await,
                    "activityScreen": 10 * UNIT => self.activity(ctx).await,
                    "goalsScreen": 10 * UNIT => self.goals(ctx).await,
                    "homeScreen": 20 * UNIT => self.home(ctx).await,
                    "eventsScreen": 38 * UNIT, if play_async => self.events(ctx).await,
                    "socialScreen": 20 * UNIT, if play_async => self.social(ctx).await,
                })
                .acted()
                .unwrap_or(Next::Skipped),
            };
            if next == Next::Skipped {
                // Every tab did nothing: without a pause this could go on for ever.
                self.pause(ctx, site!("session.idle"), (1_000, 1_000)).await;
            }
        }
        next
    }

    async fn exit(&mut self, ctx: &mut Context) -> Next {
        self.pause(ctx, site!("session.exit"), (60_000, 120_000)).await;
        Next::ExitApp
    }

    /// A session that did not start has failed; the bot's next one tries again.
    async fn start_failed(&mut self, ctx: &mut Context, error: &CallError) -> Next {
        let is_throttled = error.kind == result::CallErrorKind::Throttled;
        let pause_max_ms = if is_throttled { THROTTLED_PAUSE_MAX_MS } else { START_PAUSE_MAX_MS };
        let next = self.fail(ctx, format_args!("start: {error}"));
        if !ctx.stopping() {
            let pause_ms = ctx.draw(site!("start.pause")).between(0..=pause_max_ms);
            self.sleep(ctx, Duration::from_millis(pause_ms)).await;
        }
        next
    }
}

/// What all screens use.
impl TallyUp {
    /// A set of weighted actions; its name is what `actionWeights` refers to.
    fn actions(&self, name: &'static str) -> ActionSet {
        let retries = u32::try_from(self.config.max_action_retries).unwrap_or(u32::MAX);
        ActionSet::new(name).retries(retries)
    }

    /// Keeps why the session ends as failed.
    fn fail(&mut self, ctx: &Context, reason: impl fmt::Display) -> Next {
        self.log(ctx, ("Main", Level::Error), &reason);
        self.reason = Some(Name::from(reason.to_string()));
        Next::Fatal
    }

    /// Keeps why the whole run ends.
    fn abort(&mut self, ctx: &Context, reason: impl fmt::Display) -> Next {
        self.fail(ctx, reason);
        Next::Abort
    }

    fn log(&self, ctx: &Context, (part, level): (&str, Level), text: impl fmt::Display) {
        if self.config.logs(part, level) {
            ctx.log(level, format_args!("{}: {text}", self.identity.0));
        }
    }

    /// Waits for a time from this range, in milliseconds; for its least unless delays are on.
    async fn pause(&self, ctx: &mut Context, site: Site, range_ms: (u64, u64)) {
        let wait = self.delay(ctx, site, range_ms);
        self.sleep(ctx, wait).await;
    }

    /// A time from this range, in milliseconds; its least unless delays are on.
    fn delay(&self, ctx: &Context, site: Site, (least_ms, most_ms): (u64, u64)) -> Duration {
        let least = Duration::from_millis(least_ms);
        if !self.config.enable_delays || least_ms >= most_ms {
            return least;
        }
        let last = Duration::from_millis(most_ms).saturating_sub(Duration::from_micros(1));
        ctx.draw(site).duration(least..=last)
    }

    /// Thinks before an action, unless the one before did nothing.
    async fn think(&self, ctx: &mut Context, previous: Next) {
        if previous != Next::Skipped {
            self.pause(ctx, site!("think"), (1_000, 20_000)).await;
        }
    }

    /// Waits as a person does: `delayScale` applies. Polls and retries keep their pauses.
    async fn sleep(&self, ctx: &mut Context, wait: Duration) {
        let scaled = wait.as_micros() * u128::from(self.config.delay_scale_ppm) / 1_000_000;
        ctx.sleep(Duration::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX))).await;
    }

    /// The wall clock, in ms since 1970.
    fn date_ms(&self, ctx: &Context) -> u64 {
        self.epoch_ms + u64::try_from(ctx.now().as_millis()).unwrap_or(0)
    }

    /// Whether there is room for one more screen or game within this one. Whoever gets it calls
    /// [`Self::surface`] at the end.
    fn dive(&mut self) -> bool {
        let is_room = self.depth < DEPTH_MAX;
        self.depth += u32::from(is_room);
        is_room
    }

    fn surface(&mut self) {
        self.depth -= 1;
    }
}

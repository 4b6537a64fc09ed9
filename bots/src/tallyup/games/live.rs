//! Live games and practice: a request for a match, the wait for it, and the game.

use std::time::Duration;

use serde_json::json;
use tallyho_replay::{Context, site};

use super::rounds::{GameError, Opponent};
use super::{Against, DEADLINE};
use crate::tallyup::api::post;
use crate::tallyup::documents::{GameSession, Matched, Mode, SessionStatus};
use crate::tallyup::result::Next;
use crate::tallyup::screens::rounded;
use crate::tallyup::{TallyUp, metrics};

/// After this a request for a match is taken back.
const MATCH_PATIENCE: Duration = Duration::from_secs(180);
/// What the server says to that when it was too late.
const ALREADY_MATCHED: &str = "User is already matched.";
/// How often a level is drawn that the user may play.
const LEVEL_TRIES_MAX: u32 = 16;

/// What came of a request for a match.
enum Matching {
    Found(GameSession),
    /// Nobody came, and the request was taken back.
    Cancelled,
    /// It ended the session or the run.
    Ended(Next),
}

impl TallyUp {
    /// A live game against whoever waits, or practice against the computer.
    pub(in crate::tallyup) async fn live_game(
        &mut self,
        ctx: &mut Context,
        mode: Mode,
        username: Option<&str>,
    ) -> Next {
        if !self.dive() {
            return Next::Skipped;
        }
        let next = Box::pin(self.live_game_from_request(ctx, mode, username)).await;
        self.surface();
        next
    }

    async fn live_game_from_request(
        &mut self,
        ctx: &mut Context,
        mode: Mode,
        username: Option<&str>,
    ) -> Next {
        let asked = ctx.now();
        let session = match self.request_match(ctx, mode, username).await {
            Matching::Found(session) => session,
            Matching::Cancelled => return Next::Ok,
            Matching::Ended(next) => return next,
        };
        let Some(game_id) = session.game_id.clone() else {
            return self.fail(ctx, "a match was found that has no game");
        };
        let matched = ctx.now().saturating_sub(asked);
        let opponent = session.opponent.as_ref();
        let against = Against {
            username: opponent.map_or_else(Box::default, |opponent| opponent.username.clone()),
            is_bot: opponent.is_some_and(|opponent| opponent.is_bot),
            is_live: mode == Mode::Live,
        };
        if let Err(error) = self.play_live(ctx, &game_id, (&against, matched)).await {
            return self.fail(ctx, format_args!("{} game: {error}", mode.as_str()));
        }
        self.unload(ctx, &against).await
    }

    async fn request_match(
        &mut self,
        ctx: &mut Context,
        mode: Mode,
        username: Option<&str>,
    ) -> Matching {
        let level = self.level(ctx);
        let mut body = json!({
            "type": mode.as_str(), "level": level, "strictMatching": false, "botsOnly": false,
            "gameType": null,
        });
        if let Some(username) = username {
            body["username"] = username.into();
        }
        let answer = self.call::<Matched>(ctx, &post("games/request_match", &body)).await;
        let session_id = match answer {
            Ok(Some(matched)) => {
                self.user = matched.user;
                matched.session_id
            }
            Ok(None) => return Matching::Ended(self.fail(ctx, "request_match: no answer in it")),
            Err(error) => return Matching::Ended(self.fail(ctx, error)),
        };
        if self.live_session().is_none_or(|session| session.id != session_id) {
            let found = self.live_session().map(|session| session.id.clone());
            let reason = format!("request_match gave session {session_id}, the user has {found:?}");
            return Matching::Ended(self.abort(ctx, reason));
        }
        self.await_match(ctx).await
    }

    /// Looks at the user until the match has begun, or patience ends.
    async fn await_match(&mut self, ctx: &mut Context) -> Matching {
        let asked = ctx.now();
        let mut is_cancelling = false;
        loop {
            match self.live_session().map(|session| session.status) {
                Some(SessionStatus::Playing) => {
                    return match self.live_session() {
                        Some(session) => Matching::Found(session.clone()),
                        None => unreachable!("it was there a line ago"),
                    };
                }
                Some(SessionStatus::Unknown) | None => {
                    let reason = "the live session has no status while a match is waited for";
                    return Matching::Ended(self.abort(ctx, reason));
                }
                Some(_) => {}
            }
            let waited = ctx.now().saturating_sub(asked);
            // Whoever is asked to stop does not wait for one who may never come.
            if (waited > MATCH_PATIENCE || ctx.stopping()) && !is_cancelling {
                let cancel = post("games/cancel_request_level", &json!({}));
                match self.call_only(ctx, &cancel).await {
                    Err(error) if error.message() == ALREADY_MATCHED => {}
                    _ => {
                        ctx.counter(metrics::LIVE_GAME_CANCEL_REQUESTS, 1);
                        return match self.refresh_user(ctx).await {
                            Ok(()) => Matching::Cancelled,
                            Err(error) => Matching::Ended(self.fail(ctx, error)),
                        };
                    }
                }
                is_cancelling = true;
            }
            if waited > MATCH_PATIENCE + DEADLINE {
                return Matching::Ended(self.fail(ctx, "the match that was found did not begin"));
            }
            self.poll_pause(ctx).await;
            if let Err(error) = self.refresh_user(ctx).await {
                return Matching::Ended(self.fail(ctx, error));
            }
        }
    }

    /// Plays a game that was matched, from loading to the result.
    async fn play_live(
        &mut self,
        ctx: &mut Context,
        game_id: &str,
        (against, matched): (&Against, Duration),
    ) -> Result<(), GameError> {
        self.find_user(ctx, &against.username).await?;
        self.pause(ctx, site!("live.versus"), (12_000, 13_000)).await;
        let began = ctx.now();
        ctx.counter(metrics::LIVE_GAMES, 1);
        self.pause(ctx, site!("live.load"), (2_000, 3_000)).await;
        let mut game = self.game_event(ctx, game_id, ("finishedLoading", None)).await?;
        while game.data.is_none() {
            if ctx.now().saturating_sub(began) > DEADLINE {
                return Err(GameError::Late("the first round"));
            }
            self.poll_pause(ctx).await;
            game = self.load_game(ctx, game_id).await?;
        }
        self.pause(ctx, site!("live.intro"), (4_000, 5_000)).await;
        ctx.trend_time(metrics::MATCHING_DELAY, matched);
        ctx.rate(metrics::BOTS_PERCENT, game.is_bot);
        self.play_rounds(ctx, (game_id, Opponent::Present), game).await?;
        self.pause(ctx, site!("live.result"), (15_000, 18_000)).await;
        self.game_event(ctx, game_id, ("ackResult", None)).await?;
        ctx.trend_time(metrics::LIVE_GAME_DURATION, ctx.now().saturating_sub(began));
        Ok(())
    }

    fn live_session(&self) -> Option<&GameSession> {
        self.user.sessions.iter().find(|session| session.is_live)
    }

    /// A level that the user can pay and may play.
    pub(super) fn level(&self, ctx: &Context) -> u64 {
        // floor(log2(account) + 1); without money only level 0, which is free.
        let affordable = self.user.account.checked_ilog2().map_or(0, |log| u64::from(log) + 1);
        let is_unlocked = |level: u64| {
            let mut unlocks = self.levels.unlocks.iter();
            unlocks.any(|(known, rank)| {
                u64::from(*known) == level && self.user.rank >= u64::from(*rank)
            })
        };
        let drawn = (0..LEVEL_TRIES_MAX).find_map(|_| {
            let level = rounded(ctx, site!("live.level"), affordable).min(self.levels.max);
            is_unlocked(level).then_some(level)
        });
        drawn.unwrap_or(0)
    }
}

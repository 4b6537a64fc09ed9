//! Another user, and what there is to do between the two.

use serde_json::json;
use tallyho_replay::{Context, dispatch};

use crate::tallyup::api::{get, post};
use crate::tallyup::documents::{GameSession, SessionStatus};
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

/// 37.5: a challenge is accepted as often as it is declined.
const ANSWER: u32 = 37_500;

impl TallyUp {
    /// Opens the screen of another user.
    pub(in crate::tallyup) async fn pvp(&mut self, ctx: &mut Context, username: Box<str>) -> Next {
        if self.screen == Screen::Pvp || !self.dive() {
            return Next::Skipped;
        }
        self.screen = Screen::Pvp;
        let next = Box::pin(self.pvp_screen(ctx, username)).await;
        self.surface();
        next
    }

    async fn pvp_screen(&mut self, ctx: &mut Context, username: Box<str>) -> Next {
        ctx.counter(metrics::PVP_SCREEN, 1);
        if self.find_user(ctx, &username).await != Ok(true) {
            return Next::Error;
        }
        let path = format!("users/find_stats?username={username}");
        if self.act(ctx, &get("users/find_stats").at(path)).await != Next::Ok {
            return Next::Error;
        }
        self.think(ctx, Next::Ok).await;
        let mut sessions = self.user.sessions.iter();
        let session = sessions.find(|session| session.is_against(&username)).cloned();
        let Some(session) = session else { return self.pvp_without(ctx, &username).await };
        let is = |status| session.status == status;
        let is_turn = is(SessionStatus::Playing) && session.requires_action;
        let can_pay = self.user.account >= session.matched_level_value;
        let mut actions = self.actions("pvpScreen");
        dispatch!(ctx, actions, {
            "back": 25 * UNIT => Next::LeaveScreen,
            "accept": ANSWER, if is(SessionStatus::Received) && can_pay =>
                self.accept(ctx, &session).await,
            "reject": ANSWER, if is(SessionStatus::Received) => self.reject(ctx, &session).await,
            "move": 75 * UNIT, if is_turn => self.async_move(ctx, session.clone()).await,
            "ack": 75 * UNIT, if is(SessionStatus::Rejected) =>
                self.acknowledge(ctx, &session).await,
            "seeResult": 75 * UNIT, if is(SessionStatus::Completed) =>
                self.see_result(ctx, &session).await,
        })
        .acted()
        .unwrap_or(Next::Skipped)
        .nested()
    }

    /// There is no match with this user yet.
    async fn pvp_without(&mut self, ctx: &mut Context, username: &str) -> Next {
        let mut actions = self.actions("pvpScreen");
        dispatch!(ctx, actions, {
            "back": 25 * UNIT => Next::LeaveScreen,
            "startChallenge": 75 * UNIT => self.start_challenge(ctx, username).await,
        })
        .acted()
        .unwrap_or(Next::Skipped)
        .nested()
    }

    async fn accept(&mut self, ctx: &mut Context, session: &GameSession) -> Next {
        let body = json!({"sessionId": session.id});
        let next = self.act_for_user(ctx, &post("games/accept_match", &body)).await;
        if next == Next::Ok {
            ctx.counter(metrics::ASYNC_GAME_ACCEPTS, 1);
        }
        next
    }

    async fn reject(&mut self, ctx: &mut Context, session: &GameSession) -> Next {
        let body = json!({"sessionId": session.id});
        let next = self.act_for_user(ctx, &post("games/decline_match", &body)).await;
        if next == Next::Ok {
            ctx.counter(metrics::ASYNC_GAME_DECLINES, 1);
        }
        next
    }
}

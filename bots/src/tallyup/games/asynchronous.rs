//! Games in which each plays when they like: challenges, and most games of events.

use serde_json::json;
use tallyho_replay::{Context, site};

use super::Against;
use super::rounds::GameError;
use crate::tallyup::api::post;
use crate::tallyup::documents::{Game, GameSession, Matched};
use crate::tallyup::result::Next;
use crate::tallyup::{TallyUp, metrics};

impl TallyUp {
    /// Challenges a user, and plays the first move.
    pub(in crate::tallyup) async fn start_challenge(
        &mut self,
        ctx: &mut Context,
        username: &str,
    ) -> Next {
        let body = json!({
            "type": "challenge", "level": self.level(ctx), "username": username,
            "strictMatching": false, "botsOnly": false, "gameType": null,
        });
        let answer = self.call::<Matched>(ctx, &post("games/request_match", &body)).await;
        let session_id = match answer {
            Ok(Some(matched)) => {
                self.user = matched.user;
                matched.session_id
            }
            Ok(None) | Err(_) => return Next::Error,
        };
        ctx.counter(metrics::ASYNC_GAME_STARTS, 1);
        let mut sessions = self.user.sessions.iter();
        match sessions.find(|session| session.id == session_id).cloned() {
            Some(session) => self.async_move(ctx, session).await,
            None => Next::Error,
        }
    }

    /// Plays one move of a game.
    pub(in crate::tallyup) async fn async_move(
        &mut self,
        ctx: &mut Context,
        session: GameSession,
    ) -> Next {
        if !self.dive() {
            return Next::Skipped;
        }
        let next = Box::pin(self.async_move_inside(ctx, &session)).await;
        self.surface();
        next
    }

    async fn async_move_inside(&mut self, ctx: &mut Context, session: &GameSession) -> Next {
        let Some(game_id) = session.game_id.clone() else { return Next::Error };
        match self.play_one_move(ctx, &game_id).await {
            Ok(()) => {}
            Err(GameError::Unplayable(kind)) => {
                return self.fail(ctx, GameError::Unplayable(kind));
            }
            // The other one, or the round's time, was quicker.
            Err(GameError::Call(_) | GameError::Late(_)) => return Next::Error,
        }
        let is_event = session.special_event_data.is_some();
        let metric = if is_event { metrics::EVENT_GAME_MOVES } else { metrics::ASYNC_GAME_MOVES };
        ctx.counter(metric, 1);
        let opponent = session.opponent.as_ref();
        let against = Against {
            username: opponent.map_or_else(Box::default, |opponent| opponent.username.clone()),
            is_bot: opponent.is_none_or(|opponent| opponent.is_bot),
            is_live: false,
        };
        self.unload(ctx, &against).await
    }

    async fn play_one_move(&mut self, ctx: &mut Context, game_id: &str) -> Result<(), GameError> {
        let game = self.load_async(ctx, game_id).await?;
        if game.is_decided() {
            return Ok(());
        }
        let game = self.begin_round(ctx, game_id, game).await?;
        if game.is_decided() {
            return Ok(());
        }
        self.pause(ctx, site!("round.think"), (1_000, 10_000)).await;
        self.answer_round(ctx, game_id, &game).await.map(drop)
    }

    pub(super) async fn load_async(
        &mut self,
        ctx: &mut Context,
        game_id: &str,
    ) -> Result<Game, GameError> {
        self.pause(ctx, site!("async.load"), (2_000, 3_000)).await;
        Ok(self.game_event(ctx, game_id, ("finishedLoading", None)).await?)
    }

    /// Looks at the result of a game, which ends the match.
    pub(in crate::tallyup) async fn see_result(
        &mut self,
        ctx: &mut Context,
        session: &GameSession,
    ) -> Next {
        let Some(game_id) = &session.game_id else { return Next::Error };
        if self.game_event(ctx, game_id, ("ackResult", None)).await.is_err() {
            return Next::Error;
        }
        let body = json!({"sessionId": session.id});
        let next = self.act_for_user(ctx, &post("games/acknowledge_match", &body)).await;
        if next == Next::Ok {
            let is_event = session.special_event_data.is_some();
            ctx.counter(
                if is_event {
                    metrics::EVENT_GAME_COMPLETES
                } else {
                    metrics::ASYNC_GAME_COMPLETES
                },
                1,
            );
        }
        next
    }
}

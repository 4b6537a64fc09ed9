//! Quickfire: a game of an event, all rounds in one go.

use tallyho_replay::{Context, site};

use super::Against;
use super::rounds::{GameError, Opponent};
use crate::tallyup::documents::GameSession;
use crate::tallyup::result::Next;
use crate::tallyup::{TallyUp, metrics};

impl TallyUp {
    /// Plays a whole quickfire game.
    pub(in crate::tallyup) async fn quickfire_game(
        &mut self,
        ctx: &mut Context,
        session: GameSession,
    ) -> Next {
        if !self.dive() {
            return Next::Skipped;
        }
        let next = Box::pin(self.quickfire_inside(ctx, &session)).await;
        self.surface();
        next
    }

    async fn quickfire_inside(&mut self, ctx: &mut Context, session: &GameSession) -> Next {
        let Some(game_id) = session.game_id.clone() else { return Next::Error };
        let began = ctx.now();
        ctx.counter(metrics::QUICKFIRE_GAMES, 1);
        let played = async {
            let game = self.load_async(ctx, &game_id).await?;
            self.play_rounds(ctx, (&game_id, Opponent::Perhaps), game).await?;
            self.pause(ctx, site!("quickfire.result"), (15_000, 18_000)).await;
            Ok::<_, GameError>(())
        };
        match played.await {
            Ok(()) => {}
            Err(GameError::Unplayable(kind)) => {
                return self.fail(ctx, GameError::Unplayable(kind));
            }
            // The opponent is not there: the game goes on when its round has ended.
            Err(GameError::Call(_) | GameError::Late(_)) => return Next::Error,
        }
        ctx.trend_time(metrics::QUICKFIRE_GAME_DURATION, ctx.now().saturating_sub(began));
        let next = self.see_result(ctx, session).await;
        if next != Next::Ok {
            return next;
        }
        let opponent = session.opponent.as_ref();
        let against = Against {
            username: opponent.map_or_else(Box::default, |opponent| opponent.username.clone()),
            is_bot: opponent.is_none_or(|opponent| opponent.is_bot),
            is_live: false,
        };
        self.unload(ctx, &against).await
    }
}

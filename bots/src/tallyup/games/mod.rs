//! The games: live, asynchronous, quickfire; and how a move is chosen.

mod asynchronous;
mod live;
mod moves;
mod quickfire;
mod rounds;

use std::time::Duration;

use serde_json::json;
use tallyho_replay::{Context, dispatch, site};

use super::api::{Call, get, post};
use super::documents::Game;
use super::result::{CallError, Next};
use super::{TallyUp, UNIT};

/// How long the bot waits for something in a game that only the server can bring about: longer
/// than a round that nobody plays.
const DEADLINE: Duration = Duration::from_secs(180);
/// Between two looks at the same thing, in milliseconds.
const POLL_MS: (u64, u64) = (2_000, 2_250);

/// Who was played against, as far as it matters afterwards.
struct Against {
    username: Box<str>,
    is_bot: bool,
    is_live: bool,
}

impl TallyUp {
    /// Sends an event of a game; the game as it is then.
    async fn game_event(
        &mut self,
        ctx: &mut Context,
        game_id: &str,
        (kind, data): (&'static str, Option<serde_json::Value>),
    ) -> Result<Game, CallError> {
        let mut event = json!({"type": kind});
        if let Some(data) = data {
            event["data"] = data;
        }
        let call = post("games/{id}/event", &json!({"event": event}));
        self.game(ctx, call.at(format!("games/{game_id}/event"))).await
    }

    async fn load_game(&mut self, ctx: &mut Context, game_id: &str) -> Result<Game, CallError> {
        self.game(ctx, get("games/{id}").at(format!("games/{game_id}"))).await
    }

    async fn game(&mut self, ctx: &mut Context, call: Call<'_>) -> Result<Game, CallError> {
        Ok(self.call::<Game>(ctx, &call).await?.unwrap_or_default())
    }

    /// What the app loads anew after a game; then perhaps another one against the same user.
    async fn unload(&mut self, ctx: &mut Context, against: &Against) -> Next {
        let loaded = async {
            self.load_levels(ctx).await?;
            self.call_only(ctx, &get("config/appData")).await?;
            self.call_for_user(ctx, &get("users")).await?;
            self.call_only(ctx, &get("config/charitydata")).await?;
            self.refresh_events(ctx).await?;
            self.call_for_user(ctx, &get("users").at("users?projection=all")).await?;
            self.find_user(ctx, &against.username).await
        };
        if let Err(error) = loaded.await {
            return self.fail(ctx, format_args!("after a game: {error}"));
        }
        if against.is_live {
            self.leaderboard(ctx, "SurgeScore").await;
        }
        let is_human = !against.is_bot && !against.username.is_empty();
        let mut actions = self.actions("gameOver");
        dispatch!(ctx, actions, {
            "matchupAgainst": 10 * UNIT, if is_human && self.config.play_async =>
                self.pvp(ctx, against.username.clone()).await,
            "back": 90 * UNIT => Next::Ok,
        })
        .acted()
        .unwrap_or(Next::Ok)
    }

    async fn poll_pause(&self, ctx: &mut Context) {
        let wait = self.delay(ctx, site!("game.poll"), POLL_MS);
        ctx.sleep(wait).await;
    }
}

//! Round after round, until the game is decided.

use serde_json::json;
use tallyho_replay::{Context, site};

use super::{DEADLINE, moves};
use crate::tallyup::api::post;
use crate::tallyup::documents::Game;
use crate::tallyup::result::CallError;
use crate::tallyup::{TallyUp, metrics};

/// The status of a move in a round that is over.
const CONFLICT: u16 = 409;

/// Who is waited for when a round's other move is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opponent {
    /// Plays at the same time: its move, or the end of the round, is near.
    Present,
    /// Plays when it likes. A bot that is asked to stop does not wait for that.
    Perhaps,
}

/// Why a game could not be played to its end.
pub(super) enum GameError {
    Call(CallError),
    /// What the server has to bring about did not come.
    Late(&'static str),
    /// The game's type is not one that the bot knows, or it offers no move.
    Unplayable(Box<str>),
}

impl From<CallError> for GameError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl std::fmt::Display for GameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Late(what) => write!(f, "{what} did not come within {} s", DEADLINE.as_secs()),
            Self::Unplayable(kind) => write!(f, "there is no move to play in a {kind}"),
        }
    }
}

impl TallyUp {
    /// Plays a game that has begun, round after round.
    pub(super) async fn play_rounds(
        &mut self,
        ctx: &mut Context,
        (game_id, opponent): (&str, Opponent),
        mut game: Game,
    ) -> Result<(), GameError> {
        while !game.is_decided() {
            game = self.begin_round(ctx, game_id, game).await?;
            if game.is_decided() {
                break;
            }
            self.pause(ctx, site!("round.think"), (1_000, 10_000)).await;
            let answered = ctx.now();
            let round = game.round();
            let mut latest = match self.answer_round(ctx, game_id, &game).await {
                // The round's time was quicker: the game goes on without the move.
                Err(GameError::Call(error)) if error.status() == CONFLICT => {
                    self.load_game(ctx, game_id).await?
                }
                answer => answer?,
            };
            while latest.round() == round && !latest.is_decided() {
                let is_leaving = ctx.stopping() && opponent == Opponent::Perhaps;
                if is_leaving || ctx.now().saturating_sub(answered) > DEADLINE {
                    return Err(GameError::Late("the end of a round"));
                }
                self.poll_pause(ctx).await;
                latest = self.load_game(ctx, game_id).await?;
            }
            ctx.trend_time(metrics::ROUND_DELAY, ctx.now().saturating_sub(answered));
            game = latest;
        }
        Ok(())
    }

    /// Starts a round's timer; tried again until the game has a round.
    pub(super) async fn begin_round(
        &mut self,
        ctx: &mut Context,
        game_id: &str,
        game: Game,
    ) -> Result<Game, GameError> {
        let data = json!({"round": game.round().unwrap_or(1)});
        let began = ctx.now();
        loop {
            let event = ("beginRoundTimer", Some(data.clone()));
            let game = self.game_event(ctx, game_id, event).await?;
            if game.data.is_some() {
                return Ok(game);
            }
            if ctx.now().saturating_sub(began) > DEADLINE {
                return Err(GameError::Late("a round"));
            }
            self.poll_pause(ctx).await;
        }
    }

    /// Plays a move.
    pub(super) async fn answer_round(
        &mut self,
        ctx: &mut Context,
        game_id: &str,
        game: &Game,
    ) -> Result<Game, GameError> {
        let data = moves::choose(ctx, game)
            .ok_or_else(|| GameError::Unplayable(game.game_type.clone()))?;
        let answer = json!({"answer": {"round": game.round(), "data": data}});
        let call = post("games/{id}/answer", &answer).at(format!("games/{game_id}/answer"));
        Ok(self.game(ctx, call).await?)
    }
}

//! What is played in a round.

use serde_json::{Value, json};
use tallyho_replay::{Context, site};

use crate::tallyup::documents::Game;
use crate::tallyup::screens::rounded;

/// A move for the round at hand; none in a game of a type that this bot cannot play.
pub(super) fn choose(ctx: &Context, game: &Game) -> Option<Value> {
    let state = game.data.as_ref().map(|data| &data.player.current_round_data.player_state)?;
    match &*game.game_type {
        "ShootingGalleryGame" => Some(json!(rounded(ctx, site!("move.water"), state.water))),
        "CrystalCaveGame" => Some(json!(1 + rounded(ctx, site!("move.crystal"), 2))),
        "MagnetGame" | "AsteroidGame" => {
            let active = state.buttons.iter().filter(|button| button.is_active);
            let values: Vec<u64> = active.map(|button| button.value).collect();
            let last = values.len().checked_sub(1)?;
            let index = rounded(ctx, site!("move.button"), last as u64);
            usize::try_from(index).ok().map(|index| json!(values[index]))
        }
        _ => None,
    }
}

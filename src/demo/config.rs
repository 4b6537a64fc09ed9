//! The documents that a client loads at start: levels, app data, charities.
//!
//! They never change, so they are made once and every answer shares the same bytes.

use bytes::Bytes;
use serde::Serialize;

use crate::demo::{
    handle::Call,
    reply::{self, Answer},
    state::State,
};

/// The highest level that can be played.
pub(super) const LEVEL_MAX: u32 = 15;
/// Levels are shown, out of reach, up to here.
const LEVEL_SHOWN_MAX: u32 = 20;
const LEVELS_PER_TOWER: usize = 7;

/// What a level costs to play: 0, 1, 2, 4, 8…
pub(super) const fn level_amount(level: u32) -> u64 {
    if level == 0 { 0 } else { 1 << (level - 1) }
}

/// The rank from which a level can be played.
pub(super) const fn level_rank(level: u32) -> u64 {
    level as u64
}

/// The documents.
#[derive(Debug)]
pub(super) struct Documents {
    tower: Bytes,
    app: Bytes,
    charity: Bytes,
}

impl Documents {
    pub(super) fn new() -> Self {
        Self { tower: tower(), app: app(), charity: charity() }
    }
}

pub(super) fn tower_data(state: &mut State, _: &Call<'_>) -> Answer {
    Ok(state.documents.tower.clone())
}

pub(super) fn app_data(state: &mut State, _: &Call<'_>) -> Answer {
    Ok(state.documents.app.clone())
}

pub(super) fn charity_data(state: &mut State, _: &Call<'_>) -> Answer {
    Ok(state.documents.charity.clone())
}

/// A list of towers, each a list of levels.
fn tower() -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Level {
        level: u32,
        amount: u64,
        available: bool,
        unlocks_at_rank: u64,
    }
    let levels: Vec<Level> = (0..=LEVEL_SHOWN_MAX)
        .map(|level| Level {
            level,
            amount: level_amount(level),
            available: level <= LEVEL_MAX,
            unlocks_at_rank: level_rank(level),
        })
        .collect();
    reply::data(&levels.chunks(LEVELS_PER_TOWER).collect::<Vec<_>>())
}

fn app() -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct App {
        server_version: &'static str,
        min_client_version: &'static str,
    }
    reply::data(&App { server_version: "3.10.1", min_client_version: "3.9.0" })
}

fn charity() -> Bytes {
    #[derive(Serialize)]
    struct Charity {
        id: u32,
        name: &'static str,
    }
    reply::data(&[
        Charity { id: 1, name: "Clean Water" },
        Charity { id: 2, name: "Guide Dogs" },
        Charity { id: 3, name: "Reforestation" },
    ])
}

//! What a bot of one's own is written with: `docs/own-bot.md` is the tutorial.
//!
//! Everything here is `tallyho-replay`'s, gathered so that a program with bots of its own needs one
//! dependency. A bot uses these, `serde`, and nothing that reads a clock, a file, the environment
//! or a hash map: whatever it learns must come through its [`Context`], or its sessions cannot be
//! replayed. The lints in `examples/own-bot/clippy.toml` hold it to that.

pub use tallyho_replay::dispatch::{ActionResult, ActionSet, Dispatched};
pub use tallyho_replay::{
    Bot, Companions, Context, Draw, Drawn, Expected, Failure, Level, Method, Name, Outcome,
    Prepared, Question, ReadError, Registry, RequestBuilder, RequestError, Response, Secret, Site,
    Who,
};
pub use tallyho_replay::{dispatch, permuted, site};

//! Weighted action sets.

/// Weights that replace those of the bot.
#[derive(Clone, Debug, Default)]
pub struct WeightOverrides;

/// What every session does before it chooses for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedAction;

//! The screens of the app, one file each, and what they have in common.

mod activity;
mod event_details;
mod events;
mod feed;
mod goals;
mod home;
mod loading;
mod power_play;
mod pvp;
mod settings;
mod social;
mod wallet;

/// Chooses among a screen's own actions and those of the menu bar, whose weights share `$total`.
macro_rules! with_menu {
    ($bot:ident, $ctx:ident, $set:ident, $total:expr, { $($arms:tt)* }) => {{
        let (events, social) = ($bot.event_action_required(), $bot.social_action_required());
        let goals = $bot.goals_action_required();
        tallyho_replay::dispatch!($ctx, $set, {
            $($arms)*
            "newTab": $total * 8_333 / 10 => $crate::tallyup::result::Next::LeaveScreen,
            "settings": $total * 100 => $bot.settings($ctx).await,
            "walletDetails": $total * 667 / 10 => $bot.wallet($ctx).await,
            "jumpToEvents": 100 * $crate::tallyup::UNIT, if events =>
                $crate::tallyup::result::Next::GoToEvents,
            "jumpToSocial": 50 * $crate::tallyup::UNIT, if social =>
                $crate::tallyup::result::Next::GoToSocial,
            "jumpToGoals": 25 * $crate::tallyup::UNIT, if goals =>
                $crate::tallyup::result::Next::GoToGoals,
        })
        .acted()
        .unwrap_or($crate::tallyup::result::Next::Skipped)
    }};
}
use with_menu;

/// A screen as others open it: boxed, nested to a limited depth, and not if the bot is on it.
macro_rules! screen {
    ($(#[$about:meta])* $open:ident, $inside:ident, $screen:ident) => {
        $(#[$about])*
        pub(in crate::tallyup) async fn $open(
            &mut self,
            ctx: &mut tallyho_replay::Context,
        ) -> $crate::tallyup::result::Next {
            let screen = $crate::tallyup::Screen::$screen;
            if self.screen == screen || !self.dive() {
                return $crate::tallyup::result::Next::Skipped;
            }
            self.screen = screen;
            let next = Box::pin(self.$inside(ctx)).await;
            self.surface();
            next
        }
    };
}
use screen;

pub(super) use wallet::rounded;

use super::TallyUp;
use super::documents::{GameSession, Goal};

/// What waits for the user.
impl TallyUp {
    /// Whether an event waits for a move. Events are played with `playAsync` only.
    fn event_action_required(&self) -> bool {
        self.config.play_async && self.required().any(|session| session.event_id().is_some())
    }

    /// Whether a challenge waits for a move.
    fn social_action_required(&self) -> bool {
        self.config.play_async && self.required().any(|session| session.event_id().is_none())
    }

    /// Whether a goal has been reached and its award not been claimed.
    fn goals_action_required(&self) -> bool {
        self.goals.goals.iter().any(Goal::is_reached)
    }

    fn required(&self) -> impl Iterator<Item = &GameSession> {
        self.user.sessions.iter().filter(|session| session.is_required())
    }
}

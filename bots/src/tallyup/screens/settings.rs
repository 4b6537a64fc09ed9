//! The settings: one thing is done, then the screen closes.

use serde_json::json;
use tallyho_replay::{Context, Question, dispatch, site};

use super::screen;
use crate::tallyup::api::{get, post};
use crate::tallyup::identity::Identity;
use crate::tallyup::result::Next;
use crate::tallyup::{TallyUp, UNIT, metrics};

/// The least that can be cashed out.
pub(super) const CASH_OUT_MIN: u64 = 1_000;
/// How often another user is looked for who is not this one.
const TRIES_MAX: u32 = 10;

impl TallyUp {
    screen!(
        /// Opens the settings.
        settings, settings_screen, Settings
    );

    async fn settings_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::SETTINGS_SCREEN, 1);
        self.think(ctx, Next::Ok).await;
        let mut actions = self.actions("settings");
        let is_excluding = self.user.profile.exclude_bots;
        dispatch!(ctx, actions, {
            "back": 25 * UNIT => Next::LeaveScreen,
            "cashOut": 10 * UNIT, if self.user.account >= CASH_OUT_MIN =>
                self.cash_out(ctx).await,
            "setInviter": 25 * UNIT => self.set_inviter(ctx).await,
            "recentGames": 25 * UNIT => self.act(ctx, &get("users/stats")).await,
            "toggleIncludeBots": if is_excluding { 80 * UNIT } else { 5 * UNIT } =>
                self.toggle_include_bots(ctx).await,
            "powerPlaySettings": 25 * UNIT => self.power_play(ctx).await,
        })
        .acted()
        .unwrap_or(Next::Skipped)
        .nested()
    }

    async fn toggle_include_bots(&mut self, ctx: &mut Context) -> Next {
        let wanted = !self.user.profile.exclude_bots;
        let next =
            self.act(ctx, &post("users", &json!({"profile": {"excludeBots": wanted}}))).await;
        if next == Next::Ok {
            self.user.profile.exclude_bots = wanted;
        }
        next
    }

    async fn set_inviter(&mut self, ctx: &mut Context) -> Next {
        let active = ctx.ask(Question::ActiveBots).await;
        if active < 3 {
            return Next::Skipped;
        }
        for _ in 0..TRIES_MAX {
            let number = ctx.draw(site!("settings.inviter")).between(1..=active - 1);
            let Some(inviter) = Identity::of(number).filter(|found| *found != self.identity) else {
                continue;
            };
            let body = json!({"inviter": inviter.username()});
            return self.act_for_user(ctx, &post("users/set_inviter", &body)).await;
        }
        Next::Skipped
    }
}

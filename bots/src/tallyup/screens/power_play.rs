//! The settings of power play: which levels a user is matched at.

use serde_json::json;
use tallyho_replay::{Context, dispatch, site};

use super::screen;
use crate::tallyup::api::post;
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

impl TallyUp {
    screen!(
        /// Opens the settings of power play.
        power_play, power_play_screen, PowerPlaySettings
    );

    async fn power_play_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::POWERPLAY_SETTINGS_SCREEN, 1);
        let mut actions = self.actions("powerPlaySettings");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                return Next::Done;
            }
            let is_active = self.user.profile.use_default_matchmaking_level;
            next = dispatch!(ctx, actions, {
                "back": 25 * UNIT => Next::LeaveScreen,
                "toggleActive": if is_active { 10 * UNIT } else { 90 * UNIT } =>
                    self.toggle_power_play(ctx).await,
                "setMinimum": 25 * UNIT, if is_active => self.set_minimum(ctx).await,
                "setMaximum": 25 * UNIT, if is_active => self.set_maximum(ctx).await,
            })
            .acted()
            .unwrap_or(Next::Skipped);
            self.screen = Screen::PowerPlaySettings;
            if next.leaves() {
                let _shown_as_it_was = self.refresh_events(ctx).await;
                return next.nested();
            }
        }
        Next::Done
    }

    async fn toggle_power_play(&mut self, ctx: &mut Context) -> Next {
        let wanted = !self.user.profile.use_default_matchmaking_level;
        let body = json!({"profile": {"useDefaultMatchmakingLevel": wanted}});
        let next = self.act(ctx, &post("users", &body)).await;
        if next == Next::Ok {
            self.user.profile.use_default_matchmaking_level = wanted;
            let metric =
                if wanted { metrics::POWERPLAY_ENABLED } else { metrics::POWERPLAY_DISABLED };
            ctx.counter(metric, 1);
        }
        next
    }

    async fn set_minimum(&mut self, ctx: &mut Context) -> Next {
        let most = self.user.profile.default_matchmaking_level / 2;
        let level = ctx.draw(site!("powerPlay.minimum")).between(0..=most);
        let body = json!({"profile": {"lowestMatchmakingLevel": level}});
        let next = self.act(ctx, &post("users", &body)).await;
        if next == Next::Ok {
            self.user.profile.lowest_matchmaking_level = level;
        }
        next
    }

    async fn set_maximum(&mut self, ctx: &mut Context) -> Next {
        let most = self.levels.max;
        let least = (2 * self.user.profile.lowest_matchmaking_level).min(most);
        let level = ctx.draw(site!("powerPlay.maximum")).between(least..=most).max(1);
        let body = json!({"profile": {"defaultMatchmakingLevel": level}});
        let next = self.act(ctx, &post("users", &body)).await;
        if next == Next::Ok {
            self.user.profile.default_matchmaking_level = level;
        }
        next
    }
}

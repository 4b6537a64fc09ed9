//! The home tab: live games against whoever waits.

use std::time::Duration;

use tallyho_replay::{Context, site};

use super::{screen, with_menu};
use crate::tallyup::api::get;
use crate::tallyup::documents::Mode;
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

/// Broke, and the spins do not work: the player puts the phone away.
const BROKE_PAUSE: Duration = Duration::from_secs(300);

impl TallyUp {
    screen!(
        /// Opens the home tab.
        home, home_screen, Home
    );

    async fn home_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::HOME_SCREEN, 1);
        self.refresh_goals(ctx).await;
        self.featured(ctx).await;
        let mut actions = self.actions("homeScreen");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            if self.user.account < 1
                && self.usable_spin(ctx, site!("home.spin")).is_some()
                && self.spin(ctx).await != Next::Ok
            {
                self.sleep(ctx, BROKE_PAUSE).await;
                return Next::ExitApp;
            }
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            next = with_menu!(self, ctx, actions, 50, {
                "playRandom": 45 * UNIT => self.live_game(ctx, Mode::Live, None).await,
                "powerPlaySettings": 5 * UNIT => self.power_play(ctx).await,
            });
            self.screen = Screen::Home;
            if next.leaves() && next != Next::GoToHome {
                return next;
            }
            if next != Next::Skipped {
                self.featured(ctx).await;
            }
        }
        Next::Done
    }

    /// What the tab shows besides: events, and how many play.
    async fn featured(&mut self, ctx: &mut Context) {
        let _shown_as_it_was = self.refresh_events(ctx).await;
        let _decides_nothing = self.call_only(ctx, &get("users/active_count")).await;
    }
}

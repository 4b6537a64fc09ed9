//! The activity tab: the feed of winnings, and leaderboards.

use tallyho_replay::Context;

use super::{screen, with_menu};
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

const SHARE: u32 = 6 * UNIT;

impl TallyUp {
    screen!(
        /// Opens the activity tab.
        activity, activity_screen, Activity
    );

    async fn activity_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::ACTIVITY_SCREEN, 1);
        // It is shown, and nothing of it is kept.
        drop(self.load_feed(ctx, ("Winnings", "")).await);
        let mut actions = self.actions("activityScreen");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            next = with_menu!(self, ctx, actions, 46, {
                "feed": SHARE => self.feed(ctx, "Winnings", "").await,
                "WinningsToday": SHARE => self.leaderboard(ctx, "WinningsToday").await,
                "WinningsYesterday": SHARE => self.leaderboard(ctx, "WinningsYesterday").await,
                "WinningsThisWeek": SHARE => self.leaderboard(ctx, "WinningsThisWeek").await,
                "WinningsLastWeek": SHARE => self.leaderboard(ctx, "WinningsLastWeek").await,
                "HighestBalance": SHARE => self.leaderboard(ctx, "HighestBalance").await,
                "CurrentBalance": SHARE => self.leaderboard(ctx, "CurrentBalance").await,
                "MostDonated": SHARE => self.leaderboard(ctx, "MostDonated").await,
                "SurgeScore": SHARE => self.leaderboard(ctx, "SurgeScore").await,
            });
            self.screen = Screen::Activity;
            if next.leaves() {
                return next;
            }
        }
        Next::Done
    }
}

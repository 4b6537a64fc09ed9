//! The goals tab: awards to claim, and practice against the computer.

use serde_json::json;
use tallyho_replay::{Context, site};

use super::{screen, with_menu};
use crate::tallyup::api::{get, post};
use crate::tallyup::documents::Mode;
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

impl TallyUp {
    screen!(
        /// Opens the goals tab.
        goals, goals_screen, Goals
    );

    async fn goals_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::GOALS_SCREEN, 1);
        let _shown_as_it_was = self.refresh_events(ctx).await;
        self.refresh_goals(ctx).await;
        let mut actions = self.actions("goalsScreen");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            next = with_menu!(self, ctx, actions, 30, {
                "claim": 35 * UNIT => self.claim_goal(ctx).await,
                "practice": 35 * UNIT => self.live_game(ctx, Mode::Arcade, None).await,
            });
            self.screen = Screen::Goals;
            // A jump to the tab that the bot is on stays.
            if next.leaves() && next != Next::GoToGoals {
                return next;
            }
            if next != Next::Skipped {
                self.refresh_goals(ctx).await;
            }
        }
        Next::Done
    }

    pub(super) async fn refresh_goals(&mut self, ctx: &mut Context) {
        if let Ok(Some(goals)) = self.call(ctx, &get("users/progress_trackers")).await {
            self.goals = goals;
        }
    }

    async fn claim_goal(&mut self, ctx: &mut Context) -> Next {
        let goals = self.goals.goals.iter();
        let reached = goals.filter(|goal| goal.is_reached());
        let reached: Vec<u64> = reached.map(|goal| goal.id).collect();
        let Some(id) = ctx.draw(site!("goals.claim")).pick(&reached).copied() else {
            return Next::Skipped;
        };
        let body = json!({"progressTrackerId": id});
        let next = self.act_for_user(ctx, &post("users/progress_trackers/claim", &body)).await;
        if next == Next::Ok {
            ctx.counter(metrics::GOAL_AWARDS_CLAIMED, 1);
        }
        next
    }
}

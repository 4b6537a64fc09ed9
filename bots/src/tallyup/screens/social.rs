//! The social tab: challenges, received and made.

use serde_json::json;
use tallyho_replay::{Context, site};

use super::{screen, with_menu};
use crate::tallyup::api::{get, post};
use crate::tallyup::documents::{Challengees, GameSession, Mode, SessionStatus};
use crate::tallyup::identity::Identity;
use crate::tallyup::result::{CallError, Next};
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

impl TallyUp {
    screen!(
        /// Opens the social tab.
        social, social_screen, Social
    );

    async fn social_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::SOCIAL_SCREEN, 1);
        let mut challengees = self.update_social(ctx).await.unwrap_or_default();
        let mut actions = self.actions("socialScreen");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            next = with_menu!(self, ctx, actions, 30, {
                "searchForUser": 10 * UNIT => self.search_for_user(ctx).await,
                "idle": 10 * UNIT => self.idle(ctx, (5_000, 45_000)).await,
                "matchupAction": 50 * UNIT => self.matchup(ctx, &challengees).await,
            });
            self.screen = Screen::Social;
            // A jump to the tab that the bot is on stays.
            if next.leaves() && next != Next::GoToSocial {
                return next;
            }
            if next != Next::Skipped
                && let Ok(newer) = self.update_social(ctx).await
            {
                challengees = newer;
            }
        }
        Next::Done
    }

    async fn update_social(&mut self, ctx: &mut Context) -> Result<Box<[Box<str>]>, CallError> {
        self.refresh_user(ctx).await?;
        let found = self.call::<Challengees>(ctx, &get("users/find_challengees")).await?;
        Ok(found.unwrap_or_default().users.into_iter().map(|user| user.username).collect())
    }

    /// Looks up a user of the test with a lower number.
    async fn search_for_user(&mut self, ctx: &mut Context) -> Next {
        let own = u64::from(self.identity.0);
        if own < 2 {
            return Next::Skipped;
        }
        let number = ctx.draw(site!("social.search")).below(own);
        match Identity::of(number) {
            Some(found) => self.pvp(ctx, found.username().into()).await,
            None => Next::Skipped,
        }
    }

    async fn matchup(&mut self, ctx: &mut Context, challengees: &[Box<str>]) -> Next {
        if let Some(session) = self.matchup_to_go_on_with(ctx) {
            return match session.status {
                SessionStatus::Playing => self.async_move(ctx, session).await,
                SessionStatus::Completed => self.see_result(ctx, &session).await,
                SessionStatus::Rejected => self.acknowledge(ctx, &session).await,
                _ => match session.opponent {
                    Some(opponent) => self.pvp(ctx, opponent.username).await,
                    None => Next::Skipped,
                },
            };
        }
        if !ctx.draw(site!("social.challenge")).chance(1, 2) {
            return Next::Ok;
        }
        let free: Vec<&Box<str>> = challengees
            .iter()
            .filter(|name| !self.user.sessions.iter().any(|session| session.is_against(name)))
            .collect();
        match ctx.draw(site!("social.challengee")).pick(&free) {
            Some(name) => self.pvp(ctx, (*name).clone()).await,
            None => Next::Ok,
        }
    }

    /// One that requires a move, else the first that waits for anything.
    fn matchup_to_go_on_with(&self, ctx: &Context) -> Option<GameSession> {
        let required: Vec<_> =
            self.required().filter(|session| session.event_id().is_none()).collect();
        if let Some(session) = ctx.draw(site!("social.required")).pick(&required) {
            return Some((*session).clone());
        }
        let is_challenge = |session: &&GameSession| {
            session.mode == Mode::Challenge && session.event_id().is_none()
        };
        let statuses = [SessionStatus::Completed, SessionStatus::Received, SessionStatus::Rejected];
        statuses.into_iter().find_map(|status| {
            let mut sessions = self.user.sessions.iter().filter(is_challenge);
            sessions.find(|session| session.status == status).cloned()
        })
    }

    /// Takes notice that a challenge was turned down.
    pub(super) async fn acknowledge(&mut self, ctx: &mut Context, session: &GameSession) -> Next {
        let body = json!({"sessionId": session.id});
        self.act_for_user(ctx, &post("games/acknowledge_match", &body)).await
    }
}

//! The events tab: which event to look at.

use std::rc::Rc;

use tallyho_replay::{Context, site};

use super::{screen, with_menu};
use crate::tallyup::api::{Call, get};
use crate::tallyup::documents::{EventKind, SpecialEvent, UserStatus};
use crate::tallyup::result::{CallError, Next};
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

impl TallyUp {
    screen!(
        /// Opens the events tab.
        events, events_screen, Events
    );

    async fn events_screen(&mut self, ctx: &mut Context) -> Next {
        ctx.counter(metrics::EVENTS_SCREEN, 1);
        let _shown_as_it_was = self.update_events(ctx).await;
        let mut actions = self.actions("eventsScreen");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            let is_required = self.event_action_required();
            next = with_menu!(self, ctx, actions, 30, {
                "idle": 10 * UNIT, if !is_required => {
                    self.idle(ctx, (5_000, 45_000)).await;
                    Next::of(&self.update_events(ctx).await)
                },
                "selectEventDetails": if is_required { 500 * UNIT } else { 50 * UNIT } =>
                    self.select_event(ctx).await,
                "selectHiddenEventDetails": 30 * UNIT => self.select_hidden_event(ctx).await,
            });
            self.screen = Screen::Events;
            // A jump to the tab that the bot is on stays.
            if next.leaves() && next != Next::GoToEvents {
                return next;
            }
            if next != Next::Skipped {
                let _shown_as_it_was = self.update_events(ctx).await;
            }
        }
        Next::Done
    }

    pub(super) async fn update_events(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        self.refresh_user(ctx).await?;
        self.refresh_events(ctx).await
    }

    async fn select_event(&mut self, ctx: &mut Context) -> Next {
        match self.event_to_select(ctx) {
            Some(event) => self.event_details(ctx, event, None).await,
            None => Next::Skipped,
        }
    }

    /// One in which a move is required; else the first with a prize, to join, under way, lost;
    /// else one that is over.
    fn event_to_select(&self, ctx: &Context) -> Option<Rc<SpecialEvent>> {
        let required: Vec<&str> =
            self.required().filter_map(|session| session.event_id()).collect();
        if let Some(id) = ctx.draw(site!("events.required")).pick(&required)
            && let Some(event) = self.events.find(id)
        {
            return Some(event.clone());
        }
        let is_prize = |status| matches!(status, UserStatus::Won | UserStatus::RunnerUp);
        let is_active = |status| matches!(status, UserStatus::Active | UserStatus::Playing);
        let wishes: [&dyn Fn(UserStatus) -> bool; 4] =
            [&is_prize, &|status| status == UserStatus::Uninvolved, &is_active, &|status| {
                status == UserStatus::Eliminated
            }];
        let current = &self.events.current;
        let wished =
            wishes.iter().find_map(|wish| current.iter().find(|event| wish(event.user_status)));
        if let Some(event) = wished {
            return Some(event.clone());
        }
        // Drawn over all, so that a surge among them means: not this time.
        let last = ctx.draw(site!("events.last")).pick(&self.events.last).cloned();
        last.filter(|event| event.kind != EventKind::Surge)
    }

    async fn select_hidden_event(&mut self, ctx: &mut Context) -> Next {
        let joined = self.events.current.iter().filter(|event| event.is_hidden).count() as u64;
        if joined >= self.config.max_hidden_tournaments {
            return Next::Skipped;
        }
        let codes: Vec<String> = self
            .config
            .hidden_events()
            .filter(|(name, _)| !self.events.current.iter().any(|event| &*event.name == *name))
            .map(|(_, code)| code)
            .filter(|code| !self.ended_codes.contains(code))
            .collect();
        let Some(code) = ctx.draw(site!("events.hidden")).pick(&codes).cloned() else {
            return Next::Skipped;
        };
        match self.invited_event(ctx, &code).await {
            Ok(Some(event)) => self.event_details(ctx, event, Some(code)).await,
            Ok(None) | Err(_) => Next::Error,
        }
    }

    /// The event that an invite code is for.
    pub(super) async fn invited_event(
        &mut self,
        ctx: &mut Context,
        code: &str,
    ) -> Result<Option<Rc<SpecialEvent>>, CallError> {
        let path = format!("special_events/invite_only/{code}");
        self.call_for_event(ctx, &get("special_events/invite_only/{code}").at(path)).await
    }
    /// Makes a call whose answer is an event.
    pub(super) async fn call_for_event(
        &mut self,
        ctx: &mut Context,
        call: &Call<'_>,
    ) -> Result<Option<Rc<SpecialEvent>>, CallError> {
        let event = self.call(ctx, call).await?;
        Ok(event.map(|event| self.config.known_events.share(event)))
    }
}

//! One event: join, play, see the result, claim the prize.

use std::rc::Rc;

use serde_json::json;
use tallyho_replay::{Context, dispatch};

use crate::tallyup::api::{get, post};
use crate::tallyup::documents::{
    Currency, EventKind, GameSession, SessionStatus, SpecialEvent, UserStatus,
};
use crate::tallyup::result::Next;
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

/// What the screen knows.
struct Details {
    event: Rc<SpecialEvent>,
    /// The invite code that it was found by, as it is on the server.
    code: Option<String>,
    is_closed: bool,
    tab: Tab,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Leaderboard,
    Feed,
}

impl TallyUp {
    /// Opens the details of an event.
    pub(super) async fn event_details(
        &mut self,
        ctx: &mut Context,
        event: Rc<SpecialEvent>,
        code: Option<String>,
    ) -> Next {
        if self.screen == Screen::EventDetails || !self.dive() {
            return Next::Skipped;
        }
        self.screen = Screen::EventDetails;
        let next = Box::pin(self.event_details_screen(ctx, event, code)).await;
        self.surface();
        next
    }

    async fn event_details_screen(
        &mut self,
        ctx: &mut Context,
        event: Rc<SpecialEvent>,
        code: Option<String>,
    ) -> Next {
        ctx.counter(metrics::EVENT_DETAILS_SCREEN, 1);
        let now_ms = self.date_ms(ctx);
        let (is_closed, has_ended) = (event.close <= now_ms, event.end <= now_ms);
        if let Some(code) = code.as_ref().filter(|_| has_ended) {
            self.ended_codes.push(code.clone());
        }
        let mut details = Details { event, code, is_closed, tab: Tab::Leaderboard };
        if self.update_details(ctx, &mut details).await == Next::Fatal {
            return Next::Fatal;
        }
        let mut actions = self.actions("eventDetailsScreen");
        let (mut next, mut is_first) = (Next::Ok, true);
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            let is_free = !self.event_action_required();
            let has_status = details.event.user_status != UserStatus::Other;
            next = dispatch!(ctx, actions, {
                "back": 25 * UNIT, if !is_first => Next::LeaveScreen,
                "leaderboard": 5 * UNIT, if is_free =>
                    self.select_tab(ctx, &mut details, Tab::Leaderboard).await,
                "feed": 5 * UNIT, if is_free => self.select_tab(ctx, &mut details, Tab::Feed).await,
                "idle": 5 * UNIT => {
                    self.idle(ctx, (5_000, 45_000)).await;
                    self.update_details(ctx, &mut details).await
                },
                "eventAction": 60 * UNIT, if has_status =>
                    self.event_action(ctx, &mut details).await,
            })
            .acted()
            .unwrap_or(Next::LeaveScreen);
            self.screen = Screen::EventDetails;
            is_first = false;
            if next.leaves() {
                return next.nested();
            }
        }
        Next::Done
    }

    /// The user, all events, this one among them, and what the selected tab shows.
    async fn update_details(&mut self, ctx: &mut Context, details: &mut Details) -> Next {
        if self.update_events(ctx).await.is_err() {
            return Next::Error;
        }
        match self.events.find(&details.event.id) {
            Some(event) => details.event.clone_from(event),
            // A hidden event is in no list before it is joined; another one is taken out of the
            // lists some time after its end.
            None if details.event.is_hidden => {}
            None => return Next::LeaveScreen,
        }
        self.show_tab(ctx, details).await
    }

    async fn show_tab(&mut self, ctx: &mut Context, details: &Details) -> Next {
        let id = &details.event.id;
        match details.tab {
            Tab::Leaderboard => {
                let path = format!("users/leaderboard?type=AdHocScore&id={id}&offset=0&limit=40");
                self.act(ctx, &get("users/leaderboard").at(path)).await
            }
            Tab::Feed => Next::of(&self.load_feed(ctx, ("AdHoc", id)).await),
        }
    }

    async fn select_tab(&mut self, ctx: &mut Context, details: &mut Details, tab: Tab) -> Next {
        if details.tab == tab {
            return Next::Skipped;
        }
        details.tab = tab;
        match tab {
            Tab::Leaderboard => self.show_tab(ctx, details).await,
            Tab::Feed => {
                let id = details.event.id.clone();
                self.feed(ctx, "AdHoc", &id).await
            }
        }
    }

    /// Does what the user's place in the event asks for.
    async fn event_action(&mut self, ctx: &mut Context, details: &mut Details) -> Next {
        let next = match details.event.user_status {
            UserStatus::Active | UserStatus::Playing => self.event_move(ctx, details).await,
            UserStatus::Won | UserStatus::RunnerUp => self.claim_prize(ctx, details).await,
            UserStatus::Uninvolved if !details.is_closed => self.join(ctx, details).await,
            UserStatus::Eliminated if !details.is_closed => self.rejoin(ctx, details).await,
            _ => Next::Skipped,
        };
        if next == Next::Skipped {
            return next;
        }
        self.update_single(ctx, details).await;
        next
    }

    async fn event_move(&mut self, ctx: &mut Context, details: &Details) -> Next {
        let Some(session) = self.event_session(&details.event.id) else { return Next::Skipped };
        match session.status {
            SessionStatus::Playing if details.event.kind == EventKind::Quickfire => {
                self.quickfire_game(ctx, session).await
            }
            SessionStatus::Playing => self.async_move(ctx, session).await,
            SessionStatus::Completed => self.see_result(ctx, &session).await,
            _ => Next::Skipped,
        }
    }

    /// The user's match in an event, if it waits for the user.
    fn event_session(&self, id: &str) -> Option<GameSession> {
        let mut sessions = self.user.sessions.iter();
        sessions.find(|session| session.requires_action && session.event_id() == Some(id)).cloned()
    }

    async fn claim_prize(&mut self, ctx: &mut Context, details: &Details) -> Next {
        let body = json!({"eventId": details.event.id, "claimant": self.payee()});
        let next = self.act_for_user(ctx, &post("special_events/claim", &body)).await;
        if next == Next::Ok {
            ctx.counter(metrics::EVENT_PRIZES_CLAIMED, 1);
            let id = &details.event.id;
            let is_first = !self.claimed.contains(id);
            ctx.check("an event pays its prize once", is_first);
            if is_first {
                self.claimed.push(id.clone());
            }
        }
        next
    }

    async fn join(&mut self, ctx: &mut Context, details: &Details) -> Next {
        let event = &details.event;
        let code = self.config.invite_code_of(&event.name).filter(|_| event.has_invite_code);
        let is_known = !event.has_invite_code || code.is_some();
        if !is_known || !self.can_pay(event.join_cost, event.join_currency) {
            return Next::Skipped;
        }
        let mut body = json!({"eventId": event.id});
        if let Some(code) = code {
            body["inviteCode"] = code.into();
        }
        let next = self.act_for_user(ctx, &post("special_events/join", &body)).await;
        if next == Next::Ok {
            let metric = match details.event.is_hidden {
                true => metrics::HIDDEN_EVENT_JOINS,
                false => metrics::EVENT_JOINS,
            };
            ctx.counter(metric, 1);
        }
        next
    }

    async fn rejoin(&mut self, ctx: &mut Context, details: &Details) -> Next {
        let event = &details.event;
        if !self.can_pay(event.user_next_rejoin_cost, event.user_rejoin_currency) {
            return Next::Skipped;
        }
        let body = json!({"eventId": event.id});
        self.act_for_user(ctx, &post("special_events/rejoin", &body)).await
    }

    const fn can_pay(&self, cost: u64, currency: Currency) -> bool {
        match currency {
            Currency::Primary => self.user.account >= cost,
            Currency::Secondary => self.user.secondary_account >= cost,
        }
    }

    /// This event alone, put into the lists too.
    async fn update_single(&mut self, ctx: &mut Context, details: &mut Details) {
        let is_uninvolved = details.event.user_status == UserStatus::Uninvolved;
        let answer = match &details.code {
            Some(code) if is_uninvolved => self.invited_event(ctx, code).await,
            _ => {
                let path = format!("special_events/{}", details.event.id);
                self.call_for_event(ctx, &get("special_events/{id}").at(path)).await
            }
        };
        if let Ok(Some(event)) = answer {
            self.events.replace(&event);
            details.event = event;
        }
    }
}

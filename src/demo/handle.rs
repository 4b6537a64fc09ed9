//! The stand-in API as a function: state, request and time in, response out.
//!
//! The only place where endpoints meet faults, access and statistics, so that each request goes
//! through all of them exactly once.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::demo::{
    auth, boards, config, events,
    faults::{Fate, Fault},
    matching,
    message::{Delivery, Request, Response},
    play,
    reply::{Answer, Kind, Refusal},
    route::{self, Access, Route},
    social,
    state::{AccountIndex, State},
    stats::{Counted, FaultCounts},
    testing, users, wallet,
};

/// The longest body that is read: the longest that clients send is an event of a few KiB.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

const JSON: &str = "application/json";
const AMAZON_JSON: &str = "application/x-amz-json-1.1";

/// What an endpoint is told.
pub(super) struct Call<'a> {
    /// Who asks. Endpoints with open access do not look at it.
    pub(super) account: AccountIndex,
    /// What stands for `{id}` in the path, as sent.
    pub(super) id: &'a str,
    query: &'a str,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    /// The body, which may be left out where nothing in it is required.
    pub(super) fn parse<T: Deserialize<'a>>(&self) -> Result<T, Refusal> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        serde_json::from_slice(body)
            .map_err(|error| Refusal::new(Kind::BadRequest, format!("the body: {error}")))
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// [`Call::id`] with its `%xx` decoded.
    pub(super) fn decoded_id(&self) -> Cow<'a, str> {
        percent_encoding::percent_decode_str(self.id).decode_utf8_lossy()
    }
}

/// Answers one request at `now_us`, in µs since the state was made.
///
/// The response depends on nothing but the requests so far, their times and the rules. A time
/// before that of the latest request counts as that.
pub fn handle(state: &mut State, request: &Request<'_>, now_us: u64) -> Response {
    state.advance(now_us);
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let found = route::find(request.method, path);
    let route = found.map_or(Route::Unmatched, |found| found.route);
    let fate = match route {
        Route::Stats => return whole(200, state.stats.document(state.audit())),
        // Probes tell whether the API is up, so they meet no faults and move none of the others.
        Route::Health => Fate::NONE,
        _ => {
            state.ordinal += 1;
            state.rules.faults.fate(state.rules.seed, state.ordinal)
        }
    };
    let response = match (route, fate.fault) {
        (Route::Cognito, Some(Fault::Status)) => {
            amazon(auth::error("ServiceUnavailableException", "a fault was asked for"))
        }
        (_, Some(Fault::Status)) => {
            refused(&Refusal::new(Kind::Unavailable, "a fault was asked for"))
        }
        (Route::Cognito, _) => amazon(auth::cognito(state, request)),
        _ => {
            let id = found.map_or("", |found| found.id);
            let call = Call { account: AccountIndex(0), id, query, body: request.body };
            match answer(state, request, route, call) {
                Ok(body) => whole(200, body),
                Err(refusal) => refused(&refusal),
            }
        }
    };
    let response = strike(response, fate, state.rules.faults.slow_by_us());
    state.stats.count(&Counted {
        route,
        status: (response.delivery == Delivery::Whole).then_some(response.status),
        bytes_received: request.body.len(),
        bytes_sent: response.body.len(),
        faults: FaultCounts {
            status: u64::from(fate.fault == Some(Fault::Status)),
            reset: u64::from(fate.fault == Some(Fault::Reset)),
            badjson: u64::from(fate.fault == Some(Fault::BadJson)),
            slow: u64::from(fate.slow),
        },
    });
    response
}

fn answer(state: &mut State, request: &Request<'_>, route: Route, mut call: Call<'_>) -> Answer {
    if call.body.len() > BODY_BYTES_MAX {
        let message = format!("a body has at most {BODY_BYTES_MAX} bytes");
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    if route.access() != Access::Open {
        call.account = auth::account_of(state, request.authorization)?;
    }
    if route.access() == Access::User {
        let now_us = state.now_us;
        state.user_mut(call.account)?.last_seen_us = now_us;
    }
    endpoint(route, request)?(state, &call)
}

type Endpoint = fn(&mut State, &Call<'_>) -> Answer;

fn endpoint(route: Route, request: &Request<'_>) -> Result<Endpoint, Refusal> {
    Ok(match route {
        Route::Health => |_, _| Ok(Bytes::from_static(br#"{"status":"ok"}"#)),
        Route::Startup => users::startup,
        Route::SessionStart => users::session_start,
        Route::Register => users::register,
        Route::Activate => users::activate,
        Route::User => users::user,
        Route::SetProfile => users::set_profile,
        Route::SetXp => users::set_xp,
        Route::UnlockGame => users::unlock_game,
        Route::SetBalance => users::set_balance,
        Route::SetSecondaryBalance => users::set_secondary_balance,
        Route::AddItem => users::add_item,
        Route::ProgressTrackers => wallet::progress_trackers,
        Route::ClaimGoal => wallet::claim_goal,
        Route::ActiveCount => boards::active_count,
        Route::UserStats => social::stats,
        Route::FindUser => social::find,
        Route::FindStats => social::find_stats,
        Route::FindChallengees => social::find_challengees,
        Route::Leaderboard => boards::leaderboard,
        Route::SetInviter => social::set_inviter,
        Route::UseItem => wallet::use_item,
        Route::CashoutStart => wallet::cashout_start,
        Route::CashoutFinish => wallet::cashout_finish,
        Route::AdStart => wallet::ad_start,
        Route::AdFinish => wallet::ad_finish,
        Route::TowerData => config::tower_data,
        Route::AppData => config::app_data,
        Route::CharityData => config::charity_data,
        Route::Events => events::list,
        Route::Event => events::one,
        Route::InviteOnlyEvent => events::invite_only,
        Route::JoinEvent => events::join,
        Route::RejoinEvent => events::rejoin,
        Route::ClaimPrize => events::claim,
        Route::ActivityFeed => boards::activity_feed,
        Route::RequestMatch => matching::request_match,
        Route::AcceptMatch => matching::accept_match,
        Route::DeclineMatch => matching::decline_match,
        Route::AcknowledgeMatch => matching::acknowledge_match,
        Route::CancelRequestLevel => matching::cancel_request_level,
        Route::Game => play::game,
        Route::WatchGame => play::watch,
        Route::GameEvent => play::event,
        Route::GameAnswer => play::answer,
        Route::SetFlag => testing::set_flag,
        Route::SetupFlag => testing::setup_flag,
        Route::TestingEvents => testing::list_events,
        Route::CreateEvent => testing::create_event,
        Route::CancelEvent => testing::cancel_event,
        Route::CleanSessions => testing::clean_sessions,
        Route::Stats | Route::Cognito | Route::Unmatched => return Err(unmatched(request)),
    })
}

fn unmatched(request: &Request<'_>) -> Refusal {
    let path = request.target.split('?').next().unwrap_or_default();
    if route::is_path(path) {
        let method = request.method.as_str();
        return Refusal::new(Kind::NotAllowed, format!("`{path}` does not take {method}"));
    }
    Refusal::not_found("endpoint", path)
}

fn strike(mut response: Response, fate: Fate, slow_by_us: u64) -> Response {
    if fate.slow {
        response.delay_us = slow_by_us;
    }
    match fate.fault {
        Some(Fault::BadJson) => response.body.truncate(response.body.len() / 2),
        Some(Fault::Reset) => {
            response.delivery = Delivery::Reset;
            response.body = Bytes::new();
        }
        Some(Fault::Status) | None => {}
    }
    response
}

fn whole(status: u16, body: Bytes) -> Response {
    Response { status, content_type: JSON, body, delay_us: 0, delivery: Delivery::Whole }
}

fn refused(refusal: &Refusal) -> Response {
    whole(refusal.kind.status(), refusal.body())
}

fn amazon((status, body): (u16, Bytes)) -> Response {
    Response { content_type: AMAZON_JSON, ..whole(status, body) }
}

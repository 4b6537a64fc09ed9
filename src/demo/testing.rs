//! What a load test does to the API before its bots start: flags, events, a clean slate.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::demo::{
    dates::{self, Date, NEVER_MS},
    events::{EVENTS_MAX, EventId, EventIndex, JoinType, Phase, Price, Terms},
    handle::Call,
    ledger::{AMOUNT_MAX, Currency},
    reply::{self, Answer, EMPTY, Kind, Refusal},
    state::State,
};

const FLAGS_MAX: usize = 1_000;

pub(super) fn set_flag(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SetFlag {
        test_id: String,
        key: String,
        value: serde_json::Value,
    }
    let SetFlag { test_id, key, value } = call.parse()?;
    let name = (test_id, key);
    if state.flags.len() >= FLAGS_MAX && !state.flags.contains_key(&name) {
        return Err(Refusal::new(Kind::Full, "there are too many flags"));
    }
    state.flags.insert(name, value);
    Ok(EMPTY)
}

/// A flag that was never set is `false`: tasks wait for it.
pub(super) fn setup_flag(state: &mut State, call: &Call<'_>) -> Answer {
    let name = (call.decoded_id().into_owned(), "setup".to_owned());
    Ok(match state.flags.get(&name) {
        Some(value) => reply::data(value),
        None => reply::data(&false),
    })
}

pub(super) fn list_events(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Filter<'a> {
        #[serde(borrow)]
        status: Option<Cow<'a, str>>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        _id: EventId,
        name: &'a str,
        status: Phase,
        end: Date,
    }
    let filter = call.parameter("filter").unwrap_or(Cow::Borrowed("{}"));
    let filter: Filter<'_> = serde_json::from_str(&filter)
        .map_err(|error| Refusal::new(Kind::BadRequest, format!("`filter`: {error}")))?;
    let wanted = match filter.status.as_deref() {
        None => None,
        Some("upcoming") => Some(Phase::Upcoming),
        Some("running") => Some(Phase::Running),
        Some("ended") => Some(Phase::Ended),
        Some("cancelled") => Some(Phase::Cancelled),
        Some(other) => return Err(Refusal::not_found("status of events called", other)),
    };
    let now_ms = state.date_ms();
    let rows: Vec<Row<'_>> = (state.events.iter().enumerate())
        .map(|(index, event)| Row {
            _id: EventId(EventIndex(index)),
            name: &event.terms.name,
            status: event.phase(now_ms),
            end: Date(event.terms.end_ms),
        })
        .filter(|row| wanted.is_none_or(|wanted| row.status == wanted))
        .collect();
    Ok(reply::data(&rows))
}

pub(super) fn create_event(state: &mut State, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Created {
        _id: EventId,
    }
    #[derive(Deserialize)]
    struct Create<'a> {
        #[serde(borrow)]
        event: NewEvent<'a>,
    }
    let Create { event } = call.parse()?;
    if state.events.len() >= EVENTS_MAX {
        return Err(Refusal::new(Kind::Full, "there are too many events"));
    }
    let terms = event.terms(state.date_ms())?;
    Ok(reply::data(&Created { _id: EventId(state.add_event(terms)) }))
}

pub(super) fn cancel_event(state: &mut State, call: &Call<'_>) -> Answer {
    let index = state.event_index(call.id)?;
    state.cancel_event(index);
    Ok(EMPTY)
}

pub(super) fn clean_sessions(state: &mut State, _: &Call<'_>) -> Answer {
    state.clean_sessions();
    Ok(EMPTY)
}

/// An event as tests describe it. What the API has no rule for is ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewEvent<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    join_type: JoinType,
    #[serde(borrow, default)]
    invite_code: Option<Cow<'a, str>>,
    #[serde(default)]
    is_hidden: bool,
    #[serde(default)]
    is_featured: bool,
    #[serde(borrow, default)]
    start_ts: Option<Number<'a>>,
    #[serde(borrow, default)]
    close_ts: Option<Number<'a>>,
    #[serde(borrow, default)]
    end_ts: Option<Number<'a>>,
    #[serde(borrow, default)]
    join_cost: Option<Number<'a>>,
    #[serde(default)]
    join_currency: Currency,
    #[serde(borrow, default)]
    rejoin_cost: Option<Number<'a>>,
    #[serde(borrow, default)]
    rejoin_cost_max: Option<Number<'a>>,
    #[serde(default)]
    rejoin_currency: Currency,
    #[serde(borrow, default)]
    prize_pool_total: Option<Number<'a>>,
}

/// A number, or the text of one or of a date: web forms send both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Number(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

impl NewEvent<'_> {
    fn terms(self, now_ms: u64) -> Result<Terms, Refusal> {
        let start_ms = moment(self.start_ts.as_ref(), "startTs")?.unwrap_or(now_ms);
        let end_ms = moment(self.end_ts.as_ref(), "endTs")?.unwrap_or(NEVER_MS);
        let close_ms = moment(self.close_ts.as_ref(), "closeTs")?.unwrap_or(end_ms);
        if end_ms < start_ms || end_ms > NEVER_MS {
            let message = "`endTs`: expected a moment after startTs, before the year 10000";
            return Err(Refusal::new(Kind::BadRequest, message));
        }
        let join = amount(self.join_cost.as_ref(), "joinCost")?.unwrap_or(0);
        let rejoin = amount(self.rejoin_cost.as_ref(), "rejoinCost")?.unwrap_or(join);
        let rejoin_max = amount(self.rejoin_cost_max.as_ref(), "rejoinCostMax")?;
        Ok(Terms {
            name: self.name.into_owned(),
            kind: self.kind.into_owned(),
            join_type: self.join_type,
            is_hidden: self.is_hidden,
            is_featured: self.is_featured,
            invite_code: self.invite_code.filter(|code| !code.is_empty()).map(Cow::into_owned),
            start_ms,
            close_ms,
            end_ms,
            join: Price { amount: join, currency: self.join_currency },
            rejoin: Price { amount: rejoin, currency: self.rejoin_currency },
            rejoin_max: rejoin_max.unwrap_or(rejoin),
            // A text such as "a car" is a prize too, but none that is paid out.
            prize: amount(self.prize_pool_total.as_ref(), "prizePoolTotal")
                .ok()
                .flatten()
                .unwrap_or(0),
            recurs_ms: None,
        })
    }
}

fn moment(value: Option<&Number<'_>>, name: &str) -> Result<Option<u64>, Refusal> {
    match value {
        None => Ok(None),
        Some(Number::Text(text)) if text.is_empty() => Ok(None),
        Some(Number::Number(ms)) => Ok(Some(*ms)),
        Some(Number::Text(text)) => match dates::parse(text) {
            Some(Date(ms)) => Ok(Some(ms)),
            None => Err(Refusal::new(
                Kind::BadRequest,
                format!("`{name}`: `{text}` is not a date such as 2024-04-01T00:00:00.000Z"),
            )),
        },
    }
}

fn amount(value: Option<&Number<'_>>, name: &str) -> Result<Option<u64>, Refusal> {
    let amount = match value {
        None => return Ok(None),
        Some(Number::Text(text)) if text.is_empty() => return Ok(None),
        Some(Number::Number(amount)) => Some(*amount),
        Some(Number::Text(text)) => text.parse().ok(),
    };
    match amount.filter(|&amount| amount <= AMOUNT_MAX) {
        Some(amount) => Ok(Some(amount)),
        None => Err(Refusal::new(
            Kind::BadRequest,
            format!("`{name}`: expected a whole number of at most {AMOUNT_MAX}"),
        )),
    }
}

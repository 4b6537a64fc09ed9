//! What happens once per task: set-up before all bots, and the look at the target's health.
//!
//! Task 0 prepares the test (cancels events that run, cleans sessions, creates the test's events)
//! and then raises a flag on the server; the other tasks wait for the flag. A re-run of the same
//! test finds the flag as the last run left it, so task 0 lowers it first, and the others look
//! only after a pause.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tallyho_replay::{Bot, Context, Level, Name, Outcome, Question, Who};

use super::TallyUp;
use super::api::{get, post};
use super::config::{TallyUpCarry, TallyUpConfig, text};
use super::dates::{Date, NEVER_MS};
use super::documents::RunningEvent;
use super::identity::{self, Identity};
use super::result::CallError;

/// Between two looks at the flag.
const FLAG_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks at the target's health, and how long one may take.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
/// How often set-up tries what the test cannot do without.
const TRIES_MAX: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
const MINUTE_MS: u64 = 60_000;

/// Prepares the test, as the first account of the task.
pub struct TallyUpSetUp {
    bot: TallyUp,
}

impl Bot for TallyUpSetUp {
    const NAME: &'static str = "tallyup-set-up";
    type Config = TallyUpConfig;
    type Carry = TallyUpCarry;

    fn new(config: Rc<TallyUpConfig>, _: Who, carry: TallyUpCarry) -> Self {
        Self { bot: TallyUp::of(config, None, carry) }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let bot = &mut self.bot;
        let number = u64::from(ctx.task_index()) * bot.config.vus_max;
        let Some(identity) = Identity::of(number) else {
            return Outcome::AbortRun(Name::Static(identity::NONE_LEFT));
        };
        bot.identity = identity;
        bot.epoch_ms = ctx.ask(Question::UnixMs).await - now_ms(ctx);
        let done = match ctx.task_index() {
            0 => bot.prepare_test(ctx).await,
            _ => bot.await_test(ctx).await,
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(Name::from(error.to_string())),
        }
    }

    /// Nothing is handed to the bots: they log in as themselves.
    fn carry(self) -> TallyUpCarry {
        TallyUpCarry::default()
    }
}

impl TallyUp {
    async fn prepare_test(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        self.log_in_patiently(ctx).await?;
        self.set_flag(ctx, false).await?;
        self.prepare_events(ctx).await;
        self.set_flag(ctx, true).await
    }

    async fn set_flag(&mut self, ctx: &mut Context, value: bool) -> Result<(), CallError> {
        let body = json!({"testId": self.config.test_id, "key": "setup", "value": value});
        let call = post("testing/flags", &body);
        let mut tries = 1;
        loop {
            match self.call_only(ctx, &call).await {
                Err(_) if tries < TRIES_MAX => tries += 1,
                done => return done,
            }
            ctx.sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// One lost answer must not cost the whole test.
    async fn log_in_patiently(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        let mut tries = 1;
        loop {
            match self.log_in(ctx).await {
                Err(_) if tries < TRIES_MAX => tries += 1,
                done => return done,
            }
            ctx.sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// Waits for task 0.
    async fn await_test(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        // Task 0 was started first; this is the time that it needs to lower an old flag.
        self.sleep(ctx, FLAG_INTERVAL).await;
        self.log_in_patiently(ctx).await?;
        let path = format!("testing/flags/{}/setup", self.config.test_id);
        let call = get("testing/flags/{id}/setup").at(path);
        let mut errors = 0;
        loop {
            match self.call::<Value>(ctx, &call).await {
                Ok(Some(Value::Bool(true))) => return Ok(()),
                Err(error) if errors + 1 == TRIES_MAX => return Err(error),
                answer => errors = if answer.is_err() { errors + 1 } else { 0 },
            }
            self.sleep(ctx, FLAG_INTERVAL).await;
        }
    }

    /// Events of this test in the place of whatever runs. What fails is logged and left at that.
    async fn prepare_events(&mut self, ctx: &mut Context) {
        let filter = "testing/special_events?filter=%7B%22status%22%3A%22running%22%7D";
        let call = get("testing/special_events").at(filter);
        let running = self.call::<Vec<RunningEvent>>(ctx, &call).await;
        for event in running.ok().flatten().unwrap_or_default() {
            let path = format!("testing/special_events/{}/cancel", event.id);
            let call = post("testing/special_events/{id}/cancel", &json!({})).at(path);
            let _logged = self.act(ctx, &call).await;
        }
        self.sleep(ctx, Duration::from_secs(self.config.set_up_pause_sec)).await;
        let _logged = self.act(ctx, &post("testing/users/clean_sessions", &json!({}))).await;
        let now_ms = self.date_ms(ctx);
        let config = Rc::clone(&self.config);
        for event in config.events() {
            match event_to_create(event, &config, now_ms) {
                Ok(event) => {
                    let call = post("testing/special_events", &json!({"event": event}));
                    let _logged = self.act(ctx, &call).await;
                }
                Err(problem) => self.log(ctx, ("SpecialEventsManager", Level::Error), problem),
            }
        }
    }
}

/// An event as the server takes it: with dates, defaults, and an invite code of this test.
fn event_to_create(
    event: &Map<String, Value>,
    config: &TallyUpConfig,
    now_ms: u64,
) -> Result<Map<String, Value>, String> {
    let mut event = event.clone();
    let kind = text(&event, "type").unwrap_or_default().to_owned();
    let join_type = match kind.as_str() {
        "surge" => "global",
        _ if kind.contains("QF") => "preJoin",
        _ if kind.contains("ToC") => "admin",
        _ => "joinWindow",
    };
    for (key, value) in [("status", "upcoming"), ("joinType", join_type), ("name", &*kind)] {
        event.entry(key).or_insert_with(|| value.into());
    }
    let start_ms = now_ms + offset_ms(&event, "startTs")?.unwrap_or(0);
    let end_ms = offset_ms(&event, "endTs")?.map_or(NEVER_MS, |offset| start_ms + offset);
    let close_ms = offset_ms(&event, "closeTs")?.map_or(end_ms, |offset| start_ms + offset);
    for (key, date_ms) in [("startTs", start_ms), ("endTs", end_ms), ("closeTs", close_ms)] {
        event.insert(key.to_owned(), Date(date_ms.min(NEVER_MS)).to_string().into());
    }
    if let Some(code) = text(&event, "inviteCode").filter(|code| !code.is_empty()) {
        let code = config.invite_code(code);
        event.insert("inviteCode".to_owned(), code.into());
    }
    Ok(event)
}

/// A time relative to another, in ms: `1h30m`, or minutes as a number or the text of one; nothing
/// if it is empty or 0.
fn offset_ms(event: &Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    let Some(value) = event.get(key) else { return Ok(None) };
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        number => number.to_string(),
    };
    let problem = || format!("{key}: {text:?} is no duration such as 1h30m, nor a number");
    if let Ok(minutes) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let ms = (minutes * 60_000.0) as u64;
        return Ok(Some(ms).filter(|ms| *ms > 0));
    }
    let (mut total_ms, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        let unit_ms = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            'h' => 60 * MINUTE_MS,
            'm' => MINUTE_MS,
            's' => 1_000,
            _ => return Err(problem()),
        };
        let count: u64 = digits.parse().map_err(|_| problem())?;
        total_ms = total_ms.saturating_add(count.saturating_mul(unit_ms));
        digits.clear();
    }
    if digits.is_empty() { Ok(Some(total_ms).filter(|ms| *ms > 0)) } else { Err(problem()) }
}

fn now_ms(ctx: &Context) -> u64 {
    u64::try_from(ctx.now().as_millis()).unwrap_or(u64::MAX)
}

/// Looks at the target's health, every ten seconds.
pub struct TallyUpHealth {
    config: Rc<TallyUpConfig>,
}

impl Bot for TallyUpHealth {
    const NAME: &'static str = "tallyup-health";
    type Config = TallyUpConfig;
    type Carry = ();

    fn new(config: Rc<TallyUpConfig>, _: Who, (): ()) -> Self {
        Self { config }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        if !self.config.heartbeat {
            return Outcome::StopBot;
        }
        while !ctx.stopping() {
            let probe = ctx.get("/health").name("health").timeout(HEALTH_INTERVAL).discard_body();
            let is_well = probe.send().await.is_ok_and(|response| response.is_success());
            if !is_well && self.config.logs("Main", Level::Warn) {
                ctx.log(Level::Warn, "the target's health check failed");
            }
            ctx.sleep(HEALTH_INTERVAL).await;
        }
        Outcome::Done
    }

    fn carry(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Map<String, Value> {
        let event = serde_json::from_str(json).expect("an object");
        let config: TallyUpConfig = serde_json::from_str(r#"{"testId": "T"}"#).expect("config");
        event_to_create(&event, &config, 1_711_929_600_000).expect("an event")
    }

    #[test]
    fn dates_are_relative_to_now_and_to_the_start() {
        let made = event(r#"{"type": "adhoc", "startTs": "1m30s", "endTs": "2", "closeTs": 1}"#);
        assert_eq!(made["startTs"], "2024-04-01T00:01:30.000Z");
        assert_eq!(made["endTs"], "2024-04-01T00:03:30.000Z");
        assert_eq!(made["closeTs"], "2024-04-01T00:02:30.000Z");
        let made = event(r#"{"type": "surge", "startTs": "", "endTs": 0}"#);
        assert_eq!(made["startTs"], "2024-04-01T00:00:00.000Z");
        assert_eq!((&made["endTs"], &made["closeTs"]), (&made["closeTs"], &made["endTs"]));
        assert_eq!(made["endTs"], "9999-12-31T00:00:00.000Z");
    }

    #[test]
    fn what_is_missing_follows_from_the_type_and_the_rest_is_passed_on() {
        let made = event(r#"{"type": "adhocQF", "inviteCode": "I1", "theme": {"a": [1]}}"#);
        assert_eq!((&made["joinType"], &made["name"]), (&json!("preJoin"), &json!("adhocQF")));
        assert_eq!((&made["inviteCode"], &made["status"]), (&json!("I1_T"), &json!("upcoming")));
        assert_eq!(made["theme"], json!({"a": [1]}));
        let made = event(r#"{"type": "surge", "name": "mine", "joinType": "admin"}"#);
        assert_eq!((&made["joinType"], &made["name"]), (&json!("admin"), &json!("mine")));
    }
}

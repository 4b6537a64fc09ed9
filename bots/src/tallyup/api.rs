//! Calls to the API: headers, renewal of the login, tries, and what is counted.
//!
//! An answer is an envelope: what is asked for lies in `data`, what is wrong in `error`. A call
//! reads the one or the other and nothing else, as whatever is read is recorded.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tallyho_replay::{Context, Failure, Level, Method, Response, site};

use super::TallyUp;
use super::calendar::Calendar;
use super::documents::{Envelope, ErrorEnvelope, EventLists, Unread, User};
use super::metrics;
use super::result::{CallError, CallErrorKind, Next};

/// How often a call is tried that the server fails at.
const TRIES_MAX: u32 = 3;
/// From this status on the fault is the server's, and trying again may help.
const SERVER_ERROR: u16 = 500;
const UNAUTHORIZED: u16 = 401;
/// The check of every answer that is read.
const READABLE: &str = "answers can be read";

/// A call to be made.
pub(super) struct Call<'a> {
    method: Method,
    /// What it is called in metrics: its path as a template.
    name: &'static str,
    path: Cow<'a, str>,
    body: Option<String>,
    excused_code: u64,
}

/// A `GET` of this path.
pub(super) const fn get(name: &'static str) -> Call<'static> {
    let path = Cow::Borrowed(name);
    Call { method: Method::Get, name, path, body: None, excused_code: 0 }
}

/// A `POST` to this path.
pub(super) fn post(name: &'static str, body: &serde_json::Value) -> Call<'static> {
    Call { method: Method::Post, body: Some(body.to_string()), ..get(name) }
}

impl<'a> Call<'a> {
    /// Its path where that is not its name.
    pub(super) fn at(self, path: impl Into<Cow<'a, str>>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// A refusal with this code is no error of the API.
    pub(super) fn excused(self, code: u64) -> Self {
        Self { excused_code: code, ..self }
    }
}

impl TallyUp {
    /// Makes a call and reads what it answers; nothing if the answer holds no data.
    pub(super) async fn call<T>(
        &mut self,
        ctx: &mut Context,
        call: &Call<'_>,
    ) -> Result<Option<T>, CallError>
    where
        T: Serialize + DeserializeOwned,
    {
        let response = self.answer(ctx, call).await?;
        match response.json::<Envelope<T>>() {
            Ok(envelope) => {
                ctx.check(READABLE, true);
                Ok(envelope.data)
            }
            Err(error) => {
                ctx.check(READABLE, false);
                let error = CallError { name: call.name, kind: CallErrorKind::Unreadable(error) };
                ctx.counter(metrics::API_ERRORS, 1);
                self.log(ctx, ("API", Level::Error), &error);
                Err(error)
            }
        }
    }

    /// Makes a call whose answer is the user, and takes it over.
    pub(super) async fn call_for_user(
        &mut self,
        ctx: &mut Context,
        call: &Call<'_>,
    ) -> Result<(), CallError> {
        if let Some(user) = self.call::<User>(ctx, call).await? {
            self.user = user;
        }
        Ok(())
    }

    /// Makes a call whose answer decides nothing.
    pub(super) async fn call_only(
        &mut self,
        ctx: &mut Context,
        call: &Call<'_>,
    ) -> Result<(), CallError> {
        self.answer(ctx, call).await.map(drop)
    }

    /// As [`Self::call_only`], as the result of an action.
    pub(super) async fn act(&mut self, ctx: &mut Context, call: &Call<'_>) -> Next {
        Next::of(&self.call_only(ctx, call).await)
    }

    /// As [`Self::call_for_user`], as the result of an action.
    pub(super) async fn act_for_user(&mut self, ctx: &mut Context, call: &Call<'_>) -> Next {
        Next::of(&self.call_for_user(ctx, call).await)
    }

    /// The response to a call, if it is a success; tried again while the server fails.
    async fn answer(&mut self, ctx: &mut Context, call: &Call<'_>) -> Result<Response, CallError> {
        if self.login_is_due(ctx) {
            // Rare, and large: boxed, it takes no room in every screen.
            Box::pin(self.renew_login(ctx)).await?;
        }
        let mut tries = 1;
        loop {
            let error = match self.send(ctx, call).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if error.status() < SERVER_ERROR || tries == TRIES_MAX {
                return Err(error);
            }
            tries += 1;
            self.log(ctx, ("API", Level::Warn), format_args!("{error}; trying again"));
            let wait = self.delay(ctx, site!("api.retry"), (1_000, 5_000));
            ctx.sleep(wait).await;
        }
    }

    async fn send(&mut self, ctx: &mut Context, call: &Call<'_>) -> Result<Response, CallError> {
        let url = format!("{}{}", self.config.api_path, call.path);
        let bearer = match &self.carry.tokens {
            Some(tokens) => format!("Bearer {}", tokens.access),
            None => "Bearer ".to_owned(),
        };
        let expected = self.config.expected();
        let config = &self.config;
        let mut request = ctx
            .request(call.method, &url)
            .name(call.name)
            .header("Authorization", &bearer)
            .header("X-TU-device-Id", &self.identity.device_id())
            .header("X-TU-Client-Version", &config.client_version)
            .header("X-TU-Server-Version", &config.min_server_version)
            .header("X-TU-OS-Version", "k6")
            .expect(expected);
        if let Some(body) = &call.body {
            request = request.header("Content-Type", "application/json").text(body);
        }
        let result = request.send().await;
        let kind = match result {
            Ok(response) if response.is_success() => return Ok(response),
            Ok(response) => refusal(&response),
            Err(failure) => CallErrorKind::Transport(failure),
        };
        let error = CallError { name: call.name, kind };
        if error.status() == UNAUTHORIZED {
            // Whatever the login is, the server does not take it: the next one starts afresh.
            self.carry.tokens = None;
        }
        if call.excused_code == 0 || error.code() != call.excused_code {
            count(ctx, &error);
            self.log(ctx, ("API", Level::Error), &error);
        }
        Err(error)
    }
}

fn refusal(response: &Response) -> CallErrorKind {
    let error = response.json::<ErrorEnvelope>().unwrap_or_default().error;
    CallErrorKind::Refused { status: response.status(), code: error.code, message: error.msg }
}

/// Counts an error as what it is: no response in time, no response, or one that says no.
pub(super) fn count(ctx: &Context, error: &CallError) {
    let metric = match &error.kind {
        CallErrorKind::Transport(
            Failure::ConnectTimeout | Failure::FirstByteTimeout | Failure::TotalTimeout,
        ) => metrics::TIMEOUTS,
        CallErrorKind::Transport(Failure::Interrupted) => return,
        CallErrorKind::Transport(_) => metrics::NETWORK_ERRORS,
        _ => metrics::API_ERRORS,
    };
    ctx.counter(metric, 1);
}

/// The calls that several screens make.
impl TallyUp {
    pub(super) async fn refresh_user(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        self.call_for_user(ctx, &get("users").at("users?projection=standard")).await
    }

    pub(super) async fn refresh_events(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        if let Some(events) = self.call::<EventLists>(ctx, &get("special_events")).await? {
            self.events = Calendar::new(events, &self.config.known_events);
        }
        Ok(())
    }

    pub(super) async fn leaderboard(&mut self, ctx: &mut Context, board: &str) -> Next {
        let path = format!("users/leaderboard?type={board}&offset=0&limit=40");
        self.act(ctx, &get("users/leaderboard").at(path)).await
    }

    pub(super) async fn find_user(
        &mut self,
        ctx: &mut Context,
        username: &str,
    ) -> Result<bool, CallError> {
        let path =
            format!("users/find?username={username}&allowBots=True&projection=brief&exact=True");
        let found = self.call::<Vec<Unread>>(ctx, &get("users/find").at(path)).await?;
        Ok(found.is_some_and(|found| !found.is_empty()))
    }
}

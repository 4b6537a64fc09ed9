//! Logging in: Cognito's calls, whose turn it is, and what happens when Cognito has had enough.
//!
//! The bots of a task take turns: bot `n` does not log in for the first time before `n` times the
//! interval of `loginsPerSec`, which needs no coordination and moves no draw. A login is carried to
//! the bot's next session, so it is renewed as a rule, not repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tallyho_replay::{Context, Expected, Level, Response, Secret, site};

use super::TallyUp;
use super::api::count;
use super::config::{LoginThrottles, Tokens};
use super::metrics;
use super::result::{CallError, CallErrorKind};

/// What every account of the load test has.
const PASSWORD: &str = "Password1!";
const CHALLENGE_ANSWER: &str = "123456";
/// A login is renewed this long before it expires.
const MARGIN_SEC: u64 = 60;
/// How often in a row a throttled call is tried.
const TRIES_MAX: u32 = 10;
/// The longest back-off.
const BACK_OFF_MAX_MS: u64 = 60_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Challenge {
    session: Secret,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Authenticated {
    authentication_result: Option<Authentication>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Authentication {
    access_token: Secret,
    expires_in: u64,
    #[serde(default)]
    refresh_token: Option<Secret>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Refusal {
    #[serde(default, rename = "__type")]
    kind: Box<str>,
}

impl TallyUp {
    /// Logs in, if the bot's last session has left no login.
    pub(super) async fn log_in(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        if self.carry.tokens.is_some() {
            return self.renew_login(ctx).await;
        }
        self.await_turn(ctx).await;
        let phone = self.identity.phone();
        let client = self.config.client_id.clone();
        let body = json!({
            "ClientId": client, "Username": phone, "Password": PASSWORD,
            "UserAttributes": [{"Name": "phone_number", "Value": phone}],
        });
        match self.cognito(ctx, ("cognito SignUp", "SignUp"), &body).await {
            Ok(_) => {}
            // The account is there already.
            Err(error) if error.status() == 400 && error.kind != CallErrorKind::Throttled => {}
            Err(error) => return Err(error),
        }
        let body = json!({
            "ClientId": client, "AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": phone},
        });
        let name = "cognito InitiateAuth";
        let response = self.cognito(ctx, (name, "InitiateAuth"), &body).await?;
        let challenge = read::<Challenge>(&response, name)?;
        let body = json!({
            "ClientId": client, "ChallengeName": "CUSTOM_CHALLENGE", "Session": challenge.session,
            "ChallengeResponses": {"USERNAME": phone, "ANSWER": CHALLENGE_ANSWER},
        });
        let name = "cognito RespondToAuthChallenge";
        let response = self.cognito(ctx, (name, "RespondToAuthChallenge"), &body).await?;
        self.take_tokens(ctx, &response, name)
    }

    /// Whether the login is about to expire.
    pub(super) fn login_is_due(&self, ctx: &Context) -> bool {
        self.carry.tokens.is_some_and(|tokens| now_us(ctx) >= tokens.renew_at_us)
    }

    /// Renews the login if it is about to expire.
    pub(super) async fn renew_login(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        let now_us = now_us(ctx);
        let Some(tokens) = self.carry.tokens.filter(|tokens| now_us >= tokens.renew_at_us) else {
            return Ok(());
        };
        let body = json!({
            "ClientId": self.config.client_id, "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": {
                "USERNAME": self.identity.phone(), "REFRESH_TOKEN": tokens.refresh,
            },
        });
        let name = "cognito refresh";
        let response = match self.cognito(ctx, (name, "InitiateAuth"), &body).await {
            Ok(response) => response,
            Err(error) => {
                if error.status() == 400 && error.kind != CallErrorKind::Throttled {
                    // The refresh token is worth nothing: the next session logs in again.
                    self.carry.tokens = None;
                }
                return Err(error);
            }
        };
        self.take_tokens(ctx, &response, name)
    }

    fn take_tokens(
        &mut self,
        ctx: &Context,
        response: &Response,
        name: &'static str,
    ) -> Result<(), CallError> {
        let old = self.carry.tokens.take();
        let result = read::<Authenticated>(response, name)?.authentication_result;
        let no_login = CallError { name, kind: CallErrorKind::NoLogin };
        let Some(new) = result else { return Err(no_login) };
        let refresh = new.refresh_token.or(old.map(|old| old.refresh)).ok_or(no_login)?;
        let valid_us = new.expires_in.saturating_sub(MARGIN_SEC).saturating_mul(1_000_000);
        let renew_at_us = now_us(ctx).saturating_add(valid_us);
        self.carry.tokens = Some(Tokens { access: new.access_token, refresh, renew_at_us });
        self.carry.throttled = 0;
        Ok(())
    }

    /// One call, tried again later and later while Cognito throttles it.
    async fn cognito(
        &mut self,
        ctx: &mut Context,
        (name, operation): (&'static str, &str),
        body: &serde_json::Value,
    ) -> Result<Response, CallError> {
        let body = body.to_string();
        for _ in 0..TRIES_MAX {
            let response = self.cognito_once(ctx, (name, operation), &body).await?;
            if response.is_success() {
                return Ok(response);
            }
            let refusal = response.json::<Refusal>().unwrap_or_default();
            let is_throttle = refusal.kind.contains("TooManyRequestsException");
            let status = response.status();
            if !is_throttle {
                let kind = CallErrorKind::Refused { status, code: 0, message: refusal.kind };
                return Err(CallError { name, kind });
            }
            ctx.counter(metrics::COGNITO_THROTTLES, 1);
            if self.config.login_throttles == LoginThrottles::Abort || ctx.stopping() {
                break;
            }
            self.back_off(ctx).await;
        }
        Err(CallError { name, kind: CallErrorKind::Throttled })
    }

    async fn cognito_once(
        &mut self,
        ctx: &mut Context,
        (name, operation): (&'static str, &str),
        body: &str,
    ) -> Result<Response, CallError> {
        let url = self.config.cognito_url.as_deref().unwrap_or("/");
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let expected = Expected::new([200..=400]).unwrap_or_default();
        let sent = ctx
            .post(url)
            .name(name)
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("x-amz-api-version", "2016-04-18")
            .header("x-amz-target", &target)
            .expect(expected)
            .text(body)
            .send()
            .await;
        sent.map_err(|failure| {
            let error = CallError { name, kind: CallErrorKind::Transport(failure) };
            count(ctx, &error);
            self.log(ctx, ("Cognito", Level::Error), &error);
            error
        })
    }

    /// Waits a random part of a time that doubles with every throttle in a row.
    async fn back_off(&mut self, ctx: &mut Context) {
        let doublings = self.carry.throttled.min(6);
        self.carry.throttled = self.carry.throttled.saturating_add(1);
        let most_ms = (1_000_u64 << doublings).min(BACK_OFF_MAX_MS);
        let wait = most_ms / 2..=most_ms;
        let wait_ms = ctx.draw(site!("cognito.backOff")).between(wait);
        ctx.sleep(Duration::from_millis(wait_ms)).await;
    }

    /// Waits until it is this bot's turn to log in for the first time.
    async fn await_turn(&mut self, ctx: &mut Context) {
        if self.config.logins_per_sec == 0 {
            return;
        }
        let among_its_task = match self.config.vus_max {
            0 => u64::from(self.identity.0),
            vus => u64::from(self.identity.0) % vus,
        };
        let due_us = among_its_task * 1_000_000 / self.config.logins_per_sec;
        let wait_us = due_us.saturating_sub(now_us(ctx));
        if wait_us > 0 {
            ctx.sleep(Duration::from_micros(wait_us)).await;
        }
    }
}

fn read<T: Serialize + for<'a> Deserialize<'a>>(
    response: &Response,
    name: &'static str,
) -> Result<T, CallError> {
    response.json().map_err(|error| CallError { name, kind: CallErrorKind::Unreadable(error) })
}

fn now_us(ctx: &Context) -> u64 {
    u64::try_from(ctx.now().as_micros()).unwrap_or(u64::MAX)
}

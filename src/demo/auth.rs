//! Sign-up and login, as Amazon Cognito answers them, and the tokens that they lead to.
//!
//! Tokens and login sessions are not stored: each is made of whom it is for, when it expires, and
//! a code keyed by the seed. So checking one costs no look-up and a million bots cost no memory.
//! The code is a mix of 64 bits, not cryptography: nothing here is worth protecting.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::demo::{
    draws::{self, Site},
    message::Request,
    reply::{self, Kind, Refusal},
    state::{ACCOUNTS_MAX, Account, AccountIndex, State},
};

/// The answer that every custom challenge wants.
const CHALLENGE_ANSWER: &str = "123456";
/// Cognito's default for a login session: 3 minutes.
const LOGIN_SESSION_US: u64 = 180_000_000;
/// Cognito's default for a refresh token: 30 days.
const REFRESH_US: u64 = 30 * 86_400 * 1_000_000;
const MICRO: u64 = 1_000_000;

/// How many Cognito calls are still allowed: a bucket that one second fills.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// In millionths of a call.
    available_micro: u64,
    filled_at_us: u64,
    is_started: bool,
}

impl Throttle {
    fn admits(&mut self, now_us: u64, per_sec_max: u32) -> bool {
        let full = u64::from(per_sec_max) * MICRO;
        let gained = now_us.saturating_sub(self.filled_at_us).saturating_mul(per_sec_max.into());
        self.available_micro = match self.is_started {
            true => self.available_micro.saturating_add(gained).min(full),
            false => full,
        };
        self.is_started = true;
        self.filled_at_us = now_us;
        let is_admitted = self.available_micro >= MICRO;
        if is_admitted {
            self.available_micro -= MICRO;
        }
        is_admitted
    }
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Access,
    Login,
    Refresh,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Login => "login",
            Self::Refresh => "refresh",
        }
    }
}

/// Who sends a request, by its `Authorization` header.
pub(super) fn account_of(state: &State, header: Option<&str>) -> Result<AccountIndex, Refusal> {
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
    let message = match check(state, Purpose::Access, token) {
        Ok(account) => return Ok(account),
        Err(TokenError::Expired) => "the access token has expired",
        Err(TokenError::Unknown) if token.is_empty() => "there is no access token",
        Err(TokenError::Unknown) => "the access token is not one of ours",
    };
    Err(Refusal::new(Kind::Unauthorized, message))
}

/// Answers a Cognito call: a status and a document.
pub(super) fn cognito(state: &mut State, request: &Request<'_>) -> (u16, Bytes) {
    if let Some(per_sec_max) = state.rules.auth_per_sec_max
        && !state.throttle.admits(state.now_us, per_sec_max)
    {
        return error("TooManyRequestsException", "Rate exceeded");
    }
    let operation = request
        .amz_target
        .and_then(|target| target.strip_prefix("AWSCognitoIdentityProviderService."));
    let answer = match operation {
        Some("SignUp") => sign_up(state, request.body),
        Some("InitiateAuth") => initiate_auth(state, request.body),
        Some("RespondToAuthChallenge") => respond_to_challenge(state, request.body),
        _ => Err(("UnknownOperationException", "x-amz-target names no operation known here")),
    };
    match answer {
        Ok(body) => (200, body),
        Err((kind, message)) => error(kind, message),
    }
}

/// A Cognito error document, and its status.
pub(super) fn error(kind: &str, message: &str) -> (u16, Bytes) {
    #[derive(Serialize)]
    struct Document<'a> {
        __type: &'a str,
        message: &'a str,
    }
    let status = if kind == "ServiceUnavailableException" { 503 } else { 400 };
    (status, reply::document(&Document { __type: kind, message }))
}

type CognitoAnswer = Result<Bytes, (&'static str, &'static str)>;

fn sign_up(state: &mut State, body: &[u8]) -> CognitoAnswer {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct SignUp<'a> {
        #[serde(borrow)]
        username: Cow<'a, str>,
        #[serde(borrow)]
        password: Cow<'a, str>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct SignedUp {
        user_confirmed: bool,
        user_sub: String,
    }
    let request: SignUp<'_> = parse(body)?;
    if request.username.is_empty() || request.username.len() > 128 {
        return Err(("InvalidParameterException", "Username must have 1 to 128 characters"));
    }
    if request.password.len() < 8 {
        return Err(("InvalidPasswordException", "Password must have 8 characters"));
    }
    if state.by_phone.contains_key(&*request.username) {
        return Err(("UsernameExistsException", "An account with the given name exists"));
    }
    if state.accounts.len() >= ACCOUNTS_MAX {
        return Err(("LimitExceededException", "No room for more accounts"));
    }
    let index = u32::try_from(state.accounts.len()).expect("there are at most ACCOUNTS_MAX");
    state.by_phone.insert(request.username.as_ref().into(), AccountIndex(index));
    state.accounts.push(Account { phone: request.username.into(), user: None });
    let user_sub = format!("00000000-0000-4000-8000-{index:012}");
    Ok(reply::document(&SignedUp { user_confirmed: true, user_sub }))
}

fn initiate_auth(state: &State, body: &[u8]) -> CognitoAnswer {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct InitiateAuth<'a> {
        #[serde(borrow)]
        auth_flow: Cow<'a, str>,
        #[serde(borrow)]
        auth_parameters: Parameters<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    struct Parameters<'a> {
        #[serde(borrow, default)]
        username: Cow<'a, str>,
        #[serde(borrow, default, rename = "REFRESH_TOKEN")]
        refresh_token: Cow<'a, str>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Challenge {
        challenge_name: &'static str,
        session: String,
    }
    let request: InitiateAuth<'_> = parse(body)?;
    match &*request.auth_flow {
        "CUSTOM_AUTH" => {
            let account = account_named(state, &request.auth_parameters.username)?;
            let session = issue(state, Purpose::Login, account, LOGIN_SESSION_US);
            Ok(reply::document(&Challenge { challenge_name: "CUSTOM_CHALLENGE", session }))
        }
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => {
            let account = check(state, Purpose::Refresh, &request.auth_parameters.refresh_token)
                .map_err(|_| ("NotAuthorizedException", "Invalid Refresh Token"))?;
            Ok(authenticated(state, account, Refresh::Kept))
        }
        _ => Err(("InvalidParameterException", "This AuthFlow is not enabled")),
    }
}

fn respond_to_challenge(state: &State, body: &[u8]) -> CognitoAnswer {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Respond<'a> {
        #[serde(borrow)]
        challenge_name: Cow<'a, str>,
        #[serde(borrow)]
        session: Cow<'a, str>,
        #[serde(borrow)]
        challenge_responses: Responses<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    struct Responses<'a> {
        #[serde(borrow)]
        username: Cow<'a, str>,
        #[serde(borrow)]
        answer: Cow<'a, str>,
    }
    let request: Respond<'_> = parse(body)?;
    if request.challenge_name != "CUSTOM_CHALLENGE" {
        return Err(("InvalidParameterException", "This challenge was not asked"));
    }
    let account = account_named(state, &request.challenge_responses.username)?;
    if check(state, Purpose::Login, &request.session) != Ok(account) {
        return Err(("NotAuthorizedException", "Invalid session for the user"));
    }
    if request.challenge_responses.answer != CHALLENGE_ANSWER {
        return Err(("NotAuthorizedException", "Incorrect answer"));
    }
    Ok(authenticated(state, account, Refresh::Issued))
}

/// Whether a login hands out a refresh token: refreshing keeps the one that was used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Issued,
    Kept,
}

fn authenticated(state: &State, account: AccountIndex, refresh: Refresh) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Authenticated {
        authentication_result: Tokens,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tokens {
        access_token: String,
        expires_in: u64,
        token_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        refresh_token: Option<String>,
    }
    let lifetime = state.rules.token_lifetime;
    let lifetime_us = u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX);
    let refresh_token =
        (refresh == Refresh::Issued).then(|| issue(state, Purpose::Refresh, account, REFRESH_US));
    reply::document(&Authenticated {
        authentication_result: Tokens {
            access_token: issue(state, Purpose::Access, account, lifetime_us),
            expires_in: lifetime.as_secs(),
            token_type: "Bearer",
            refresh_token,
        },
    })
}

fn account_named(state: &State, phone: &str) -> Result<AccountIndex, (&'static str, &'static str)> {
    let account = state.by_phone.get(phone).copied();
    account.ok_or(("UserNotFoundException", "User does not exist."))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, (&'static str, &'static str)> {
    serde_json::from_slice(body)
        .map_err(|_| ("SerializationException", "the body is not what this operation takes"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenError {
    Unknown,
    Expired,
}

/// `purpose.account.expiry.code`, the numbers in hexadecimal.
fn issue(state: &State, purpose: Purpose, account: AccountIndex, lifetime_us: u64) -> String {
    let expiry_us = state.now_us.saturating_add(lifetime_us);
    let code = code(state.rules.seed, purpose, account, expiry_us);
    format!("{}.{:x}.{expiry_us:x}.{code:016x}", purpose.as_str(), account.0)
}

fn check(state: &State, purpose: Purpose, token: &str) -> Result<AccountIndex, TokenError> {
    let (account, expiry_us) = read(state.rules.seed, purpose, token).ok_or(TokenError::Unknown)?;
    if account.0 as usize >= state.accounts.len() {
        return Err(TokenError::Unknown);
    }
    if state.now_us >= expiry_us { Err(TokenError::Expired) } else { Ok(account) }
}

fn read(seed: u64, purpose: Purpose, token: &str) -> Option<(AccountIndex, u64)> {
    let rest = token.strip_prefix(purpose.as_str())?.strip_prefix('.')?;
    let (account, rest) = rest.split_once('.')?;
    let (expiry_us, given) = rest.split_once('.')?;
    let account = AccountIndex(u32::from_str_radix(account, 16).ok()?);
    let expiry_us = u64::from_str_radix(expiry_us, 16).ok()?;
    let given = u64::from_str_radix(given, 16).ok()?;
    (given == code(seed, purpose, account, expiry_us)).then_some((account, expiry_us))
}

fn code(seed: u64, purpose: Purpose, account: AccountIndex, expiry_us: u64) -> u64 {
    let of_account = draws::bits(seed, Site::Token, u64::from(account.0) << 2 | purpose as u64);
    draws::bits(of_account, Site::Token, expiry_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throttle_lets_one_second_of_calls_through_at_once_and_then_the_rate() {
        let mut throttle = Throttle::default();
        let admitted = |throttle: &mut Throttle, now_us, calls| {
            (0..calls).filter(|_| throttle.admits(now_us, 10)).count()
        };
        assert_eq!(admitted(&mut throttle, 5_000_000, 100), 10);
        assert_eq!(admitted(&mut throttle, 5_100_000, 100), 1);
        assert_eq!(admitted(&mut throttle, 5_150_000, 100), 0);
        assert_eq!(admitted(&mut throttle, 5_200_000, 100), 1);
        assert_eq!(admitted(&mut throttle, 99_000_000, 100), 10);
    }
}

//! `Set-Cookie`, from the lines of a head to what the record holds of it.
//!
//! Taken apart live only; a replay gets the parts. An `Expires` becomes a lifetime by the
//! response's own `Date`, since a session has no calendar; where there is none, a date long past
//! still removes the cookie and any other is a cookie for the session.

use cookie::Cookie;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Name and value together, as RFC 6265bis bounds them; a longer cookie is ignored.
const COOKIE_BYTES_MAX: usize = 4096;

/// Cookies of one response that are looked at: more are a mistake or an attack.
const SET_MAX: usize = 64;

/// Before this, 2001-09-09, a date means "remove the cookie" whatever the time is.
const LONG_PAST_UNIX_S: i64 = 1_000_000_000;

/// A cookie that a server sets. Names are short: they are in every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetCookie {
    #[serde(rename = "n")]
    pub(crate) name: String,
    /// None for a value of no bytes.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Secret>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// How long it is kept; none for as long as the session.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifetime_s: Option<u64>,
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_secure: bool,
}

/// Whether a head has a `Set-Cookie`. Asked of every response, so it looks for a letter that is
/// rare in heads first.
pub(crate) fn has_set_cookie(head: &[u8]) -> bool {
    const NAME: &[u8] = b"set-cookie:";
    const K: usize = 7;
    memchr::memchr2_iter(b'k', b'K', head).any(|at| {
        let Some(start) = at.checked_sub(K) else { return false };
        let is_line = start == 0 || head[start - 1] == b'\n';
        let name = head.get(start..start + NAME.len());
        is_line && name.is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    })
}

/// All cookies that a head sets. Their values go into the open vault.
pub(crate) fn read_all(head: &[u8]) -> Vec<SetCookie> {
    let date = values(head, "date").find_map(unix_s);
    values(head, "set-cookie").filter_map(|text| read(text, date)).take(SET_MAX).collect()
}

/// The values of all headers of a name, as far as they are text.
fn values<'a>(head: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = head.split(|byte| *byte == b'\n');
    lines.filter_map(move |line| {
        let (found, value) = str::from_utf8(line).ok()?.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn read(text: &str, date: Option<i64>) -> Option<SetCookie> {
    // RFC 6265bis, 5.6: a cookie with a control character is ignored.
    if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return None;
    }
    let cookie = Cookie::parse(text).ok()?;
    if cookie.name().len() + cookie.value().len() > COOKIE_BYTES_MAX {
        return None;
    }
    let value = match cookie.value() {
        "" => None,
        value => Some(Secret::take_in_cookie(value)?),
    };
    let lifetime_s = match (cookie.max_age(), cookie.expires_datetime()) {
        (Some(age), _) => u64::try_from(age.whole_seconds()).ok(),
        (None, Some(expires)) => lifetime(expires.unix_timestamp(), date),
        (None, None) => None,
    };
    Some(SetCookie {
        name: cookie.name().to_owned(),
        value,
        domain: cookie.domain().map(str::to_owned),
        path: cookie.path().map(str::to_owned),
        lifetime_s,
        is_secure: cookie.secure().unwrap_or(false),
    })
}

fn lifetime(expires: i64, date: Option<i64>) -> Option<u64> {
    match date {
        Some(date) => Some(u64::try_from(expires.saturating_sub(date)).unwrap_or(0)),
        None if expires < LONG_PAST_UNIX_S => Some(0),
        None => None,
    }
}

/// An HTTP date has the form of an `Expires`.
fn unix_s(date: &str) -> Option<i64> {
    let cookie = Cookie::parse(format!("date=; Expires={date}")).ok()?;
    Some(cookie.expires_datetime()?.unix_timestamp())
}

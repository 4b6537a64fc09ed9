//! A session's cookies, as RFC 6265 wants a client to keep and send them.
//!
//! A bot starts every session without any, as in k6. What a server sets is read like any other
//! value, so it is recorded and a replay has the same jar; values are secrets, so the jar, the
//! requests and the record hold placeholders only, and the vault holds what the jar does. Times
//! are those of the session clock. There is no list of public suffixes: a `Domain` of one label is
//! refused, but `co.uk` is taken for a domain like any other.
//!
//! Knows nothing of sessions and sockets.

mod set;

use crate::Secret;

pub(crate) use set::{SetCookie, has_set_cookie, read_all};

/// How many cookies a bot keeps; beyond that the oldest goes. RFC 6265, 6.1 asks for 50 of a host.
const COOKIES_MAX: usize = 128;

/// Whether a bot keeps the cookies that servers set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CookieUse {
    #[default]
    Kept,
    Ignored,
}

/// Where a request goes, as far as cookies depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) is_secure: bool,
}

impl<'a> Address<'a> {
    /// From `http://host:port` and `/path?query`.
    pub(crate) fn new(origin: &'a str, target: &'a str) -> Self {
        let (scheme, authority) = origin.split_once("://").unwrap_or(("", origin));
        let is_v6 = authority.starts_with('[');
        let end = if is_v6 { authority.find(']').map(|end| end + 1) } else { authority.find(':') };
        Self {
            host: &authority[..end.unwrap_or(authority.len())],
            path: target.split('?').next().unwrap_or_default(),
            is_secure: scheme == "https",
        }
    }

    /// RFC 6265, 5.1.4: the path of a cookie that names none.
    fn default_path(&self) -> &'a str {
        match self.path.rfind('/') {
            Some(0) | None => "/",
            Some(end) => &self.path[..end],
        }
    }

    fn is_ip(&self) -> bool {
        // A name's last label is never a number (RFC 3696, 2).
        let is_v4 = |host: &str| host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        self.host.starts_with('[') || is_v4(self.host)
    }
}

/// One bot's cookies: those with longer paths first, among equals the older first, which is the
/// order they are sent in.
#[derive(Debug, Default)]
pub(crate) struct Jar {
    cookies: Vec<Cookie>,
    stored: u64,
}

#[derive(Debug)]
struct Cookie {
    name: Box<str>,
    /// None for a value of no bytes.
    value: Option<Secret>,
    domain: Box<str>,
    reach: Reach,
    path: Box<str>,
    is_secure: bool,
    /// On the session clock.
    expires_us: u64,
    /// Counts up with every cookie that is stored.
    number: u64,
}

/// Which hosts get a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Host,
    Subdomains,
}

impl Jar {
    /// RFC 6265, 5.3: keeps a cookie, replaces or removes one.
    pub(crate) fn store(&mut self, set: SetCookie, from: &Address<'_>, now_us: u64) {
        let Some((domain, reach)) = domain_of(set.domain.as_deref(), from) else { return };
        let path = match set.path.as_deref() {
            Some(path) if path.starts_with('/') => path,
            _ => from.default_path(),
        };
        let expires_us = match set.lifetime_s {
            None => u64::MAX,
            Some(lifetime_s) => now_us.saturating_add(lifetime_s.saturating_mul(1_000_000)),
        };
        let is_it = |cookie: &Cookie| {
            *cookie.name == set.name && *cookie.domain == domain && *cookie.path == *path
        };
        let known = self.cookies.iter().position(is_it);
        if expires_us <= now_us {
            if let Some(index) = known {
                self.cookies.remove(index);
            }
            return;
        }
        if let Some(index) = known {
            let known = &mut self.cookies[index];
            (known.value, known.reach) = (set.value, reach);
            (known.is_secure, known.expires_us) = (set.is_secure, expires_us);
            return;
        }
        self.make_room(now_us);
        self.stored += 1;
        let cookie = Cookie {
            path: path.into(),
            name: set.name.into(),
            value: set.value,
            domain: domain.into(),
            reach,
            is_secure: set.is_secure,
            expires_us,
            number: self.stored,
        };
        let place = self.cookies.partition_point(|known| known.path.len() >= cookie.path.len());
        self.cookies.insert(place, cookie);
    }

    fn make_room(&mut self, now_us: u64) {
        if self.cookies.len() >= COOKIES_MAX {
            self.cookies.retain(|cookie| cookie.expires_us > now_us);
        }
        if self.cookies.len() >= COOKIES_MAX {
            let oldest = self.cookies.iter().map(|cookie| cookie.number).min();
            self.cookies.retain(|cookie| Some(cookie.number) != oldest);
        }
    }

    /// Names and values that go along with a request to this place.
    pub(crate) fn sent_to(
        &self,
        to: Address<'_>,
        now_us: u64,
    ) -> impl Iterator<Item = (&str, Option<Secret>)> {
        let goes = move |cookie: &&Cookie| cookie.goes_to(&to, now_us);
        self.cookies.iter().filter(goes).map(|cookie| (&*cookie.name, cookie.value))
    }

    /// The value of the cookie of that name that was stored last; nothing for an empty one.
    pub(crate) fn value(&self, name: &str, now_us: u64) -> Option<Secret> {
        let all = self.cookies.iter();
        let alive = all.filter(|cookie| *cookie.name == *name && cookie.expires_us > now_us);
        alive.max_by_key(|cookie| cookie.number)?.value
    }

    pub(crate) fn holds(&self, secret: Secret) -> bool {
        self.cookies.iter().any(|cookie| cookie.value == Some(secret))
    }
}

impl Cookie {
    fn goes_to(&self, to: &Address<'_>, now_us: u64) -> bool {
        let is_domain = match self.reach {
            Reach::Host => self.domain.eq_ignore_ascii_case(to.host),
            Reach::Subdomains => is_within(to.host, &self.domain),
        };
        is_domain
            && is_below(to.path, &self.path)
            && (to.is_secure || !self.is_secure)
            && self.expires_us > now_us
    }
}

/// The domain that a cookie is kept for; nothing if the server may not set it.
fn domain_of(domain: Option<&str>, from: &Address<'_>) -> Option<(String, Reach)> {
    let host = from.host.to_ascii_lowercase();
    let domain = domain.map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
    match domain {
        None => Some((host, Reach::Host)),
        Some(domain) if domain.is_empty() => Some((host, Reach::Host)),
        Some(domain) if domain == host => {
            let is_one = from.is_ip() || !domain.contains('.');
            Some((domain, if is_one { Reach::Host } else { Reach::Subdomains }))
        }
        Some(domain) => {
            let may = !from.is_ip() && domain.contains('.') && is_within(&host, &domain);
            may.then_some((domain, Reach::Subdomains))
        }
    }
}

/// RFC 6265, 5.1.3, for names that are no addresses.
fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let Some((head, tail)) = host.split_at_checked(start) else { return false };
    tail.eq_ignore_ascii_case(domain) && (head.is_empty() || head.ends_with('.'))
}

/// RFC 6265, 5.1.4.
fn is_below(path: &str, cookie_path: &str) -> bool {
    match path.strip_prefix(cookie_path) {
        Some(rest) => rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;

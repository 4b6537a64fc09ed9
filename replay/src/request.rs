//! Requests as the bot writes them and the engine reads them.
//!
//! A request is lent by the worker for as long as its exchange is under way, since a redirect is
//! answered with most of it, and is rebuilt for every `Send`: after warm-up it costs no allocation.
//! A [`Prepared`] one is built once and sending it is a clone of an `Rc`.
//! What the bot decided about it is its *canonical* form: method, origin, target, header lines,
//! `Host` and body, with secrets as placeholders. That is what the chain of checks covers.
//! What the wire adds (`Content-Length`, `Connection`, real secrets) is not in it.
//!
//! Knows nothing of sockets and sessions.

mod expected;
mod method;
mod prepared;
mod redirect;
mod shared;

use std::io::Write;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use xxhash_rust::xxh3::xxh3_64;

use crate::Name;
use crate::cookies::{Address, Jar};
use crate::secret::{Place, contains_placeholder};

pub use expected::{Expected, TooManyRanges};
pub use method::{Method, UnknownMethod};
pub use prepared::{Prepared, PreparedBuilder};
pub use redirect::{REDIRECTS_MAX_DEFAULT, is_redirect};
pub use shared::SharedBody;

/// What becomes of a response's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyUse {
    /// The bot may read it.
    #[default]
    Keep,
    /// It is read from the wire and dropped; only its size is known.
    Discard,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// No `http://` or `https://`, and no target of the run that a path could be added to.
    NoScheme,
    /// No host after the scheme.
    NoHost,
    /// `user:password@` before the host: credentials belong into a header, where they are masked.
    UserInfo,
    /// The port is not a number from 1 to 65535.
    BadPort,
    /// A character that cannot be in a host name.
    BadHost,
    /// A control character in the URL.
    ControlInUrl,
    /// A header name that is not a token.
    BadHeaderName,
    /// A line break or another control character in a header value.
    BadHeaderValue,
    /// `Content-Length`, `Transfer-Encoding`, `Connection` and the like: the wire writer's own.
    ReservedHeader,
    /// The body could not be written as JSON.
    BadBody,
    /// The response before it led to something that is no URL, or none of http or https.
    BadRedirect,
}

impl RequestError {
    /// What is wrong, in the words of the user.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoScheme => "the url needs http:// or https:// in front, or a target of the run",
            Self::NoHost => "the url has no host",
            Self::UserInfo => "the url holds a user or password; use an authorization header",
            Self::BadPort => "the url's port is not a number from 1 to 65535",
            Self::BadHost => "the url's host holds a character that no host name can have",
            Self::ControlInUrl => "the url holds a control character",
            Self::BadHeaderName => "a header name holds a character that is not allowed there",
            Self::BadHeaderValue => "a header value holds a line break or control character",
            Self::ReservedHeader => "a header that only the generator may write",
            Self::BadBody => "the body cannot be written as json",
            Self::BadRedirect => "the response leads to something that is no http or https url",
        }
    }
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::error::Error for RequestError {}

/// The request of the latest `Command::Send`.
#[derive(Debug, Default)]
pub struct Request {
    /// What it is called in metrics and records.
    pub name: Name,
    /// Its method.
    pub method: Method,
    /// Its own limit, or none for the run's.
    pub timeout: Option<Duration>,
    /// Whether the bot may read the body of the response.
    pub body_use: BodyUse,
    /// Which statuses are no failure.
    pub expected: Expected,
    /// How many redirects are followed; none for the default.
    pub(crate) redirects_max: Option<u32>,
    /// How many redirects led to it.
    pub(crate) redirects: u32,
    own: Parts,
    prepared: Option<Rc<Sealed>>,
    error: Option<RequestError>,
}

impl Request {
    /// Scheme, host and port: `http://127.0.0.1:8080`.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.parts().text(&self.parts().origin)
    }

    /// Path and query: `/items?x=1`. Never empty.
    #[must_use]
    pub fn target(&self) -> &str {
        self.parts().text(&self.parts().target)
    }

    /// The value of the `Host` header: the bot's own, or the URL's authority.
    #[must_use]
    pub fn host(&self) -> &str {
        let parts = self.parts();
        if parts.host.is_empty() {
            let origin = self.origin();
            let authority = origin.strip_prefix(HTTP).or_else(|| origin.strip_prefix(HTTPS));
            authority.unwrap_or_default()
        } else {
            &parts.host
        }
    }

    /// `Name: value\r\n` for every header of the bot; no `Host`, no `Content-Length`.
    #[must_use]
    pub fn header_lines(&self) -> &[u8] {
        &self.parts().headers
    }

    /// The body; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let parts = self.parts();
        parts.shared_body.as_ref().map_or(&parts.body, |shared| shared.bytes())
    }

    /// The body, if it is one that many requests share.
    #[must_use]
    pub fn shared_body(&self) -> Option<&SharedBody> {
        self.parts().shared_body.as_ref()
    }

    /// Whether a placeholder is in it that the wire writer must replace. Looks at every byte
    /// once, so ask only where the vault is not empty.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        let parts = self.parts();
        contains_placeholder(parts.url.as_bytes())
            || contains_placeholder(parts.host.as_bytes())
            || contains_placeholder(&parts.headers)
            || contains_placeholder(&parts.body)
    }

    /// How a secret in the body must be escaped, by the content type.
    #[must_use]
    pub fn body_place(&self) -> Place {
        let lines = self.header_lines().split(|byte| *byte == b'\n');
        let content_type = lines.into_iter().find_map(|line| {
            let (name, value) = line.split_at_checked(CONTENT_TYPE.len())?;
            name.eq_ignore_ascii_case(CONTENT_TYPE).then(|| value.to_ascii_lowercase())
        });
        match content_type {
            Some(kind) if memmem::find(&kind, b"json").is_some() => Place::JsonBody,
            Some(kind) if memmem::find(&kind, b"x-www-form-urlencoded").is_some() => Place::Target,
            _ => Place::PlainBody,
        }
    }

    /// Where a prepared request lies, the same at every sending; `None` for one that is built
    /// each time. Lets the engine keep what it derived from it.
    #[must_use]
    pub fn prepared_address(&self) -> Option<usize> {
        self.prepared.as_ref().map(|sealed| Rc::as_ptr(sealed).addr())
    }

    /// The canonical form as text, for reports; secrets are placeholders.
    #[must_use]
    pub fn canonical(&self) -> String {
        let parts = self.parts();
        let mut text = format!("{} {}\n", self.method.as_str(), parts.url);
        if !parts.host.is_empty() {
            text.push_str("Host: ");
            text.push_str(&parts.host);
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(&parts.headers).replace("\r\n", "\n"));
        if let Some(shared) = &parts.shared_body {
            text.push_str(&format!("\n{shared}"));
        } else if !parts.body.is_empty() {
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&parts.body));
        }
        text
    }

    /// The canonical form's hash, which enters the chain.
    pub(crate) fn canonical_hash(&self) -> u64 {
        match &self.prepared {
            Some(sealed) => sealed.hash,
            None => self.own.hash(self.method),
        }
    }

    pub(crate) fn start(&mut self, method: Method, base: Option<&str>, url: &str) {
        self.name = Name::default();
        self.method = method;
        self.timeout = None;
        self.body_use = BodyUse::Keep;
        self.expected = Expected::default();
        self.redirects_max = None;
        self.redirects = 0;
        self.prepared = None;
        self.own.clear();
        self.error = self.own.set_url(base, url).err();
    }

    pub(crate) fn start_prepared(&mut self, prepared: &Prepared) {
        let sealed = &prepared.0;
        self.name.clone_from(&sealed.name);
        self.method = sealed.method;
        self.timeout = sealed.timeout;
        self.body_use = sealed.body_use;
        self.expected = sealed.expected;
        self.redirects_max = sealed.redirects_max;
        self.redirects = 0;
        self.error = None;
        self.prepared = Some(Rc::clone(sealed));
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        if let Err(error) = self.own.push_header(name, value) {
            self.fail(error);
        }
    }

    /// Adds what the jar has for its place. A bot that writes `Cookie` itself gets just that.
    pub(crate) fn add_cookies(&mut self, jar: &Jar, now_us: u64) {
        let to = Address::new(self.origin(), self.target());
        if jar.sent_to(to, now_us).next().is_none() || self.has_header("cookie") {
            return;
        }
        self.unseal();
        let parts = &mut self.own;
        let to = Address::new(&parts.url[parts.origin.clone()], &parts.url[parts.target.clone()]);
        parts.headers.extend_from_slice(b"Cookie: ");
        for (index, (name, value)) in jar.sent_to(to, now_us).enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            let written = match value {
                Some(secret) => write!(parts.headers, "{separator}{name}={secret}"),
                None => write!(parts.headers, "{separator}{name}="),
            };
            written.expect("a Vec takes it");
        }
        parts.headers.extend_from_slice(b"\r\n");
        parts.has_jar_cookies = true;
    }

    fn has_header(&self, name: &str) -> bool {
        redirect::header_names(self.header_lines()).any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Makes a prepared request one of its own, which can be changed.
    fn unseal(&mut self) {
        if let Some(sealed) = self.prepared.take() {
            self.own.copy_from(&sealed.parts);
        }
    }

    pub(crate) fn body_buffer(&mut self) -> &mut Vec<u8> {
        self.own.clear_body();
        &mut self.own.body
    }

    pub(crate) fn set_shared_body(&mut self, body: SharedBody) {
        self.own.clear_body();
        self.own.shared_body = Some(body);
    }

    pub(crate) fn fail(&mut self, error: RequestError) {
        self.error.get_or_insert(error);
    }

    pub(crate) fn error(&self) -> Option<RequestError> {
        self.error
    }

    pub(crate) fn url(&self) -> &str {
        &self.parts().url
    }

    /// The memory that its buffers hold.
    pub(crate) fn capacity(&self) -> usize {
        let own = &self.own;
        own.url.capacity() + own.host.capacity() + own.headers.capacity() + own.body.capacity()
    }

    fn parts(&self) -> &Parts {
        self.prepared.as_ref().map_or(&self.own, |sealed| &sealed.parts)
    }
}

const CONTENT_TYPE: &[u8] = b"content-type:";

/// A request that is built once.
#[derive(Debug)]
struct Sealed {
    name: Name,
    method: Method,
    timeout: Option<Duration>,
    body_use: BodyUse,
    expected: Expected,
    redirects_max: Option<u32>,
    parts: Parts,
    hash: u64,
}

/// The bytes of a request, in buffers that are kept.
#[derive(Debug, Default)]
struct Parts {
    /// The absolute URL: origin and target without a gap.
    url: String,
    origin: Range<usize>,
    target: Range<usize>,
    host: String,
    headers: Vec<u8>,
    /// Whether `Referer` was written for a redirect, not by the bot.
    refers_by_itself: bool,
    /// Whether `Cookie` was written from the bot's jar, not by the bot.
    has_jar_cookies: bool,
    body: Vec<u8>,
    /// Instead of `body`.
    shared_body: Option<SharedBody>,
}

impl Parts {
    fn clear(&mut self) {
        self.url.clear();
        self.host.clear();
        self.headers.clear();
        self.refers_by_itself = false;
        self.has_jar_cookies = false;
        self.clear_body();
        self.origin = 0..0;
        self.target = 0..0;
    }

    fn clear_body(&mut self) {
        self.body.clear();
        self.shared_body = None;
    }

    /// A copy that keeps the buffers.
    fn copy_from(&mut self, other: &Self) {
        self.clear();
        self.url.push_str(&other.url);
        (self.origin, self.target) = (other.origin.clone(), other.target.clone());
        self.host.push_str(&other.host);
        self.headers.extend_from_slice(&other.headers);
        self.body.extend_from_slice(&other.body);
        self.shared_body.clone_from(&other.shared_body);
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.url[range.clone()]
    }

    /// Each part is hashed with its length implied, so that no byte can move between parts.
    fn hash(&self, method: Method) -> u64 {
        let mut words = [0; 5];
        words[0] = method as u64;
        words[1] = xxh3_64(self.url.as_bytes());
        words[2] = xxh3_64(&self.headers);
        if !self.host.is_empty() {
            words[3] = xxh3_64(self.host.as_bytes());
        }
        match &self.shared_body {
            Some(shared) if !shared.is_empty() => words[4] = shared.hash(),
            None if !self.body.is_empty() => words[4] = xxh3_64(&self.body),
            Some(_) | None => {}
        }
        xxh3_64(words.map(u64::to_le_bytes).as_flattened())
    }

    /// Takes an absolute URL, or a path that is put behind `base`. Spaces and bytes beyond ASCII
    /// are percent-encoded, a fragment is dropped, an empty path becomes `/`.
    fn set_url(&mut self, base: Option<&str>, url: &str) -> Result<(), RequestError> {
        if url.starts_with('/') {
            let base = base.ok_or(RequestError::NoScheme)?.trim_end_matches('/');
            let (scheme, rest) = split_scheme(base).ok_or(RequestError::NoScheme)?;
            let path = memchr::memchr(b'/', rest.as_bytes()).unwrap_or(rest.len());
            self.set_origin(scheme, &rest[..path])?;
            self.push_encoded(&rest[path..])?;
            return self.set_target(url);
        }
        let (scheme, rest) = split_scheme(url).ok_or(RequestError::NoScheme)?;
        let target = memchr::memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len());
        self.set_origin(scheme, &rest[..target])?;
        self.set_target(&rest[target..])
    }

    fn set_origin(&mut self, scheme: &str, authority: &str) -> Result<(), RequestError> {
        check_authority(authority)?;
        self.url.push_str(scheme);
        self.url.push_str(authority);
        self.origin = 0..self.url.len();
        self.target = self.url.len()..self.url.len();
        Ok(())
    }

    fn set_target(&mut self, target: &str) -> Result<(), RequestError> {
        let fragment = memchr::memchr(b'#', target.as_bytes()).unwrap_or(target.len());
        let target = &target[..fragment];
        if !target.starts_with('/') && self.target.is_empty() {
            self.url.push('/');
        }
        self.push_encoded(target)
    }

    fn push_encoded(&mut self, text: &str) -> Result<(), RequestError> {
        if all_bytes(text, |byte| byte.is_ascii_graphic()) {
            self.url.push_str(text);
        } else if all_bytes(text, |byte| byte >= b' ' && byte != 0x7F) {
            for byte in text.bytes() {
                push_percent_encoded(&mut self.url, byte, |byte| byte.is_ascii_graphic());
            }
        } else {
            return Err(RequestError::ControlInUrl);
        }
        self.target.end = self.url.len();
        Ok(())
    }

    fn push_header(&mut self, name: &str, value: &str) -> Result<(), RequestError> {
        if name.is_empty() || !name.bytes().all(|byte| IS_TOKEN_BYTE[usize::from(byte)]) {
            return Err(RequestError::BadHeaderName);
        }
        if !all_bytes(value, |byte| (byte >= b' ' || byte == b'\t') && byte != 0x7F) {
            return Err(RequestError::BadHeaderValue);
        }
        if RESERVED_HEADERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(RequestError::ReservedHeader);
        }
        if name.eq_ignore_ascii_case("host") {
            self.host.clear();
            self.host.push_str(value);
            return Ok(());
        }
        self.headers.extend_from_slice(name.as_bytes());
        self.headers.extend_from_slice(b": ");
        self.headers.extend_from_slice(value.as_bytes());
        self.headers.extend_from_slice(b"\r\n");
        Ok(())
    }
}

const HTTP: &str = "http://";
const HTTPS: &str = "https://";

/// The scheme in lower case with its slashes, and the rest.
fn split_scheme(url: &str) -> Option<(&'static str, &str)> {
    [HTTP, HTTPS].into_iter().find_map(|scheme| {
        let (head, rest) = url.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

/// They decide where a message ends (RFC 9112, 6) or whether the connection stays (9.6); a bot
/// that wrote them could make the generator misread every later response.
const RESERVED_HEADERS: &[&str] =
    &["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"];

/// `host`, `host:port` or `[v6]:port`.
fn check_authority(authority: &str) -> Result<(), RequestError> {
    if memchr::memchr(b'@', authority.as_bytes()).is_some() {
        return Err(RequestError::UserInfo);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(RequestError::BadHost)?;
            if !host.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
                return Err(RequestError::BadHost);
            }
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or(RequestError::BadHost)?),
            };
            (host, port)
        }
        None => match memchr::memchr(b':', authority.as_bytes()) {
            Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(RequestError::NoHost);
    }
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if !all_bytes(host, is_host_byte) {
        return Err(RequestError::BadHost);
    }
    match port {
        Some(port) if !port.bytes().all(|byte| byte.is_ascii_digit()) => Err(RequestError::BadPort),
        Some(port) if port.parse::<u16>().unwrap_or(0) == 0 => Err(RequestError::BadPort),
        _ => Ok(()),
    }
}

/// Whether all bytes pass, without leaving early: short texts are checked 16 bytes at a time.
fn all_bytes(text: &str, pass: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & pass(byte))
}

/// RFC 9110, 5.6.2.
const IS_TOKEN_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(
            byte,
            b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'[' | b'\\' | b']' | b'{' | b'}'
        );
        byte += 1;
    }
    table
};

/// Appends a byte as it is if `keeps` says so, else as `%XX`.
pub(crate) fn push_percent_encoded(text: &mut String, byte: u8, keeps: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii() && keeps(byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests;

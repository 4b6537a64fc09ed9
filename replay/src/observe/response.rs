//! A response as the bot sees it.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ReadError;
use super::encoding::{Codings, decode_body, header_values};
use super::pointer;
use super::read::parse;
use crate::Secret;
use crate::cookies::{self, Address, CookieUse, has_set_cookie};
use crate::secret::is_secret_name;
use crate::state::State;
use crate::trace::record::Asked;

/// What the engine hands in: one buffer, and where in it things lie. It is moved in and moved
/// back out, never copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseParts {
    /// The status code.
    pub status: u16,
    /// Head and body, without chunk framing.
    pub bytes: Vec<u8>,
    /// The header lines in `bytes`: `Name: value\r\n` each.
    pub head: Range<usize>,
    /// The body in `bytes`; empty if it was discarded.
    pub body: Range<usize>,
    /// The body's size without chunk framing, also when it was discarded.
    pub body_size: u64,
}

impl ResponseParts {
    /// The body as it was before `Content-Encoding`.
    ///
    /// # Errors
    /// If there is none, not all of it was kept, or it cannot be decoded.
    pub fn decoded_body(&self) -> Result<Cow<'_, [u8]>, ReadError> {
        decode_body(self.head(), self.body()?)
    }

    fn body(&self) -> Result<&[u8], ReadError> {
        match self.bytes.get(self.body.clone()) {
            Some(body) if !body.is_empty() && (body.len() as u64) < self.body_size => {
                Err(ReadError::TooLarge)
            }
            Some(body) if !body.is_empty() => Ok(body),
            _ => Err(ReadError::NoBody),
        }
    }

    fn codings(&self) -> Result<Codings, ReadError> {
        Codings::of_head(self.head())
    }

    fn head(&self) -> &[u8] {
        self.bytes.get(self.head.clone()).unwrap_or_default()
    }

    fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        header_values(self.head(), name).next()
    }
}

/// A body that came encoded, once somebody has read it.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    state: Decoding,
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Decoding {
    /// Nobody has read it yet.
    #[default]
    Unread,
    /// It came as it is.
    Plain,
    Done,
    Failed(ReadError),
}

impl Decoded {
    /// For the next response.
    pub(crate) fn reset(&mut self) {
        self.state = Decoding::Unread;
        if self.body.capacity() > DECODED_KEPT_BYTES {
            self.body = Vec::new();
        }
    }

    fn decode(&mut self, parts: &ResponseParts) -> Decoding {
        let codings = match parts.codings() {
            Ok(codings) if codings.is_plain() => return Decoding::Plain,
            Ok(codings) => codings,
            Err(error) => return Decoding::Failed(error),
        };
        match parts.body().and_then(|body| codings.decode(body, &mut self.body)) {
            Ok(()) => Decoding::Done,
            Err(error) => Decoding::Failed(error),
        }
    }
}

/// A rare large body does not stay for the worker's life.
const DECODED_KEPT_BYTES: usize = 256 * 1024;

impl State {
    /// Reads the body of the response, decoded; live only.
    pub(crate) fn with_body<T>(
        &self,
        read: impl FnOnce(Result<&[u8], ReadError>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let response = self.scratch.response.borrow();
        let parts = response.as_ref().ok_or(ReadError::NoBody)?;
        let decoded = &mut *self.scratch.decoded.borrow_mut();
        if matches!(decoded.state, Decoding::Unread) {
            decoded.state = decoded.decode(parts);
        }
        match decoded.state {
            Decoding::Unread => unreachable!("decoded above"),
            Decoding::Plain => read(parts.body()),
            Decoding::Done => read(Ok(&decoded.body)),
            Decoding::Failed(error) => read(Err(error)),
        }
    }
}

/// Where a redirect leads to, read as any header is. Its fragment is nobody's but the bot's, and
/// what looks like a credential in its query is a secret.
pub(crate) fn read_location(state: &State) -> Option<String> {
    let read = state.read(Asked::Header, || match &*state.scratch.response.borrow() {
        Some(parts) => Ok(parts.header("Location").map(|place| hide_credentials(&lossy(place)))),
        None => Err(ReadError::NoBody),
    });
    read.ok().flatten()
}

/// Takes the cookies that a response sets into the bot's jar. Only where there are any is a value
/// recorded: a session without cookies pays a glance at each head.
pub(crate) fn keep_cookies(state: &State) {
    let is_set = {
        let own = state.own.borrow();
        match (own.cookie_use, &own.replay) {
            (CookieUse::Ignored, _) => false,
            (CookieUse::Kept, Some(replay)) => replay.next_is(Asked::SetCookie),
            (CookieUse::Kept, None) => match &*state.scratch.response.borrow() {
                Some(parts) => has_set_cookie(parts.head()),
                None => false,
            },
        }
    };
    if !is_set {
        return;
    }
    {
        // Only now: what a server set and the jar did not take may stand in the response's body.
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        own.vault.retain_cookies(|secret| own.jar.as_ref().is_some_and(|jar| jar.holds(secret)));
    }
    let read = state.read(Asked::SetCookie, || match &*state.scratch.response.borrow() {
        Some(parts) => Ok(cookies::read_all(parts.head())),
        None => Err(ReadError::NoBody),
    });
    let request = state.request();
    let mut own = state.own.borrow_mut();
    let own = &mut *own;
    let jar = own.jar.get_or_insert_default();
    let from = Address::new(request.origin(), request.target());
    for cookie in read.unwrap_or_default() {
        jar.store(cookie, &from, state.now_us.get());
    }
}

/// A URL without its fragment, with placeholders for what its query tells in confidence: servers
/// hand out tokens and codes in redirects.
fn hide_credentials(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let mut hidden = format!("{path}?");
    for (index, pair) in query.split('&').enumerate() {
        hidden.push_str(if index > 0 { "&" } else { "" });
        let name = pair.split('=').next().unwrap_or_default();
        let is_credential = is_secret_name(name) || name.eq_ignore_ascii_case("code");
        let value = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value);
        let value = value.filter(|value| is_credential && !value.is_empty());
        match value.and_then(|value| Secret::take_in(&value)) {
            Some(secret) => hidden.push_str(&format!("{name}={secret}")),
            None => hidden.push_str(pair),
        }
    }
    hidden
}

fn lossy(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// A response. What is read from it is recorded; what is not read is gone with the next command.
///
/// Reading it after the bot's next command panics: the buffer is in other hands by then.
pub struct Response {
    state: Rc<State>,
    status: u16,
    step: u32,
}

impl Response {
    pub(crate) fn new(state: &Rc<State>, status: u16) -> Self {
        Self { state: Rc::clone(state), status, step: state.step.get() }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The whole body, as the bot's own view of it.
    ///
    /// # Errors
    /// If there is no body, it is not JSON or not of that shape, or the view cannot be recorded.
    pub fn json<T: Serialize + DeserializeOwned>(&self) -> Result<T, ReadError> {
        self.read_body(Asked::Json, parse)
    }

    /// The value at a JSON pointer such as `/data/items/0/id`.
    ///
    /// # Errors
    /// As [`Response::json`], and `Missing` if the pointer leads to nothing.
    pub fn pointer<T>(&self, pointer: &str) -> Result<T, ReadError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.read_body(Asked::Pointer, |body| pointer::find(body, pointer))
    }

    /// The first header of this name in any case. One whose name looks like a secret's, such as
    /// `Set-Cookie` or `X-Auth-Token`, comes as the placeholder of a [`Secret`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        if is_secret_name(name) {
            return self.secret_header(name).map(|secret| secret.to_string());
        }
        let read = self.read(Asked::Header, |parts| {
            let value = parts.header(name);
            Ok(value.map(lossy))
        });
        read.ok().flatten()
    }

    /// The first header of this name, whatever it is, as a secret.
    #[must_use]
    pub fn secret_header(&self, name: &str) -> Option<Secret> {
        let read = self.read(Asked::Header, |parts| {
            let value = parts.header(name).and_then(|value| str::from_utf8(value).ok());
            match value {
                Some(value) => Secret::take_in(value).map(Some).ok_or(ReadError::TooLarge),
                None => Ok(None),
            }
        });
        read.ok().flatten()
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// If there is no body, it is not UTF-8, or it is too large.
    pub fn text(&self) -> Result<String, ReadError> {
        self.read_body(Asked::Text, |body| {
            let text = str::from_utf8(body).map_err(|_| ReadError::NotText)?;
            Ok(text.to_owned())
        })
    }

    /// The body's size in bytes as it came, also if it was discarded.
    #[must_use]
    pub fn body_size(&self) -> u64 {
        self.read(Asked::BodySize, |parts| Ok(parts.body_size)).unwrap_or(0)
    }

    fn read_body<T: Serialize + DeserializeOwned>(
        &self,
        asked: Asked,
        live: impl FnOnce(&[u8]) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.assert_is_latest();
        self.state.read(asked, || self.state.with_body(|body| live(body?)))
    }

    fn assert_is_latest(&self) {
        assert!(
            self.step == self.state.step.get(),
            "a response must be read before the bot's next command"
        );
    }

    fn read<T: Serialize + DeserializeOwned>(
        &self,
        asked: Asked,
        live: impl FnOnce(&ResponseParts) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.assert_is_latest();
        self.state.read(asked, || match &*self.state.scratch.response.borrow() {
            Some(parts) => live(parts),
            None => Err(ReadError::NoBody),
        })
    }
}

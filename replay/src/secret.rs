//! Secrets that cannot leak, because a bot never holds one.
//!
//! A [`Secret`] *is* its placeholder: `tallyho-secret-` and 16 hex digits of a keyed fingerprint.
//! Every serialiser and `Display` gives only that, so tokens can be put into headers, bodies and
//! carried state by ordinary code, a trace holds none, and a replay works with an empty vault.
//! The real bytes lie in the bot's [`Vault`]; the wire writer puts them in with
//! [`Vault::substitute`], escaped for the place. The key lives in memory only: equal secrets of
//! one run have equal placeholders, and a placeholder says nothing about the secret.
//!
//! The one thread-local of this crate is here: serde gives a `Deserialize` no context, so while
//! a live body is parsed the vault lies where `Secret` can find it. It is empty at all other
//! times, and a replay never fills it.

mod mask;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use memchr::memmem;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use siphasher::sip::SipHasher24;

use crate::request::push_percent_encoded;

pub use mask::{hide_header_values, hide_json_values, hide_pair_values};

/// What every placeholder starts with.
pub const PLACEHOLDER_PREFIX: &str = "tallyho-secret-";

/// The prefix and 16 hex digits.
pub const PLACEHOLDER_BYTES: usize = PLACEHOLDER_PREFIX.len() + 16;

/// How many secrets a bot may hold; beyond that the oldest is forgotten. A token, its refresh
/// token, a session cookie and a dozen of their successors fit with room to spare.
pub const SECRETS_MAX: usize = 64;

/// The longest secret: twice what a server accepts in one header by default.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// A value that must not be written down, as its placeholder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Secret(u64);

impl Secret {
    /// The secret that a text is the placeholder of.
    #[must_use]
    pub fn from_placeholder(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PLACEHOLDER_PREFIX)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 16 || !digits.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(Self)
    }

    /// The secret of a value under a run's key: what stands for it in that run.
    #[must_use]
    pub fn of(key: SecretKey, value: &str) -> Self {
        let mut hasher = SipHasher24::new_with_key(&key.0);
        hasher.write(value.as_bytes());
        Self(hasher.finish())
    }

    /// Takes a value into the open vault; nothing if it is too long.
    pub(crate) fn take_in(value: &str) -> Option<Self> {
        OPEN_VAULT.with_borrow_mut(|vault| vault.as_mut()?.insert(value))
    }

    /// Takes the value of a cookie into the open vault, for as long as the jar holds it.
    pub(crate) fn take_in_cookie(value: &str) -> Option<Self> {
        OPEN_VAULT.with_borrow_mut(|vault| vault.as_mut().map(|vault| vault.insert_cookie(value)))
    }

    /// Shows the real values in the open vault; nothing if one is not there.
    pub(crate) fn with_values<R>(secrets: &[Self], read: impl FnOnce(&[&str]) -> R) -> Option<R> {
        OPEN_VAULT.with_borrow(|vault| {
            let vault = vault.as_ref()?;
            let values: Option<Vec<_>> = secrets.iter().map(|s| vault.reveal(*s)).collect();
            Some(read(&values?))
        })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PLACEHOLDER_PREFIX}{:016x}", self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SecretVisitor)
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret of at most 16 KiB, or a placeholder")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        let secret = OPEN_VAULT.with_borrow_mut(|vault| match vault {
            Some(vault) => vault.insert(text),
            None => Secret::from_placeholder(text),
        });
        secret.ok_or_else(|| E::invalid_value(de::Unexpected::Other("another text"), &self))
    }
}

thread_local! {
    /// The vault of the bot whose response is being parsed.
    static OPEN_VAULT: RefCell<Option<Vault>> = const { RefCell::new(None) };
}

/// Whether a header or variable of this name is a secret unless somebody says otherwise.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 7] =
        ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];
    let contains = |word: &str| {
        let windows = name.as_bytes().windows(word.len());
        windows.into_iter().any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    };
    WORDS.into_iter().any(contains)
}

/// The key of a run's fingerprints: 128 random bits that are never written down.
#[derive(Clone, Copy, Default)]
pub struct SecretKey([u8; 16]);

impl SecretKey {
    /// The key from bytes that nobody else knows.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Where in a request a secret is put, hence how it is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Path or query, or a form body: percent-encoded.
    Target,
    /// A header value: as it is; a control character is refused.
    Header,
    /// Inside a JSON string: with JSON's escapes.
    JsonBody,
    /// Any other body: as it is.
    PlainBody,
}

/// Why a secret cannot be put where the bot put its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubstituteError {
    /// The secret holds a line break or another control character and was put into a header.
    ControlInHeader,
}

impl fmt::Display for SubstituteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret with a line break or control character was put into a header")
    }
}

impl std::error::Error for SubstituteError {}

/// What `catch_unwind` gives.
pub(crate) type Caught<R> = Result<R, Box<dyn Any + Send>>;

/// One bot's secrets.
#[derive(Default)]
pub struct Vault {
    key: SecretKey,
    /// Oldest first.
    entries: Vec<(Secret, Box<str>)>,
    /// The values in the bot's jar. Apart from the others: a server that sets a new one with every
    /// response must not make the bot forget its token.
    cookies: Vec<(Secret, Box<str>)>,
    /// What set-up handed to all bots.
    shared: Option<Rc<Vault>>,
}

impl Vault {
    pub(crate) fn new(key: SecretKey) -> Self {
        Self { key, ..Self::default() }
    }

    /// Whether the bot holds no secret, so no request of its can need one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.cookies.is_empty() && self.shared.is_none()
    }

    /// The real value.
    #[must_use]
    pub fn reveal(&self, secret: Secret) -> Option<&str> {
        let mut all = self.all();
        all.find(|(known, _)| *known == secret).map(|(_, value)| value)
    }

    /// The real values of all the bot's own secrets, to be handed to the other workers: see
    /// `Scratch::share_secrets`.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(_, value)| &**value)
    }

    pub(crate) fn share(&mut self, shared: Option<Rc<Self>>) {
        self.shared = shared;
    }

    fn all(&self) -> impl Iterator<Item = (Secret, &str)> {
        let shared = self.shared.iter().flat_map(|shared| &shared.entries);
        let all = self.entries.iter().rev().chain(&self.cookies).chain(shared);
        all.map(|(secret, value)| (*secret, &**value))
    }

    /// Takes the value of a cookie in.
    fn insert_cookie(&mut self, value: &str) -> Secret {
        let secret = Secret::of(self.key, value);
        if !self.cookies.iter().any(|(known, _)| *known == secret) {
            self.cookies.push((secret, value.into()));
        }
        secret
    }

    /// Forgets the cookies that are not in the jar any more.
    pub(crate) fn retain_cookies(&mut self, is_kept: impl Fn(Secret) -> bool) {
        self.cookies.retain(|(secret, _)| is_kept(*secret));
    }

    /// Keeps a cookie's value although the jar may lose it: the bot holds its placeholder.
    pub(crate) fn pin_cookie(&mut self, secret: Secret) {
        let mut cookies = self.cookies.iter();
        if let Some((_, value)) = cookies.find(|(known, _)| *known == secret) {
            let value = value.clone();
            self.insert(&value);
        }
    }

    /// Takes a value in; nothing if it is too long.
    pub(crate) fn insert(&mut self, value: &str) -> Option<Secret> {
        if value.len() > SECRET_BYTES_MAX {
            return None;
        }
        let secret = Secret::of(self.key, value);
        match self.entries.iter().position(|(known, _)| *known == secret) {
            Some(index) => self.entries[index..].rotate_left(1),
            None => {
                if self.entries.len() == SECRETS_MAX {
                    self.entries.remove(0);
                }
                self.entries.push((secret, value.into()));
            }
        }
        Some(secret)
    }

    /// Forgets all secrets but those whose placeholder is in the carried state.
    pub(crate) fn keep_only_named_in(&mut self, carry: &[u8]) {
        self.cookies.clear();
        if self.entries.is_empty() {
            return;
        }
        self.entries
            .retain(|(secret, _)| find_placeholders(carry).any(|(_, named)| named == *secret));
    }

    /// Appends `bytes` with every placeholder replaced by the real value, escaped for the place.
    /// A placeholder that this bot does not hold stays as it is.
    ///
    /// # Errors
    /// If the value cannot stand in that place; `out` is then of no use.
    pub fn substitute(
        &self,
        place: Place,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SubstituteError> {
        let mut copied = 0;
        if !self.is_empty() {
            for (start, secret) in find_placeholders(bytes) {
                let Some(value) = self.reveal(secret) else { continue };
                out.extend_from_slice(&bytes[copied..start]);
                escape(place, value, out)?;
                copied = start + PLACEHOLDER_BYTES;
            }
        }
        out.extend_from_slice(&bytes[copied..]);
        Ok(())
    }

    /// Runs `parse` with this vault open to [`Secret`]'s `Deserialize`. A panic inside is handed
    /// back, so that the vault always returns.
    pub(crate) fn while_open<R>(&mut self, parse: impl FnOnce() -> R) -> Caught<R> {
        OPEN_VAULT.set(Some(std::mem::take(self)));
        let result = catch_unwind(AssertUnwindSafe(parse));
        *self = OPEN_VAULT.take().expect("opened above, and only closed here");
        result
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|(secret, _)| secret)).finish()
    }
}

/// Whether a placeholder's start is in the bytes.
pub(crate) fn contains_placeholder(bytes: &[u8]) -> bool {
    memmem::find(bytes, PLACEHOLDER_PREFIX.as_bytes()).is_some()
}

/// The placeholders in some bytes, and where they start.
fn find_placeholders(bytes: &[u8]) -> impl Iterator<Item = (usize, Secret)> {
    memmem::find_iter(bytes, PLACEHOLDER_PREFIX).filter_map(move |start| {
        let text = std::str::from_utf8(bytes.get(start..start + PLACEHOLDER_BYTES)?).ok()?;
        Some((start, Secret::from_placeholder(text)?))
    })
}

fn escape(place: Place, value: &str, out: &mut Vec<u8>) -> Result<(), SubstituteError> {
    match place {
        Place::Target => {
            let mut text = String::new();
            for byte in value.bytes() {
                // RFC 3986, 2.3: only these mean the same in every part of a URL.
                push_percent_encoded(&mut text, byte, |byte| {
                    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
                });
            }
            out.extend_from_slice(text.as_bytes());
        }
        Place::Header => {
            if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7F) {
                return Err(SubstituteError::ControlInHeader);
            }
            out.extend_from_slice(value.as_bytes());
        }
        Place::JsonBody => escape_json(value, out),
        Place::PlainBody => out.extend_from_slice(value.as_bytes()),
    }
    Ok(())
}

/// A JSON string's content, without its quotes.
fn escape_json(value: &str, out: &mut Vec<u8>) {
    let start = out.len();
    serde_json::to_writer(&mut *out, value).expect("a text is always JSON, a Vec never fails");
    out.pop();
    out.remove(start);
}

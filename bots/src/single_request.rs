//! The bot behind `tallyho run URL`: each session is one request.
//!
//! The request is built once per worker, so a session costs no allocation, and a mistake in it is
//! found before the run starts. The session counts as failing if the status is not expected.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho_replay::{
    BodyUse, Bot, Context, Expected, Method, Outcome, Prepared, RequestError, SharedBody, Who,
};

/// One request per session.
pub struct SingleRequest {
    config: Rc<SingleRequestConfig>,
}

impl Bot for SingleRequest {
    const NAME: &'static str = "single-request";
    type Config = SingleRequestConfig;
    type Carry = ();

    fn new(config: Rc<SingleRequestConfig>, _: Who, (): ()) -> Self {
        Self { config }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        // No response and an unexpected status are both counted by the session itself.
        let _ = ctx.send_prepared(&self.config.request).await;
        Outcome::Done
    }

    fn carry(self) {}
}

/// What a scenario says about the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SingleRequestSettings {
    /// `GET` if empty.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In this order.
    pub headers: Headers,
    /// Sent as it is; bytes, since a body file need not be text. In JSON a text, or a list of
    /// bytes.
    #[serde(serialize_with = "bytes_as_text", deserialize_with = "text_as_bytes")]
    pub body: Vec<u8>,
    /// Instead of `body`: read from a file. A trace holds its name, size and hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_file: Option<SharedBody>,
    /// Its own limit instead of the run's, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What it is called in metrics; its URL if empty.
    pub name: String,
    /// The statuses that are no failure; 200 to 399 if empty.
    pub expected_statuses: Vec<u16>,
    /// How many redirects are followed; 10 if none.
    pub max_redirects: Option<u32>,
    /// Whether the body of the response is kept for a failing exchange; the bot looks at none.
    pub keep_body: bool,
}

fn text_as_bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Text(String),
        Bytes(Vec<u8>),
    }
    Ok(match Body::deserialize(deserializer)? {
        Body::Text(text) => text.into_bytes(),
        Body::Bytes(bytes) => bytes,
    })
}

fn bytes_as_text<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => serializer.collect_seq(bytes),
    }
}

/// Headers, as pairs or as an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Headers {
    /// In this order, names may repeat.
    Pairs(Vec<(String, String)>),
    /// Sorted by name.
    Object(BTreeMap<String, String>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}

impl Headers {
    fn iter(&self) -> Box<dyn Iterator<Item = (&String, &String)> + '_> {
        match self {
            Self::Pairs(pairs) => Box::new(pairs.iter().map(|(name, value)| (name, value))),
            Self::Object(object) => Box::new(object.iter()),
        }
    }
}

/// The request, ready to be sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SingleRequestSettings")]
pub struct SingleRequestConfig {
    request: Prepared,
}

/// What is wrong with a request's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The method is not one of HTTP's.
    Method(String),
    /// The URL or a header cannot be sent.
    Request(RequestError),
    /// More expected statuses than fit.
    TooManyStatuses,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(f, "unknown method \"{method}\", expected GET, POST…"),
            Self::Request(error) => error.fmt(f),
            Self::TooManyStatuses => f.write_str("more than 6 expected statuses"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl TryFrom<SingleRequestSettings> for SingleRequestConfig {
    type Error = SettingsError;

    fn try_from(settings: SingleRequestSettings) -> Result<Self, SettingsError> {
        let method = match settings.method.as_str() {
            "" => Method::Get,
            text => text.parse().map_err(|_| SettingsError::Method(settings.method.clone()))?,
        };
        let expected = match settings.expected_statuses.as_slice() {
            [] => Expected::default(),
            statuses => Expected::new(statuses.iter().map(|status| *status..=*status))
                .map_err(|_| SettingsError::TooManyStatuses)?,
        };
        let body_use = if settings.keep_body { BodyUse::Keep } else { BodyUse::Discard };
        let mut builder = Prepared::builder(method, None, &settings.url)
            .name(settings.name)
            .expected(expected)
            .body_use(body_use)
            .body(settings.body);
        if let Some(body) = settings.body_file {
            builder = builder.shared_body(body);
        }
        for (name, value) in settings.headers.iter() {
            builder = builder.header(name, value);
        }
        if let Some(max_redirects) = settings.max_redirects {
            builder = builder.redirects(max_redirects);
        }
        if let Some(timeout_ms) = settings.timeout_ms {
            builder = builder.timeout(Duration::from_millis(timeout_ms));
        }
        builder.build().map(|request| Self { request }).map_err(SettingsError::Request)
    }
}

impl SingleRequestConfig {
    /// The request that every session sends.
    #[must_use]
    pub fn request(&self) -> &Prepared {
        &self.request
    }
}

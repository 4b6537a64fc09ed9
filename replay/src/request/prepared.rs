//! A request that is built once and sent many times.
//!
//! Sending it clones an `Rc`: its canonical hash and its bytes are computed when it is made,
//! which is also where an operator's mistake in it is found.

use std::rc::Rc;
use std::time::Duration;

use super::{BodyUse, Expected, Method, Parts, RequestError, Sealed, SharedBody};
use crate::Name;

/// A request that is built once and sent many times.
#[derive(Clone, Debug)]
pub struct Prepared(pub(super) Rc<Sealed>);

impl Prepared {
    /// Starts one. `url` is absolute, or a path behind `base` (usually `RunFacts::target`).
    #[must_use]
    pub fn builder(method: Method, base: Option<&str>, url: &str) -> PreparedBuilder {
        let mut parts = Parts::default();
        let error = parts.set_url(base, url).err();
        PreparedBuilder {
            sealed: Sealed {
                name: Name::default(),
                method,
                timeout: None,
                body_use: BodyUse::default(),
                expected: Expected::default(),
                redirects_max: None,
                parts,
                hash: 0,
            },
            error,
        }
    }

    /// What it is called in metrics and records.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.0.name
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.parts.text(&self.0.parts.origin)
    }
}

/// A [`Prepared`] request in the making.
#[derive(Debug)]
pub struct PreparedBuilder {
    sealed: Sealed,
    error: Option<RequestError>,
}

impl PreparedBuilder {
    /// What it is called in metrics and records; at first its URL.
    #[must_use]
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.sealed.name = name.into();
        self
    }

    /// Its own limit instead of the run's.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.sealed.timeout = Some(timeout);
        self
    }

    /// Whether the bot may read the body of the response.
    #[must_use]
    pub fn body_use(mut self, body_use: BodyUse) -> Self {
        self.sealed.body_use = body_use;
        self
    }

    /// Which statuses are no failure.
    #[must_use]
    pub fn expected(mut self, expected: Expected) -> Self {
        self.sealed.expected = expected;
        self
    }

    /// How many redirects are followed; at first 10.
    #[must_use]
    pub fn redirects(mut self, redirects_max: u32) -> Self {
        self.sealed.redirects_max = Some(redirects_max);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let result = self.sealed.parts.push_header(name, value);
        self.error = self.error.or(result.err());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.sealed.parts.body = body.into();
        self
    }

    /// Sets the body to one that many requests share.
    #[must_use]
    pub fn shared_body(mut self, body: SharedBody) -> Self {
        self.sealed.parts.shared_body = Some(body);
        self
    }

    /// The finished request.
    ///
    /// # Errors
    /// The first thing that was wrong with the URL or a header.
    pub fn build(mut self) -> Result<Prepared, RequestError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.sealed.name.as_str().is_empty() {
            self.sealed.name = Name::from(self.sealed.parts.url.clone());
        }
        self.sealed.hash = self.sealed.parts.hash(self.sealed.method);
        Ok(Prepared(Rc::new(self.sealed)))
    }
}

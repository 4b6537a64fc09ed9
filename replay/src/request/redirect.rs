//! From a request and a redirect to the next request.
//!
//! The rules are those of k6, which are Go's: 301, 302 and 303 become a GET without a body unless
//! they were a HEAD, 307 and 308 repeat the request as it is; credentials stay with the host that
//! they were meant for. Where Go leaves a gap the stricter way is taken: every header that looks
//! like a credential is kept back, a subdomain is another host, and so is http after https.
//!
//! Knows nothing of responses: it gets a status and a place.

use url::{Position, Url};

use super::{Method, Parts, Request, RequestError};
use crate::secret::{contains_placeholder, is_secret_name};

/// How many redirects are followed where nobody says otherwise, as in k6.
pub const REDIRECTS_MAX_DEFAULT: u32 = 10;

/// Whether a response of this status leads on to another place, if it has one.
#[must_use]
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

impl Request {
    /// Whether a response of this status is followed, if it says where to.
    #[must_use]
    pub fn follows(&self, status: u16) -> bool {
        is_redirect(status) && self.redirects < self.redirects_max.unwrap_or(REDIRECTS_MAX_DEFAULT)
    }

    /// Whether the limit that stops it is one that nobody asked for.
    pub(crate) fn is_beyond_default(&self) -> bool {
        self.redirects_max.is_none() && self.redirects >= REDIRECTS_MAX_DEFAULT
    }

    /// Becomes the request that a redirect asks for. A place that is none is its error.
    pub(crate) fn redirect(&mut self, status: u16, location: &str) {
        self.redirects += 1;
        self.unseal();
        if std::mem::take(&mut self.own.has_jar_cookies) {
            self.own.retain_headers(|name, _| !name.eq_ignore_ascii_case("cookie"));
        }
        if let Err(error) = self.go_to(status, location) {
            self.fail(error);
        }
    }

    fn go_to(&mut self, status: u16, location: &str) -> Result<(), RequestError> {
        let from = Url::parse(&self.own.url).map_err(|_| RequestError::BadRedirect)?;
        let to = from.join(location).map_err(|_| RequestError::BadRedirect)?;
        if !matches!(to.scheme(), "http" | "https") {
            return Err(RequestError::BadRedirect);
        }
        let repeats = matches!(status, 307 | 308);
        if !repeats {
            if !matches!(self.method, Method::Get | Method::Head) {
                self.method = Method::Get;
            }
            self.own.clear_body();
            self.own.retain_headers(|name, _| !starts_with_content(name));
        }
        let is_downgrade = from.scheme() == "https" && to.scheme() == "http";
        if is_downgrade || from.host() != to.host() {
            self.own.retain_headers(|name, line| {
                !is_secret_name(name) && !contains_placeholder(line.as_bytes())
            });
        }
        if from.origin() != to.origin() {
            self.own.host.clear();
        }
        self.own.refer(&from, is_downgrade);
        self.own.go_to(&from, &to)
    }
}

impl Parts {
    /// Keeps the header lines of which `keeps` says so, given name and line.
    fn retain_headers(&mut self, keeps: impl Fn(&str, &str) -> bool) {
        let old = std::mem::take(&mut self.headers);
        for line in old.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let name = text.split(':').next().unwrap_or_default();
            if keeps(name, &text) {
                self.headers.extend_from_slice(line);
            }
        }
    }

    /// Says where the request comes from, as browsers and Go do; the bot's own words stay. A place
    /// that holds a secret is told to nobody, and a secure one to no insecure one.
    fn refer(&mut self, from: &Url, is_downgrade: bool) {
        let is_referer = |name: &str| name.eq_ignore_ascii_case("referer");
        if is_downgrade || contains_placeholder(self.url.as_bytes()) {
            self.refers_by_itself = false;
            return self.retain_headers(|name, _| !is_referer(name));
        }
        if self.refers_by_itself {
            self.retain_headers(|name, _| !is_referer(name));
        } else if header_names(&self.headers).any(is_referer) {
            return;
        }
        self.refers_by_itself = true;
        self.headers.extend_from_slice(b"Referer: ");
        self.headers.extend_from_slice(from[..Position::AfterQuery].as_bytes());
        self.headers.extend_from_slice(b"\r\n");
    }

    /// Within an origin its name stays as the bot wrote it, so that the connection does too.
    fn go_to(&mut self, from: &Url, to: &Url) -> Result<(), RequestError> {
        let url = if from.origin() == to.origin() {
            let origin = self.text(&self.origin);
            format!("{origin}{}", &to[Position::BeforePath..Position::AfterQuery])
        } else {
            // Who the user is, a server does not say.
            let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
            let host = to.host_str().ok_or(RequestError::BadRedirect)?;
            let target = &to[Position::BeforePath..Position::AfterQuery];
            format!("{}://{host}{port}{target}", to.scheme())
        };
        self.url.clear();
        (self.origin, self.target) = (0..0, 0..0);
        self.set_url(None, &url)
    }
}

fn starts_with_content(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"))
}

/// The names in header lines.
pub(super) fn header_names(lines: &[u8]) -> impl Iterator<Item = &str> {
    let names = lines.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':'));
    names.filter_map(|mut parts| str::from_utf8(parts.next()?).ok())
}

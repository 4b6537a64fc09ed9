//! A session's request on its way to the wire.
//!
//! The session's own request holds placeholders where secrets are; here, and only here, the real
//! values take their places, so nothing that is recorded or shown ever holds one.

use std::rc::Rc;

use tallyho_replay::{
    BodyUse, Expected, Failure, Method, Name, Place, Request, Session, Vault, is_redirect,
};

use super::exchange::Outgoing;
use super::origin::Origin;
use super::worker::Worker;
use crate::http::{self, RequestParts, ResponseReader, encode_request};

/// A request, taken out of its session and encoded.
pub(super) struct Sending {
    pub(super) name: Name,
    pub(super) expected: Expected,
    /// Whether a redirect is followed, hence no failure whatever is expected.
    pub(super) redirects: Redirects,
    /// Where it goes, if the host has been looked up before.
    pub(super) origin: Option<Rc<Origin>>,
    /// Where it goes, if not; else empty.
    pub(super) unknown_origin: String,
    pub(super) outgoing: Outgoing,
}

/// What becomes of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirects {
    /// The session follows it.
    Followed,
    /// It is the bot's response.
    Left,
}

impl Redirects {
    fn of(request: &Request) -> Self {
        if request.follows(302) { Self::Followed } else { Self::Left }
    }

    /// Whether the session follows this response: it is a redirect that says where to.
    pub(super) fn follow(self, status: u16, head: &[u8]) -> bool {
        self == Self::Followed && is_redirect(status) && has_location(head)
    }
}

fn has_location(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let name = b"location:";
    lines.any(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

impl Sending {
    /// Takes the request of the session's latest `Command::Send`.
    ///
    /// # Errors
    ///
    /// [`Failure::InvalidRequest`] when a secret cannot stand in its place.
    pub(super) fn encode(session: &Session, worker: &Worker) -> Result<Self, Failure> {
        session.with_request(|request, vault| {
            let mut bytes = worker.buffers.lend();
            if vault.is_empty() || !request.has_secrets() {
                encode_plain(request, &mut bytes);
            } else {
                encode_secret(request, vault, &mut bytes)?;
            }
            let origin = worker.known_origin(request.origin());
            let unknown_origin = if origin.is_none() { request.origin() } else { "" };
            Ok(Self {
                name: request.name.clone(),
                expected: request.expected,
                redirects: Redirects::of(request),
                origin,
                unknown_origin: unknown_origin.to_owned(),
                outgoing: Outgoing {
                    bytes,
                    timeout: request.timeout.unwrap_or(worker.plan.timeout),
                    is_idempotent: !matches!(request.method, Method::Post | Method::Patch),
                    reader: reader(request),
                },
            })
        })
    }
}

fn reader(request: &Request) -> ResponseReader {
    let mut reader = ResponseReader::new(http::Limits::default());
    let body_use = match request.body_use {
        BodyUse::Keep => http::BodyUse::Keep,
        BodyUse::Discard => http::BodyUse::Discard,
    };
    reader.reset(request.method.as_str(), body_use);
    reader
}

fn encode_plain(request: &Request, wire: &mut Vec<u8>) {
    let parts = RequestParts {
        method: request.method.as_str(),
        authority: request.host(),
        target: request.target(),
        header_lines: request.header_lines(),
        body: request.body(),
    };
    encode_request(&parts, wire);
}

fn encode_secret(request: &Request, vault: &Vault, wire: &mut Vec<u8>) -> Result<(), Failure> {
    let substituted = |place, bytes: &[u8]| {
        let mut out = Vec::new();
        match vault.substitute(place, bytes, &mut out) {
            Ok(()) => Ok(out),
            Err(_) => Err(Failure::InvalidRequest),
        }
    };
    let host = substituted(Place::Header, request.host().as_bytes())?;
    let target = substituted(Place::Target, request.target().as_bytes())?;
    let body_place = if is_json(request.body()) { Place::JsonBody } else { Place::PlainBody };
    let parts = RequestParts {
        method: request.method.as_str(),
        authority: std::str::from_utf8(&host).map_err(|_| Failure::InvalidRequest)?,
        target: std::str::from_utf8(&target).map_err(|_| Failure::InvalidRequest)?,
        header_lines: &substituted(Place::Header, request.header_lines())?,
        body: &substituted(body_place, request.body())?,
    };
    encode_request(&parts, wire);
    Ok(())
}

/// A body that starts as JSON does is escaped as JSON.
fn is_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
}

//! A session's request on its way to the wire.
//!
//! The session's own request holds placeholders where secrets are; here, and only here, the real
//! values take their places, so nothing that is recorded or shown ever holds one.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tallyho_replay::{
    BodyUse, Expected, Failure, Method, Name, Place, Request, Session, Traceparent, Vault,
    is_redirect,
};

use super::exchange::Outgoing;
use super::origin::Origin;
use super::worker::Worker;
use crate::http::{self, RequestParts, ResponseReader, encode_head, encode_request};

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
    /// What the bot wants of the response's body.
    pub(super) body_use: BodyUse,
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
            let mut bytes = worker.buffers.lend_for_request();
            let mut lines = Vec::new();
            let header_lines = if worker.plan.traceparent {
                lines = with_traceparent(session, request, worker);
                lines.as_slice()
            } else {
                request.header_lines()
            };
            if vault.is_empty() || !request.has_secrets() {
                encode_plain(request, header_lines, &mut bytes);
            } else {
                encode_secret((request, header_lines), vault, &mut bytes)?;
            }
            if worker.plan.traceparent {
                worker.buffers.give_back(lines);
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
                    body: large_body(request),
                    timeout: request.timeout.unwrap_or(worker.plan.timeout),
                    is_idempotent: !matches!(request.method, Method::Post | Method::Patch),
                    reader: reader(request, worker.plan.limits),
                },
                body_use: request.body_use,
            })
        })
    }
}

/// A body that is sent from where it lies, which every bot that sends it shares. A small one is
/// better copied behind its head: one write instead of two.
fn large_body(request: &Request) -> Option<Bytes> {
    let shared = request.shared_body()?.bytes();
    (shared.len() > COPIED_BYTES_MAX).then(|| Bytes::from_owner(Arc::clone(shared)))
}

const COPIED_BYTES_MAX: usize = 16 * 1024;

/// Writes the request, without its body if that is sent by itself.
fn write_out(request: &Request, parts: &RequestParts<'_>, wire: &mut Vec<u8>) {
    match request.shared_body() {
        Some(shared) if shared.bytes().len() > COPIED_BYTES_MAX => encode_head(parts, wire),
        _ => encode_request(parts, wire),
    }
}

fn reader(request: &Request, limits: http::Limits) -> ResponseReader {
    let mut reader = ResponseReader::new(limits);
    let body_use = match request.body_use {
        BodyUse::Keep => http::BodyUse::Keep,
        BodyUse::Discard => {
            // Of an answer that fails the session, what it says is worth keeping.
            let first = request.expected.ranges().map(|range| *range.start()).min();
            let last = request.expected.ranges().map(|range| *range.end()).max();
            http::BodyUse::DiscardWithin(first.unwrap_or(0), last.unwrap_or(u16::MAX))
        }
    };
    reader.reset(request.method.as_str(), body_use);
    reader
}

/// The header lines with one that joins the server's log to the step, unless the bot sends its own.
fn with_traceparent(session: &Session, request: &Request, worker: &Worker) -> Vec<u8> {
    let mut lines = worker.buffers.lend_for_request();
    lines.extend_from_slice(request.header_lines());
    let is_own = |line: &[u8]| {
        line.get(..TRACEPARENT.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(TRACEPARENT.as_bytes()))
    };
    if !lines.split(|byte| *byte == b'\n').any(is_own) {
        let run = worker.plan.facts.run_id;
        let value = Traceparent::new(run, session.who(), session.step_index());
        lines.extend_from_slice(TRACEPARENT.as_bytes());
        lines.push(b' ');
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

const TRACEPARENT: &str = "traceparent:";

fn encode_plain(request: &Request, header_lines: &[u8], wire: &mut Vec<u8>) {
    let parts = RequestParts {
        method: request.method.as_str(),
        authority: request.host(),
        target: request.target(),
        header_lines,
        body: request.body(),
    };
    write_out(request, &parts, wire);
}

fn encode_secret(
    (request, header_lines): (&Request, &[u8]),
    vault: &Vault,
    wire: &mut Vec<u8>,
) -> Result<(), Failure> {
    let substituted = |place, bytes: &[u8]| {
        let mut out = Vec::new();
        match vault.substitute(place, bytes, &mut out) {
            Ok(()) => Ok(out),
            Err(_) => Err(Failure::InvalidRequest),
        }
    };
    let host = substituted(Place::Header, request.host().as_bytes())?;
    let target = substituted(Place::Target, request.target().as_bytes())?;
    let body = match request.shared_body() {
        // Nobody looks for secrets in a file.
        Some(shared) => Cow::Borrowed(&**shared.bytes()),
        None => Cow::Owned(substituted(body_place(request), request.body())?),
    };
    let parts = RequestParts {
        method: request.method.as_str(),
        authority: std::str::from_utf8(&host).map_err(|_| Failure::InvalidRequest)?,
        target: std::str::from_utf8(&target).map_err(|_| Failure::InvalidRequest)?,
        header_lines: &substituted(Place::Header, header_lines)?,
        body: &body,
    };
    write_out(request, &parts, wire);
    Ok(())
}

/// By the content type, and where that says nothing by the body's beginning.
fn body_place(request: &Request) -> Place {
    match request.body_place() {
        Place::PlainBody if is_json(request.body()) => Place::JsonBody,
        place => place,
    }
}

/// A body that starts as JSON does is escaped as JSON.
fn is_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
}

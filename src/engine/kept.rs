//! The exchange with which a session began to fail, made fit to be kept.
//!
//! Everything that may be a secret is taken out here, and cut to size afterwards, so that no half
//! of a secret stays at the end. What the vault holds is replaced in every common form; what only
//! has a name that looks like a secret's is hidden. Bodies are decoded first; one that cannot be is
//! not kept.

use std::ops::Range;

use tallyho_replay::observe::decode_body;
use tallyho_replay::secret::{hide_header_values, hide_json_values, hide_pair_values};
use tallyho_replay::trace::{KEPT_BYTES_MAX, KeptExchange};
use tallyho_replay::{Failure, ResponseParts, Session};

/// The response, and where it has its body; or why there was none.
pub(super) type Answer<'a> = Result<(&'a ResponseParts, Range<usize>), Option<Failure>>;

/// The exchange: the request as it went over the wire, and what came of it.
pub(super) fn keep_exchange(session: &Session, request: &[u8], answer: Answer<'_>) -> KeptExchange {
    let mask = |bytes: &[u8]| {
        // A secret at the end is searched for whole, if it is not longer than this.
        let mut bytes = bytes[..bytes.len().min(KEPT_BYTES_MAX + SECRET_BYTES)].to_vec();
        session.with_vault(|vault| vault.mask(&mut bytes));
        bytes
    };
    let request_size = request.len() as u64;
    let body_at = body_start(request);
    let mut sent = head(mask(&request[..body_at]), HeadOf::Request);
    sent.extend_from_slice(&body(mask(&request[body_at..])));
    sent.truncate(KEPT_BYTES_MAX);
    let kept = KeptExchange {
        who: session.who(),
        step: session.step_index(),
        request: sent,
        request_size,
        ..KeptExchange::default()
    };
    match answer {
        Ok((parts, body_range)) => {
            let part = |range: Range<usize>| parts.bytes.get(range).unwrap_or(&[]);
            let lines = part(parts.head.clone());
            // Secrets in a coded body cannot be found, so one that cannot be decoded is left out.
            let content = decode_body(lines, part(body_range)).unwrap_or_default();
            let mut content = body(mask(&content));
            content.truncate(KEPT_BYTES_MAX);
            KeptExchange {
                status: parts.status,
                head: head(mask(lines), HeadOf::Response),
                body: content,
                body_size: parts.body_size,
                ..kept
            }
        }
        Err(failure) => KeptExchange { failure, ..kept },
    }
}

/// The beginning of a body as text for people, without the secrets that are known by now, and
/// without what has a name like a secret's.
pub(super) fn excerpt(session: &Session, (lines, content): (&[u8], &[u8])) -> String {
    let Ok(content) = decode_body(lines, content) else { return "an encoded body".to_owned() };
    let mut bytes = content[..content.len().min(EXCERPT_BYTES + SECRET_BYTES)].to_vec();
    session.with_vault(|vault| vault.mask(&mut bytes));
    let bytes = body(bytes);
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT_BYTES)]);
    if text.is_empty() { "no body".to_owned() } else { text.trim().to_owned() }
}

/// Enough to recognise an error page by.
const EXCERPT_BYTES: usize = 200;

/// Longer secrets than this are cut when they lie across the end of what is kept; none of that is
/// kept itself.
const SECRET_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy)]
enum HeadOf {
    Request,
    Response,
}

fn head(mut lines: Vec<u8>, of: HeadOf) -> Vec<u8> {
    if matches!(of, HeadOf::Request) {
        let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
        let mut rest = lines.split_off(end);
        hide_pair_values(&mut lines);
        hide_header_values(&mut rest);
        lines.extend_from_slice(&rest);
    } else {
        hide_header_values(&mut lines);
    }
    lines
}

fn body(mut bytes: Vec<u8>) -> Vec<u8> {
    match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') => hide_json_values(&mut bytes),
        _ => hide_pair_values(&mut bytes),
    }
    bytes
}

/// Where the body begins: behind the first empty line.
fn body_start(request: &[u8]) -> usize {
    request.windows(4).position(|end| end == b"\r\n\r\n").map_or(request.len(), |at| at + 4)
}

//! The exchange with which a session began to fail, made fit to be kept.
//!
//! Everything that may be a secret is taken out here, and cut to size afterwards, so that no half
//! of a secret stays at the end. What the vault holds is replaced in every common form; what only
//! has a name that looks like a secret's is hidden. A body in a content coding cannot be searched,
//! and is not kept.

use tallyho_replay::secret::{hide_header_values, hide_json_values, hide_pair_values};
use tallyho_replay::trace::{KEPT_BYTES_MAX, KeptExchange};
use tallyho_replay::{Failure, ResponseParts, Session};

/// The exchange: the request as it went over the wire, and what came of it.
pub(super) fn keep_exchange(
    session: &Session,
    request: &[u8],
    answer: Result<&ResponseParts, Option<Failure>>,
) -> KeptExchange {
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
        Ok(parts) => {
            let part = |range: std::ops::Range<usize>| parts.bytes.get(range).unwrap_or(&[]);
            let lines = part(parts.head.clone());
            let content = if is_coded(lines) { &[] } else { part(parts.body.clone()) };
            let mut content = body(mask(content));
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

fn is_coded(lines: &[u8]) -> bool {
    const NAME: &[u8] = b"content-encoding:";
    lines.split(|byte| *byte == b'\n').any(|line| {
        let name = line.get(..NAME.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            && !line[NAME.len()..].trim_ascii().eq_ignore_ascii_case(b"identity")
    })
}

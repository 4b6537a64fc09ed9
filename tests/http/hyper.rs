//! The codec against hyper's client: the same bytes to both, the same response from both.
//!
//! hyper is what most Rust clients are made of and is stricter than curl. Where the two differ, the
//! difference has a name and a reason here; any other one fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tallyho::http::{BodyUse, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::check::{Exchange, Random};
use crate::responses::{EXAMPLES, random_response};

/// Random responses that both are given.
const SEEDS: u64 = 2_000;

/// A response as far as both tell it.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Why the two differ about some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// A header line that is none by the letter: a space before the colon, a fold, an odd or empty
    /// name, a control character in the value. We take what curl takes, hyper refuses it.
    LooseHeader,
    /// A status line with more spaces, fewer, or odd bytes in its reason. The same.
    LooseStatusLine,
    /// Lines of a chunked body that end in a bare LF. The same.
    LooseChunkLine,
    /// Chunks in an HTTP/1.0 response. RFC 9112, 6.1 calls that faulty; curl and we read them.
    OldChunked,
    /// An empty line before the status line. hyper skips it; curl and we do not.
    LineBeforeStatus,
    /// A `Content-Length` that is no number, contradicts another, or is beyond the limit. hyper
    /// looks at it only where it counts; we do wherever it stands: the server is confused.
    BadLength,
    /// `chunked`, and another coding behind it: RFC 9112, 6.1 forbids it, and hyper reads to the
    /// end of the connection. Whoever reads it otherwise is out of step, so we refuse it.
    ChunkedNotLast,
    /// `Transfer-Encoding: identity` beside a length or a list with `chunked`: to hyper the body
    /// goes to the end of the connection, to curl and us the word says nothing.
    Identity,
    /// A 101 that nobody asked for. hyper hands it out.
    Upgrade,
}

impl Reason {
    fn of(ours: &Outcome, hypers: &Outcome) -> Option<Self> {
        match (ours, hypers) {
            (Ok(_), Err(error)) => [
                ("Parse(Header(Token))", Self::LooseHeader),
                ("Parse(Status)", Self::LooseStatusLine),
                ("TransferEncodingUnexpected", Self::OldChunked),
                ("Invalid chunk", Self::LooseChunkLine),
                ("EOF during chunk", Self::LooseChunkLine),
            ]
            .into_iter()
            .find_map(|(part, reason)| error.contains(part).then_some(reason)),
            (Err(error), Ok(heard)) => match error.as_str() {
                "NotHttp" => Some(Self::LineBeforeStatus),
                "ContentLength" | "ContentLengthConflict" | "BodyTooLarge" => Some(Self::BadLength),
                "TransferEncoding" => Some(Self::ChunkedNotLast),
                "UnaskedUpgrade" => Some(Self::Upgrade),
                "ClosedEarly" if heard.says_identity() => Some(Self::Identity),
                _ => None,
            },
            (Ok(_), Ok(heard)) => heard.says_identity().then_some(Self::Identity),
            (Err(_), Err(_)) => None,
        }
    }
}

impl Heard {
    fn says_identity(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, value)| name == "transfer-encoding" && value == b"identity")
    }
}

type Outcome = Result<Heard, String>;

fn ours(wire: &[u8], method: &str) -> Outcome {
    let exchange = Exchange { wire, method, limits: Limits::default() };
    let pieces = if wire.is_empty() { vec![] } else { vec![wire.len()] };
    let read = exchange.read(&pieces, BodyUse::Keep).map_err(|error| format!("{error:?}"))?;
    let head = &read.buffer[read.response.head.clone()];
    let headers = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let headers = headers.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..colon]).trim().to_lowercase();
        (name, line.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec())
    });
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    let body = read.buffer[read.response.body.clone()].to_vec();
    Ok(Heard { status: read.response.status, headers, body })
}

async fn hypers(wire: &[u8], method: &str) -> Outcome {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let wire = wire.to_vec();
    let serve = tokio::spawn(async move {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match server.read(&mut byte).await {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let _closed_by_the_client = server.write_all(&wire).await;
    });
    let handshake = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(client)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let drive = tokio::spawn(connection);
    let request = hyper::Request::builder().method(method).uri("/").header("Host", "x");
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let heard = async {
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let mut headers: Vec<_> = headers.collect();
        headers.sort();
        Ok::<_, hyper::Error>(Heard { status: parts.status.as_u16(), headers, body })
    };
    let heard = heard.await.map_err(|error| format!("{error:?}"));
    drop(sender);
    drive.abort();
    serve.abort();
    heard
}

fn inputs() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = EXAMPLES.iter().map(|text| text.as_bytes().to_vec()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/response_head");
    let mut kept: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is in the repository")
        .map(|entry| fs::read(entry.expect("a readable folder").path()).expect("a readable file"))
        .collect();
    kept.sort();
    inputs.extend(kept.into_iter().filter_map(|input| Some(input.get(2..)?.to_vec())));
    inputs.extend((0..SEEDS).map(|seed| random_response(&mut Random(seed))));
    inputs
}

#[test]
fn hyper_reads_the_same_or_the_difference_has_a_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut same, mut refused, mut reasons) = (0, 0, BTreeMap::new());
    for wire in inputs() {
        for method in ["GET", "HEAD"] {
            let ours = ours(&wire, method);
            let hypers = runtime.block_on(hypers(&wire, method));
            match (&ours, &hypers) {
                (Ok(ours), Ok(hypers)) if ours == hypers => same += 1,
                (Err(_), Err(_)) => refused += 1,
                _ => match Reason::of(&ours, &hypers) {
                    Some(reason) => *reasons.entry(reason).or_insert(0) += 1,
                    None => panic!("{method} {}: {ours:?}, {hypers:?}", wire.escape_ascii()),
                },
            }
        }
    }
    // What is no difference any more has no place in the list.
    assert_eq!(reasons.len(), 9, "{reasons:?}");
    assert!(same > 500 && refused > 500, "one-sided: {same} the same, {refused} refused");
}

//! Where servers break the rules, curl's judgement is ours: what works with curl works here.
//!
//! What curl does was observed with curl 7.88.1 against a socket that sends these bytes and closes.
//! The exceptions have their reasons beside them.

use tallyho::http::{BodyUse, Limits, ParseError};

use crate::check::Exchange;

/// curl reads these, and so does the reader. Every body is `hi`.
const BOTH_READ: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\r\nhi",
    b"HTTP/1.1 200 OK\n\nhi",
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\n: no name\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nMy Header: x\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nM(y): x\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX : x\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX: a\r\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nX\xe9: \xe9\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\
      Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 garbage\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000002\r\nhi\r\n0\r\n\r\n",
];

/// Neither reads these.
const BOTH_REFUSE: &[(&[u8], ParseError)] = &[
    (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::NotHttp),
    (b" HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::NotHttp),
    (b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Version),
    (b"HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1\t200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nhi", ParseError::Status),
    (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nhi", ParseError::Header),
    (b"HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 2\r\n\r\nhi", ParseError::Header),
    (b"HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 2\r\n\r\nhi", ParseError::Header),
    (b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nhi", ParseError::Header),
    (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", ParseError::ContentLength),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", ParseError::ContentLength),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        ParseError::ContentLengthConflict,
    ),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ParseError::ContentLength,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        ParseError::TransferEncoding,
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", ParseError::ClosedEarly),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", ParseError::ClosedEarly),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nhi\r\n0\r\n\r\n",
        ParseError::ChunkSize,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n",
        ParseError::ChunkSize,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhi\r\n0\r\n\r\n",
        ParseError::ChunkSize,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
          00000000000000002\r\nhi\r\n0\r\n\r\n",
        ParseError::ChunkSize,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
        ParseError::ChunkEnd,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
        ParseError::Header,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nno colon\r\n\r\n",
        ParseError::Header,
    ),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        ParseError::ClosedEarly,
    ),
];

/// curl reads these; the reader does not, as it would have to guess where the body ends, or
/// because the answer is not in the protocol that was spoken.
const ONLY_CURL_READS: &[(&[u8], ParseError)] = &[
    (b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::Version),
    (b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ParseError::NotHttp),
    (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nhi", ParseError::UnaskedUpgrade),
    // To curl the head ends at the CR.
    (b"HTTP/1.1 200 OK\r\n\rX: 1\r\nContent-Length: 2\r\n\r\nhi", ParseError::Header),
    // curl reads the number in front, and until the end where it overflows.
    (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", ParseError::ContentLength),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nhi", ParseError::ContentLength),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi",
        ParseError::BodyTooLarge,
    ),
    // curl takes any number of CRs.
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\r\n0\r\n\r\n",
        ParseError::ChunkEnd,
    ),
];

/// curl does not read these, all of which RFC 9112 allows a client to read.
const ONLY_WE_READ: &[&[u8]] = &[
    // Section 5.2: a folded line is one line; curl looks at the first part alone.
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nhi",
    // Section 6.1: curl decodes codings, and so has to know them. Here the body stays encoded.
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: unknown, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: unknown\r\n\r\nhi",
];

#[test]
fn what_curl_reads_is_read() {
    for wire in BOTH_READ.iter().chain(ONLY_WE_READ) {
        let read = exchange(wire).read(&[wire.len()], BodyUse::Keep);
        let read = read.unwrap_or_else(|error| panic!("{}: {error:?}", wire.escape_ascii()));
        assert_eq!(b"hi", &read.buffer[read.response.body], "{}", wire.escape_ascii());
    }
}

#[test]
fn what_curl_refuses_is_refused() {
    for (wire, expected) in BOTH_REFUSE.iter().chain(ONLY_CURL_READS) {
        let error = exchange(wire).read(&[wire.len()], BodyUse::Keep).err();
        assert_eq!(Some(*expected), error, "{}", wire.escape_ascii());
    }
}

#[test]
fn rule_breaking_responses_parse_the_same_in_pieces() {
    let refused = BOTH_REFUSE.iter().chain(ONLY_CURL_READS).map(|(wire, _)| wire);
    for wire in BOTH_READ.iter().chain(ONLY_WE_READ).chain(refused) {
        for bytes in 1..=wire.len() {
            exchange(wire).check_in_pieces(|| bytes);
        }
    }
}

fn exchange(wire: &[u8]) -> Exchange<'_> {
    Exchange { wire, method: "GET", limits: Limits::default() }
}

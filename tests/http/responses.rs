//! Responses as servers send them, read whole, in pieces, cut short and spoilt.

use std::time::{Duration, Instant};

use tallyho::http::{
    BodyUse, ErrorKind, HEADERS_MAX, Limits, ParseError, Progress, ResponseReader,
};

use crate::check::{Exchange, Random, Read, TIGHT_LIMITS, reference};

/// Random responses per law.
const SEEDS: u64 = 3_000;

/// Whole responses of every kind, some with bytes behind them.
pub(crate) const EXAMPLES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi",
    "HTTP/1.1 200 OK\nServer: bare\nContent-Length: 2\n\nhi",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\r\nhi",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nETag: \"x\"\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
     HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.1 200 OK\r\nServer: until close\r\n\r\neverything to the end",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
     3\r\nhel\r\n2;ext=\"1\"\r\nlo\r\n00\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nh\n1\ni\n0\nX:y\n\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 9\r\n\r\n\
     a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\nleft over",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 9\r\n\r\nto the end",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 500 Oh\r\nX: a\r\n\tb\r\n  c\r\nM(y) Name : x\x01y\r\nContent-Length : 2\r\n\r\nhi",
];

#[test]
fn response_split_at_every_byte_parses_the_same() {
    for exchange in examples() {
        for split in 1..=exchange.wire.len() {
            let mut pieces = [split, usize::MAX].into_iter();
            exchange.check_in_pieces(|| pieces.next().expect("two pieces"));
        }
    }
}

#[test]
fn response_dripped_byte_by_byte_parses_the_same() {
    for exchange in examples() {
        exchange.check_in_pieces(|| 1);
    }
}

#[test]
fn response_closed_at_every_point_is_complete_only_where_it_ends() {
    for exchange in examples() {
        for end in 0..exchange.wire.len() {
            let cut = Exchange { wire: &exchange.wire[..end], ..exchange };
            cut.check_in_pieces(|| end.max(1));
            cut.check_in_pieces(|| 7);
        }
    }
}

#[test]
fn random_responses_parse_as_the_reference_reads_them() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let wire = random_response(&mut random);
        let method = random.pick(&["GET", "GET", "POST", "HEAD"]);
        let limits = if random.below(3) == 0 { TIGHT_LIMITS } else { Limits::default() };
        let exchange = Exchange { wire: &wire, method, limits };
        let held = std::panic::catch_unwind(|| {
            exchange.check_in_pieces(|| wire.len());
            exchange.check_in_pieces(|| 1);
            let mut random = Random(seed);
            exchange.check_in_pieces(|| 1 + random.below(30));
        });
        assert!(held.is_ok(), "rerun with SEED={seed}: {}", wire.escape_ascii());
    }
}

#[test]
fn random_responses_are_of_every_kind() {
    let mut kept_alive = 0;
    let mut failures = std::collections::HashSet::new();
    for seed in 0..SEEDS {
        let wire = random_response(&mut Random(seed));
        match reference::read(&wire, "GET", &TIGHT_LIMITS) {
            Ok(message) => kept_alive += u64::from(message.keep_alive),
            Err(error) => drop(failures.insert(error)),
        }
    }
    assert!(kept_alive > SEEDS / 20, "{kept_alive}");
    assert!(failures.len() >= 13, "{failures:?}");
}

#[test]
fn body_of_one_piece_is_left_where_it_was_read() {
    let wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let read = read_whole(wire, "GET").unwrap();
    assert_eq!(wire.find("hello"), Some(read.response.body.start));
    assert_eq!(b"hello", &read.buffer[read.response.body]);
}

#[test]
fn discarded_body_leaves_no_more_than_the_head_in_the_buffer() {
    for framing in ["Content-Length: 1000000", "X: until close"] {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        let mut reader = ResponseReader::new(Limits::default());
        reader.reset("GET", BodyUse::Discard);
        let mut buffer = head.clone().into_bytes();
        for _ in 0..100 {
            assert!(matches!(reader.advance(&mut buffer), Ok(Progress::NeedMore { .. })));
            assert_eq!(head.len(), buffer.len());
            buffer.extend_from_slice(&[b'x'; 10_000 - 1]);
        }
    }
}

#[test]
fn read_hint_is_what_is_still_to_come() {
    let hints = |wire: &str| {
        let mut reader = ResponseReader::new(Limits::default());
        reader.reset("GET", BodyUse::Keep);
        match reader.advance(&mut wire.as_bytes().to_vec()) {
            Ok(Progress::NeedMore { read_hint }) => read_hint,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(0, hints("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"));
    assert_eq!(7, hints("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"));
    assert_eq!(0x1e, hints("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nhi"));
    assert_eq!(0, hints("HTTP/1.1 200 OK\r\n\r\nhi"));
    assert_eq!(256 * 1024, hints("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"));
}

#[test]
fn bytes_behind_a_response_close_the_connection() {
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!!!";
    let response = read_whole(wire, "GET").unwrap().response;
    assert_eq!((3, false), (response.leftover, response.keep_alive));
    let response = read_whole(&wire[..wire.len() - 3], "GET").unwrap().response;
    assert_eq!((0, true), (response.leftover, response.keep_alive));
    let response = read_whole(wire, "HEAD").unwrap().response;
    assert_eq!((5, false), (response.leftover, response.keep_alive));
}

#[test]
fn idle_limit_of_the_server_is_told() {
    let idle_s = |header: &str| {
        let wire = format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: 0\r\n\r\n");
        read_whole(&wire, "GET").unwrap().response.keep_alive_s
    };
    assert_eq!(Some(5), idle_s("Keep-Alive: timeout=5, max=100"));
    assert_eq!(Some(72), idle_s("keep-alive: max=3,Timeout=72"));
    assert_eq!(None, idle_s("Keep-Alive: timeout=99999999999"));
    assert_eq!(None, idle_s("Keep-Alive: timeout=, é"));
    assert_eq!(None, idle_s("Connection: keep-alive"));
}

#[test]
fn one_reader_reads_one_response_after_another() {
    let mut reader = ResponseReader::new(Limits::default());
    let mut buffer = Vec::new();
    for body_use in [BodyUse::Keep, BodyUse::Discard, BodyUse::Keep] {
        for exchange in examples() {
            buffer.clear();
            reader.reset(exchange.method, body_use);
            buffer.extend_from_slice(exchange.wire);
            let read = match reader.advance(&mut buffer).unwrap() {
                Progress::Done(response) => response,
                Progress::NeedMore { .. } => match reader.end_of_stream(&mut buffer).unwrap() {
                    Progress::Done(response) => response,
                    more @ Progress::NeedMore { .. } => panic!("{more:?}"),
                },
            };
            let fresh = exchange.read(&[exchange.wire.len()], body_use).unwrap();
            assert_eq!(fresh.response, read);
            assert_eq!(fresh.buffer, buffer);
        }
    }
}

#[test]
fn limits_hold_at_their_very_edge() {
    let body = |bytes: u64| Limits { body_bytes_max: bytes, ..Limits::default() };
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nhello";
    for wire in [length, chunked, until_close] {
        assert_eq!(None, error(wire, body(5)));
        assert_eq!(Some(ParseError::BodyTooLarge), error(wire, body(4)));
    }
    let head_bytes = length.len() - 5;
    let head = |bytes: usize| Limits { head_bytes_max: bytes, ..Limits::default() };
    assert_eq!(None, error(length, head(head_bytes)));
    assert_eq!(Some(ParseError::HeadTooLarge), error(length, head(head_bytes - 1)));
    let headers =
        |count: usize| format!("HTTP/1.1 204 No\r\n{}\r\n", "Name: value\r\n".repeat(count));
    assert_eq!(None, error(&headers(HEADERS_MAX), Limits::default()));
    let too_many = error(&headers(HEADERS_MAX + 1), Limits::default());
    assert_eq!(Some(ParseError::HeadersTooMany), too_many);
    let two = Limits { headers_max: 2, ..Limits::default() };
    assert_eq!(None, error(&headers(2), two));
    assert_eq!(Some(ParseError::HeadersTooMany), error(&headers(3), two));
}

#[test]
fn chunk_lines_and_trailers_have_limits() {
    let chunked = |body: &str| {
        let wire = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        error(&wire, Limits::default())
    };
    let line = |bytes: usize| chunked(&format!("0{}\r\n\r\n", ";".repeat(bytes - 1)));
    assert_eq!(None, line(4096));
    assert_eq!(Some(ParseError::ChunkLineTooLong), line(4097));
    let trailers = |bytes: usize| chunked(&format!("0\r\nx:{}\n\n", "y".repeat(bytes - 3)));
    assert_eq!(None, trailers(16 * 1024));
    assert_eq!(Some(ParseError::TrailersTooLarge), trailers(16 * 1024 + 1));
    assert_eq!(Some(ParseError::BodyTooLarge), chunked("ffffffffffffffff\r\n"));
    assert_eq!(Some(ParseError::BodyTooLarge), chunked("1\r\na\r\nffffffffffffffff\r\n"));
    assert_eq!(Some(ParseError::ChunkSize), chunked("10000000000000000\r\n"));
}

#[test]
fn chunk_sizes_that_overflow_are_too_large_without_a_limit() {
    let limits = Limits { body_bytes_max: u64::MAX, ..Limits::default() };
    let wire =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\n";
    assert_eq!(Some(ParseError::BodyTooLarge), error(wire, limits));
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n";
    assert_eq!(Some(ParseError::BodyTooLarge), error(wire, limits));
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert_eq!(Some(ParseError::ClosedEarly), error(wire, limits));
}

#[test]
fn endless_informational_responses_are_too_large() {
    let wire = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000);
    assert_eq!(Some(ParseError::HeadTooLarge), error(&wire, Limits::default()));
    let wire = format!("{}HTTP/1.1 204 No\r\n\r\n", &wire[..25 * 1000]);
    assert_eq!(None, error(&wire, Limits::default()));
}

#[test]
fn informational_head_that_uses_up_the_limit_leaves_none_for_the_next() {
    let informational = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let limits = Limits { head_bytes_max: informational.len(), ..Limits::default() };
    for next in ["", "HTTP/1.1 204 No\r\n\r\n", "not HTTP"] {
        let wire = format!("{informational}{next}");
        assert_eq!(Some(ParseError::HeadTooLarge), error(&wire, limits), "{next}");
    }
}

#[test]
fn body_beyond_what_is_kept_is_cut_and_counted() {
    let limits = Limits { body_kept_bytes_max: 3, ..Limits::default() };
    for wire in EXAMPLES.iter().filter(|wire| wire.contains("hello") || wire.contains("close")) {
        let exchange = Exchange { wire: wire.as_bytes(), method: "GET", limits };
        exchange.check_in_pieces(|| wire.len());
        exchange.check_in_pieces(|| 1);
        exchange.check_in_pieces(|| 5);
    }
}

#[test]
fn answers_that_are_not_http_fail_at_the_first_wrong_byte() {
    for (sent, expected) in [
        ("SSH-2.0-OpenSSH_9.2", ParseError::NotHttp),
        ("\x15\x03\x01\x00\x02\x02", ParseError::NotHttp),
        ("\r\nHTTP/1.1 200 OK", ParseError::NotHttp),
        ("HTTQ", ParseError::NotHttp),
        ("HTTP/2", ParseError::Version),
        ("HTTP/1.2", ParseError::Version),
        ("HTTP/11", ParseError::Version),
    ] {
        let mut reader = ResponseReader::new(Limits::default());
        assert_eq!(Err(expected), reader.advance(&mut sent.as_bytes().to_vec()), "{sent}");
    }
}

#[test]
fn long_head_that_is_dripped_is_searched_once() {
    // Quadratic, this would be 32 GiB of bytes to look at.
    let limits = Limits { head_bytes_max: 256 * 1024, ..Limits::default() };
    let wire = format!("HTTP/1.1 204 No\r\nX: {}\r\n\r\n", "\n\tx".repeat(80 * 1024));
    let exchange = Exchange { wire: wire.as_bytes(), method: "GET", limits };
    let pieces = vec![1; wire.len()];
    let began = Instant::now();
    assert_eq!(204, exchange.read(&pieces, BodyUse::Keep).unwrap().response.status);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn failures_are_counted_as_malformed_too_large_or_closed_early() {
    assert_eq!(ErrorKind::Malformed, ParseError::ChunkSize.kind());
    assert_eq!(ErrorKind::TooLarge, ParseError::HeadersTooMany.kind());
    assert_eq!(ErrorKind::ClosedEarly, ParseError::ClosedEarly.kind());
    assert_eq!("the body is too large", ParseError::BodyTooLarge.to_string());
}

fn examples() -> impl Iterator<Item = Exchange<'static>> {
    EXAMPLES.iter().flat_map(|wire| {
        ["GET", "HEAD"].map(|method| Exchange {
            wire: wire.as_bytes(),
            method,
            limits: Limits::default(),
        })
    })
}

fn read_whole(wire: &str, method: &str) -> Result<Read, ParseError> {
    let exchange = Exchange { wire: wire.as_bytes(), method, limits: Limits::default() };
    exchange.read(&[wire.len()], BodyUse::Keep)
}

/// How reading fails; the same whole and dripped.
fn error(wire: &str, limits: Limits) -> Option<ParseError> {
    let exchange = Exchange { wire: wire.as_bytes(), method: "GET", limits };
    exchange.check_in_pieces(|| wire.len());
    exchange.check_in_pieces(|| 1);
    exchange.read(&[wire.len()], BodyUse::Discard).err()
}

/// A response that is mostly right; each part of it is wrong now and then.
pub(crate) fn random_response(random: &mut Random) -> Vec<u8> {
    let mut wire = String::new();
    if random.below(6) == 0 {
        wire += random.pick(&["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 X\nA: b\n\n", "\r\n"]);
    }
    wire += random.pick(&["HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 ", "HTTP/1.1  "]);
    wire += random.pick(&["200 OK", "200 OK", "404", "204 No", "304 x", "200OK", "101 Up", "99"]);
    let line_end = random.pick(&["\r\n", "\r\n", "\r\n", "\n"]);
    wire += line_end;
    for _ in 0..random.below(6) {
        wire += random.pick(HEADERS);
        wire += line_end;
    }
    let is_chunked = wire.contains("chunked") || random.below(4) == 0;
    wire += line_end;
    if is_chunked {
        for _ in 0..random.below(4) {
            wire +=
                random.pick(&["1\r\na", "5\r\nhello", "A;x=y\r\n0123456789", "03\nabc", "2\r\n"]);
            wire += random.pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\r\n", ""]);
        }
        wire += random.pick(&[
            "0\r\n",
            "0\r\n",
            "0\r\n",
            "0;\n",
            "00\r\nA: b\r\n",
            "0\r\nnone\r\n",
            "",
        ]);
        wire += random.pick(&["\r\n", "\r\n", "\r\n", "\n", ""]);
    } else {
        wire += &"0123456789".repeat(5)[..random.pick(&[&0, &5, &5, &10, &49]).to_owned()];
    }
    let mut wire = wire.into_bytes();
    if random.below(8) == 0 {
        let at = random.below(wire.len());
        wire[at] = random.byte();
    }
    wire
}

const HEADERS: &[&str] = &[
    "Server: x",
    "Date: Tue, 24 Nov 2026 12:00:00 GMT",
    "Content-Length: 5",
    "Content-Length: 5",
    "content-length:5, 5",
    "CONTENT-LENGTH: 10",
    "Content-Length : 5",
    "Content-Length: x",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "transfer-encoding: gzip,chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: x, ,Close",
    "Keep-Alive: timeout=5",
    " folded: value",
    "\tfolded",
    "none",
    ": empty",
    "Odd(name): x",
];

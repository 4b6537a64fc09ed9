//! Requests encoded, responses parsed.

use std::hint::black_box;

use tallyho::http::{
    BodyUse, Limits, Progress, RequestParts, ResponseReader, Template, encode_request,
};

use super::{BODY, Path, large_body};

const HEADERS_3: &str = "Server: nginx\r\nContent-Type: application/json\r\n";
const HEADERS_11: &str = "Date: Tue, 24 Nov 2026 20:00:00 GMT\r\nServer: nginx/1.26.3\r\n\
    Content-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\nVary: Accept-Encoding\r\n\
    ETag: W/\"5f3-18c2f0a7d10\"\r\nX-Request-Id: 3f2504e0-4f89-11d3-9a0c-0305e82c3301\r\n\
    X-Frame-Options: SAMEORIGIN\r\nStrict-Transport-Security: max-age=31536000\r\n";
const HEADER_LINES: &[u8] =
    b"Accept: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\n\
    Content-Type: application/json\r\nX-Client: bench\r\n";

fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(1_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// A response that arrives in these reads; the buffer and the reader are used again, as on a
/// connection.
fn parse(name: &str, reads: Vec<Vec<u8>>, body_use: BodyUse) -> Path {
    let mut reader = ResponseReader::new(Limits::default());
    let mut buffer = Vec::with_capacity(64 * 1024);
    Path::new(format!("response parse/{name}"), move || {
        reader.reset("GET", body_use);
        buffer.clear();
        for read in &reads {
            buffer.extend_from_slice(black_box(read));
            match reader.advance(&mut buffer).expect("a good response") {
                Progress::NeedMore { .. } => {}
                Progress::Done(response) => return response.body_size,
            }
        }
        panic!("the response is not complete");
    })
}

fn encode(name: &str, request: RequestParts<'static>) -> Path {
    let mut wire = Vec::with_capacity(4096);
    Path::new(format!("request encode/{name}"), move || {
        wire.clear();
        encode_request(black_box(&request), &mut wire);
        wire.len()
    })
}

pub(crate) fn all() -> Vec<Path> {
    let get = RequestParts {
        method: "GET",
        authority: "127.0.0.1:8080",
        target: "/items?x=1",
        header_lines: b"",
        body: b"",
    };
    let post = RequestParts { method: "POST", header_lines: HEADER_LINES, body: BODY, ..get };
    let template = Template::new(&post);
    let mut wire = Vec::with_capacity(4096);
    let small = response(HEADERS_3, &BODY.repeat(3)[..200]);
    let (front, back) = small.split_at(30);
    let halves = vec![front.to_vec(), back.to_vec()];
    let large = large_body();
    vec![
        encode("GET", get),
        encode("POST, 4 headers, body", post),
        Path::new("request encode/template: POST, 4 headers, body", move || {
            wire.clear();
            template.encode(black_box("/items?x=1"), BODY, &mut wire);
            wire.len()
        }),
        parse("3 headers, 200 B discarded", vec![small.clone()], BodyUse::Discard),
        parse("3 headers, 200 B kept", vec![small], BodyUse::Keep),
        parse("11 headers, 75 B kept", vec![response(HEADERS_11, BODY)], BodyUse::Keep),
        parse("3 headers, in two reads", halves, BodyUse::Keep),
        parse("10 kB in 11 chunks kept", vec![chunked(&large)], BodyUse::Keep),
    ]
}

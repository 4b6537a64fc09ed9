//! What can be in a request, and what is refused.

use super::*;

fn started(base: Option<&str>, url: &str) -> Request {
    let mut request = Request::default();
    request.start(Method::Get, base, url);
    request
}

#[test]
fn urls_are_split_into_origin_and_target() {
    for (base, url, origin, target) in [
        (None, "http://a", "http://a", "/"),
        (None, "HTTP://a:80/", "http://a:80", "/"),
        (None, "https://a?x=1", "https://a", "/?x=1"),
        (None, "http://a#part", "http://a", "/"),
        (None, "http://a/b/c?d=/e#f", "http://a", "/b/c?d=/e"),
        (None, "http://[::1]:8080/b", "http://[::1]:8080", "/b"),
        (None, "http://a/ü x", "http://a", "/%C3%BC%20x"),
        (None, "http://a/?q=http://b/", "http://a", "/?q=http://b/"),
        (Some("http://a:1"), "/b", "http://a:1", "/b"),
        (Some("http://a:1/"), "/b?c", "http://a:1", "/b?c"),
        (Some("http://a/api/"), "/b", "http://a", "/api/b"),
        (Some("http://a/api"), "http://b/c", "http://b", "/c"),
    ] {
        let request = started(base, url);
        assert_eq!(request.error(), None, "{url}");
        assert_eq!((request.origin(), request.target()), (origin, target), "{url}");
    }
}

#[test]
fn urls_that_cannot_be_sent_are_refused_with_the_reason() {
    for (url, error) in [
        ("", RequestError::NoScheme),
        ("/b", RequestError::NoScheme),
        ("a.example/b", RequestError::NoScheme),
        ("ftp://a/b", RequestError::NoScheme),
        ("http://", RequestError::NoHost),
        ("http:///b", RequestError::NoHost),
        ("http://:80/b", RequestError::NoHost),
        ("http://u:p@a/b", RequestError::UserInfo),
        ("http://a:0/", RequestError::BadPort),
        ("http://a:65536/", RequestError::BadPort),
        ("http://a:+1/", RequestError::BadPort),
        ("http://a:/", RequestError::BadPort),
        ("http://a b/", RequestError::BadHost),
        ("http://[::1/", RequestError::BadHost),
        ("http://[::1]x/", RequestError::BadHost),
        ("http://a/\r\nX: y", RequestError::ControlInUrl),
    ] {
        assert_eq!(started(None, url).error(), Some(error), "{url:?}");
    }
}

#[test]
fn headers_cannot_smuggle_anything() {
    for (name, value, error) in [
        ("", "x", RequestError::BadHeaderName),
        ("A B", "x", RequestError::BadHeaderName),
        ("A:", "x", RequestError::BadHeaderName),
        ("Ä", "x", RequestError::BadHeaderName),
        ("A", "x\r\nB: y", RequestError::BadHeaderValue),
        ("A", "x\0", RequestError::BadHeaderValue),
        ("content-LENGTH", "0", RequestError::ReservedHeader),
        ("Transfer-Encoding", "chunked", RequestError::ReservedHeader),
    ] {
        let mut request = started(None, "http://a");
        request.header(name, value);
        assert_eq!(request.error(), Some(error), "{name:?}: {value:?}");
    }
}

#[test]
fn header_lines_hold_all_headers_but_the_host() {
    let mut request = started(None, "http://a:8080/b");
    assert_eq!(request.host(), "a:8080");
    request.header("X-A", "1\t2 ü");
    request.header("Host", "other");
    request.header("x-b", "");
    assert_eq!(request.error(), None);
    assert_eq!(request.header_lines(), "X-A: 1\t2 ü\r\nx-b: \r\n".as_bytes());
    assert_eq!(request.host(), "other");
    assert_eq!(request.canonical(), "GET http://a:8080/b\nHost: other\nX-A: 1\t2 ü\nx-b: \n");
}

#[test]
fn every_part_of_a_request_is_in_its_canonical_hash() {
    let build = |method, url: &str, header: &str, host: &str, body: &str| {
        let mut request = Request::default();
        request.start(method, None, url);
        request.header("A", header);
        if !host.is_empty() {
            request.header("Host", host);
        }
        request.body_buffer().extend_from_slice(body.as_bytes());
        request.canonical_hash()
    };
    let hashes = [
        build(Method::Get, "http://a/b", "1", "", ""),
        build(Method::Put, "http://a/b", "1", "", ""),
        build(Method::Get, "http://a/c", "1", "", ""),
        build(Method::Get, "http://a/b", "2", "", ""),
        build(Method::Get, "http://a/b", "1", "h", ""),
        build(Method::Get, "http://a/b", "1", "", "h"),
    ];
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..index].contains(hash), "request {index} looks like an earlier one");
    }
}

#[test]
fn a_prepared_request_is_the_same_as_one_built_each_time() {
    let builder = Prepared::builder(Method::Post, Some("http://a"), "/b").name("n");
    let prepared = builder.header("A", "1").body("x").build().expect("good");
    let mut sent = started(None, "http://other");
    sent.start_prepared(&prepared);
    let mut built = Request::default();
    built.start(Method::Post, Some("http://a"), "/b");
    built.header("A", "1");
    built.body_buffer().push(b'x');
    assert_eq!(sent.canonical(), built.canonical());
    assert_eq!(sent.canonical_hash(), built.canonical_hash());
    assert_eq!((sent.origin(), sent.target()), (built.origin(), built.target()));
    assert!(sent.prepared_address().is_some() && built.prepared_address().is_none());
}

#[test]
fn a_failed_build_names_the_first_mistake() {
    let builder = Prepared::builder(Method::Get, None, "nowhere").header("A B", "x");
    assert_eq!(builder.build().expect_err("two mistakes"), RequestError::NoScheme);
}

#[test]
fn expected_statuses_are_two_and_three_hundreds_at_first() {
    let expected = Expected::default();
    assert!([200, 204, 304, 399].iter().all(|status| expected.contains(*status)));
    assert!([0, 199, 400, 503].iter().all(|status| !expected.contains(*status)));
    let listed = Expected::new([200..=201, 404..=404]).expect("two fit");
    assert!(listed.contains(404) && !listed.contains(202));
    assert_eq!(Expected::new((0..7).map(|status| status..=status)), Err(TooManyRanges));
    assert!(Expected::any().contains(599));
}

#[test]
fn a_placeholder_anywhere_is_found() {
    let secret = "tallyho-secret-0123456789abcdef";
    assert!(started(None, &format!("http://a/{secret}")).has_secrets());
    let mut request = started(None, "http://a");
    assert!(!request.has_secrets());
    request.header("Authorization", &format!("Bearer {secret}"));
    assert!(request.has_secrets());
}

#[test]
fn a_secret_in_a_body_is_escaped_by_the_content_type() {
    for (content_type, place) in [
        ("application/JSON; charset=utf-8", Place::JsonBody),
        ("application/x-www-form-urlencoded", Place::Target),
        ("text/plain", Place::PlainBody),
    ] {
        let mut request = started(None, "http://a");
        assert_eq!(request.body_place(), Place::PlainBody);
        request.header("X", "json");
        request.header("Content-type", content_type);
        assert_eq!(request.body_place(), place);
    }
}

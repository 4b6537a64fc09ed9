//! The jar against the rules of RFC 6265.

use super::*;
use crate::SecretKey;
use crate::secret::Vault;

const NOW: u64 = 5_000_000;

fn vault() -> Vault {
    Vault::new(SecretKey::new([3; 16]))
}

fn head(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect()
}

/// A jar after responses from these places.
fn jar(set: &[(&str, &str, &str)]) -> Jar {
    let mut jar = Jar::default();
    let mut vault = vault();
    for (origin, target, line) in set {
        let head = head(&["Date: Tue, 24 Nov 2026 10:00:00 GMT", &format!("Set-Cookie: {line}")]);
        let cookies = vault.while_open(|| read_all(&head)).expect("no panic");
        for cookie in cookies {
            jar.store(cookie, &Address::new(origin, target), NOW);
        }
    }
    jar
}

fn sent(jar: &Jar, origin: &str, target: &str, now_us: u64) -> String {
    let names = jar.sent_to(Address::new(origin, target), now_us).map(|(name, _)| name);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_cookie_without_a_domain_goes_to_its_host_only() {
    let jar = jar(&[("http://Shop.Test:8080", "/", "a=1")]);
    assert_eq!(sent(&jar, "http://shop.test:9090", "/x?y", NOW), "a", "whatever the port");
    assert_eq!(sent(&jar, "https://SHOP.test", "/", NOW), "a");
    assert_eq!(sent(&jar, "http://www.shop.test", "/", NOW), "");
    assert_eq!(sent(&jar, "http://test", "/", NOW), "");
}

#[test]
fn a_domain_reaches_its_subdomains_and_no_other() {
    let from = "http://www.shop.test";
    let jar = jar(&[
        (from, "/", "a=1; Domain=shop.test"),
        (from, "/", "b=1; domain=.SHOP.test"),
        (from, "/", "c=1; Domain=other.test"),
        (from, "/", "d=1; Domain=test"),
        (from, "/", "e=1; Domain=sub.www.shop.test"),
        ("http://127.0.0.1:80", "/", "f=1; Domain=127.0.0.1"),
        ("http://127.0.0.1:80", "/", "g=1; Domain=0.0.1"),
        ("http://[::1]:80", "/", "h=1"),
    ]);
    assert_eq!(sent(&jar, "http://shop.test", "/", NOW), "a b");
    assert_eq!(sent(&jar, "http://deep.www.shop.test", "/", NOW), "a b");
    assert_eq!(sent(&jar, "http://notshop.test", "/", NOW), "");
    assert_eq!(sent(&jar, "http://127.0.0.1", "/", NOW), "f");
    assert_eq!(sent(&jar, "http://[::1]", "/", NOW), "h");
}

#[test]
fn paths_bound_cookies_and_order_them() {
    let from = ("http://a.test", "/shop/cart/add?x=/");
    let jar = jar(&[
        (from.0, from.1, "default=1"),
        (from.0, from.1, "root=1; Path=/"),
        (from.0, from.1, "shop=1; Path=/shop"),
        (from.0, from.1, "slash=1; Path=/shop/"),
        (from.0, from.1, "odd=1; Path=shop"),
    ]);
    assert_eq!(sent(&jar, from.0, "/shop/cart", NOW), "default odd slash shop root");
    assert_eq!(sent(&jar, from.0, "/shop/cartoon", NOW), "slash shop root");
    assert_eq!(sent(&jar, from.0, "/shop", NOW), "shop root");
    assert_eq!(sent(&jar, from.0, "/shopping", NOW), "root");
    assert_eq!(sent(&jar, from.0, "/?a=/shop", NOW), "root");
}

#[test]
fn a_secure_cookie_goes_over_https_only() {
    let jar = jar(&[("https://a.test", "/", "a=1; Secure"), ("https://a.test", "/", "b=1")]);
    assert_eq!(sent(&jar, "https://a.test", "/", NOW), "a b");
    assert_eq!(sent(&jar, "http://a.test", "/", NOW), "b");
}

#[test]
fn cookies_end_by_the_session_clock() {
    let from = "http://a.test";
    let jar = jar(&[
        (from, "/", "age=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        (from, "/", "date=1; Expires=Tue, 24 Nov 2026 10:00:20 GMT"),
        (from, "/", "old=1; Expires=Tuesday, 24-Nov-26 10:00:30 GMT"),
        (from, "/", "never=1"),
        (from, "/", "broken=1; Expires=soon; Max-Age=long"),
        (from, "/", "gone=1; Max-Age=0"),
        (from, "/", "past=1; Expires=Mon, 23 Nov 2026 10:00:00 GMT"),
        (from, "/", "far=1; Max-Age=99999999999999999999"),
    ]);
    let at = |seconds: u64| sent(&jar, from, "/", NOW + seconds * 1_000_000);
    assert_eq!(at(9), "age date old never broken far");
    assert_eq!(at(10), "date old never broken far");
    assert_eq!(at(25), "old never broken far");
    assert_eq!(at(1_000_000), "never broken far");
    let mut dateless = vault();
    let head = head(&[
        "Set-Cookie: a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Set-Cookie: b=1; Expires=Tue, 24 Nov 2026 10:00:20 GMT",
    ]);
    let cookies = dateless.while_open(|| read_all(&head)).expect("no panic");
    assert_eq!((cookies[0].lifetime_s, cookies[1].lifetime_s), (Some(0), None));
}

#[test]
fn a_cookie_is_replaced_in_place_and_removed_by_its_name_domain_and_path() {
    let from = "http://a.test";
    let mut jar = jar(&[(from, "/", "a=1"), (from, "/", "b=1"), (from, "/", "a=2; Path=/x")]);
    let first = jar.value("b", NOW);
    let mut vault = vault();
    for (line, left) in [("a=3", "a b"), ("b=; Max-Age=0", "a"), ("a=; Max-Age=-1; Path=/x", "a")] {
        let head = head(&[&format!("set-cookie: {line}")]);
        for cookie in vault.while_open(|| read_all(&head)).expect("no panic") {
            jar.store(cookie, &Address::new(from, "/"), NOW);
        }
        assert_eq!(sent(&jar, from, "/", NOW), left, "{line}");
    }
    assert!(first.is_some_and(|secret| !jar.holds(secret)));
    assert_eq!(sent(&jar, from, "/x", NOW), "a");
}

#[test]
fn what_is_no_cookie_is_ignored() {
    let long = format!("a={}", "x".repeat(4096));
    for line in ["", "novalue", "=x", "a=\u{1}", &long] {
        assert_eq!(
            sent(&jar(&[("http://a.test", "/", line)]), "http://a.test", "/", NOW),
            "",
            "{line}"
        );
    }
    let kept = jar(&[("http://a.test", "/", "a=; HttpOnly; SameSite=Lax; What=ever;;=")]);
    assert_eq!(
        (sent(&kept, "http://a.test", "/", NOW).as_str(), kept.value("a", NOW)),
        ("a", None)
    );
}

#[test]
fn a_jar_has_an_end() {
    let mut all = Jar::default();
    for number in 0..COOKIES_MAX + 10 {
        let name = format!("c{number}");
        let cookie = SetCookie {
            name,
            value: None,
            domain: None,
            path: None,
            lifetime_s: None,
            is_secure: false,
        };
        all.store(cookie, &Address::new("http://a.test", "/"), NOW);
    }
    let names = sent(&all, "http://a.test", "/", NOW);
    assert_eq!(names.split(' ').count(), COOKIES_MAX);
    assert!(names.starts_with("c10 ") && names.ends_with(&format!("c{}", COOKIES_MAX + 9)));
}

#[test]
fn set_cookie_is_found_wherever_it_is() {
    for (head, has) in [
        ("Set-Cookie: a=b\r\n", true),
        ("Server: kk\r\nSET-COOKIE:a=b\r\n", true),
        ("A: k\nset-cookie: a=b\n", true),
        ("X-Set-Cookie: a=b\r\n", false),
        ("Connection: keep-alive\r\nVary: Set-Cookie: x\r\n", false),
        ("Set-Cook", false),
        ("", false),
    ] {
        assert_eq!(has_set_cookie(head.as_bytes()), has, "{head}");
    }
}

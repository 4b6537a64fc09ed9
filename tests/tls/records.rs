//! What is said after the handshake: every cipher suite, bodies of many records, new keys, records
//! that were changed on their way.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::certificates::Authority;
use crate::hostile::{Secured, read_head, server};
use crate::servers::{Nginx, RawServer, Scratch};
use crate::tallyho::{DRIVERS, Report, run};

const BODY_BYTES: usize = 1_000_000;

/// Names of suites, and the version that they are of.
const SUITES: [(&str, &str); 6] = [
    ("TLS_AES_128_GCM_SHA256", "tls1.3"),
    ("TLS_AES_256_GCM_SHA384", "tls1.3"),
    ("TLS_CHACHA20_POLY1305_SHA256", "tls1.3"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "tls1.2"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "tls1.2"),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "tls1.2"),
];

/// A million bytes, of which no two pieces of a record's length are the same.
fn body() -> Vec<u8> {
    (0..=250).cycle().take(BODY_BYTES).collect()
}

/// JSON of a million bytes, with what is looked for at its end.
fn large_json() -> String {
    let end = r#"", "session": "s-1"}"#;
    let start = r#"{"pad": ""#;
    format!("{start}{}{end}", "x".repeat(BODY_BYTES - start.len() - end.len()))
}

/// A bot that uploads a million bytes, gets as many, uses what is at their end, and does it again.
fn there_and_back(scratch: &Scratch, url: &str, cacert: &str, suite: (&str, &str)) -> String {
    std::fs::write(scratch.path().join("body.bin"), body()).expect("a file");
    let scenario = format!(
        r#"{{ "target": "{url}", "vus": 2, "iterations": 4,
             "tls": {{ "cacert": "{cacert}" }}, "tlsCipherSuites": ["{}"], "tlsVersion": "{}",
             "steps": [ {{ "post": "/up", "bodyFile": "body.bin" }},
                        {{ "get": "/large.json", "capture": {{ "token": "/session" }} }},
                        {{ "get": "/after?s=${{token}}" }} ] }}"#,
        suite.0, suite.1
    );
    scratch.file("bodies.json", &scenario).display().to_string()
}

#[test]
fn nginx_is_loaded_with_every_cipher_suite_and_with_bodies_of_many_records() {
    let authority = Authority::new("suites");
    let signed = authority.server(&["127.0.0.1"]);
    let scratch = Scratch::new("suites-files");
    scratch.file("large.json", &large_json());
    let locations = format!(
        "client_max_body_size 2m; root {};
         location /up {{ return 200 $ssl_cipher; }}
         location /after {{ return 200 'a body'; }}
         location /large.json {{ }}",
        scratch.path().display()
    );
    let Some(nginx) = Nginx::start_tls("suites", &locations, (&signed.cert, &signed.key)) else {
        return;
    };
    for suite in SUITES {
        let file = there_and_back(&scratch, &nginx.url(""), &authority.cacert(), suite);
        for driver in DRIVERS {
            let before = nginx.access_log().len();
            let report = run(&[&file, "--io-driver", driver]).expect_exit(0).report();
            let kinds = report.failure_kinds();
            assert_eq!(report.number("/summary/requests_failed"), 0, "{suite:?} {driver}: {kinds}");
            // One bot may do it all before the other begins.
            assert!(report.counter("connections_opened") <= 2, "{suite:?} {driver}");
            nginx.wait_for_requests(before as u64 + 12);
            let log = nginx.access_log();
            let after = log[before..].iter().filter(|line| line.contains("/after?s=s-1"));
            assert_eq!(after.count(), 4, "{suite:?} {driver}: {log:?}");
        }
    }
}

/// Takes uploads that must be what was sent, and answers with a million bytes.
fn exchange_bodies(mut stream: Secured) {
    let (json, sent) = (large_json(), body());
    let mut turn = 0;
    while read_head(&mut stream) {
        // New keys between any two answers.
        if stream.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            stream.conn.refresh_traffic_keys().expect("TLS 1.3");
        }
        let mut status = "200 OK";
        if turn % 3 == 0 {
            let mut body = vec![0; BODY_BYTES];
            stream.read_exact(&mut body).expect("the body");
            status = if body == sent { status } else { "500 Wrong" };
        }
        turn += 1;
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", json.len());
        if stream.write_all(format!("{head}{json}").as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_server_of_rustls_gets_the_bytes_that_were_sent_and_changes_its_keys() {
    let authority = Authority::new("bodies");
    let signed = authority.server(&["127.0.0.1"]);
    let server = server(&signed, |_, stream| Some(stream), exchange_bodies);
    let url = server.url("").replace("http:", "https:");
    let scratch = Scratch::new("bodies-files");
    for suite in SUITES {
        let file = there_and_back(&scratch, &url, &authority.cacert(), suite);
        for driver in DRIVERS {
            let report = run(&[&file, "--io-driver", driver]).expect_exit(0).report();
            let kinds = report.failure_kinds();
            assert_eq!(report.number("/summary/requests_failed"), 0, "{suite:?} {driver}: {kinds}");
            assert!(report.counter("connections_opened") <= 2, "{suite:?} {driver}");
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Six requests of a bot to a server that says this in place of its third answer to anybody.
fn third_is_wrong(
    authority: &Authority,
    driver: &str,
    wrong: impl Fn(&mut Secured) + Send + Sync + Clone + 'static,
) -> Report {
    let signed = authority.server(&["127.0.0.1"]);
    let server: RawServer = server(
        &signed,
        |_, stream| Some(stream),
        move |mut stream| {
            for turn in 0.. {
                if !read_head(&mut stream) {
                    return;
                }
                if turn == 2 {
                    return wrong(&mut stream);
                }
                if stream.write_all(OK).is_err() {
                    return;
                }
            }
        },
    );
    let url = server.url("/").replace("http:", "https:");
    let words = ["--cacert", &authority.cacert(), "-c", "1", "-n", "6", "--timeout", "5s"];
    run(&[&[url.as_str(), "--io-driver", driver], &words[..]].concat()).expect_exit(0).report()
}

/// An answer as it is on the wire.
fn sealed(stream: &mut Secured) -> Vec<u8> {
    stream.conn.writer().write_all(OK).expect("room");
    let mut wire = Vec::new();
    stream.conn.write_tls(&mut wire).expect("a vector takes all");
    wire
}

/// Waits for what the client says of what it got.
fn hear_alert(stream: &mut Secured) -> Option<rustls::Error> {
    loop {
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(1..) => {}
            _ => return None,
        }
        if let Err(error) = stream.conn.process_new_packets() {
            return Some(error);
        }
    }
}

#[test]
fn a_record_that_was_changed_is_one_failure_and_the_server_is_told() {
    let authority = Authority::new("changed");
    for driver in DRIVERS {
        let told = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&told);
        let report = third_is_wrong(&authority, driver, move |stream| {
            let mut wire = sealed(stream);
            *wire.last_mut().expect("a record") ^= 1;
            stream.sock.write_all(&wire).expect("the client reads");
            let alert = rustls::AlertDescription::BadRecordMac;
            if hear_alert(stream) == Some(rustls::Error::AlertReceived(alert)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(told.load(Ordering::Relaxed), 2, "{driver}: the server is told each time");
        let kinds = report.failure_kinds();
        assert_eq!(report.failures("tls handshake failed"), 2, "{driver}: {kinds}");
        assert!(report.0.to_string().contains("cannot decrypt"), "{driver}: {kinds}");
        assert_eq!(report.number("/summary/requests_failed"), 2, "{driver}: {kinds}");
    }
}

#[test]
fn an_answer_that_trickles_in_byte_by_byte_is_whole_and_one_that_is_cut_is_not() {
    let authority = Authority::new("trickle");
    for driver in DRIVERS {
        let whole = third_is_wrong(&authority, driver, |stream| {
            for byte in sealed(stream) {
                stream.sock.write_all(&[byte]).expect("the client reads");
                std::thread::yield_now();
            }
            stream.conn.send_close_notify();
            stream.flush().expect("the client reads");
        });
        assert_eq!(whole.number("/summary/requests_failed"), 0, "{driver}");
        assert_eq!(whole.counter("connections_opened"), 2, "{driver}: each has three answers");
        let cut = third_is_wrong(&authority, driver, |stream| {
            let wire = sealed(stream);
            stream.sock.write_all(&wire[..wire.len() - 1]).expect("the client reads");
        });
        // Nothing of the answer had come, so that it could be asked for again.
        assert_eq!(cut.number("/summary/requests_failed"), 0, "{driver}: {}", cut.failure_kinds());
        assert_eq!(cut.counter("requests_repeated"), 2, "{driver}");
    }
}

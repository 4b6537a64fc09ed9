//! Servers that break TLS, or break off: each is named, in time, and spoils no later request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::{Authority, Signed};
use crate::servers::RawServer;
use crate::tallyho::{DRIVERS, Report, run};

pub(crate) type Secured = StreamOwned<ServerConnection, TcpStream>;

/// A server that secures connections, except those that `spoil` takes by their number. The first
/// is that which tallyho tries the target with, and is never spoilt.
pub(crate) fn server(
    signed: &Signed,
    spoil: impl Fn(u64, TcpStream) -> Option<TcpStream> + Send + Sync + Clone + 'static,
    serve: impl Fn(Secured) + Send + Sync + Clone + 'static,
) -> RawServer {
    let chain = CertificateDer::pem_file_iter(&signed.cert).expect("a file");
    let chain = chain.map(|cert| cert.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(&signed.key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let connections = Arc::new(AtomicU64::new(0));
    RawServer::start(move |stream| {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let kept = if number == 0 { Some(stream) } else { spoil(number, stream) };
        let Some(stream) = kept else { return };
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        serve(StreamOwned::new(session, stream));
    })
}

/// Reads a request; false at the end of the connection.
pub(crate) fn read_head(stream: &mut Secured) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn answer(mut stream: Secured) {
    while read_head(&mut stream) {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Six requests of a bot, each with at most a second.
fn report(authority: &Authority, server: &RawServer, driver: &str) -> Report {
    let url = server.url("/").replace("http:", "https:");
    let words = ["--cacert", &authority.cacert(), "-c", "1", "-n", "6", "--timeout", "1s"];
    run(&[&[url.as_str(), "--io-driver", driver], &words[..]].concat()).expect_exit(0).report()
}

/// The first connection of the bot is spoilt: its request fails, and all others go over the
/// second.
fn first_is_spoilt(
    name: &str,
    spoil: impl Fn(TcpStream) + Send + Sync + Clone + 'static,
    kind: &str,
) -> Vec<Report> {
    let authority = Authority::new(name);
    let signed = authority.server(&["127.0.0.1"]);
    let reports = DRIVERS.iter().map(|driver| {
        let spoil = spoil.clone();
        let spoil = move |number: u64, stream| match number {
            1 => {
                spoil(stream);
                None
            }
            _ => Some(stream),
        };
        let report = report(&authority, &server(&signed, spoil, answer), driver);
        assert_eq!(report.failures(kind), 1, "{name} {driver}: {}", report.failure_kinds());
        assert_eq!(report.number("/summary/requests_failed"), 1, "{name} {driver}");
        assert_eq!(report.counter("tls_handshakes_full"), 1, "{name} {driver}");
        report
    });
    reports.collect()
}

#[test]
fn garbage_in_place_of_a_handshake_is_no_tls() {
    let garbage = |mut stream: TcpStream| {
        let _client_is_gone = stream.write_all(&[b'x'; 4096]);
        drain(stream);
    };
    for report in first_is_spoilt("garbage", garbage, "tls handshake failed") {
        assert!(report.0.to_string().contains("not TLS"), "{}", report.failure_kinds());
    }
}

#[test]
fn a_server_that_closes_in_the_middle_of_a_handshake_is_named() {
    let closing = |mut stream: TcpStream| {
        let _hello = stream.read(&mut [0; 4096]);
        let _sent = stream.write_all(&[0x16, 0x03, 0x03]);
        let _closed = stream.shutdown(Shutdown::Write);
        drain(stream);
    };
    for report in first_is_spoilt("closing", closing, "tls handshake failed") {
        let text = report.0.to_string();
        assert!(text.contains("closed the connection during"), "{}", report.failure_kinds());
    }
}

#[test]
fn a_handshake_that_does_not_end_runs_out_of_time_and_the_next_one_does_not() {
    let silent = |stream: TcpStream| drain(stream);
    first_is_spoilt("silent", silent, "connect timeout");
}

/// Reads until the client has had enough.
fn drain(mut stream: TcpStream) {
    let _gone = stream.set_read_timeout(Some(Duration::from_secs(10)));
    while matches!(stream.read(&mut [0; 4096]), Ok(count) if count > 0) {}
}

/// Answers to the end of the connection, which is TLS's own or is not.
fn close_delimited(authority: &Authority, driver: &str, has_goodbye: bool) -> Report {
    let signed = authority.server(&["127.0.0.1"]);
    let serve = move |mut stream: Secured| {
        if read_head(&mut stream) {
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end");
            if has_goodbye {
                stream.conn.send_close_notify();
            }
            let _flushed = stream.flush();
            let _closed = stream.sock.shutdown(Shutdown::Write);
        }
    };
    report(authority, &server(&signed, |_, stream| Some(stream), serve), driver)
}

#[test]
fn a_body_without_a_length_ends_with_tls_and_not_with_the_connection() {
    let authority = Authority::new("truncated");
    for driver in DRIVERS {
        let whole = close_delimited(&authority, driver, true);
        assert_eq!(whole.number("/summary/requests_failed"), 0, "{}", whole.failure_kinds());
        let cut = close_delimited(&authority, driver, false);
        assert_eq!(cut.failures("connection closed early"), 6, "{}", cut.failure_kinds());
    }
}

#[test]
fn a_late_answer_is_never_taken_for_the_next_one() {
    let authority = Authority::new("late");
    let signed = authority.server(&["127.0.0.1"]);
    for driver in DRIVERS {
        let serve = |mut stream: Secured| {
            // The first answer of a connection is good; the second comes when nobody waits.
            for pause in [0, 2_000] {
                if !read_head(&mut stream) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(pause));
                let status = if pause == 0 { "200 OK" } else { "500 Late" };
                let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                if stream.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        };
        let report = report(&authority, &server(&signed, |_, stream| Some(stream), serve), driver);
        let late = report.failures("first byte timeout");
        assert!(late >= 2, "{}", report.failure_kinds());
        // On a busy machine a handshake may take too long as well.
        let slow = report.failures("connect timeout");
        let failed = report.number("/summary/requests_failed");
        assert_eq!(failed, late + slow, "no late answer was taken: {}", report.failure_kinds());
    }
}

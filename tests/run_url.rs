//! `tallyho run URL` against real servers, over real sockets, on both IO drivers.

mod servers;
mod tallyho;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use servers::{Nginx, RawServer, answer_all, is_installed, read_request};
use tallyho::{DRIVERS, Run, run};

const ITEMS: &str = "location /items { default_type application/json; return 200 '{\"id\":1}'; }";

#[test]
fn every_request_that_nginx_logged_is_in_the_report_and_no_other() {
    let Some(nginx) = Nginx::start("counted", ITEMS) else { return };
    let mut logged_before = 0;
    for driver in DRIVERS {
        for load in [["-n", "3000"], ["-d", "1s"], ["-q", "2000/s"]] {
            let url = nginx.url("/items");
            let mut words = vec![url.as_str(), "-c", "20", "--io-driver", driver];
            words.extend(load);
            if load[0] == "-q" {
                words.extend(["-d", "1s"]);
            }
            let report = run(&words).expect_exit(0).report();
            let logged = nginx.access_log().len() as u64;
            let requests = report.number("/summary/requests");
            assert_eq!(requests, logged - logged_before, "{driver} {load:?}");
            assert_eq!(report.number("/summary/requests_failed"), 0, "{driver} {load:?}");
            assert!(requests > 100, "{driver} {load:?}: only {requests}");
            logged_before = logged;
        }
    }
}

#[test]
fn a_run_by_number_sends_exactly_that_many() {
    let Some(nginx) = Nginx::start("number", ITEMS) else { return };
    for driver in DRIVERS {
        let url = nginx.url("/items");
        let words = [&url, "-n", "1k", "-c", "7", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/requests"), 1_000);
        assert_eq!(report.number("/summary/completed"), 1_000);
        assert_eq!(report.number("/totals/counters/connections_opened"), 7);
    }
}

#[test]
fn a_rate_starts_as_many_sessions_as_are_due_and_none_is_dropped() {
    let Some(nginx) = Nginx::start("rate", ITEMS) else { return };
    for driver in DRIVERS {
        let url = nginx.url("/items");
        let words = [&url, "-q", "500/s", "-d", "2s", "-c", "10", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/due"), 1_000);
        assert_eq!(report.number("/summary/completed"), 1_000);
        assert_eq!(report.number("/summary/dropped"), 0);
    }
}

#[test]
fn one_ctrl_c_lets_running_requests_end_and_all_of_them_are_counted() {
    let Some(nginx) = Nginx::start("drained", ITEMS) else { return };
    let mut logged_before = 0;
    for driver in DRIVERS {
        let url = nginx.url("/items");
        let running = Run::start(&[&url, "-d", "60s", "-c", "20", "--io-driver", driver]);
        nginx.wait_for_requests(logged_before + 500);
        running.interrupt();
        let report = running.finish().expect_exit(105).report();
        let logged = nginx.access_log().len() as u64;
        assert_eq!(report.number("/summary/requests"), logged - logged_before, "{driver}");
        assert_eq!(report.number("/summary/requests_failed"), 0, "{driver}");
        assert_eq!(report.text("/run/stopped_by"), "a signal");
        logged_before = logged;
    }
}

#[test]
fn a_second_ctrl_c_cuts_running_requests_off_and_still_writes_the_report() {
    let (asked, requests) = std::sync::mpsc::channel();
    let silent = RawServer::start(move |mut stream| {
        if read_request(&mut stream).is_some() {
            asked.send(()).expect("the test listens");
            let _until_the_client_closes = read_request(&mut stream);
        }
    });
    for driver in DRIVERS {
        let url = silent.url("/");
        let running = Run::start(&[&url, "-d", "60s", "-c", "5", "--io-driver", driver]);
        // Sessions that a first signal finds not yet begun would never begin.
        for _ in 0..5 {
            requests.recv_timeout(Duration::from_secs(60)).expect("each bot sends its request");
        }
        running.interrupt();
        running.wait_for_line("stopping: no new sessions");
        running.interrupt();
        let report = running.finish().expect_exit(105).report();
        assert_eq!(report.number("/summary/interrupted"), 5, "{driver}");
        assert_eq!(report.failures("interrupted"), 5, "{driver}");
    }
}

/// Runs 10 sessions against a server that does `serve` with each connection, and returns the
/// shortest time that a request took until it had failed, counted from when it was due as its
/// limit is, in microseconds.
fn failures_of(
    driver: &str,
    kind: &str,
    serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static,
) -> u64 {
    let server = RawServer::start(serve);
    let url = server.url("/");
    let words = [&url, "-n", "10", "-c", "2", "--timeout", "300ms", "--io-driver", driver];
    let report = run(&words).expect_exit(0).report();
    assert_eq!(report.failures(kind), 10, "{driver}: {kind}: {}", report.failure_kinds());
    assert_eq!(report.number("/summary/requests"), 10, "{driver}: {kind}");
    assert_eq!(report.number("/summary/requests_failed"), 10, "{driver}: {kind}");
    report.number("/summary/response_time/min_us")
}

#[test]
fn kinds_of_failure_are_told_apart() {
    for driver in DRIVERS {
        failures_of(driver, "malformed response", |stream| {
            answer_all(stream, b"SSH-2.0-OpenSSH\r\n\r\n");
        });
        failures_of(driver, "connection closed early", |mut stream| {
            let _request = read_request(&mut stream);
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        });
        let reset_us = failures_of(driver, "connection reset", |mut stream| {
            let _request = read_request(&mut stream);
            std::thread::sleep(Duration::from_millis(50));
            let socket = socket2::SockRef::from(&stream);
            socket.set_linger(Some(Duration::ZERO)).expect("linger can be set");
        });
        assert!(reset_us >= 50_000, "{driver}: a failure takes until it is one: {reset_us} us");
        let timeout_us =
            failures_of(
                driver,
                "first byte timeout",
                |mut stream| {
                    while read_request(&mut stream).is_some() {}
                },
            );
        assert!(
            timeout_us >= 300_000,
            "{driver}: a failure takes until it is one: {timeout_us} us"
        );
        failures_of(driver, "request timeout", |mut stream| {
            let _request = read_request(&mut stream);
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
            let _until_the_client_closes = read_request(&mut stream);
        });
        failures_of(driver, "response too large", |mut stream| {
            let _request = read_request(&mut stream);
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
    }
}

#[test]
fn an_unexpected_status_is_a_failed_request_with_an_example() {
    let server = RawServer::start(|stream| {
        answer_all(stream, b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    });
    for driver in DRIVERS {
        let words = [&server.url("/"), "-n", "10", "-c", "2", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/requests_failed"), 10);
        assert_eq!(report.number("/summary/failed"), 10);
    }
}

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced_and_counted() {
    // Two responses to a connection, then it is closed without a word.
    let server = RawServer::start(|mut stream| {
        for _ in 0..2 {
            if read_request(&mut stream).is_none() {
                return;
            }
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        let _closed = stream.shutdown(Shutdown::Both);
    });
    for driver in DRIVERS {
        let words = [&server.url("/"), "-n", "9", "-c", "1", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/requests_failed"), 0, "{driver}");
        assert_eq!(report.number("/totals/counters/stale_connections"), 4, "{driver}");
        assert_eq!(report.number("/totals/counters/connections_opened"), 5, "{driver}");

        // A POST may have been acted upon, so it is not repeated: it fails, under its own name.
        let words = [&server.url("/"), "-X", "POST", "-n", "9", "-c", "1", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.failures("stale connection"), 3, "{driver}");
    }
}

#[test]
fn a_request_that_timed_out_does_not_poison_the_next() {
    // Odd connections answer late and then twice as much; even ones answer at once.
    let server = RawServer::start(|mut stream| {
        while let Some(request) = read_request(&mut stream) {
            if request.contains("slow") {
                std::thread::sleep(Duration::from_millis(400));
            }
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(response).is_err() {
                return;
            }
        }
    });
    for driver in DRIVERS {
        let url = server.url("/slow");
        let words = [&url, "-n", "6", "-c", "2", "--timeout", "100ms", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.failures("first byte timeout"), 6, "{driver}");
        // Each got a connection of its own: none with a late answer on it was used again.
        assert_eq!(report.number("/totals/counters/connections_opened"), 6, "{driver}");
    }
}

#[test]
fn the_request_is_what_was_asked_for() {
    let scratch = servers::Scratch::new("request");
    let body = scratch.path().join("body");
    std::fs::write(&body, [0, 159, 146, 150]).expect("a body file");
    let (sender, requests) = std::sync::mpsc::channel();
    let server = RawServer::start(move |mut stream| {
        while let Some(mut head) = read_request(&mut stream) {
            let size = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let mut body = vec![0; size.map_or(0, |size| size.parse().expect("a number"))];
            std::io::Read::read_exact(&mut stream, &mut body).expect("the body");
            head.push_str(&format!("{body:?}"));
            sender.send(head).expect("the test listens");
            let _sent = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let url = server.url("/items?x=1");
    let body = body.to_str().expect("a path");
    run(&[&url, "-n", "1", "-X", "PUT", "-H", "X-One: 1", "-H", "X-Two:2", "--data-file", body])
        .expect_exit(0);
    let request = requests.recv().expect("a request");
    assert!(request.starts_with("PUT /items?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: {}\r\n", server.address)), "{request}");
    assert!(request.contains("\r\nX-One: 1\r\nX-Two: 2\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n[0, 159, 146, 150]"), "{request}");
}

#[test]
fn connections_are_spread_over_the_source_addresses() {
    let Some(nginx) = Nginx::start("sources", ITEMS) else { return };
    for driver in DRIVERS {
        let url = nginx.url("/items");
        let addresses = "127.0.0.2-127.0.0.5";
        run(&[&url, "-n", "100", "-c", "8", "--local-ips", addresses, "--io-driver", driver])
            .expect_exit(0);
        let log = nginx.access_log();
        for last in 2..=5 {
            let address = format!(" 127.0.0.{last} ");
            assert!(
                log.iter().any(|line| line.contains(&address)),
                "{driver}: none from {address}"
            );
        }
        assert!(!log.iter().any(|line| line.contains(" 127.0.0.1 ")), "{driver}");
    }
}

#[test]
fn nineteen_thousand_connections_are_held_without_a_failure() {
    if !is_installed("nginx") || tallyho::file_limit() < 20_000 {
        eprintln!("skipped: the file limit is below 20000");
        return;
    }
    for driver in DRIVERS {
        let Some(nginx) = Nginx::start("many", ITEMS) else { return };
        let url = nginx.url("/items");
        let words = [&url, "-c", "19000", "-n", "57k", "--io-driver", driver];
        let report = run(&words).expect_exit(0).report();
        assert_eq!(report.number("/summary/requests"), 57_000, "{driver}");
        assert_eq!(report.number("/summary/requests_failed"), 0, "{driver}");
        assert_eq!(report.number("/totals/counters/connections_opened"), 19_000, "{driver}");
    }
}

//! nginx with OpenSSL: the thin path, who is trusted, versions, resumption, client certificates.

use crate::certificates::{Authority, Signed};
use crate::servers::Nginx;
use crate::tallyho::{DRIVERS, run};

const LOCATIONS: &str = "location / { return 200 'a body'; }";

#[test]
fn https_is_loaded_on_both_drivers_over_connections_that_are_kept() {
    let authority = Authority::new("thin");
    let signed = authority.server(&["127.0.0.1"]);
    let Some(nginx) = Nginx::start_tls("tls-thin", LOCATIONS, (&signed.cert, &signed.key)) else {
        return;
    };
    for driver in DRIVERS {
        let before = nginx.access_log().len() as u64;
        let words =
            ["--cacert", &authority.cacert(), "-c", "5", "-n", "500", "--io-driver", driver];
        let run = run(&[&[nginx.url("/").as_str()], &words[..]].concat());
        let run = run.expect_exit(0);
        nginx.wait_for_requests(before + 500);
        assert_eq!(run.report().counter("tls_handshakes_full"), 5);
        assert_eq!(run.report().counter("connections_opened"), 5);
    }
}

/// What a run that cannot start says.
fn refusal(words: &[&str]) -> String {
    let run = run(&[words, &["-n", "1"]].concat()).expect_exit(1);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one message: {}", run.stderr);
    run.stderr
}

#[test]
fn a_certificate_that_is_refused_is_one_message_before_any_load() {
    let authority = Authority::new("refused");
    let (good, old) = (authority.server(&["127.0.0.1"]), authority.expired(&["127.0.0.1"]));
    let other = authority.server(&["elsewhere.example"]);
    let start =
        |name, signed: &Signed| Nginx::start_tls(name, LOCATIONS, (&signed.cert, &signed.key));
    let Some(unknown) = start("tls-unknown", &good) else { return };
    let expired = start("tls-expired", &old).expect("nginx");
    let elsewhere = start("tls-elsewhere", &other).expect("nginx");
    let cacert = authority.cacert();

    let text = refusal(&[&unknown.url("/")]);
    for part in [&unknown.url(""), "signed by nobody who is trusted here", "system", "--cacert"] {
        assert!(text.contains(part), "`{part}` in: {text}");
    }
    let text = refusal(&[&expired.url("/"), "--cacert", &cacert]);
    assert!(text.contains("has expired") && text.contains("days ago"), "{text}");
    let text = refusal(&[&elsewhere.url("/"), "--cacert", &cacert]);
    assert!(text.contains("is for elsewhere.example and not for 127.0.0.1"), "{text}");
    for nginx in [unknown, expired, elsewhere] {
        assert_eq!(nginx.access_log(), [""; 0], "no request was made");
        let run = run(&[&nginx.url("/"), "--insecure", "-n", "1"]).expect_exit(0);
        assert!(run.stderr.contains("NOT CHECKED"), "{}", run.stderr);
    }
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let Some(nginx) = Nginx::start("tls-plain", LOCATIONS) else { return };
    let text = refusal(&[&nginx.url("/").replace("http:", "https:")]);
    assert!(text.contains("not TLS") && text.contains("http:// in place of https://"), "{text}");
}

#[test]
fn clients_show_the_certificate_that_they_are_given() {
    let authority = Authority::new("mutual");
    let (server, client) = (authority.server(&["127.0.0.1"]), authority.client("bot"));
    let locations = format!(
        "ssl_client_certificate {}; ssl_verify_client on;
         location / {{ return 200 $ssl_client_s_dn; }}",
        authority.cacert()
    );
    let Some(nginx) = Nginx::start_tls("tls-mutual", &locations, (&server.cert, &server.key))
    else {
        return;
    };
    let (url, cacert) = (nginx.url("/"), authority.cacert());
    let (cert, key) = (client.cert.display().to_string(), client.key.display().to_string());
    for driver in DRIVERS {
        let words = [url.as_str(), "--cacert", &cacert, "-n", "20", "--io-driver", driver];
        let shown = run(&[&words[..], &["--cert", &cert, "--key", &key]].concat());
        assert_eq!(shown.expect_exit(0).report().number("/summary/requests_failed"), 0);
        // nginx wants it, but judges it with HTTP's means.
        let none = run(&words).expect_exit(0);
        assert_eq!(none.report().number("/summary/requests_failed"), 20);
    }
    let wrong = [url.as_str(), "-n", "1", "--cert", &cert, "--key", &cert];
    let run = run(&wrong).expect_exit(2);
    assert!(run.stderr.contains("no private key in it"), "{}", run.stderr);
}

#[test]
fn a_bot_resumes_its_own_sessions_all_share_them_or_nobody_does() {
    let authority = Authority::new("resume");
    let signed = authority.server(&["127.0.0.1"]);
    let locations = format!("keepalive_timeout 0; ssl_session_timeout 1h; {LOCATIONS}");
    let Some(nginx) = Nginx::start_tls("tls-resume", &locations, (&signed.cert, &signed.key))
    else {
        return;
    };
    let (url, cacert) = (nginx.url("/"), authority.cacert());
    for version in ["1.2", "1.3"] {
        for driver in DRIVERS {
            let handshakes = |who: &str| {
                let run = run(&[
                    &url,
                    "--cacert",
                    &cacert,
                    "-c",
                    "4",
                    "-n",
                    "40",
                    "--cores",
                    "1",
                    "--tls-min",
                    version,
                    "--tls-max",
                    version,
                    "--tls-resumption",
                    who,
                    "--io-driver",
                    driver,
                ]);
                let report = run.expect_exit(0).report();
                assert_eq!(report.counter("connections_opened"), 40);
                ["tls_handshakes_full", "tls_handshakes_resumed"].map(|name| report.counter(name))
            };
            assert_eq!(handshakes("per-bot"), [4, 36], "{version} {driver}");
            assert_eq!(handshakes("off"), [40, 0], "{version} {driver}");
            let [full, resumed] = handshakes("shared");
            assert_eq!(full + resumed, 40);
            assert!(full <= 4, "{version} {driver}: {full} full ones");
        }
    }
}

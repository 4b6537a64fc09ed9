//! OpenSSL's own server, made to change its keys between answers and to ask for the client's.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::certificates::{Authority, Signed};
use crate::servers::{free_port, is_installed};
use crate::tallyho::{DRIVERS, Run};

/// `openssl s_server`, which shows what it gets and sends what it is given.
struct Openssl {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    port: u16,
}

impl Openssl {
    fn start(signed: &Signed) -> Option<Self> {
        if !is_installed("openssl") || !is_installed("stdbuf") {
            return None;
        }
        let port = free_port();
        // It tells of new keys by a stream that is a file's, unless told otherwise.
        let mut child = Command::new("stdbuf")
            .args([
                "-o0",
                "openssl",
                "s_server",
                "-accept",
                &format!("127.0.0.1:{port}"),
                "-tls1_3",
                "-cert",
            ])
            .arg(&signed.cert)
            .arg("-key")
            .arg(&signed.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is installed");
        let input = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, input, lines, port };
        server.wait_for("ACCEPT");
        Some(server)
    }

    /// Waits for a line that begins so.
    fn wait_for(&mut self, start: &str) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20));
            if line.unwrap_or_else(|_| panic!("no line `{start}`")).starts_with(start) {
                return;
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).expect("it listens");
        self.input.flush().expect("it listens");
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

#[test]
fn keys_that_openssl_changes_and_asks_for_are_followed() {
    let authority = Authority::new("openssl");
    let signed = authority.server(&["127.0.0.1"]);
    for driver in DRIVERS {
        let Some(mut server) = Openssl::start(&signed) else { return };
        let url = format!("https://127.0.0.1:{}/", server.port);
        let words = ["--cacert", &authority.cacert(), "-c", "1", "-n", "7", "--timeout", "20s"];
        let run = Run::start(&[&[url.as_str(), "--io-driver", driver], &words[..]].concat());
        for turn in 0..7 {
            server.wait_for("GET / HTTP/1.1");
            // `K` asks for a new key in return, `k` does not; both announce one.
            for command in ["", "K\n", "k\n"].iter().skip(turn % 3).take(1 + turn / 3) {
                if !command.is_empty() {
                    server.say(command);
                    server.wait_for("SSL_do_handshake -> 1");
                }
            }
            server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        let report = run.finish().expect_exit(0).report();
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
        assert_eq!(report.counter("connections_opened"), 1, "{driver}: the keys went along");
    }
}

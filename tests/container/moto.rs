//! Against moto's S3, which knows errors that the server in process does not.
//!
//! Skipped where `moto_server` is not installed, unless `TALLYHO_REQUIRE_SERVERS=1`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bucket::BUCKET;
use crate::lambda;
use crate::results::SCENARIO;
use crate::servers::free_port;
use crate::task;

struct Moto {
    child: Child,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Moto {
    fn start() -> Option<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let (host, port) = address.split_once(':').expect("both");
        let started = Command::new("moto_server")
            .args(["-H", host, "-p", port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            let required = std::env::var("TALLYHO_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!required, "moto_server is required here and not installed");
            eprintln!("skipped: moto_server is not installed");
            return None;
        };
        let moto = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&moto.address).is_err() {
            assert!(Instant::now() < deadline, "moto never listened");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(moto)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One request, unsigned: moto takes it. Gives the body of the answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("moto listens");
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let is_good = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        assert!(is_good, "{method} {path}: {answer}");
        body.to_owned()
    }
}

#[test]
fn a_task_runs_against_moto_and_missing_things_are_told_apart() {
    let Some(moto) = Moto::start() else { return };
    let missing = task::start(&moto.url(), &[]).finish().expect_exit(1);
    missing.expect_said("there is no bucket scenarios (404)");
    moto.ask("PUT", &format!("/{BUCKET}"), "");
    let missing = task::start(&moto.url(), &[]).finish().expect_exit(1);
    missing.expect_said("test-scenarios/t.json: there is no such object (404)");
    moto.ask("PUT", &format!("/{BUCKET}/test-scenarios/t.json"), SCENARIO);
    let ended = task::start(&moto.url(), &[]).finish().expect_exit(0);
    // Moto shows the objects of others to nobody, but their names.
    let uuid = ended.uuid();
    let listed = moto.ask("GET", &format!("/{BUCKET}?list-type=2&prefix=results/"), "");
    assert!(listed.contains(&format!("<Key>results/t/{uuid}.json</Key>")), "{listed}");
    let result = ended.work.path().join(&uuid).join("results.json");
    let result = std::fs::read_to_string(result).expect("the file that went up");
    assert!(lambda::parse(&result).metrics.contains_key("http_reqs"));
    let mut report = Command::new(env!("CARGO_BIN_EXE_tallyho"));
    task::environment(&mut report, &moto.url());
    let report = report.args(["report", &format!("s3://{BUCKET}/runs/t/")]).output();
    assert!(report.expect("tallyho runs").status.success());
}

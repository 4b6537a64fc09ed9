//! Python's http.server: HTTP/1.0 that closes after every response, and 1.1 that does not.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::assert_replays;
use crate::servers::{Scratch, is_installed};
use crate::tallyho::{DRIVERS, run};

#[test]
fn pythons_server_is_understood_in_both_versions() {
    if !is_installed("python3") {
        return;
    }
    let scratch = Scratch::new("python");
    let folder = scratch.path().join("files");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::create_dir(folder.join("inner")).expect("a folder");
    std::fs::write(folder.join("a.json"), r#"{"word": "tally"}"#).expect("a file");
    let file = scratch.file(
        "steps.json",
        r#"{"iterations": 20, "vus": 4, "steps": [
            {"get": "/a.json", "check": {"word": "json('/word') == 'tally'"}},
            {"head": "/a.json"},
            {"get": "/nothing", "expect": 404},
            {"get": "/inner", "name": "inner", "check": {"listed": "body contains 'Directory'"}},
            {"post": "/a.json", "text": "x", "expect": 501}]}"#,
    );
    let file = file.to_str().expect("a path in UTF-8");
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        let mut server = Command::new("python3")
            .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--protocol", version])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let port = words.iter().position(|word| *word == "port").expect("a port") + 1;
        let target = format!("http://127.0.0.1:{}", words[port]);
        for driver in DRIVERS {
            let ended = run(&[file, "--target", &target, "--io-driver", driver]).expect_exit(0);
            let report = ended.report();
            assert_eq!(report.number("/summary/requests_failed"), 0, "{}", ended.stdout);
            // `/inner` is redirected to `/inner/`.
            assert_eq!(report.number("/summary/requests"), 20 * 6, "{version} {driver}");
            assert_eq!(report.number("/summary/failed"), 0, "sessions: {}", ended.stdout);
            assert_replays(ended.path("").as_path());
        }
        let _ended_already = server.kill();
        let _ended_already = server.wait();
    }
}

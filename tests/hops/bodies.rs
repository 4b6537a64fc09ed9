//! Request bodies from files, and the limits of responses.

use std::io::Read;
use std::net::TcpStream;

use crate::assert_replays;
use crate::servers::{RawServer, Scratch, answer_all, read_request};
use crate::tallyho::{DRIVERS, run, tallyho};

/// Reads each request with its body, and answers with the body's size and the sum of its bytes.
fn summing(mut stream: TcpStream) {
    while let Some(head) = read_request(&mut stream) {
        let size = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; size.map_or(0, |size| size.trim().parse().expect("a number"))];
        stream.read_exact(&mut body).expect("the body");
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        let text = format!("{{\"size\":{},\"sum\":{sum}}}", body.len());
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if std::io::Write::write_all(&mut stream, response.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn files_are_sent_whole_and_a_trace_holds_their_name_size_and_hash() {
    let server = RawServer::start(summing);
    let scratch = Scratch::new("bodies");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sum: u64 = large.iter().map(|byte| u64::from(*byte)).sum();
    std::fs::write(scratch.path().join("large.bin"), &large).expect("a file");
    std::fs::write(scratch.path().join("canary.txt"), "canary-in-a-file").expect("a file");
    let text = format!(
        r#"{{"iterations": 8, "vus": 4, "steps": [
            {{"put": "/large", "bodyFile": "large.bin",
              "check": {{"large": "json('/size') == 3000000 && json('/sum') == {sum}"}}}},
            {{"post": "/small/${{bot}}", "bodyFile": "canary.txt",
              "headers": {{"Content-Type": "text/x"}},
              "check": {{"small": "json('/size') == 16"}}}}]}}"#
    );
    let file = scratch.file("upload.json", &text);
    let file = file.to_str().expect("a path in UTF-8");
    for driver in DRIVERS {
        let ended = run(&[file, "--target", &server.url(""), "--io-driver", driver]);
        let ended = ended.expect_exit(0);
        assert_eq!(ended.report().number("/summary/failed"), 0, "{}", ended.stdout);
        assert!(ended.report().0["totals"]["checks"]["large"]["passes"] == 8);
        assert_replays(ended.path("").as_path());
        let trace = std::fs::read(ended.path("trace-0.tly")).expect("a trace");
        assert!(trace.len() < 100_000, "{} bytes", trace.len());
        assert!(!String::from_utf8_lossy(&trace).contains("canary-in-a-file"));
    }
    // A URL's bot shares its file in the same way.
    let large = scratch.path().join("large.bin");
    let large = large.to_str().expect("a path in UTF-8");
    let ended = run(&[&server.url("/"), "-n", "4", "--data-file", large]).expect_exit(0);
    assert_eq!(ended.report().number("/summary/requests_failed"), 0);
    assert_replays(ended.path("").as_path());
}

#[test]
fn check_finds_a_body_file_that_is_not_there() {
    let scratch = Scratch::new("no-body");
    let steps = r#"{"steps": [{"post": "/a", "bodyFile": "nowhere.bin"},
                              {"post": "/b", "bodyFile": ".", "text": "x"}]}"#;
    let file = scratch.file("upload.json", steps);
    let output = tallyho(&["check", file.to_str().expect("a path in UTF-8")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the body file `nowhere.bin` cannot be used"), "{text}");
    assert!(text.contains("there is no such file"), "{text}");
    assert!(
        text.contains("both `text` and `bodyFile`") || text.contains("both `bodyFile`"),
        "{text}"
    );
}

#[test]
fn the_limits_of_a_response_can_be_set() {
    const LONG: &[u8] =
        b"HTTP/1.1 200 OK\r\nX-Filler: 0123456789012345678901234567890123456789\r\n\
        Content-Length: 2000\r\n\r\n";
    let server = RawServer::start(|stream| answer_all(stream, &[LONG, &[b'x'; 2000]].concat()));
    let url = server.url("/");
    for driver in DRIVERS {
        for (flag, bytes, failures) in [
            ("--max-response-head", "64", 4),
            ("--max-response-head", "1kB", 0),
            ("--max-response-body", "1999", 4),
            ("--max-response-body", "2kB", 0),
        ] {
            let report = run(&[&url, "-n", "4", "--io-driver", driver, flag, bytes]).report();
            let too_large = report.failures("response too large");
            assert_eq!(too_large, failures, "{flag} {bytes}: {}", report.failure_kinds());
        }
    }
}

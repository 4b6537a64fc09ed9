//! What a user gets wrong is said in one message, before any load.

mod servers;
mod tallyho;

use std::net::TcpListener;

use servers::{RawServer, Scratch, answer_all};
use tallyho::tallyho;

/// Runs `tallyho` and returns its exit code and what it said, which must be one error.
fn said(words: &[&str]) -> (Option<i32>, String) {
    let output = tallyho(words);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(stderr.matches("error:").count(), 1, "{words:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{words:?} printed something");
    (output.status.code(), stderr)
}

fn refuses(words: &[&str], code: i32, parts: &[&str]) {
    let (exit, message) = said(words);
    assert_eq!(exit, Some(code), "{words:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{words:?}: `{part}` is not in: {message}");
    }
}

#[test]
fn a_wrong_url_is_named_with_an_example_of_a_right_one() {
    refuses(&["run", "127.0.0.1:8080"], 2, &["127.0.0.1:8080", "http://", "for example"]);
    refuses(&["run", "http://"], 2, &["no host", "for example"]);
    refuses(&["run", "http://a:b@127.0.0.1/"], 2, &["password"]);
    refuses(&["run", "http://127.0.0.1:99999/"], 2, &["port"]);
    refuses(&["run", "ftp://127.0.0.1/"], 2, &["http"]);
}

#[test]
fn an_unreachable_target_is_known_before_any_load() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", free.local_addr().expect("an address"));
    drop(free);
    refuses(&["run", &url], 1, &["cannot connect", &url[..20], "refused", "running"]);
    refuses(&["run", "http://no-such-host.invalid/"], 1, &["no-such-host.invalid", "spelling"]);
}

#[test]
fn flags_that_cannot_be_meant_are_explained() {
    let server = RawServer::start(|s| answer_all(s, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let url = server.url("/");
    refuses(&["run", &url, "-d", "30"], 2, &["30", "no unit", "30s"]);
    refuses(&["run", &url, "-d", "{\"a\":1}"], 2, &["not a duration", "30s"]);
    refuses(&["run", &url, "-c", "0"], 2, &["above zero"]);
    refuses(&["run", &url, "--rate", "fast"], 2, &["not a rate", "5000/s"]);
    refuses(&["run", &url, "-X", "G E T"], 2, &["not an HTTP method"]);
    refuses(&["run", &url, "-H", "no colon here"], 2, &["no colon", "Accept: text/html"]);
    refuses(&["run", &url, "-H", "Content-Length: 5"], 2, &["Content-Length", "generator"]);
    refuses(&["run", &url, "--cores", "999"], 2, &["--cores 999", "may use 1 to"]);
    refuses(&["run", &url, "-c", "9m"], 2, &["open files", "ulimit -n"]);
    refuses(&["run", &url, "--io-driver", "fast"], 2, &["fast", "auto"]);
    refuses(&["run", &url, "--durration", "3s"], 2, &["--durration", "--duration"]);
}

#[test]
fn a_missing_body_file_is_named() {
    refuses(
        &["run", "http://127.0.0.1:1/", "--data-file", "/no/such/body"],
        2,
        &["--data-file", "/no/such/body", "No such file"],
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_known_before_any_load() {
    let scratch = Scratch::new("unwritable");
    let file = scratch.file("occupied", "a file where the folder should be");
    let server = RawServer::start(|s| answer_all(s, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let below = file.join("below");
    let below = below.to_str().expect("a path");
    refuses(&["run", &server.url("/"), "--out", below], 1, &["cannot write", below, "--out"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refuses(&["serve", "--port", &port], 1, &[&port, "in use"]);
}

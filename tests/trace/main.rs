//! Real runs, recorded and replayed: both drivers, one to seven workers, killed, stalled, full.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod commands;
mod engine;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../tallyho/mod.rs"]
mod tallyho;
mod trouble;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use servers::{RawServer, read_request};
use tallyho::{expect, tallyho as command};

/// Answers with a number that counts up, and with 503 to every seventh request.
fn counting() -> RawServer {
    let count = Arc::new(AtomicU64::new(0));
    RawServer::start(move |mut stream| {
        while read_request(&mut stream).is_some() {
            let id = count.fetch_add(1, Ordering::Relaxed);
            let body = format!("{{\"id\":{}}}", id * 2);
            let status = if id % 7 == 6 { "503 Busy" } else { "200 OK" };
            let size = body.len();
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n{body}");
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    })
}

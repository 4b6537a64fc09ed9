//! Secrets sent in every way, echoed back in every form, are in nothing that a run wrote.

mod servers;
mod tallyho;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use servers::{RawServer, Scratch, read_request};
use tallyho::{DRIVERS, Ended, run, tallyho as command};

/// With what JSON, URLs and base64 write in another way.
fn canaries() -> Vec<String> {
    let ways = ["bearer", "cookie", "header", "env", "literal", "marked", "column", "setup"];
    ways.iter().map(|way| format!("canary-{way}/9+\"x\" é?&=%41~0123456789")).collect()
}

/// Header values hold no quotes and nothing but ASCII here.
fn for_header(canary: &str) -> String {
    canary.replace(['"', 'é', ' '], "_")
}

fn percent(text: &str, keeps: fn(u8) -> bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let kept = if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        out.push_str(&kept);
        out
    })
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes all");
        out
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63]));
        }
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    out
}

/// All the ways in which a text may be found in a file.
fn forms(canary: &str) -> Vec<(&'static str, String)> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let json = serde_json::to_string(canary).expect("JSON");
    // Inside a longer text, as in Basic's `user:password`: the digits that are of nothing else.
    let within = |before: &str| {
        let whole = format!("{before}{canary}");
        base64(whole.as_bytes())[before.len() + 1..8 * whole.len() / 6].to_owned()
    };
    vec![
        ("verbatim", canary.to_owned()),
        ("percent-encoded", percent(canary, unreserved)),
        ("percent-encoded whole", percent(canary, |_| false)),
        ("base64", base64(canary.as_bytes()).trim_end_matches('=').to_owned()),
        ("base64, a byte on", within("u")),
        ("base64, two bytes on", within("u:")),
        ("hex", hex(canary)),
        ("HEX", hex(canary).to_uppercase()),
        ("JSON", json[1..json.len() - 1].to_owned()),
    ]
}

/// Logs in with one canary and gives a cookie with another; echoes all it gets, in every form, and
/// fails every third time.
fn echo() -> RawServer {
    let count = Arc::new(AtomicU64::new(0));
    RawServer::start(move |mut stream| {
        while let Some(head) = read_request(&mut stream) {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.map_or(0, |length| length.trim().parse().expect("a number"));
            let mut body = vec![0; length];
            stream.read_exact(&mut body).expect("the body");
            let mut echoed = vec![head.clone(), String::from_utf8_lossy(&body).into_owned()];
            // Of what it was sent, every form: nobody can hide what the server says first.
            let request = echoed.concat();
            for canary in canaries().into_iter().flat_map(|canary| [for_header(&canary), canary]) {
                let forms: Vec<_> = forms(&canary).into_iter().map(|(_, form)| form).collect();
                let form_encoded = forms[1].replace("%20", "+");
                let was_sent = |form: &String| request.contains(form.as_str());
                if forms.iter().any(was_sent) || request.contains(&form_encoded) {
                    echoed.extend(forms);
                }
            }
            let token = &canaries()[if head.starts_with("POST /setup") { 7 } else { 0 }];
            let answer = serde_json::json!({ "token": token, "said": echoed }).to_string();
            let fails = count.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            let status = if fails { "500 No" } else { "200 OK" };
            let cookie = for_header(&canaries()[1]);
            let size = answer.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nSet-Cookie: sid={cookie}; Path=/\r\nX-Echo: {cookie}\r\n\
                 Content-Length: {size}\r\n\r\n"
            );
            if stream.write_all((head + &answer).as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// Looks for every canary in every form in all files, packed and unpacked, and in what was printed.
fn search(ended: &Ended, more: &[String]) {
    let mut texts = vec![ended.stdout.clone().into_bytes(), ended.stderr.clone().into_bytes()];
    texts.extend(more.iter().map(|text| text.clone().into_bytes()));
    let mut files = 0;
    for entry in std::fs::read_dir(ended.path("")).expect("the run's folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        if path.extension().is_some_and(|extension| extension == "tly") {
            texts.extend(unpacked(&bytes));
        }
        texts.push(bytes);
        files += 1;
    }
    assert!(files >= 3, "{files} files");
    for canary in canaries() {
        for canary in [for_header(&canary), canary] {
            for (form, text) in forms(&canary) {
                let needle = text.as_bytes();
                for hay in &texts {
                    let at = hay.windows(needle.len()).position(|window| window == needle);
                    if let Some(at) = at {
                        let from = at.saturating_sub(200);
                        let near = &hay[from..(at + needle.len() + 50).min(hay.len())];
                        panic!("{canary} {form}: …{}…", String::from_utf8_lossy(near));
                    }
                }
            }
        }
    }
}

/// The columns of all blocks of a trace, as docs/trace.md describes them.
fn unpacked(file: &[u8]) -> Vec<Vec<u8>> {
    let mut columns = Vec::new();
    let mut at = 0;
    while at + 32 <= file.len() {
        let size = u32::from_le_bytes(file[at + 8..at + 12].try_into().expect("4 bytes")) as usize;
        let mut rest = &file[at + 33..at + 32 + size];
        let mut varint = || {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let byte = rest[0];
                rest = &rest[1..];
                value |= usize::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            value
        };
        let count = file[at + 32];
        let sizes: Vec<_> = (0..count).map(|_| (varint(), varint())).collect();
        for (size, stored) in sizes {
            let taken = if stored == 0 { size } else { stored };
            let (column, after) = rest.split_at(taken);
            rest = after;
            columns.push(match stored {
                0 => column.to_vec(),
                _ => zstd::bulk::decompress(column, size).expect("zstd"),
            });
        }
        assert!(rest.is_empty(), "every byte belongs to a column");
        at += 32 + size;
    }
    columns
}

fn expect(code: i32, words: &[&str]) -> String {
    let output = command(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
    stdout + &stderr
}

fn scenario(scratch: &Scratch) -> String {
    let canaries = canaries();
    let quoted = |text: &str| serde_json::to_string(text).expect("JSON");
    scratch.file("rows.csv", &format!("phone\n{}\n", canaries[6].replace('"', "\"\"")));
    let rows = format!("\"phone\"\n\"{}\"\n", canaries[6].replace('"', "\"\""));
    scratch.file("rows.csv", &rows);
    let text = format!(
        r#"{{
          "vus": 2, "iterations": 12,
          "data": {{ "rows": {{
              "file": "rows.csv", "deal": "perBot", "secret": ["phone"] }} }},
          "env": {{ "API_TOKEN": {marked} }},
          "setup": [{{ "post": "/setup", "json": {{}}, "capture": {{ "token": "/token" }},
                       "retry": {{ "tries": 3 }} }}],
          "setupKeep": ["token"],
          "steps": [
            {{ "post": "/login",
               "json": {{ "password": {literal}, "phone": "${{data.rows.phone}}" }},
               "capture": {{ "token": "/token" }} }},
            {{ "get": "/q", "query": {{ "key": "${{token}}", "b": "${{env.API_TOKEN}}" }},
               "headers": {{ "X-Api-Key": {header} }},
               "capture": {{ "said": {{ "json": "/said", "secret": false }} }} }},
            {{ "post": "/form", "form": {{ "pass": "${{env.PASSWORD}}", "s": "${{setup.token}}" }},
               "check": {{ "echoed": "body contains 'canary'" }} }},
            {{ "post": "/text", "text": "t=${{token}}", "headers": {{ "Cookie": {header} }},
               "capture": {{ "echo": {{ "header": "X-Echo", "secret": false }} }} }},
            {{ "log": "${{said}} ${{echo}}" }}
          ]
        }}"#,
        marked = quoted(&canaries[5]),
        literal = quoted(&canaries[4]),
        header = quoted(&for_header(&canaries[2])),
    );
    scratch.file("canary.json", &text).to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_secret_is_in_no_form_in_anything_that_a_run_writes_and_its_sessions_are_exact() {
    let scratch = Scratch::new("canary");
    let file = scenario(&scratch);
    let password = format!("PASSWORD={}", canaries()[3]);
    for driver in DRIVERS {
        let server = echo();
        let target = server.url("");
        let words = [&file, "--target", &target, "-e", &password, "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        let folder = ended.path("");
        let folder = folder.to_str().expect("UTF-8");
        let verified = expect(0, &["replay", folder, "--all"]);
        assert!(verified.contains("13 exact, 0 exact as far"), "{verified}");
        let mut shown = vec![verified, expect(0, &["sessions", folder])];
        for bot in 0..12 {
            let session = format!("{bot}/0");
            shown.push(expect(0, &["replay", folder, "--session", &session, "--whole"]));
        }
        let kept = shown.iter().filter(|text| text.contains("as it went over the wire")).count();
        assert!(kept > 3, "failing exchanges are kept: {kept}");
        shown.push(expect(0, &["report", folder, "--format", "markdown"]));
        let failing = ended.report().0["failing"][0]["example"].as_str().expect("one").to_owned();
        let capsule = ended.path("capsule.tly");
        let capsule = capsule.to_str().expect("UTF-8");
        shown.push(expect(0, &["capsule", folder, "--session", &failing, "--out", capsule]));
        search(&ended, &shown);
        assert!(Path::new(folder).join("run.json").exists());
    }
}

#[test]
fn a_secret_header_of_the_command_line_is_in_no_form_in_anything_that_a_run_writes() {
    let server = echo();
    let (bearer, cookie) = (for_header(&canaries()[0]), for_header(&canaries()[1]));
    let headers = [format!("Authorization: Bearer {bearer}"), format!("Cookie: a={cookie}; b=2")];
    for driver in DRIVERS {
        let url = server.url("/q");
        let words = [&url, "-n", "40", "-c", "3", "-H", &headers[0], "-H", &headers[1]];
        let ended = run(&[&words[..], &["--io-driver", driver]].concat()).expect_exit(0);
        let folder = ended.path("");
        let folder = folder.to_str().expect("UTF-8");
        expect(0, &["replay", folder, "--all"]);
        let failing = ended.report().0["failing"][0]["example"].as_str().expect("one").to_owned();
        let timeline = expect(0, &["replay", folder, "--session", &failing, "--whole"]);
        assert!(timeline.contains("< status 500"), "{timeline}");
        search_header(&ended, &[timeline], &[&bearer, &cookie]);
    }
}

/// As `search`, for the canaries that this run knew; those that it was only sent are no secrets of
/// its.
fn search_header(ended: &Ended, more: &[String], known: &[&String]) {
    let mut texts: Vec<Vec<u8>> = more.iter().map(|text| text.clone().into_bytes()).collect();
    texts.extend([ended.stdout.clone().into_bytes(), ended.stderr.clone().into_bytes()]);
    for entry in std::fs::read_dir(ended.path("")).expect("the run's folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        if path.extension().is_some_and(|extension| extension == "tly") {
            texts.extend(unpacked(&bytes));
        }
        texts.push(bytes);
    }
    for (canary, (form, text)) in
        known.iter().flat_map(|c| forms(c).into_iter().map(move |f| (c, f)))
    {
        for hay in &texts {
            let found = hay.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{canary} {form}: {}", String::from_utf8_lossy(hay));
        }
    }
}

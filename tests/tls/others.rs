//! Node, Python and hyper over rustls: other people's TLS and other people's HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificates::{Authority, Signed};
use crate::servers::is_installed;
use crate::tallyho::{DRIVERS, run, tallyho};

/// A server in a language of its own; it says its port on its first line.
struct Foreign {
    child: Child,
    port: u16,
}

impl Foreign {
    fn start(program: &str, words: &[&str]) -> Option<Self> {
        if !is_installed(program) {
            return None;
        }
        let mut child = Command::new(program)
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is installed");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        Some(Self { child, port: line.trim().parse().expect("a port") })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// 200 requests of 4 bots, by name, so that the server is told it.
fn load(authority: &Authority, port: u16) {
    for driver in DRIVERS {
        let url = format!("https://localhost:{port}/");
        let words = ["--cacert", &authority.cacert(), "-c", "4", "-n", "200"];
        let run = run(&[&[url.as_str(), "--io-driver", driver], &words[..]].concat());
        let report = run.expect_exit(0).report();
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
        assert_eq!(report.number("/summary/requests"), 200);
        assert!(report.counter("tls_handshakes_full") >= 4);
    }
}

fn localhost(name: &str) -> (Authority, Signed) {
    let authority = Authority::new(name);
    let signed = authority.server(&["localhost"]);
    (authority, signed)
}

const NODE: &str = "const fs = require('fs'), [cert, key] = process.argv.slice(-2);
const s = require('https').createServer(
  { cert: fs.readFileSync(cert), key: fs.readFileSync(key) },
  (q, r) => { r.write('in '); r.end('pieces'); });
s.listen(0, '127.0.0.1', () => console.log(s.address().port));";

const PYTHON: &str = "import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()";

#[test]
fn node_is_loaded() {
    let (authority, signed) = localhost("node");
    let (cert, key) = (signed.cert.display().to_string(), signed.key.display().to_string());
    let Some(node) = Foreign::start("node", &["-e", NODE, "--", &cert, &key]) else { return };
    load(&authority, node.port);
}

#[test]
fn python_is_loaded() {
    let (authority, signed) = localhost("python");
    let (cert, key) = (signed.cert.display().to_string(), signed.key.display().to_string());
    let Some(python) = Foreign::start("python3", &["-c", PYTHON, &cert, &key]) else { return };
    load(&authority, python.port);
}

/// hyper over rustls, on a thread of its own.
fn hyper_server(signed: &Signed) -> u16 {
    let chain = CertificateDer::pem_file_iter(&signed.cert).expect("a file");
    let chain = chain.map(|cert| cert.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(&signed.key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    // A server that would rather speak HTTP/2 speaks what it is asked for.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let echo = hyper::service::service_fn(|_: Request<Incoming>| async {
                        let body = Full::new(Bytes::from_static(b"{\"session\":\"s-1\"}"));
                        Ok::<_, std::convert::Infallible>(Response::new(body))
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _client_is_gone = http.serve_connection(TokioIo::new(stream), echo).await;
                });
            }
        });
    });
    port
}

#[test]
fn hyper_over_rustls_is_loaded() {
    let (authority, signed) = localhost("hyper");
    load(&authority, hyper_server(&signed));
}

#[test]
fn a_bot_talks_to_a_plain_and_a_secured_host_and_replays_exactly_without_its_secret() {
    let (authority, signed) = localhost("both");
    let port = hyper_server(&signed);
    let plain = crate::servers::RawServer::start(|stream| {
        crate::servers::answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    let scratch = crate::servers::Scratch::new("both-hosts");
    let file = scratch.file(
        "both.json",
        &format!(
            r#"{{ "target": "https://localhost:{port}", "vus": 3, "iterations": 30,
                 "tls": {{ "cacert": "{}" }}, "tlsVersion": "tls1.3",
                 "steps": [ {{ "get": "/a",
                              "headers": {{ "Authorization": "Bearer ${{env.TOKEN}}" }},
                              "capture": {{ "token": "/session" }} }},
                            {{ "get": "{}?s=${{token}}" }}, {{ "get": "/c" }} ] }}"#,
            authority.cacert(),
            plain.url("/b")
        ),
    );
    for driver in DRIVERS {
        let file = file.display().to_string();
        let words = [&file, "--io-driver", driver, "-e", "TOKEN=canary-7f3a9d"];
        let run = run(&words).expect_exit(0);
        let report = run.report();
        assert_eq!(report.number("/summary/requests_failed"), 0, "{}", report.failure_kinds());
        assert_eq!(report.counter("connections_opened"), 6, "one per bot and host");
        assert_eq!(report.counter("tls_handshakes_full"), 3);
        assert!(report.text("/tasks/0/tls").contains(&authority.cacert()), "{}", report.0["tasks"]);
        for entry in std::fs::read_dir(run.path("")).expect("a folder").flatten() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            let is_there = bytes.windows(13).any(|part| part == b"canary-7f3a9d");
            assert!(!is_there, "the secret is in {}", entry.path().display());
        }
        let folder = run.path("").display().to_string();
        let replayed = tallyho(&["replay", &folder, "--all"]);
        let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
        assert_eq!(replayed.status.code(), Some(0), "{text}");
    }
}

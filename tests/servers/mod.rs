//! Real servers for the tests: nginx, and a raw TCP server that answers what a test wants.
//!
//! A test whose server is not installed says so and is skipped, unless `TALLYHO_REQUIRE_SERVERS=1`
//! (as in .ci/run) makes that a failure.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A directory of the test's own, gone when it ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "{name}-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&path).expect("a directory below target/tmp");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file in the test's directory");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether `program` is installed; a missing one is reported once per test.
pub fn is_installed(program: &str) -> bool {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    let required = std::env::var("TALLYHO_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
    assert!(found || !required, "{program} is required here and not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// A free port on loopback, for servers that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// An nginx with one worker, in a directory of its own.
pub struct Nginx {
    child: Child,
    scratch: Scratch,
    pub port: u16,
    scheme: &'static str,
}

impl Nginx {
    /// Starts nginx with `locations` in its server block, or says why not.
    pub fn start(name: &str, locations: &str) -> Option<Self> {
        Self::start_on(name, |port| format!("listen 127.0.0.1:{port} backlog=4096; {locations}"))
    }

    /// One that answers everything with 200, and logs requests in this format.
    pub fn start_with_log(name: &str, format: &str) -> Option<Self> {
        let locations = "location / { return 200; }";
        let server = |port| format!("listen 127.0.0.1:{port} backlog=4096; {locations}");
        Self::start_logging(name, format, server)
    }

    /// The same over TLS, with a certificate and its key.
    pub fn start_tls(name: &str, locations: &str, (cert, key): (&Path, &Path)) -> Option<Self> {
        let (cert, key) = (cert.display(), key.display());
        let nginx = Self::start_on(name, |port| {
            format!(
                "listen 127.0.0.1:{port} ssl backlog=4096;
                 ssl_protocols TLSv1.2 TLSv1.3;
                 ssl_certificate {cert}; ssl_certificate_key {key}; {locations}"
            )
        });
        nginx.map(|mut nginx| {
            nginx.scheme = "https";
            nginx
        })
    }

    fn start_on(name: &str, server: impl FnOnce(u16) -> String) -> Option<Self> {
        let format = "$status $request_method $request_uri $remote_addr $remote_port";
        Self::start_logging(name, format, server)
    }

    fn start_logging(name: &str, format: &str, server: impl FnOnce(u16) -> String) -> Option<Self> {
        if !is_installed("nginx") {
            return None;
        }
        let scratch = Scratch::new(name);
        let port = free_port();
        let server = server(port);
        let folder = scratch.path().display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
             pid {folder}/pid; error_log {folder}/error.log warn;
             events {{ worker_connections 19900; }}
             http {{
               log_format requests '{format}';
               access_log {folder}/access.log requests;
               client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
               fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
               scgi_temp_path {folder}/scgi;
               keepalive_requests 1000000000; keepalive_timeout 600s;
               server {{ {server} }}
             }}"
        );
        let config = scratch.file("nginx.conf", &config);
        let child = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(scratch.path().join("start.log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, scratch, port, scheme: "http" };
        wait_for_port(port);
        Some(nginx)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// The access log, after nginx has written all of it: it logs a request when its response is
    /// sent, so the log is whole when the client has it.
    pub fn access_log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scratch.path().join("access.log"));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until nginx has logged so many requests.
    pub fn wait_for_requests(&self, count: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while (self.access_log().len() as u64) < count {
            assert!(Instant::now() < deadline, "nginx has not seen {count} requests in 60 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Waits until something listens on `port`.
pub fn wait_for_port(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port} after 10 s");
        std::thread::yield_now();
    }
}

/// A server that hands every connection to `serve`, on a thread of its own.
pub struct RawServer {
    pub address: SocketAddr,
}

impl RawServer {
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Reads one request up to its blank line; `None` when the client has closed the connection.
pub fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Answers every request on a connection with the same bytes.
pub fn answer_all(mut stream: TcpStream, response: &[u8]) {
    while read_request(&mut stream).is_some() {
        if stream.write_all(response).is_err() {
            return;
        }
    }
}

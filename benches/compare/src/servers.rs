//! The servers: the fast responder, nginx and the stand-in API, alone on core 1, gone when they
//! are dropped.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::pinned;
use crate::responder::BODY;
use crate::tools::Tools;

/// Where servers run.
const CORE: &str = "1";

/// What TLS 1.3 is encrypted with, whoever the client is. All of them agree on this with nginx by
/// default; one that asked for shorter keys first would win by nothing else.
pub(crate) const SUITE: &str = "TLS_AES_256_GCM_SHA384";

/// A cookie's value, as long as session ids are.
const COOKIE: &str = "0123456789abcdef0123456789abcdef";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// [`crate::responder`]: its answers come as soon as they can.
    Fast,
    Nginx,
    /// nginx with a certificate that nobody knows.
    NginxTls,
    /// Tallyho's own stand-in API.
    StandIn,
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    scheme: &'static str,
    pub(crate) address: SocketAddr,
}

impl Kind {
    /// Why it cannot run here, if so.
    pub(crate) fn missing(self, tools: &Tools) -> Option<&'static str> {
        let needs_nginx = matches!(self, Self::Nginx | Self::NginxTls);
        (needs_nginx && tools.nginx.is_none()).then_some("nginx is not installed")
    }
}

impl Server {
    pub(crate) fn start(kind: Kind, tools: &Tools) -> io::Result<Self> {
        match (kind, &tools.nginx) {
            (Kind::Nginx, Some(nginx)) => Self::nginx(nginx, "http", tools.work.path()),
            (Kind::NginxTls, Some(nginx)) => Self::nginx(nginx, "https", tools.work.path()),
            (Kind::StandIn, _) => Self::stand_in(tools),
            _ => Self::fast(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    fn fast() -> io::Result<Self> {
        let mut command = pinned(CORE, std::env::current_exe()?);
        command.arg("respond");
        Self::listening(command, "the fast responder")
    }

    fn stand_in(tools: &Tools) -> io::Result<Self> {
        let mut command = pinned(CORE, &tools.tallyho);
        command.args(["serve", "--port", "0"]);
        Self::listening(command, "the stand-in API")
    }

    /// A program whose first line ends in its port.
    fn listening(mut command: Command, name: &str) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().rsplit([' ', ':']).next().and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| io::Error::other(format!("{name} did not start")))?;
        Ok(Self { child, scheme: "http", address: (Ipv4Addr::LOCALHOST, port).into() })
    }

    fn nginx(program: &Path, scheme: &'static str, work: &Path) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = work.join(format!("nginx-{}", address.port()));
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(scheme, address, &folder)?)?;
        let mut command: Command = pinned(CORE, program);
        command.arg("-c").arg(&config).arg("-e").arg(folder.join("start.log"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { child, scheme, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("nginx did not start in 10 s"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One worker, no access log, connections that are never closed.
fn configuration(scheme: &str, address: SocketAddr, folder: &Path) -> io::Result<String> {
    let (listen, folder) = (format!("listen {address} backlog=4096"), folder.display());
    let tls = if scheme == "https" {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let signed = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        std::fs::write(format!("{folder}/cert.pem"), signed.cert.pem())?;
        std::fs::write(format!("{folder}/key.pem"), signed.signing_key.serialize_pem())?;
        format!(
            " ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
             ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites {SUITE}"
        )
    } else {
        String::new()
    };
    Ok(format!(
        "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
         pid {folder}/pid; error_log {folder}/error.log crit;
         events {{ worker_connections 19900; }}
         http {{
           access_log off; default_type application/json;
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
           fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
           scgi_temp_path {folder}/scgi;
           keepalive_requests 1000000000; keepalive_timeout 600s;
           server {{
             {listen}{tls};
             location / {{ return 200 '{BODY}'; }}
             location /cookie {{
               add_header Set-Cookie 'sid={COOKIE}; Path=/'; return 200 '{BODY}';
             }}
             location /moved {{ return 302 /; }}
             location /gzip {{
               gzip on; gzip_min_length 1; gzip_types application/json; return 200 '{BODY}';
             }}
           }}
         }}"
    ))
}

//! Faults between a task and S3: errors, stalls, resets, a slow link.
//!
//! A request a connection: the proxy looks at its first line, and either does what a rule says or
//! hands everything on to the server. `Connection: close` is added on the way, which is not signed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server answers with this status and S3's code for it.
    Status(u16, &'static str),
    /// The server says that the bucket is in another region.
    Redirect(&'static str),
    /// Nothing comes back.
    Stall,
    /// The connection is reset at once.
    Reset,
    /// The request is done, and its answer is lost.
    LoseAnswer,
    /// The request goes through at so many bytes a second.
    Slow(usize),
}

/// A fault for requests whose first line holds these texts, separated by `*`, so many times.
pub type Rule = (&'static str, Fault, usize);

pub struct Proxy {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start(upstream: SocketAddr, rules: &[Rule]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (rules, seen) = (Arc::new(Mutex::new(rules.to_vec())), Arc::new(Mutex::default()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (rules, log) = (Arc::clone(&rules), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, upstream, &rules, &log));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of the requests that came and hold `text`.
    pub fn requests(&self, text: &str) -> usize {
        self.seen.lock().expect("no panic").iter().filter(|line| line.contains(text)).count()
    }
}

fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    rules: &Mutex<Vec<Rule>>,
    log: &Mutex<Vec<String>>,
) {
    let Some((head, body)) = read_head(&mut client) else { return };
    let line = head.lines().next().unwrap_or_default().to_owned();
    let fault = next_fault(&line, &mut rules.lock().expect("no panic"));
    log.lock().expect("no panic").push(line);
    match fault {
        Some(Fault::Status(status, code)) => answer(&mut client, status, code, ""),
        Some(Fault::Redirect(region)) => {
            let header = format!("x-amz-bucket-region: {region}\r\n");
            answer(&mut client, 301, "PermanentRedirect", &header);
        }
        Some(Fault::Stall) => std::thread::sleep(Duration::from_secs(600)),
        Some(Fault::Reset) => reset(&client),
        Some(Fault::LoseAnswer) => {
            forward(&client, upstream, (&head, &body), None);
            reset(&client);
        }
        Some(Fault::Slow(rate)) => hand_on(&client, upstream, (&head, &body), rate),
        None => hand_on(&client, upstream, (&head, &body), usize::MAX),
    }
}

fn next_fault(line: &str, rules: &mut [Rule]) -> Option<Fault> {
    let is_meant = |text: &str| text.split('*').all(|part| line.contains(part));
    let rule = rules.iter_mut().find(|(text, _, times)| *times > 0 && is_meant(text))?;
    rule.2 -= 1;
    Some(rule.1)
}

/// The head of a request, and what came of its body.
fn read_head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, body));
        }
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn answer(client: &mut TcpStream, status: u16, code: &str, header: &str) {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>by the test\
         </Message></Error>"
    );
    let text = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n{header}\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let _client_is_gone = client.write_all(text.as_bytes());
    let _client_is_gone = client.shutdown(Shutdown::Write);
    // The rest of the request is taken, so that the answer is not lost to a reset.
    let _all = client.set_read_timeout(Some(Duration::from_secs(2)));
    let _all = std::io::copy(client, &mut std::io::sink());
}

fn reset(client: &TcpStream) {
    let socket = socket2::SockRef::from(client);
    let _gone = socket.set_linger(Some(Duration::ZERO));
    let _gone = client.shutdown(Shutdown::Read);
}

fn hand_on(client: &TcpStream, upstream: SocketAddr, request: (&str, &[u8]), rate: usize) {
    let back = client.try_clone().expect("a socket");
    forward(client, upstream, request, Some((back, rate)));
}

/// Sends the request on. The answer goes back to `back`, or nowhere.
fn forward(
    client: &TcpStream,
    upstream: SocketAddr,
    (head, body): (&str, &[u8]),
    back: Option<(TcpStream, usize)>,
) {
    let mut server = TcpStream::connect(upstream).expect("the server listens");
    let head = head.trim_end();
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut from = client.try_clone().expect("a socket");
    let mut to = server.try_clone().expect("a socket");
    let rate = back.as_ref().map_or(usize::MAX, |(_, rate)| *rate);
    let first = body.to_vec();
    let sending = std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        let mut bytes = first;
        loop {
            if to.write_all(&bytes).is_err() {
                return;
            }
            if rate != usize::MAX {
                std::thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / rate as f64));
            }
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes = buffer[..read].to_vec(),
            }
        }
    });
    match back {
        Some((mut back, _)) => {
            let _client_is_gone = std::io::copy(&mut server, &mut back);
            let _client_is_gone = back.shutdown(Shutdown::Both);
        }
        None => drop(std::io::copy(&mut server, &mut std::io::sink())),
    }
    if rate != usize::MAX || sending.is_finished() {
        let _ended = server.shutdown(Shutdown::Both);
    }
}

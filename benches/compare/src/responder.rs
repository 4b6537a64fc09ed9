//! A server that costs as little as one can: it answers each request with bytes it has ready.
//!
//! One thread on epoll. The target of a request says how large the body of its answer should be:
//! `/` for about 100 bytes of JSON, `/10000` for 10,000 bytes. Prints `listening on PORT`, and ends
//! when its standard input does.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use rustix::event::epoll;

/// What a small answer holds; the flow's bots read it.
pub(crate) const BODY: &str = concat!(
    r#"{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2ln","#,
    r#""id":12345,"name":"ada","ok":true}"#
);
const BLANK_LINE: &[u8] = b"\r\n\r\n";
/// The token of the listener itself, and of standard input.
const LISTENER: u64 = u64::MAX;
const PARENT: u64 = u64::MAX - 1;

struct Client {
    stream: TcpStream,
    /// The beginning of a request whose rest has not come yet.
    begun: Vec<u8>,
    /// What the socket would not take yet.
    unsent: Vec<u8>,
}

/// Answers until the parent is gone.
pub(crate) fn serve() -> io::Result<()> {
    let listener = listen()?;
    println!("listening on {}", listener.local_addr()?.port());
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let add = |descriptor: &dyn AsFd, token| {
        let data = epoll::EventData::new_u64(token);
        epoll::add(&poll, descriptor.as_fd(), data, epoll::EventFlags::IN)
    };
    add(&listener, LISTENER)?;
    add(&io::stdin(), PARENT)?;
    let (mut clients, mut answers) = (HashMap::<u64, Client>::new(), HashMap::new());
    let (mut buffer, mut events) = (vec![0; 64 * 1024], Vec::with_capacity(1024));
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let token = u64::from(stream.as_raw_fd().unsigned_abs());
                        add(&stream, token)?;
                        let client = Client { stream, begun: Vec::new(), unsent: Vec::new() };
                        clients.insert(token, client);
                    }
                }
                PARENT => return Ok(()),
                token => {
                    let Some(client) = clients.get_mut(&token) else { continue };
                    let flags = event.flags;
                    let is_writable = flags.contains(epoll::EventFlags::OUT);
                    let had_unsent = !client.unsent.is_empty();
                    let served = if is_writable && had_unsent {
                        client.send_rest()
                    } else {
                        client.answer(&mut buffer, &mut answers)
                    };
                    let has_unsent = !client.unsent.is_empty();
                    if served.is_ok() && had_unsent != has_unsent {
                        let data = epoll::EventData::new_u64(token);
                        let out = epoll::EventFlags::OUT;
                        let wanted = if has_unsent { out } else { epoll::EventFlags::IN };
                        epoll::modify(&poll, &client.stream, data, wanted)?;
                    }
                    if served.is_err() {
                        clients.remove(&token);
                    }
                }
            }
        }
    }
}

/// A listener with room for the start of thousands of bots.
fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Client {
    /// Reads once and answers all requests that are there; an error when the client has left.
    fn answer(
        &mut self,
        buffer: &mut [u8],
        answers: &mut HashMap<usize, Vec<u8>>,
    ) -> io::Result<()> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut bytes = &buffer[..count];
        let joined;
        if !self.begun.is_empty() {
            joined = [&std::mem::take(&mut self.begun), bytes].concat();
            bytes = &joined;
        }
        while let Some(end) = request_end(bytes)
            && end <= bytes.len()
        {
            let size = size_asked(bytes);
            let answer = answers.entry(size).or_insert_with(|| answer_of(size));
            self.send(answer)?;
            bytes = &bytes[end..];
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = match self.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    fn send_rest(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.unsent);
        self.send(&rest)
    }
}

/// Where the request that `bytes` begin with ends, its body included; none without its blank line.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, BLANK_LINE)?;
    if bytes.starts_with(b"GET ") {
        return Some(head);
    }
    let digits = find(&bytes[..head], b"Content-Length: ").map_or(&[][..], |at| &bytes[at..]);
    Some(head + leading_number(digits))
}

/// Where `what` ends in `bytes`.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let start = bytes.windows(what.len()).position(|window| window == what)?;
    Some(start + what.len())
}

/// The number in the target of the request that `bytes` begin with; 0 is the small answer.
fn size_asked(bytes: &[u8]) -> usize {
    let target = bytes.iter().position(|&byte| byte == b'/').map_or(&[][..], |at| &bytes[at + 1..]);
    leading_number(target).min(16 << 20)
}

fn leading_number(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take(9).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

fn answer_of(size: usize) -> Vec<u8> {
    let body = if size == 0 { BODY.as_bytes().to_vec() } else { vec![b'x'; size] };
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: fast\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_and_sizes_are_read() {
        assert_eq!(size_asked(b"GET / HTTP/1.1\r\n\r\n"), 0);
        assert_eq!(size_asked(b"GET /10000 HTTP/1.1\r\n\r\n"), 10_000);
        assert_eq!(request_end(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(request_end(b"GET / HTTP/1.1\r\n"), None);
        let post = b"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n{}";
        assert_eq!(request_end(post), Some(post.len() + 10));
        assert!(answer_of(10_000).len() > 10_000);
    }
}

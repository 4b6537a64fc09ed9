//! The raw floor: a client that sends a request and receives the answer, and does nothing else.
//!
//! No parsing, no clock, no histogram, no timeouts: what the kernel charges for a request. It
//! learns the size of the answer from the first one, and counts bytes from then on.

mod epoll;
mod uring;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What the floor client is told.
#[derive(Debug, clap::Args)]
pub(crate) struct FloorArguments {
    #[arg(long)]
    driver: Driver,
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    millis: u64,
}

/// How it waits.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Driver {
    Uring,
    Epoll,
}

/// What both drivers are given.
struct Load {
    request: Vec<u8>,
    answer_bytes: usize,
    streams: Vec<TcpStream>,
    until: Instant,
}

/// Runs, and prints how many answers came.
pub(crate) fn run(arguments: &FloorArguments) -> io::Result<()> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: tallyho/floor\r\n\r\n",
        arguments.address
    )
    .into_bytes();
    let answer_bytes = answer_bytes(arguments.address, &request)?;
    let connect = |_| {
        let stream = TcpStream::connect(arguments.address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let streams: io::Result<Vec<_>> = (0..arguments.connections).map(connect).collect();
    let until = Instant::now() + Duration::from_millis(arguments.millis);
    let load = Load { request, answer_bytes, streams: streams?, until };
    let answers = match arguments.driver {
        Driver::Uring => uring::run(&load)?,
        Driver::Epoll => epoll::run(&load)?,
    };
    println!("{answers}");
    Ok(())
}

/// How long an answer is, head and body.
fn answer_bytes(address: SocketAddr, request: &[u8]) -> io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer)
        && count > 0
    {
        answer.extend_from_slice(&buffer[..count]);
    }
    if answer.is_empty() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(answer.len()) }
}

//! Connections: how a worker opens them, and the few that a bot owns.
//!
//! A bot's connections are its own, as a real client's are; nothing is shared or pooled across
//! bots. A connection goes back to its bot only when a response was consumed whole and both sides
//! mean to keep it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

use monoio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use tallyho_replay::Failure;

use super::timer::{Signal, SlotIndex, Slots};
use super::{clock::Micros, sys};

/// Where requests go: a scheme, a host and a port, with the addresses that the name stood for.
pub(super) struct Origin {
    /// As in a request: `http://127.0.0.1:8080`.
    pub(super) key: String,
    addresses: Vec<SocketAddr>,
}

impl Origin {
    pub(super) fn new(key: String, addresses: Vec<SocketAddr>) -> Self {
        assert!(!addresses.is_empty(), "a name without an address is a DNS failure");
        Self { key, addresses }
    }

    /// Bots are spread over the addresses of a name by their place, not by chance.
    fn address(&self, slot: SlotIndex) -> SocketAddr {
        self.addresses[slot % self.addresses.len()]
    }
}

/// An open connection. TLS will be a second kind of stream here.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) origin: Rc<Origin>,
    /// True once a response has come back over it.
    pub(super) is_reused: bool,
}

/// The connections that one bot keeps open, at most one per origin.
#[derive(Default)]
pub(super) struct Connections {
    idle: Vec<Connection>,
}

impl Connections {
    pub(super) fn take(&mut self, origin: &str) -> Option<Connection> {
        let index = self.idle.iter().position(|connection| connection.origin.key == origin)?;
        Some(self.idle.swap_remove(index))
    }

    pub(super) fn keep(&mut self, mut connection: Connection) {
        connection.is_reused = true;
        self.idle.push(connection);
    }
}

/// How a worker opens connections.
pub(super) struct Connector {
    /// Source addresses that its bots are spread over; empty leaves the choice to the system.
    sources: Vec<IpAddr>,
    is_epoll: bool,
    limit: Limiter,
}

impl Connector {
    pub(super) fn new(sources: Vec<IpAddr>, is_epoll: bool) -> Self {
        let limit =
            Limiter { free: Cell::new(CONNECTS_IN_FLIGHT_MAX), waiting: RefCell::default() };
        Self { sources, is_epoll, limit }
    }

    /// Opens a connection for a bot; the bot's deadline bounds it. The second value is when its
    /// turn came, which is later than now when too many connects were in flight.
    pub(super) async fn connect(
        &self,
        (slots, slot): (&Slots, SlotIndex),
        origin: &Rc<Origin>,
        now: impl Fn() -> Micros,
    ) -> (Result<Connection, Failure>, Micros) {
        if !self.limit.enter(slots, slot).await {
            return (Err(ended_by(slots.signal(slot))), now());
        }
        let turn = now();
        let result = self.open(slots, slot, origin.address(slot)).await;
        self.limit.leave(slots);
        let open = |stream| Connection { stream, origin: Rc::clone(origin), is_reused: false };
        (result.map(open), turn)
    }

    async fn open(
        &self,
        slots: &Slots,
        slot: SlotIndex,
        address: SocketAddr,
    ) -> Result<TcpStream, Failure> {
        let source = (!self.sources.is_empty()).then(|| self.sources[slot % self.sources.len()]);
        let socket = start_connect(address, source).map_err(|error| connect_failure(&error))?;
        let mut stream =
            TcpStream::from_std(socket.into()).map_err(|error| connect_failure(&error))?;
        let is_over = || slots.signal(slot) != Signal::None;
        let connected = sys::run_until(
            &mut stream,
            async |stream: &mut TcpStream| stream.writable(false).await,
            is_over,
        );
        // A connect that was shut down ends as anything; the signal says what it was.
        let connected = connected.await;
        if is_over() {
            return Err(ended_by(slots.signal(slot)));
        }
        let connected = connected.and_then(|()| sys::connect_result(&stream));
        connected.map_err(|error| connect_failure(&error))?;
        if !self.is_epoll {
            sys::set_blocking(&stream).map_err(|error| connect_failure(&error))?;
        }
        Ok(stream)
    }
}

fn ended_by(signal: Signal) -> Failure {
    match signal {
        Signal::Interrupted => Failure::Interrupted,
        Signal::None | Signal::Expired => Failure::ConnectTimeout,
    }
}

fn start_connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Names the failure of a connect.
fn connect_failure(error: &io::Error) -> Failure {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED) => Failure::Refused,
        Some(Errno::CONNRESET) => Failure::Reset,
        Some(Errno::TIMEDOUT) => Failure::ConnectTimeout,
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => Failure::PortsExhausted,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => Failure::FilesExhausted,
        _ => Failure::Unreachable,
    }
}

const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

/// Connects that one worker has in flight at most: half of a listen queue of 1024, so that the
/// start of 10,000 bots does not overflow it, which costs a second for the retransmitted SYN.
const CONNECTS_IN_FLIGHT_MAX: usize = 512;

/// First come, first served entry for a bounded number of bots.
struct Limiter {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<(SlotIndex, Rc<Cell<Turn>>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Waiting,
    Granted,
    Abandoned,
}

impl Limiter {
    /// Waits for a place; false when a signal came first.
    async fn enter(&self, slots: &Slots, slot: SlotIndex) -> bool {
        if self.free.get() > 0 {
            self.free.set(self.free.get() - 1);
            return true;
        }
        let turn = Rc::new(Cell::new(Turn::Waiting));
        self.waiting.borrow_mut().push_back((slot, Rc::clone(&turn)));
        poll_fn(|_| {
            if turn.get() == Turn::Waiting && slots.signal(slot) != Signal::None {
                turn.set(Turn::Abandoned);
            }
            if turn.get() == Turn::Waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        turn.get() == Turn::Granted
    }

    /// Hands the place to the longest waiting bot, or frees it.
    fn leave(&self, slots: &Slots) {
        while let Some((slot, turn)) = self.waiting.borrow_mut().pop_front() {
            if turn.get() == Turn::Waiting {
                turn.set(Turn::Granted);
                slots.wake(slot);
                return;
            }
        }
        self.free.set(self.free.get() + 1);
    }
}

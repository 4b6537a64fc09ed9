//! How a worker opens connections: the turn to do so, the addresses in order, TLS.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

use socket2::{Domain, Protocol, Socket, Type};
use tallyho_replay::Failure;

use super::connection::{Connection, Stream};
use super::exchange::{Timing, Wire};
use super::names::Connect;
use super::origin::Origin;
use super::plan::RunPlan;
use super::resolver::Resolver;
use super::tcp::Tcp;
use super::timer::{Signal, SlotIndex, Slots};
use super::tls::{BotTls, Handshake, Tls, TlsName, TlsStream, Traffic, words_of};

/// How a worker opens connections.
pub(super) struct Connector {
    /// Source addresses that its bots are spread over; empty leaves the choice to the system.
    sources: Vec<IpAddr>,
    /// This worker among all: bots are spread over addresses by their number in the run.
    place: Place,
    tls: Tls,
    resolver: Resolver,
    connects: Cell<u64>,
    limit: Limiter,
}

/// A worker among all of a run.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) worker: usize,
    pub(super) workers: usize,
}

impl Connector {
    pub(super) fn new(plan: &RunPlan, place: Place) -> Self {
        let limit =
            Limiter { free: Cell::new(CONNECTS_IN_FLIGHT_MAX), waiting: RefCell::default() };
        Self {
            sources: plan.sources.clone(),
            place,
            tls: plan.tls.clone(),
            resolver: plan.resolver.clone(),
            connects: Cell::new(0),
            limit,
        }
    }

    /// Opens a connection for a bot; the bot's deadline bounds it. `timing` is told how long the
    /// bot waited for its turn, for the network and for TLS.
    pub(super) async fn connect(
        &self,
        wire: &Wire<'_>,
        (origin, bot): (&Rc<Origin>, &mut BotTls),
        timing: &mut Timing,
    ) -> Result<Connection, Failure> {
        let began = wire.clock.now();
        if !self.limit.enter(wire.slots, wire.slot).await {
            timing.blocked += wire.clock.now() - began;
            return Err(ended_by(wire.slots.signal(wire.slot)));
        }
        timing.blocked += wire.clock.now() - began;
        // Boxed, since a bot's task is as large as what it may wait for, and this is large and
        // rare; now, since thousands of bots may wait for their turn.
        let result = Box::pin(self.stream(wire, (origin, bot), timing)).await;
        self.limit.leave(wire.slots);
        let open = |stream| Connection {
            stream,
            origin: Rc::clone(origin),
            is_reused: false,
            idle_since: 0,
        };
        result.map(open)
    }

    /// A connection, secured if the origin wants that.
    async fn stream(
        &self,
        wire: &Wire<'_>,
        (origin, bot): (&Rc<Origin>, &mut BotTls),
        timing: &mut Timing,
    ) -> Result<Stream, Failure> {
        let tcp = self.open(wire, origin, timing).await?;
        match &origin.tls {
            None => Ok(Stream::Plain(tcp)),
            Some(name) => secure(wire, tcp, (&self.tls, bot, name), timing).await,
        }
    }

    /// Connects to the address that is the bot's own, or to the next one that does not refuse.
    async fn open(
        &self,
        wire: &Wire<'_>,
        origin: &Origin,
        timing: &mut Timing,
    ) -> Result<Tcp, Failure> {
        let began = wire.clock.now();
        let addresses = origin.addresses();
        let bot = wire.slot * self.place.workers + self.place.worker;
        let number = self.connects.replace(self.connects.get() + 1);
        let mut result = Err(Failure::Unreachable);
        for attempt in 0..addresses.len() {
            let connect = Connect { bot, number, attempt };
            let address = addresses[self.resolver.names().place(&addresses, connect)];
            result = self.open_address(wire, address).await;
            let is_elsewhere_better =
                matches!(result, Err(Failure::Refused | Failure::Unreachable | Failure::Reset));
            if !is_elsewhere_better || attempt + 1 == addresses.len() {
                break;
            }
            timing.addresses_skipped += 1;
        }
        timing.connecting += wire.clock.now() - began;
        result
    }

    async fn open_address(&self, wire: &Wire<'_>, address: SocketAddr) -> Result<Tcp, Failure> {
        let slot: SlotIndex = wire.slot;
        let source = (!self.sources.is_empty()).then(|| self.sources[slot % self.sources.len()]);
        let socket = start_connect(address, source).map_err(|error| connect_failure(&error))?;
        let mut tcp = Tcp::new(wire, socket.into()).map_err(|error| connect_failure(&error))?;
        let connected = tcp.connected(wire).await;
        // A connect that was given up ends as anything; the signal says what it was.
        if wire.is_over() {
            return Err(ended_by(wire.slots.signal(slot)));
        }
        connected.map_err(|error| connect_failure(&error))?;
        Ok(tcp)
    }
}

/// Puts TLS over a fresh connection.
async fn secure(
    wire: &Wire<'_>,
    tcp: Tcp,
    how: (&Tls, &mut BotTls, &TlsName),
    timing: &mut Timing,
) -> Result<Stream, Failure> {
    let began = wire.clock.now();
    let mut traffic = Traffic::default();
    let result = TlsStream::secure(wire, tcp, how, &mut traffic).await;
    timing.tls += wire.clock.now() - began;
    timing.bytes_sent += traffic.sent.bytes;
    timing.bytes_received += traffic.received;
    match result {
        _ if wire.is_over() => {
            timing.reason = Some("no answer to the tls handshake in time".to_owned());
            Err(ended_by(wire.slots.signal(wire.slot)))
        }
        Ok((stream, handshake)) => {
            match handshake {
                Handshake::Full => timing.handshakes_full += 1,
                Handshake::Resumed => timing.handshakes_resumed += 1,
            }
            Ok(Stream::Tls(Box::new(stream)))
        }
        Err(error) => Err(timing.tls_fault(&error)),
    }
}

impl Timing {
    /// Keeps the reason why a connection could not be secured.
    pub(super) fn tls_fault(&mut self, error: &io::Error) -> Failure {
        self.reason = Some(match words_of(error) {
            Some(fault) => fault.what,
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the server closed the connection during the tls handshake".to_owned()
            }
            None => format!("the connection broke during the tls handshake: {error}"),
        });
        Failure::Tls
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

/// Connects, with their handshakes, that one worker has in flight at most: half of a listen queue
/// of 1024, so that the start of 10,000 bots does not overflow it, which costs a second for the
/// retransmitted SYN.
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

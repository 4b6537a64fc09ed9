//! The thin server around `handle`: one thread, one state, hyper's HTTP/1.1.
//!
//! Everything lives on one thread, so the state sits in a `RefCell`: no locks, and requests are
//! handled in the order in which they arrive whole. The thread's core is its limit; it is made
//! to run beside a generator, on a core that the generator leaves free.
//!
//! Decides nothing: what is answered, delayed or reset is in the response.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::{
    process::{Resource, Rlimit},
    thread::CpuSet,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::{LocalSet, spawn_local},
};

use crate::demo::{
    handle::{self, BODY_BYTES_MAX},
    message::{Delivery, Method, Request},
    state::{Rules, State},
    stats::ConnectionCounts,
};

/// Connections that wait to be accepted: a generator may open thousands in one go.
const BACKLOG: i32 = 16_384;
/// How long accepting pauses when it fails, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const AMZ_TARGET: &str = "x-amz-target";

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// How the API behaves. [`serve`] replaces `epoch_ms` by the wall clock.
    pub rules: Rules,
    /// The CPU to run on; `None` for any.
    pub cpu: Option<usize>,
    /// Whether to end with the process that started this one.
    pub parent: Parent,
}

/// What the end of the parent process means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Nothing.
    Ignored,
    /// Standard input is a pipe from the parent: when it closes, which it does however the parent
    /// ended, the server stops.
    Followed,
}

/// Serves until SIGINT or SIGTERM, or until the parent ends if it is followed.
///
/// Prints `listening on http://127.0.0.1:PORT` as the first line of standard output.
///
/// # Errors
/// The port is taken, the CPU is not there, or the system refuses something else.
pub fn serve(options: Options) -> io::Result<()> {
    if let Some(cpu) = options.cpu {
        pin_to(cpu)?;
    }
    raise_file_limit();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch_ms = u64::try_from(since_1970.as_millis()).unwrap_or_default();
    let server = Server::bind(options.port, Rules { epoch_ms, ..options.rules })?;
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{}", server.address())?;
    out.flush()?;
    drop(out);
    server.run(stop_asked(options.parent))
}

/// A server that listens: connections queue up from here on, and are answered once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    rules: Rules,
}

impl Server {
    /// Listens on 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken or may not be used.
    pub fn bind(port: u16, rules: Rules) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = listen(address).map_err(|error| cannot_listen(address, &error))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, rules })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on this thread until `stop` is ready.
    ///
    /// # Errors
    /// The system refuses a runtime.
    pub fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let shared = Rc::new(Shared::new(self.rules));
            tokio::select! {
                never = accept(&listener, &shared) => match never {},
                () = stop => Ok(()),
            }
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Lets a server start where one has just ended; a port that is listened on stays refused.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another process listens there; choose another port, or 0 for any that is free"
        }
        io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen on {address} ({error}){advice}"))
}

/// What the connections of a server share.
struct Shared {
    state: RefCell<State>,
    started: Instant,
    connections: Cell<ConnectionCounts>,
}

impl Shared {
    fn new(rules: Rules) -> Self {
        Self {
            state: RefCell::new(State::new(rules)),
            started: Instant::now(),
            connections: Cell::default(),
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).expect("584,000 years have not passed")
    }

    fn count(&self, change: impl FnOnce(&mut ConnectionCounts)) {
        let mut connections = self.connections.get();
        change(&mut connections);
        self.connections.set(connections);
    }
}

async fn accept(listener: &tokio::net::TcpListener, shared: &Rc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Failing costs latency, which is the worst that can come of it.
                let _ = stream.set_nodelay(true);
                spawn_local(converse(stream, Rc::clone(shared)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection, until it ends.
async fn converse(stream: TcpStream, shared: Rc<Shared>) {
    shared.count(|connections| {
        connections.opened += 1;
        connections.open += 1;
    });
    let io = TokioIo::new(Counted { stream, shared: Rc::clone(&shared) });
    let answering = Rc::clone(&shared);
    let service = service_fn(move |request| answer(request, Rc::clone(&answering)));
    let mut connection = http1::Builder::new().serve_connection(io, service);
    let ended = Pin::new(&mut connection).await;
    shared.count(|connections| {
        connections.open -= 1;
        connections.malformed += u64::from(matches!(&ended, Err(error) if error.is_parse()));
    });
    if matches!(&ended, Err(error) if is_reset(error)) {
        let stream = connection.into_parts().io.into_inner().stream;
        // With no time to linger, closing sends RST. Failing leaves an ordinary close.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

type HttpResponse = hyper::Response<Full<Bytes>>;

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Rc<Shared>,
) -> Result<HttpResponse, ConnectionEnd> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let request = Request {
        method: match head.method {
            hyper::Method::GET => Method::Get,
            hyper::Method::POST => Method::Post,
            _ => Method::Other,
        },
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
        authorization: text(&head.headers, AUTHORIZATION.as_str()),
        amz_target: text(&head.headers, AMZ_TARGET),
        body: &body,
    };
    let response = {
        let mut state = shared.state.borrow_mut();
        state.set_connections(shared.connections.get());
        handle::handle(&mut state, &request, shared.now_us())
    };
    if response.delay_us > 0 {
        tokio::time::sleep(Duration::from_micros(response.delay_us)).await;
    }
    if response.delivery == Delivery::Reset {
        return Err(ConnectionEnd::Reset);
    }
    let mut http_response = hyper::Response::new(Full::new(response.body));
    *http_response.status_mut() =
        hyper::StatusCode::from_u16(response.status).expect("the API's statuses are standard");
    let content_type = HeaderValue::from_static(response.content_type);
    http_response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(http_response)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads a body whole, or as much of one that is too long as `handle` needs to refuse it.
async fn read(body: Incoming) -> Result<Bytes, ConnectionEnd> {
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while first.len() + whole.len() <= BODY_BYTES_MAX {
        let frame = match poll_fn(|context| body.as_mut().poll_frame(context)).await {
            None => break,
            Some(frame) => frame.map_err(|_| ConnectionEnd::Interrupted)?,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        // A body in one piece, which nearly all are, is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Why a connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionEnd {
    /// A fault: the client is to see a reset.
    Reset,
    /// The client went away in the middle of a request.
    Interrupted,
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Reset => "reset by a fault",
            Self::Interrupted => "interrupted by the client",
        })
    }
}

impl std::error::Error for ConnectionEnd {}

fn is_reset(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref()) == Some(&ConnectionEnd::Reset)
}

/// A socket that counts its bytes.
struct Counted {
    stream: TcpStream,
    shared: Rc<Shared>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        let count = buffer.filled().len() - before;
        self.shared.count(|connections| connections.bytes_received += count as u64);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.count_written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices));
        self.count_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Counted {
    fn count_written(&self, written: io::Result<usize>) -> Poll<io::Result<usize>> {
        let count = *written.as_ref().unwrap_or(&0);
        self.shared.count(|connections| connections.bytes_sent += count as u64);
        Poll::Ready(written)
    }
}

/// Ready when the server is to stop.
async fn stop_asked(parent: Parent) {
    // Without a handler the signal's default action ends the process, which is a stop too.
    let signalled = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = signalled(SignalKind::interrupt()) => {}
        () = signalled(SignalKind::terminate()) => {}
        () = parent_ended(parent) => {}
    }
}

async fn parent_ended(parent: Parent) {
    if parent == Parent::Ignored {
        return std::future::pending().await;
    }
    let (ended, wait) = oneshot::channel::<Infallible>();
    // A thread, because standard input cannot be polled when it is a file.
    let watch = thread::Builder::new().name("parent".to_owned()).spawn(move || {
        let mut ignored = [0; 64];
        while matches!(io::stdin().read(&mut ignored), Ok(count) if count > 0) {}
        drop(ended);
    });
    // Without the thread `ended` is gone too, and so is any way to notice the parent's end.
    let _ = wait.await;
    drop(watch);
}

fn pin_to(cpu: usize) -> io::Result<()> {
    let mut cpus = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("there is no CPU {cpu}")));
    }
    cpus.set(cpu);
    rustix::thread::sched_setaffinity(None, &cpus)
        .map_err(|error| io::Error::other(format!("cannot run on CPU {cpu} ({error})")))
}

/// One file descriptor for each connection: as many as the system lets us have.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Failing leaves the limit as it was, and accepting pauses when it is reached.
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}

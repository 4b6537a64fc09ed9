//! What safe code cannot do: lend a monoio socket's descriptor to a system call, and ask for memory
//! ahead of its use.
//!
//! A request that has run out of time must end its pending operation without dropping the
//! operation's future: a dropped io_uring read loses its buffer, costs two more completions, and is
//! still in flight when the runtime is dropped. Shutting the socket down completes it at once.
#![allow(
    unsafe_code,
    reason = "monoio 0.2.4 streams lend only a raw descriptor; prefetching has no safe function"
)]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use monoio::net::TcpStream;
use pin_project_lite::pin_project;
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};

/// Runs one operation of `stream` to its end. When `is_over` says so after a wake-up, the socket is
/// shut down, which completes a pending read, write or connect early; the operation is never
/// dropped, so its buffer always comes back.
pub(super) fn run_until<'a, O, F>(
    stream: &'a mut TcpStream,
    operation: impl FnOnce(&'a mut TcpStream) -> O,
    is_over: F,
) -> RunUntil<'a, O, F>
where
    O: Future,
    F: Fn() -> bool,
{
    let descriptor = stream.as_raw_fd();
    RunUntil { operation: operation(stream), descriptor, is_shut: false, is_over, _of: PhantomData }
}

pin_project! {
    /// An operation under way. Written out, since an async function would hold the operation twice,
    /// once as its argument, and every bot would carry that.
    pub(super) struct RunUntil<'a, O, F> {
        #[pin]
        operation: O,
        descriptor: RawFd,
        is_shut: bool,
        is_over: F,
        _of: PhantomData<&'a mut TcpStream>,
    }
}

impl<O: Future, F: Fn() -> bool> Future for RunUntil<'_, O, F> {
    type Output = O::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Output> {
        let this = self.project();
        let polled = this.operation.poll(context);
        if polled.is_pending() && !*this.is_shut && (this.is_over)() {
            *this.is_shut = true;
            // SAFETY: the stream, which owns the descriptor, is borrowed as long as this exists.
            let socket = unsafe { BorrowedFd::borrow_raw(*this.descriptor) };
            // An error means that it was not connected (any more): the operation has then completed
            // by itself.
            let _not_connected = rustix::net::shutdown(socket, Shutdown::Both);
        }
        polled
    }
}

/// How a connect ended.
///
/// # Errors
///
/// The error of the connect itself, such as "connection refused".
pub(super) fn connect_result(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::socket_error(socket)??)
}

/// Makes a socket blocking, as io_uring wants it: on older kernels a receive on a non-blocking one
/// does not wait.
pub(super) fn set_blocking(socket: &TcpStream) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(borrow(socket), false)?)
}

/// Whether an idle socket has neither been closed by the other side nor been sent anything.
pub(super) fn is_quiet(socket: BorrowedFd<'_>) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let peeked = rustix::net::recv(socket, &mut [0_u8; 1][..], flags);
    matches!(peeked, Err(Errno::WOULDBLOCK))
}

/// Asks for so many bytes from an address on to be brought into the processor's caches. What is not
/// mapped is not read.
pub(super) fn prefetch((address, bytes): (usize, usize)) {
    for line in (address..address.saturating_add(bytes)).step_by(CACHE_LINE_BYTES) {
        fetch_line(line);
    }
}

const CACHE_LINE_BYTES: usize = 64;

#[cfg(target_arch = "x86_64")]
fn fetch_line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint. It changes nothing that the program could see, and does not
    // fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
}

#[cfg(target_arch = "aarch64")]
fn fetch_line(address: usize) {
    // SAFETY: as above.
    unsafe { std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fetch_line(_: usize) {}

/// The descriptor of a stream of the runtime's.
pub(super) fn borrow(socket: &TcpStream) -> BorrowedFd<'_> {
    // SAFETY: the descriptor is owned by `socket`, which the result borrows, so it stays open.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

//! How a worker learns that its timer has gone off.

use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use monoio::net::UnixStream;

use super::sockets::Sockets;

/// Whoever watches the timer's descriptor.
pub(super) enum Readiness {
    /// io_uring: the runtime. The descriptor travels as a Unix stream, the only type through which
    /// monoio polls one that it did not make; nothing is ever received through it.
    Runtime(UnixStream),
    /// epoll: the worker's own set.
    Set(Rc<Sockets>),
}

impl Readiness {
    /// Registers the descriptor with the running runtime.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or there is no number left for a copy of it.
    pub(super) fn by_runtime(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(descriptor.try_clone_to_owned()?);
        Ok(Self::Runtime(UnixStream::from_std(stream)?))
    }

    /// Waits until the timer can be read.
    pub(super) async fn wait(&self) {
        match self {
            Self::Runtime(stream) => {
                stream.readable(false).await.expect("a timerfd can be polled");
            }
            Self::Set(sockets) => sockets.timer_due().await,
        }
    }
}

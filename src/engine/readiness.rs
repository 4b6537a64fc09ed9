//! A descriptor that the runtime polls for a worker.

use std::io;
use std::os::fd::BorrowedFd;

use monoio::net::UnixStream;

/// A descriptor, registered with the runtime. It travels as a Unix stream, the only type through
/// which monoio polls a descriptor that it did not make; nothing is ever received through it.
pub(super) struct Readiness {
    stream: UnixStream,
}

impl Readiness {
    /// Needs the running runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be registered, or there is no number left for a copy of it.
    pub(super) fn new(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(descriptor.try_clone_to_owned()?);
        Ok(Self { stream: UnixStream::from_std(stream)? })
    }

    /// Waits until it can be read from.
    pub(super) async fn wait(&self) {
        self.stream.readable(false).await.expect("such a descriptor can be polled");
    }
}

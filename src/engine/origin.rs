//! Where requests go: a scheme, a host and a port, with the addresses that the name stands for.
//!
//! A name is looked up again when its answer has grown old, whether or not connections are made:
//! a load test that goes on using the address of a server which is gone measures nothing. Until the
//! new answer is there the old one is used, so no bot ever waits for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::clock::{Micros, micros};
use super::resolver::{Addresses, Resolver};
use super::timer::NEVER;
use super::tls::{Tls, TlsName};

/// Where requests go.
pub(super) struct Origin {
    /// As in a request: `http://127.0.0.1:8080`.
    pub(super) key: String,
    /// The host as TLS knows it, where connections are to be secured.
    pub(super) tls: Option<TlsName>,
    addresses: RefCell<Rc<[SocketAddr]>>,
    next_lookup: Cell<Micros>,
    answer: RefCell<Option<oneshot::Receiver<Addresses>>>,
    is_lookup_failing: Cell<bool>,
}

/// Something that happened to the run's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The name of a target stands for other addresses than before.
    AddressesChanged {
        /// The target.
        origin: String,
        /// Before, in order.
        before: Vec<IpAddr>,
        /// Now, in order.
        after: Vec<IpAddr>,
        /// When, in whole seconds of the run.
        second: u64,
    },
    /// The name of a target can no longer be looked up; its addresses stay in use.
    LookupFailed {
        /// The target.
        origin: String,
        /// Why.
        error: String,
        /// When, in whole seconds of the run.
        second: u64,
    },
}

impl Notice {
    /// Whether it tells the same, seen by another worker.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let told = |notice: &Self| match notice {
            Self::AddressesChanged { origin, after, second, .. } => {
                (origin.clone(), after.clone(), second / SAME_SECONDS)
            }
            Self::LookupFailed { origin, second, .. } => {
                (origin.clone(), Vec::new(), second / SAME_SECONDS)
            }
        };
        told(self) == told(other)
    }
}

/// Workers that look the same name up see the same change within this.
const SAME_SECONDS: u64 = 10;

impl Origin {
    /// # Errors
    ///
    /// When the host of an `https://` origin can be on no certificate.
    pub(super) fn new(
        key: String,
        (addresses, resolver): (Vec<SocketAddr>, &Resolver),
        tls: &Tls,
        now: Micros,
    ) -> io::Result<Self> {
        assert!(!addresses.is_empty(), "a name without an address is a DNS failure");
        let (scheme, host, port) = parts(&key);
        let tls = (scheme == "https").then(|| tls.name(host)).transpose()?;
        let is_fixed = resolver.names().redirect(host, port).0.parse::<IpAddr>().is_ok();
        let next = if is_fixed { NEVER } else { now.saturating_add(ttl(resolver)) };
        Ok(Self {
            key,
            tls,
            addresses: RefCell::new(addresses.into()),
            next_lookup: Cell::new(next),
            answer: RefCell::default(),
            is_lookup_failing: Cell::new(false),
        })
    }

    /// The addresses of now.
    pub(super) fn addresses(&self) -> Rc<[SocketAddr]> {
        Rc::clone(&self.addresses.borrow())
    }

    /// Has the name looked up when it is time, and takes the answer when it is there.
    pub(super) fn refresh(&self, resolver: &Resolver, now: Micros) -> Option<Notice> {
        if now < self.next_lookup.get() {
            return None;
        }
        let mut pending = self.answer.borrow_mut();
        let Some(answer) = pending.as_mut() else {
            *pending = Some(resolver.resolve_origin(&self.key));
            return None;
        };
        let answer = match answer.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Closed) => Err(io::Error::other("the resolver has ended")),
        };
        *pending = None;
        self.next_lookup.set(now.saturating_add(ttl(resolver)));
        let second = now / 1_000_000;
        match answer {
            Ok(addresses) => self.replace(addresses, second),
            Err(_) if self.is_lookup_failing.replace(true) => None,
            Err(error) => {
                let (origin, error) = (self.key.clone(), error.to_string());
                Some(Notice::LookupFailed { origin, error, second })
            }
        }
    }

    /// Takes other addresses. The same ones in another order, as many servers answer, are none: a
    /// bot stays with its address.
    fn replace(&self, addresses: Vec<SocketAddr>, second: u64) -> Option<Notice> {
        self.is_lookup_failing.set(false);
        let (before, after) = (sorted(&self.addresses()), sorted(&addresses));
        if before == after {
            return None;
        }
        self.addresses.replace(addresses.into());
        Some(Notice::AddressesChanged { origin: self.key.clone(), before, after, second })
    }
}

/// Not more often than once a second: a lookup for every connection would test the resolver.
fn ttl(resolver: &Resolver) -> Micros {
    micros(resolver.names().ttl).max(1_000_000)
}

fn sorted(addresses: &[SocketAddr]) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    addresses.sort_unstable();
    addresses
}

/// The host of an origin whose connections are secured.
#[must_use]
pub fn tls_host(origin: &str) -> Option<&str> {
    match parts(origin) {
        ("https", host, _) => Some(host),
        _ => None,
    }
}

/// `http://host[:port]` in its parts; an IPv6 address comes without its brackets.
pub(super) fn parts(origin: &str) -> (&str, &str, u16) {
    let (scheme, authority) = origin.split_once("://").unwrap_or(("http", origin));
    let port_default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(port_default)),
        _ => (authority, port_default),
    };
    (scheme, host.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_split_into_scheme_host_and_port() {
        assert_eq!(parts("http://example.org"), ("http", "example.org", 80));
        assert_eq!(parts("https://example.org"), ("https", "example.org", 443));
        assert_eq!(parts("http://example.org:8080"), ("http", "example.org", 8080));
        assert_eq!(parts("https://[::1]:8080"), ("https", "::1", 8080));
        assert_eq!(parts("http://[::1]"), ("http", "::1", 80));
    }
}

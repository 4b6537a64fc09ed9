//! Where requests go: a scheme, a host and a port, with the addresses that the name stands for.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::tls::{Tls, TlsName};

/// Where requests go.
pub(super) struct Origin {
    /// As in a request: `http://127.0.0.1:8080`.
    pub(super) key: String,
    /// The host as TLS knows it, where connections are to be secured.
    pub(super) tls: Option<TlsName>,
    addresses: RefCell<Rc<[SocketAddr]>>,
}

impl Origin {
    /// # Errors
    ///
    /// When the host of an `https://` origin can be on no certificate.
    pub(super) fn new(key: String, addresses: Vec<SocketAddr>, tls: &Tls) -> io::Result<Self> {
        assert!(!addresses.is_empty(), "a name without an address is a DNS failure");
        let (scheme, host, _) = parts(&key);
        let tls = (scheme == "https").then(|| tls.name(host)).transpose()?;
        Ok(Self { key, tls, addresses: RefCell::new(addresses.into()) })
    }

    /// The addresses of now.
    pub(super) fn addresses(&self) -> Rc<[SocketAddr]> {
        Rc::clone(&self.addresses.borrow())
    }
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

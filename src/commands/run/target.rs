//! The target of a run, reached once before any load.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::anyhow;
use tallyho_replay::{Method, Prepared};

use crate::engine::{self, Resolver, Tls};
use crate::exit::BadUsage;

/// The origin (`http://host[:port]`) of a scenario's target, which may have a path.
///
/// # Errors
///
/// [`BadUsage`] when it is no URL.
pub(super) fn origin(target: &str) -> Result<String, BadUsage> {
    let help = "write for example http://127.0.0.1:8080";
    match Prepared::builder(Method::Get, Some(target), "/").build() {
        Ok(request) => Ok(request.origin().to_owned()),
        Err(error) => Err(BadUsage(format!("{target}: {error}; {help}"))),
    }
}

/// How long the first connect may take: three lost SYNs.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);

/// Resolves the host, connects to it once and secures the connection where it is to be, so that a
/// target which is not there, or is not trusted, is known before any load. No request is sent over
/// that connection.
///
/// # Errors
///
/// When the name has no address, none of its addresses accepts a connection, or TLS is refused.
pub(super) fn reach(
    origin: &str,
    resolver: &Resolver,
    tls: &Tls,
) -> anyhow::Result<(String, Vec<SocketAddr>)> {
    let addresses = resolver.resolve_now(origin).map_err(|error| {
        anyhow!("cannot find the host of {origin}: {error}; check the spelling")
    })?;
    let mut failure = None;
    for address in &addresses {
        match TcpStream::connect_timeout(address, REACH_TIMEOUT) {
            Ok(socket) => {
                secure(origin, (*address, socket), tls)?;
                return Ok((origin.to_owned(), addresses));
            }
            Err(error) => failure = Some((address, error)),
        }
    }
    let (address, error) = failure.expect("a resolved name has an address");
    Err(anyhow!("cannot connect to {origin} at {address}: {error}; is the server running there?"))
}

fn secure(
    origin: &str,
    (address, socket): (SocketAddr, TcpStream),
    tls: &Tls,
) -> anyhow::Result<()> {
    let Some(host) = engine::tls_host(origin) else { return Ok(()) };
    socket.set_read_timeout(Some(REACH_TIMEOUT))?;
    socket.set_write_timeout(Some(REACH_TIMEOUT))?;
    let Err(fault) = tls.probe(host, socket) else { return Ok(()) };
    let help = fault.help.map(|help| format!("; {help}")).unwrap_or_default();
    let expected = tls.trusted();
    Err(anyhow!("no TLS with {origin} at {address}: {} (trusted: {expected}){help}", fault.what))
}

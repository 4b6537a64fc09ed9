//! The target of a run, reached once before any load.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::anyhow;
use tallyho_replay::{Method, Prepared};

use crate::engine::Resolver;
use crate::exit::BadUsage;

/// The origin (`http://host[:port]`) of a scenario's target, which may have a path.
///
/// # Errors
///
/// [`BadUsage`] when it is no URL.
pub(super) fn origin(target: &str) -> Result<String, BadUsage> {
    let help = "write for example http://127.0.0.1:8080";
    match Prepared::builder(Method::Get, Some(target), "/").build() {
        Ok(request) if request.origin().starts_with("https:") => {
            Err(BadUsage(format!("{target}: https is not supported yet; use http")))
        }
        Ok(request) => Ok(request.origin().to_owned()),
        Err(error) => Err(BadUsage(format!("{target}: {error}; {help}"))),
    }
}

/// How long the first connect may take: three lost SYNs.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);

/// Resolves the host and connects to it once, so that a target which is not there is known before
/// any load. Nothing is sent over that connection.
///
/// # Errors
///
/// When the name has no address, or none of its addresses accepts a connection.
pub(super) fn reach(
    origin: &str,
    resolver: &Resolver,
) -> anyhow::Result<(String, Vec<SocketAddr>)> {
    let addresses = resolver.resolve_now(origin).map_err(|error| {
        anyhow!("cannot find the host of {origin}: {error}; check the spelling")
    })?;
    let mut failure = None;
    for address in &addresses {
        match TcpStream::connect_timeout(address, REACH_TIMEOUT) {
            Ok(_) => return Ok((origin.to_owned(), addresses)),
            Err(error) => failure = Some((address, error)),
        }
    }
    let (address, error) = failure.expect("a resolved name has an address");
    Err(anyhow!("cannot connect to {origin} at {address}: {error}; is the server running there?"))
}

//! The target of `tallyho run URL`: the request, checked, and the host, reached once.

use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use anyhow::anyhow;
use tallyho_bots::{Headers, SingleRequest, SingleRequestConfig, SingleRequestSettings};
use tallyho_replay::{BotType, Method, Prepared};

use crate::cli::RequestArgs;
use crate::engine::{BotMaker, Resolver};
use crate::exit::BadUsage;

/// Reads the request from the flags.
///
/// # Errors
///
/// [`BadUsage`] that names the flag, or the body file that cannot be read.
pub(super) fn request(url: &str, args: &RequestArgs) -> anyhow::Result<SingleRequestSettings> {
    let body = body(args)?;
    let method = match (&args.method, body.is_empty()) {
        (Some(method), _) => method.to_ascii_uppercase(),
        (None, true) => "GET".to_owned(),
        (None, false) => "POST".to_owned(),
    };
    let method: Method = method
        .parse()
        .map_err(|_| BadUsage(format!("-X {method}: not an HTTP method; write for example GET")))?;
    let mut headers = Vec::new();
    for line in &args.headers {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            BadUsage(format!("-H '{line}': no colon; write for example 'Accept: text/html'"))
        })?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    check(url, method, &headers)?;
    Ok(SingleRequestSettings {
        method: method.as_str().to_owned(),
        url: url.to_owned(),
        headers: Headers::Pairs(headers),
        body,
        ..SingleRequestSettings::default()
    })
}

fn body(args: &RequestArgs) -> anyhow::Result<Vec<u8>> {
    match (&args.data, &args.data_file) {
        (Some(text), _) => Ok(text.clone().into_bytes()),
        (None, Some(path)) => std::fs::read(path).map_err(|error| {
            let path = path.display();
            BadUsage(format!("--data-file {path}: cannot read the request body: {error}")).into()
        }),
        (None, None) => Ok(Vec::new()),
    }
}

/// Finds what is wrong with the URL or a header, and names it.
fn check(url: &str, method: Method, headers: &[(String, String)]) -> Result<(), BadUsage> {
    if let Err(error) = Prepared::builder(method, None, url).build() {
        let help = "write for example http://127.0.0.1:8080/items";
        return Err(BadUsage(format!("{url}: {error}; {help}")));
    }
    if url.starts_with("https:") {
        return Err(BadUsage(format!("{url}: https is not supported yet; use http")));
    }
    for (name, value) in headers {
        let with_header = Prepared::builder(method, None, url).header(name, value).build();
        with_header.map_err(|error| BadUsage(format!("-H '{name}: {value}': {error}")))?;
    }
    Ok(())
}

/// A maker of the bot that sends the request, and the origin that it goes to.
///
/// # Errors
///
/// What is wrong with the request.
pub(super) fn bot(settings: SingleRequestSettings) -> Result<(BotMaker, String), BadUsage> {
    let config = |settings: &SingleRequestSettings| SingleRequestConfig::try_from(settings.clone());
    let origin = config(&settings).map_err(|error| BadUsage(error.to_string()))?;
    let origin = origin.request().origin().to_owned();
    let make = move || {
        let config = config(&settings).expect("the same settings were valid before");
        Rc::new(BotType::new::<SingleRequest>(Rc::new(config)))
    };
    Ok((Box::new(make), origin))
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

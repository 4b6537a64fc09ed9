//! How the run speaks TLS: what the scenario says, and what the command line says instead.

use std::path::Path;

use crate::cli::ConnectionArgs;
use crate::engine::{Identity, Pem, Tls, TlsOptions, Trust};
use crate::exit::BadUsage;

/// Reads certificates and checks the options.
///
/// # Errors
///
/// [`BadUsage`] that names the file or the option.
pub(super) fn prepare(scenario: &TlsOptions, args: &ConnectionArgs) -> Result<Tls, BadUsage> {
    let mut options = scenario.clone();
    if let Some(path) = &args.cacert {
        options.trust = Trust::File(path.clone());
    }
    if args.insecure {
        options.trust = Trust::Anyone;
    }
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        let (cert, key) = (pem("--cert", cert)?, pem("--key", key)?);
        options.identities = vec![Identity { domains: Vec::new(), cert, key }];
    }
    options.min = args.tls_min.unwrap_or(options.min);
    options.max = args.tls_max.unwrap_or(options.max);
    options.resumption = args.tls_resumption.unwrap_or(options.resumption);
    Tls::new(&options).map_err(BadUsage)
}

fn pem(option: &str, path: &Path) -> Result<Pem, BadUsage> {
    let source = format!("{option} {}", path.display());
    match std::fs::read(path) {
        Ok(text) => Ok(Pem { source, text }),
        Err(error) => Err(BadUsage(format!("{source}: cannot be read: {error}"))),
    }
}

//! How the run makes and secures connections: what the scenario says, and what the command line
//! says instead.

use std::path::Path;

use crate::cli::ConnectionArgs;
use crate::config::{self, Network};
use crate::engine::{
    Identity, Names, Pem, Policy, Redirection, Resumption, Select, Tls, TlsOptions, TlsVersion,
    Trust,
};
use crate::exit::BadUsage;

/// How TLS is spoken: reads certificates and checks the options.
///
/// # Errors
///
/// [`BadUsage`] that names the file or the option.
pub(super) fn tls(network: &Network, args: &ConnectionArgs) -> Result<Tls, BadUsage> {
    let defaults = TlsOptions::default();
    let mut options = TlsOptions {
        trust: match (&network.cacert, network.certificates) {
            (_, config::Certificates::Ignored) => Trust::Anyone,
            (Some(path), _) => Trust::File(path.clone()),
            (None, _) => Trust::System,
        },
        identities: network.client_certificates.iter().map(identity).collect(),
        min: args.tls_min.or(network.tls_min.map(version)).unwrap_or(defaults.min),
        max: args.tls_max.or(network.tls_max.map(version)).unwrap_or(defaults.max),
        cipher_suites: network.cipher_suites.clone(),
        resumption: args
            .tls_resumption
            .or(network.resumption.map(resumption))
            .unwrap_or(defaults.resumption),
    };
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
    Tls::new(&options).map_err(BadUsage)
}

/// How names become addresses. What the command line redirects counts before what the scenario
/// does.
///
/// # Errors
///
/// [`BadUsage`] that names the option or the host.
pub(super) fn names(network: &Network, args: &ConnectionArgs) -> Result<Names, BadUsage> {
    let mut names = Names::default();
    names.ttl = network.dns_ttl.unwrap_or(names.ttl);
    names.select = network.dns_select.map_or(names.select, select);
    names.policy = network.dns_policy.map_or(names.policy, policy);
    for rule in &args.dns {
        dns_rule(&mut names, rule).map_err(|error| BadUsage(format!("--dns {rule}: {error}")))?;
    }
    for (host, address) in &network.hosts {
        let redirection = Redirection::of_hosts(host, address);
        names.redirections.push(redirection.map_err(|error| BadUsage(format!("hosts: {error}")))?);
    }
    names.redirections.sort_by_key(Redirection::rank);
    names.redirections.splice(0..0, args.connect_to.iter().cloned());
    Ok(names)
}

fn dns_rule(names: &mut Names, rule: &str) -> Result<(), String> {
    let (key, value) = rule.split_once('=').unwrap_or((rule, ""));
    match key {
        "ttl" => names.ttl = config::dns_ttl(value)?,
        "select" => {
            let wrong = || "write roundRobin, random or first".to_owned();
            names.select = config::select(value).map(select).ok_or_else(wrong)?;
        }
        "policy" => {
            let wrong = || "write preferIPv4, preferIPv6, onlyIPv4, onlyIPv6 or any".to_owned();
            names.policy = config::policy(value).map(policy).ok_or_else(wrong)?;
        }
        _ => return Err("write ttl=, select= or policy=".to_owned()),
    }
    Ok(())
}

fn pem(option: &str, path: &Path) -> Result<Pem, BadUsage> {
    let source = format!("{option} {}", path.display());
    match std::fs::read(path) {
        Ok(text) => Ok(Pem { source, text }),
        Err(error) => Err(BadUsage(format!("{source}: cannot be read: {error}"))),
    }
}

fn identity(certificate: &config::ClientCertificate) -> Identity {
    let pem = |(source, text): &(String, Vec<u8>)| Pem {
        source: format!("tlsAuth {source}"),
        text: text.clone(),
    };
    let domains = certificate.domains.clone();
    Identity { domains, cert: pem(&certificate.cert), key: pem(&certificate.key) }
}

fn version(version: config::TlsVersion) -> TlsVersion {
    match version {
        config::TlsVersion::Tls12 => TlsVersion::Tls12,
        config::TlsVersion::Tls13 => TlsVersion::Tls13,
    }
}

fn resumption(resumption: config::Resumption) -> Resumption {
    match resumption {
        config::Resumption::PerBot => Resumption::PerBot,
        config::Resumption::Shared => Resumption::Shared,
        config::Resumption::Off => Resumption::Off,
    }
}

fn select(select: config::Select) -> Select {
    match select {
        config::Select::RoundRobin => Select::RoundRobin,
        config::Select::Random => Select::Random,
        config::Select::First => Select::First,
    }
}

fn policy(policy: config::Policy) -> Policy {
    match policy {
        config::Policy::PreferIpv4 => Policy::PreferIpv4,
        config::Policy::PreferIpv6 => Policy::PreferIpv6,
        config::Policy::OnlyIpv4 => Policy::OnlyIpv4,
        config::Policy::OnlyIpv6 => Policy::OnlyIpv6,
        config::Policy::Any => Policy::Any,
    }
}

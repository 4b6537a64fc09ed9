//! The scenario's words about the network: TLS, hosts, DNS.
//!
//! k6's keys, and `tls` for what k6 has no key for. What certificates hold is not looked at here:
//! that is the engine's to understand.

use std::path::Path;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::duration::parse_load_duration;
use super::json::Node;
use super::plan::{
    Certificates, ClientCertificate, Network, Policy, Resumption, Select, TlsVersion,
};

/// Reads it; `folder` is where files are looked for.
pub(super) fn read(root: &Node, folder: &Path, found: &mut Vec<Diagnostic>) -> Network {
    let mut network = Network::default();
    if root.get("insecureSkipTLSVerify").and_then(Node::scalar) == Some("true") {
        network.certificates = Certificates::Ignored;
    }
    for item in root.get("tlsAuth").map_or(&[][..], Node::items) {
        network.client_certificates.extend(client_certificate(item, folder, found));
    }
    if let Some(version) = root.get("tlsVersion") {
        let read = |node: Option<&Node>| node.and_then(Node::text).and_then(tls_version);
        network.tls_min = read(version.get("min")).or(read(Some(version)));
        network.tls_max = read(version.get("max")).or(read(Some(version)));
        if let (Some(min), Some(max)) = (network.tls_min, network.tls_max)
            && min > max
        {
            let wrong = Diagnostic::error(version.range.clone(), "no TLS version is allowed");
            found.push(wrong.label("`min` is above `max`"));
        }
    }
    let suites = root.get("tlsCipherSuites").map_or(&[][..], Node::items).iter();
    network.cipher_suites = suites.filter_map(Node::text).map(str::to_owned).collect();
    if let Some(tls) = root.get("tls") {
        network.cacert = tls.get("cacert").and_then(Node::text).map(|path| folder.join(path));
        network.resumption = match tls.get("resumption").and_then(Node::text) {
            Some("shared") => Some(Resumption::Shared),
            Some("off") => Some(Resumption::Off),
            Some("perBot") => Some(Resumption::PerBot),
            _ => None,
        };
    }
    for member in root.get("hosts").map_or(&[][..], Node::members) {
        let Some(address) = member.value.text() else { continue };
        network.hosts.push((member.key.clone(), address.to_owned()));
    }
    if let Some(dns) = root.get("dns") {
        network.dns_ttl = dns.get("ttl").and_then(|node| ttl(node, found));
        network.dns_select = dns.get("select").and_then(Node::text).and_then(select);
        network.dns_policy = dns.get("policy").and_then(Node::text).and_then(policy);
    }
    network
}

fn client_certificate(
    item: &Node,
    folder: &Path,
    found: &mut Vec<Diagnostic>,
) -> Option<ClientCertificate> {
    let mut text = |key: &str| {
        let node = item.get(key)?;
        let text = node.text()?;
        if text.trim_start().starts_with("-----BEGIN") {
            return Some(("in the scenario".to_owned(), text.as_bytes().to_vec()));
        }
        let path = folder.join(text);
        match std::fs::read(&path) {
            Ok(read) => Some((path.display().to_string(), read)),
            Err(error) => {
                let title = format!("the file `{text}` cannot be used");
                let wrong = Diagnostic::error(node.range.clone(), title).label(error.to_string());
                found.push(wrong.help("paths are relative to the scenario file"));
                None
            }
        }
    };
    let (cert, key) = (text("cert"), text("key"));
    let domains = item.get("domains").map_or(&[][..], Node::items).iter();
    let domains = domains.filter_map(Node::text).map(str::to_owned).collect();
    Some(ClientCertificate { domains, cert: cert?, key: key? })
}

fn tls_version(text: &str) -> Option<TlsVersion> {
    match text {
        "tls1.2" => Some(TlsVersion::Tls12),
        "tls1.3" => Some(TlsVersion::Tls13),
        _ => None,
    }
}

fn ttl(node: &Node, found: &mut Vec<Diagnostic>) -> Option<Duration> {
    let wrong = |label: String| Diagnostic::error(node.range.clone(), "not a ttl").label(label);
    match dns_ttl(node.text()?) {
        Ok(ttl) => Some(ttl),
        Err(error) => {
            found
                .push(wrong(error).help("write for example \"30s\", or \"inf\" to keep addresses"));
            None
        }
    }
}

/// Reads k6's `ttl`: a duration, `0` or `inf`.
///
/// # Errors
///
/// What is wrong with it.
pub fn dns_ttl(text: &str) -> Result<Duration, String> {
    if text == "inf" { Ok(Duration::MAX) } else { parse_load_duration(text) }
}

/// Reads k6's `select`.
#[must_use]
pub fn select(text: &str) -> Option<Select> {
    match text {
        "roundRobin" => Some(Select::RoundRobin),
        "random" => Some(Select::Random),
        "first" => Some(Select::First),
        _ => None,
    }
}

/// Reads k6's `policy`.
#[must_use]
pub fn policy(text: &str) -> Option<Policy> {
    match text {
        "preferIPv4" => Some(Policy::PreferIpv4),
        "preferIPv6" => Some(Policy::PreferIpv6),
        "onlyIPv4" => Some(Policy::OnlyIpv4),
        "onlyIPv6" => Some(Policy::OnlyIpv6),
        "any" => Some(Policy::Any),
        _ => None,
    }
}

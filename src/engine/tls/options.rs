//! What can be asked for: in k6's words where it has them, in curl's on the command line.

use std::path::PathBuf;

use rustls::SupportedCipherSuite;
use rustls::SupportedProtocolVersion;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

/// How TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// Certificates that clients show.
    pub identities: Vec<Identity>,
    /// The oldest version.
    pub min: TlsVersion,
    /// The newest version.
    pub max: TlsVersion,
    /// Cipher suites by their IANA names; none: all that are safe.
    pub cipher_suites: Vec<String>,
    /// Who resumes whose sessions.
    pub resumption: Resumption,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            identities: Vec::new(),
            min: TlsVersion::Tls12,
            max: TlsVersion::Tls13,
            cipher_suites: Vec::new(),
            resumption: Resumption::default(),
        }
    }
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that this system trusts, or Mozilla's list where there is none.
    #[default]
    System,
    /// Those that the certificates of this file have signed.
    File(PathBuf),
    /// Anyone's: nothing is checked.
    Anyone,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2
    #[value(name = "1.2", alias = "tls1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3", alias = "tls1.3")]
    Tls13,
}

/// Who resumes whose sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Resumption {
    /// Each bot its own, as a client does
    #[default]
    PerBot,
    /// Any bot any, as one client with many connections does
    Shared,
    /// Nobody: every handshake is a full one
    Off,
}

/// A certificate that clients show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The hosts that see it, `*.` in front for all below; none: all.
    pub domains: Vec<String>,
    /// The certificate, with those between it and the root.
    pub cert: Pem,
    /// Its key.
    pub key: Pem,
}

/// A PEM text, and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// For errors: the option or the file.
    pub source: String,
    /// The text.
    pub text: Vec<u8>,
}

impl std::fmt::Debug for Pem {
    /// The text may be a private key, which nothing may show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pem({})", self.source)
    }
}

impl Identity {
    pub(super) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert.text).collect();
        let chain = chain.map_err(|error| format!("{}: {error}", self.cert.source))?;
        if chain.is_empty() {
            let source = &self.cert.source;
            return Err(format!("{source}: no certificate in it; give a PEM file"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key.text).map_err(|_| {
            let source = &self.key.source;
            format!("{source}: no private key in it; give a PEM file whose key has no password")
        })?;
        Ok((chain, key))
    }

    pub(super) fn refused(&self, error: &rustls::Error) -> String {
        let (cert, key) = (&self.cert.source, &self.key.source);
        match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{key}: not the key of the certificate in {cert}")
            }
            error => format!("{cert} and {key}: {error}"),
        }
    }
}

impl TlsOptions {
    pub(super) fn protocol_versions(
        &self,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        if self.min > self.max {
            return Err("the least TLS version is above the greatest".to_owned());
        }
        let all = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)];
        let wanted = all.into_iter().filter(|(version, _)| (self.min..=self.max).contains(version));
        Ok(wanted.map(|(_, version)| version).collect())
    }

    pub(super) fn suites(&self) -> Result<Vec<SupportedCipherSuite>, String> {
        if self.cipher_suites.is_empty() {
            return Ok(ring::DEFAULT_CIPHER_SUITES.to_vec());
        }
        let wanted = self.cipher_suites.iter().map(|name| {
            suite(name).ok_or_else(|| {
                let known: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(iana_name).collect();
                format!("{name}: not a cipher suite that is spoken here; {}", known.join(", "))
            })
        });
        wanted.collect()
    }
}

/// The suite of a name as in IANA's list, or in Go's.
fn suite(name: &str) -> Option<SupportedCipherSuite> {
    let wanted = name.strip_suffix("_SHA256").unwrap_or(name);
    ring::ALL_CIPHER_SUITES.iter().copied().find(|suite| {
        let known = iana_name(suite);
        // Go leaves the hash off the names of ChaCha suites.
        known == name
            || (known.contains("CHACHA20") && known.strip_suffix("_SHA256") == Some(wanted))
    })
}

/// rustls names the suites of TLS 1.3 `TLS13_…`, everybody else `TLS_…`.
fn iana_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_known_by_their_names_in_the_standard_and_in_go() {
        for name in [
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            assert!(suite(name).is_some(), "{name}");
        }
        for name in ["TLS_RSA_WITH_RC4_128_SHA", "TLS_AES_128_GCM", "", "_SHA256"] {
            assert!(suite(name).is_none(), "{name}");
        }
    }

    #[test]
    fn versions_are_a_range_that_must_not_be_empty() {
        let of = |min, max| TlsOptions { min, max, ..TlsOptions::default() }.protocol_versions();
        let count = |min, max| of(min, max).map(|versions| versions.len());
        assert_eq!(count(TlsVersion::Tls12, TlsVersion::Tls13), Ok(2));
        assert_eq!(count(TlsVersion::Tls13, TlsVersion::Tls13), Ok(1));
        assert!(count(TlsVersion::Tls13, TlsVersion::Tls12).is_err());
    }

    #[test]
    fn what_is_shown_of_a_key_is_where_it_came_from() {
        let pem = Pem { source: "key.pem".to_owned(), text: b"-----BEGIN".to_vec() };
        assert_eq!(format!("{pem:?}"), "Pem(key.pem)");
    }
}

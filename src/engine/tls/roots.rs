//! Whose certificates are accepted: a file's, else the system's, else Mozilla's.
//!
//! The system's come first because a company's own authority is there and nowhere else, and because
//! `SSL_CERT_FILE` is understood; an image without any gets the list that is built in. Which it was
//! is part of every report, since it decides whether a target is reachable at all.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::options::Trust;
use super::verifier::AcceptsAny;

/// The authorities of a run.
#[derive(Debug)]
pub(super) struct Roots {
    store: Arc<RootCertStore>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    File(String),
    System,
    BuiltIn,
    Anyone,
}

impl Roots {
    /// # Errors
    ///
    /// What is wrong with the file.
    pub(super) fn find(trust: &Trust) -> Result<Self, String> {
        let (store, origin) = match trust {
            Trust::Anyone => (RootCertStore::empty(), Origin::Anyone),
            Trust::File(path) => (of_file(path)?, Origin::File(path.display().to_string())),
            Trust::System => {
                let mut store = RootCertStore::empty();
                // Some of the system's files are unreadable for everybody but root: the others do.
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                    (store, Origin::BuiltIn)
                } else {
                    (store, Origin::System)
                }
            }
        };
        Ok(Self { store: Arc::new(store), origin })
    }

    pub(super) fn is_anyone(&self) -> bool {
        matches!(self.origin, Origin::Anyone)
    }

    /// The next stage of a configuration: it checks certificates against these.
    pub(super) fn verify(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, String> {
        let verifier: Arc<dyn ServerCertVerifier> = if self.is_anyone() {
            Arc::new(AcceptsAny::new(provider))
        } else {
            let (store, provider) = (Arc::clone(&self.store), Arc::clone(provider));
            WebPkiServerVerifier::builder_with_provider(store, provider)
                .build()
                .map_err(|error| format!("{self}: {error}"))?
        };
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
    }
}

fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| format!("{shown}: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{shown}: no certificate in it; give a PEM file of authorities"));
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| format!("{shown}: {error}"))?;
    }
    Ok(store)
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.store.len();
        match &self.origin {
            Origin::File(path) => write!(f, "root certificates of {path} ({count})"),
            Origin::System => write!(f, "root certificates of this system ({count})"),
            Origin::BuiltIn => {
                write!(f, "built-in root certificates of Mozilla ({count}), this system has none")
            }
            Origin::Anyone => f.write_str("any certificate: NOT CHECKED"),
        }
    }
}

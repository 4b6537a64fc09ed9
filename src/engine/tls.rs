//! TLS as the run's clients speak it: what was asked for, checked once, and what is made of it.
//!
//! One base configuration per client certificate, made before the run. Each bot is a client of its
//! own: it copies a base (344 bytes) and puts a store for its own sessions in, so that ten thousand
//! bots are not one returning client. Handshakes are rustls' (`handshake.rs`); what is said after
//! them is sealed and opened here (`channel.rs`, `record.rs`), which costs no allocation. Only
//! `stream.rs` and `probe.rs` read and write sockets.

mod channel;
mod handshake;
mod options;
mod probe;
mod record;
mod roots;
mod sessions;
mod stream;
mod verifier;
mod words;

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;

#[cfg(fuzzing)]
pub(super) use channel::hostile::check_tls_records;
pub(super) use handshake::Handshake;
pub use options::{Identity, Pem, Resumption, TlsOptions, TlsVersion, Trust};
pub use probe::Probed;
pub(super) use stream::{TlsStream, Traffic};
pub use words::TlsFault;
pub(super) use words::words_of;

use super::names::is_below;
use roots::Roots;
use sessions::Sessions;

/// The protocols that are offered, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http11,
}

impl Protocol {
    const OFFERED: &[Self] = &[Self::Http11];

    /// Its name in ALPN.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Http11 => b"http/1.1",
        }
    }
}

/// How clients speak TLS; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    made: Arc<Made>,
}

#[derive(Debug)]
struct Made {
    /// For each client certificate, and at the end without one: which hosts see it.
    bases: Vec<(Vec<String>, Arc<ClientConfig>)>,
    resumption: Resumption,
    roots: Roots,
}

impl Default for Tls {
    /// As with no option given.
    fn default() -> Self {
        Self::new(&TlsOptions::default()).expect("nothing that could be wrong was asked for")
    }
}

impl Tls {
    /// Reads certificates and keys, and checks everything that can be checked without a server.
    ///
    /// # Errors
    ///
    /// What is wrong with the options, in the user's words.
    pub fn new(options: &TlsOptions) -> Result<Self, String> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: options.suites()?,
            ..ring::default_provider()
        });
        let roots = Roots::find(&options.trust)?;
        let versions = options.protocol_versions()?;
        let base = |identity: Option<&Identity>| -> Result<Arc<ClientConfig>, String> {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&versions)
                .map_err(|_| "no cipher suite is left for these TLS versions".to_owned())?;
            let builder = roots.verify(builder, &provider)?;
            let mut config = match identity {
                None => builder.with_no_client_auth(),
                Some(identity) => {
                    let (chain, key) = identity.read()?;
                    builder
                        .with_client_auth_cert(chain, key)
                        .map_err(|error| identity.refused(&error))?
                }
            };
            config.alpn_protocols = Protocol::OFFERED.iter().map(|p| p.name().to_vec()).collect();
            // After the handshake, records are ours: see `record.rs`.
            config.enable_secret_extraction = true;
            config.resumption = match options.resumption {
                Resumption::Shared => rustls::client::Resumption::store(Sessions::shared()),
                // A bot puts a store of its own in.
                Resumption::Off | Resumption::PerBot => rustls::client::Resumption::disabled(),
            };
            Ok(Arc::new(config))
        };
        let mut bases = Vec::new();
        for identity in &options.identities {
            bases.push((identity.domains.clone(), base(Some(identity))?));
        }
        bases.push((Vec::new(), base(None)?));
        Ok(Self { made: Arc::new(Made { bases, resumption: options.resumption, roots }) })
    }

    /// Which certificates are accepted, in words for people.
    #[must_use]
    pub fn trusted(&self) -> String {
        self.made.roots.to_string()
    }

    /// Whether any certificate will do.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.made.roots.is_anyone()
    }

    /// A session that a bot is about to begin.
    fn session(
        &self,
        bot: &mut BotTls,
        name: &TlsName,
    ) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(self.config(bot, name), name.server.clone())
    }

    fn config(&self, bot: &mut BotTls, name: &TlsName) -> Arc<ClientConfig> {
        match self.made.resumption {
            Resumption::PerBot => bot.config(name.base, &self.made.bases[name.base].1),
            Resumption::Shared | Resumption::Off => Arc::clone(&self.made.bases[name.base].1),
        }
    }

    /// How a host is spoken to.
    ///
    /// # Errors
    ///
    /// When it is neither a name nor an address.
    pub(super) fn name(&self, host: &str) -> io::Result<TlsName> {
        let server = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let bases = &self.made.bases;
        let base = bases.iter().position(|(domains, _)| is_for(domains, host));
        Ok(TlsName { server, base: base.unwrap_or(bases.len() - 1) })
    }
}

/// Whether a client certificate for these domains is shown to a host.
fn is_for(domains: &[String], host: &str) -> bool {
    let matches = |domain: &String| is_below(domain, host) || domain.eq_ignore_ascii_case(host);
    domains.is_empty() || domains.iter().any(matches)
}

/// A host as TLS knows it.
#[derive(Clone, Debug)]
pub(super) struct TlsName {
    /// What its certificate must be for. A name also goes to the server (SNI), an address does not.
    server: ServerName<'static>,
    /// Which base configuration.
    base: usize,
}

/// A bot as a TLS client: its configurations, and the sessions that it can resume.
#[derive(Default)]
pub(super) struct BotTls {
    configs: Vec<(usize, Arc<ClientConfig>)>,
    sessions: Option<Arc<Sessions>>,
}

impl BotTls {
    fn config(&mut self, index: usize, base: &Arc<ClientConfig>) -> Arc<ClientConfig> {
        if let Some((_, config)) = self.configs.iter().find(|(known, _)| *known == index) {
            return Arc::clone(config);
        }
        let sessions = self.sessions.get_or_insert_with(Sessions::of_one_bot);
        let mut config = ClientConfig::clone(base);
        config.resumption = rustls::client::Resumption::store(sessions.clone());
        let config = Arc::new(config);
        self.configs.push((index, Arc::clone(&config)));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_is_shown_to_its_domains_only() {
        let domains = ["example.org".to_owned(), "*.example.com".to_owned()];
        for host in ["example.org", "EXAMPLE.org", "a.example.com", "a.b.example.com"] {
            assert!(is_for(&domains, host), "{host}");
        }
        for host in ["a.example.org", "example.com", "xexample.com", ".com", ""] {
            assert!(!is_for(&domains, host), "{host}");
        }
        assert!(is_for(&[], "anywhere"));
    }

    #[test]
    fn the_defaults_are_valid_and_say_whom_they_trust() {
        let tls = Tls::default();
        assert!(!tls.is_insecure());
        assert!(tls.trusted().contains("certificates"), "{}", tls.trusted());
    }
}

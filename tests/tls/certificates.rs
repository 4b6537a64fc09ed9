//! Certificates of the tests' own authority, made anew for each test.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::servers::Scratch;

/// An authority, and a folder for what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    scratch: Scratch,
}

/// A certificate and its key as files.
pub(crate) struct Signed {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root certificate");
        let scratch = Scratch::new(name);
        scratch.file("ca.pem", &issuer.pem());
        Self { issuer, scratch }
    }

    /// The authority's own certificate.
    pub(crate) fn cacert(&self) -> String {
        self.scratch.path().join("ca.pem").display().to_string()
    }

    /// A certificate for loopback and these names.
    pub(crate) fn server(&self, names: &[&str]) -> Signed {
        self.signed(names[0], names, |_| {})
    }

    pub(crate) fn expired(&self, names: &[&str]) -> Signed {
        self.signed("expired", names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    pub(crate) fn client(&self, name: &str) -> Signed {
        self.signed(name, &[name], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.distinguished_name.push(DnType::CommonName, name);
        })
    }

    fn signed(
        &self,
        file: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed {
            cert: self.scratch.file(&format!("{file}.pem"), &cert.pem()),
            key: self.scratch.file(&format!("{file}.key"), &key.serialize_pem()),
        }
    }
}

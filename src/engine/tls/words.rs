//! What went wrong in TLS, in words for people, and what they can do about it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a connection could not be secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// What is wrong.
    pub what: String,
    /// What can be done about it, where that is known.
    pub help: Option<&'static str>,
}

/// The words for an error of a TLS connection; none if it is one of the connection below.
pub(in crate::engine) fn words_of(error: &io::Error) -> Option<TlsFault> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(fault(inner))
}

/// As an IO error, which the stream's other failures are too.
pub(super) fn io_error(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

const TRUST: &str = "give its authority with --cacert FILE, or --insecure to check nothing";
const INSECURE: &str = "use the name it is for, or --insecure to check nothing";

pub(super) fn fault(error: &Error) -> TlsFault {
    let with = |what: &str, help| TlsFault { what: what.to_owned(), help };
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(error) => TlsFault {
            what: format!("no TLS version or cipher suite in common ({error:?})"),
            help: Some("allow more with --tls-min, --tls-max or tlsCipherSuites"),
        },
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            with("what the server sends is not TLS", Some("http:// in place of https://?"))
        }
        Error::NoApplicationProtocol => with("the server speaks no HTTP/1.1", None),
        error => with(&format!("{error}"), None),
    }
}

fn certificate(error: &CertificateError) -> TlsFault {
    let with =
        |what: String, help| TlsFault { what: format!("the server's certificate {what}"), help };
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let since = days(time.as_secs().saturating_sub(not_after.as_secs()));
            with(format!("has expired {since} ago"), Some("renew it"))
        }
        CertificateError::Expired => with("has expired".to_owned(), Some("renew it")),
        CertificateError::NotValidYetContext { time, not_before } => {
            let until = days(not_before.as_secs().saturating_sub(time.as_secs()));
            let help = Some("is the clock of this machine right?");
            with(format!("is not valid for another {until}"), help)
        }
        // The latter is what comes of an authority that has the name of one that is trusted.
        CertificateError::UnknownIssuer
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            with("is signed by nobody who is trusted here".to_owned(), Some(TRUST))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            with(format!("is for {names} and not for {}", expected.to_str()), Some(INSECURE))
        }
        CertificateError::NotValidForName => with("is for another name".to_owned(), Some(INSECURE)),
        CertificateError::Revoked => with("has been revoked".to_owned(), None),
        CertificateError::BadEncoding => with("cannot be read".to_owned(), None),
        CertificateError::BadSignature => with("has a wrong signature".to_owned(), None),
        error => with(format!("is refused: {error}"), Some(TRUST)),
    }
}

/// A name on a certificate, which rustls gives as `DnsName("example.org")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// What a server means by an alert.
fn refused(alert: AlertDescription) -> TlsFault {
    use AlertDescription as A;
    let help = match alert {
        A::CertificateRequired | A::NoCertificate => {
            Some("it wants a client certificate: give --cert and --key")
        }
        A::HandshakeFailure | A::ProtocolVersion | A::InsufficientSecurity => {
            Some("it may want another TLS version or cipher suite, or a client certificate")
        }
        A::BadCertificate | A::UnknownCA | A::CertificateExpired | A::CertificateUnknown => {
            Some("it does not accept the client certificate")
        }
        A::UnrecognisedName => Some("it does not know this host name"),
        _ => None,
    };
    TlsFault { what: format!("the server refused TLS ({alert:?})"), help }
}

/// A time in days, or in hours where that says more.
fn days(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600) {
        (0, hours) => format!("{hours} hours"),
        (1, _) => "a day".to_owned(),
        (days, _) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_connection_below_are_none_of_tls() {
        assert_eq!(words_of(&io::ErrorKind::ConnectionReset.into()), None);
        let error = io_error(Error::AlertReceived(AlertDescription::CertificateRequired));
        let fault = words_of(&error).expect("an error of TLS");
        assert!(fault.what.contains("CertificateRequired"), "{}", fault.what);
        assert!(fault.help.expect("help").contains("--cert"));
    }
}

//! One handshake with the target before any load, so that a refused certificate is one message and
//! not ten thousand failures.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use rustls::client::ClientConnection;

use super::words::{TlsFault, io_error, words_of};
use super::{BotTls, Tls};

/// What a handshake with the target found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Such as `TLSv1_3`.
    pub version: String,
}

impl Tls {
    /// Secures a fresh connection to `host` and drops it. Not for worker threads: it blocks, for as
    /// long as the socket's own timeouts allow.
    ///
    /// # Errors
    ///
    /// Why the connection cannot be secured.
    pub fn probe(&self, host: &str, mut socket: TcpStream) -> Result<Probed, TlsFault> {
        let below = |error: io::Error| {
            words_of(&error).unwrap_or_else(|| TlsFault {
                what: match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        "the server closed the connection during the tls handshake".to_owned()
                    }
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        "the server does not answer the tls handshake".to_owned()
                    }
                    _ => format!("the tls handshake failed: {error}"),
                },
                help: None,
            })
        };
        let name = self.name(host).map_err(below)?;
        let config = self.config(&mut BotTls::default(), &name);
        let session = ClientConnection::new(config, name.server);
        let mut session = session.map_err(io_error).map_err(below)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(below)?;
        }
        let version = session.protocol_version();
        if version == Some(rustls::ProtocolVersion::TLSv1_3) {
            hear(&mut session, &mut socket).map_err(below)?;
        }
        session.send_close_notify();
        let _said_goodbye = session.complete_io(&mut socket);
        Ok(Probed { version: version.map(|v| format!("{v:?}")).unwrap_or_default() })
    }
}

/// In TLS 1.3 a server judges the client's certificate after the client's end of the handshake.
/// One that is content says something too, its session tickets; one that says nothing is believed.
fn hear(session: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(VERDICT_TIMEOUT))?;
    match session.read_tls(socket) {
        Ok(_) => session.process_new_packets().map(drop).map_err(io_error),
        Err(_) => Ok(()),
    }
}

/// Longer than a round trip anywhere.
const VERDICT_TIMEOUT: Duration = Duration::from_millis(500);

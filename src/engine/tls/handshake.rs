//! The handshake of a connection: rustls' own, without its buffers.
//!
//! What is left of it when it is over are two keys and what new tickets and new keys are made with:
//! see `channel.rs`.
//! Pure: bytes in, bytes out. Sockets are `stream.rs`'s.

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, HandshakeKind, ProtocolVersion};

use super::channel::Channel;

/// A handshake under way.
pub(super) struct Handshaking {
    session: UnbufferedClientConnection,
}

/// What a handshake waits for, when what it has to say has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// More of what the server says.
    More,
    /// Nothing: it is over.
    Nothing,
}

/// How a connection was secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Handshake {
    Full,
    Resumed,
}

/// A step of a handshake.
enum Step {
    Again,
    Then(Awaits),
}

impl Handshaking {
    pub(super) fn new(session: UnbufferedClientConnection) -> Self {
        Self { session }
    }

    /// Takes from the beginning of `incoming` what it understands, and adds to `outgoing` what must
    /// be sent: on success and on failure.
    ///
    /// # Errors
    ///
    /// Why the connection cannot be secured.
    pub(super) fn advance(
        &mut self,
        incoming: &mut Vec<u8>,
        outgoing: &mut Vec<u8>,
    ) -> Result<Awaits, Error> {
        loop {
            match self.step(incoming, outgoing) {
                Ok(Step::Again) => {}
                Ok(Step::Then(awaits)) => return Ok(awaits),
                Err(error) => {
                    self.say_why(incoming, outgoing);
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, incoming: &mut Vec<u8>, outgoing: &mut Vec<u8>) -> Result<Step, Error> {
        // What follows the end of the handshake in TLS 1.3 is under new keys, and is for `Channel`.
        let is_over = !self.session.is_handshaking()
            && self.session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let bytes = if is_over { &mut [][..] } else { incoming.as_mut_slice() };
        let UnbufferedStatus { discard, state, .. } = self.session.process_tls_records(bytes);
        let step = match state? {
            ConnectionState::EncodeTlsData(message) => {
                encode(message, outgoing)?;
                Step::Again
            }
            ConnectionState::TransmitTlsData(sent) => {
                sent.done();
                Step::Again
            }
            ConnectionState::PeerClosed | ConnectionState::Closed => Step::Then(Awaits::More),
            ConnectionState::BlockedHandshake => Step::Then(Awaits::More),
            ConnectionState::WriteTraffic(_) => Step::Then(Awaits::Nothing),
            _ => return Err(Error::General("the server spoke before it was asked".to_owned())),
        };
        incoming.drain(..discard);
        Ok(step)
    }

    /// After an error rustls may have an alert for the server. It must not be asked for more: it
    /// would go on with what is wrong.
    fn say_why(&mut self, incoming: &mut [u8], outgoing: &mut Vec<u8>) {
        while self.session.wants_write() {
            let state = self.session.process_tls_records(incoming).state;
            let Ok(ConnectionState::EncodeTlsData(alert)) = state else { return };
            if encode(alert, outgoing).is_err() {
                return;
            }
        }
    }

    /// What was agreed on.
    ///
    /// # Errors
    ///
    /// When the handshake is not over.
    pub(super) fn finish(self) -> Result<(Channel, Handshake), Error> {
        let kind = match self.session.handshake_kind() {
            Some(HandshakeKind::Resumed) => Handshake::Resumed,
            _ => Handshake::Full,
        };
        let (secrets, kept) = self.session.dangerous_into_kernel_connection()?;
        Ok((Channel::new(secrets, kept)?, kind))
    }
}

/// Adds a message to the end of `outgoing`.
fn encode<T>(mut message: EncodeTlsData<'_, T>, outgoing: &mut Vec<u8>) -> Result<(), Error> {
    let Err(EncodeError::InsufficientSize(needed)) = message.encode(&mut []) else {
        return Err(Error::EncryptError);
    };
    let begin = outgoing.len();
    outgoing.resize(begin + needed.required_size, 0);
    message.encode(&mut outgoing[begin..]).map_err(|_| Error::EncryptError)?;
    Ok(())
}

//! A secured connection after its handshake: what the bytes of both directions mean.
//!
//! Data is sealed into the buffer that is written and opened in the one that was read into, so a
//! request allocates nothing and an idle connection holds two keys and what rustls keeps for new
//! tickets and new keys. Everything that can follow a handshake is understood here (RFC 8446, 4.6
//! and 6): tickets, which later connections resume, new keys, alerts, and in TLS 1.2 the wish for
//! another handshake, which is declined.
//! Pure: bytes in, bytes out. Sockets are `stream.rs`'s, records `record.rs`'s.

use std::ops::Range;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ContentType, Error, ExtractedSecrets, HandshakeType, InvalidMessage,
    PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
};

use super::record::{
    HEADER_BYTES, OVERHEAD_BYTES_MAX, PLAIN_BYTES_MAX, Protection, unexpected as unexpected_record,
};

/// What rustls keeps after a handshake.
pub(super) type Kept = KernelConnection<ClientConnectionData>;

/// A secured connection, both directions.
pub(super) struct Channel {
    out: Protection,
    into: Protection,
    /// For new tickets and new keys, of which TLS 1.2 has neither.
    kept: Option<Box<Kept>>,
    /// So many records may be sent with a key.
    records_max: u64,
    /// The beginning of a handshake message whose end is still to come.
    message: Vec<u8>,
    /// What must be sent in answer to what came.
    answer: Vec<u8>,
    is_closed: bool,
    /// Records since the last one that carried data.
    fruitless: u8,
}

/// What was made of bytes that have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// So many bytes of data stand at the beginning.
    pub(super) data: usize,
    /// Where the beginning of a record stands whose end is still to come.
    pub(super) rest: Range<usize>,
    /// So many bytes of it are still to come, at least.
    pub(super) missing: usize,
}

impl Channel {
    /// # Errors
    ///
    /// When the secrets are of a cipher that is not spoken here.
    pub(super) fn new(secrets: ExtractedSecrets, kept: Kept) -> Result<Self, Error> {
        let version = kept.protocol_version();
        let records_max = match kept.negotiated_cipher_suite() {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        };
        Ok(Self {
            out: Protection::new(version, secrets.tx)?,
            into: Protection::new(version, secrets.rx)?,
            kept: (version == ProtocolVersion::TLSv1_3).then(|| Box::new(kept)),
            records_max,
            message: Vec::new(),
            answer: Vec::new(),
            is_closed: false,
            fruitless: 0,
        })
    }

    /// The other side has said that nothing more will come.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Its key has protected as much as it may, and TLS 1.2 knows no way to change it.
    pub(super) fn is_worn(&self) -> bool {
        self.kept.is_none() && self.out.sequence() >= self.records_max
    }

    /// What must be sent in answer to what came, if there is anything.
    pub(super) fn take_answer(&mut self) -> Option<Vec<u8>> {
        (!self.answer.is_empty()).then(|| std::mem::take(&mut self.answer))
    }

    /// Seals as much of `parts` into `wire` as that can hold within `wire_bytes_max`, at least one
    /// record, and leaves the rest in `parts`.
    ///
    /// # Errors
    ///
    /// When the key has been used up.
    pub(super) fn seal(
        &mut self,
        parts: &mut [&[u8]],
        wire: &mut Vec<u8>,
        wire_bytes_max: usize,
    ) -> Result<(), Error> {
        let begin = wire.len();
        for part in parts {
            while !part.is_empty() {
                let size = part.len().min(PLAIN_BYTES_MAX);
                let end = wire.len() + size + OVERHEAD_BYTES_MAX;
                if wire.len() > begin && end > wire_bytes_max {
                    return Ok(());
                }
                let (data, rest) = part.split_at(size);
                self.renew_if_worn(wire)?;
                self.out.seal(ContentType::ApplicationData, data, wire)?;
                *part = rest;
            }
        }
        Ok(())
    }

    /// A key protects only so many records (RFC 8446, 5.5).
    fn renew_if_worn(&mut self, wire: &mut Vec<u8>) -> Result<(), Error> {
        if self.out.sequence() < self.records_max {
            return Ok(());
        }
        let Some(kept) = &mut self.kept else { return Ok(()) };
        renew(&mut self.out, kept, wire)
    }

    /// Opens the whole records in `bytes`. What they carry comes to stand at the beginning.
    ///
    /// # Errors
    ///
    /// What is wrong with them, or what the other side says is wrong; what it must be told then is
    /// in [`take_answer`](Self::take_answer).
    pub(super) fn open(&mut self, bytes: &mut [u8]) -> Result<Opened, Error> {
        self.understand(bytes).inspect_err(|error| {
            if let Some(alert) = alert_for(error) {
                self.warn(FATAL, alert);
            }
        })
    }

    fn understand(&mut self, bytes: &mut [u8]) -> Result<Opened, Error> {
        let (mut data, mut at) = (0, 0);
        let mut missing = 0;
        while !self.is_closed && at < bytes.len() {
            let Some(size) = self.into.record_bytes(&bytes[at..])? else {
                missing = HEADER_BYTES - (bytes.len() - at);
                break;
            };
            if at + size > bytes.len() {
                missing = at + size - bytes.len();
                break;
            }
            let content = self.into.open(&mut bytes[data..at + size], at - data)?;
            at += size;
            let end = data + content.size;
            match content.kind {
                ContentType::Handshake => self.hear(&bytes[data..end])?,
                // A message in several records has nothing in between (RFC 8446, 5.1).
                _ if !self.message.is_empty() => {
                    return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
                }
                ContentType::ApplicationData => {
                    self.note(content.size)?;
                    data = end;
                }
                ContentType::Alert => self.heed(&bytes[data..end])?,
                kind => return Err(unexpected_record(kind)),
            }
        }
        // What follows the end of the stream has no meaning.
        let begin = if self.is_closed { bytes.len() } else { at };
        Ok(Opened { data, rest: begin..bytes.len(), missing })
    }

    /// Takes note of a record with so much data.
    fn note(&mut self, size: usize) -> Result<(), Error> {
        if size == 0 {
            return self.count_fruitless(PeerMisbehaved::TooManyEmptyFragments);
        }
        self.fruitless = 0;
        Ok(())
    }

    fn count_fruitless(&mut self, what: PeerMisbehaved) -> Result<(), Error> {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_MAX { Err(what.into()) } else { Ok(()) }
    }

    /// An alert (RFC 8446, 6). Its level says nothing in TLS 1.3.
    fn heed(&mut self, alert: &[u8]) -> Result<(), Error> {
        let [level, description] = *alert else {
            return Err(InvalidMessage::TrailingData("an alert").into());
        };
        let is_warning = level == WARNING && self.kept.is_none();
        match AlertDescription::from(description) {
            AlertDescription::CloseNotify => self.is_closed = true,
            // Somebody gave up, and says in another alert what that means.
            AlertDescription::UserCanceled => self.count_warning()?,
            _ if is_warning => self.count_warning()?,
            description => return Err(Error::AlertReceived(description)),
        }
        Ok(())
    }

    fn count_warning(&mut self) -> Result<(), Error> {
        self.count_fruitless(PeerMisbehaved::TooManyWarningAlertsReceived)
    }

    /// A record of handshake messages: whole ones, or parts of one.
    fn hear(&mut self, record: &[u8]) -> Result<(), Error> {
        if record.is_empty() {
            return Err(unexpected_record(ContentType::Handshake));
        }
        let mut messages = std::mem::take(&mut self.message);
        messages.extend_from_slice(record);
        let mut rest = messages.as_slice();
        while let [kind, high, middle, low, behind @ ..] = rest {
            let size = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            if size > MESSAGE_BYTES_MAX {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some((body, behind)) = behind.split_at_checked(size) else { break };
            self.follow(HandshakeType::from(*kind), body, Behind::of(behind))?;
            rest = behind;
        }
        // Mostly nothing, which takes no memory.
        self.message = rest.to_vec();
        Ok(())
    }

    /// A handshake message after the handshake (RFC 8446, 4.6).
    fn follow(&mut self, kind: HandshakeType, body: &[u8], behind: Behind) -> Result<(), Error> {
        match (kind, &mut self.kept) {
            (HandshakeType::NewSessionTicket, Some(kept)) => kept.handle_new_session_ticket(body),
            (HandshakeType::KeyUpdate, Some(_)) if behind == Behind::Something => {
                Err(PeerMisbehaved::KeyEpochWithPendingFragment.into())
            }
            (HandshakeType::KeyUpdate, Some(kept)) => {
                self.into = Protection::new(ProtocolVersion::TLSv1_3, kept.update_rx_secret()?)?;
                match body {
                    [0] => {}
                    [1] => renew(&mut self.out, kept, &mut self.answer)?,
                    _ => return Err(InvalidMessage::InvalidKeyUpdate.into()),
                }
                self.count_fruitless(PeerMisbehaved::TooManyKeyUpdateRequests)
            }
            (HandshakeType::HelloRequest, None) => {
                self.warn(WARNING, AlertDescription::NoRenegotiation);
                self.count_fruitless(PeerMisbehaved::TooManyRenegotiationRequests)
            }
            (got_type, _) => Err(Error::InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::NewSessionTicket, HandshakeType::KeyUpdate],
                got_type,
            }),
        }
    }

    /// Puts an alert into the answer.
    fn warn(&mut self, level: u8, alert: AlertDescription) {
        // Where the key is used up, nothing can be said any more.
        let _sealed = self.out.seal(ContentType::Alert, &[level, alert.into()], &mut self.answer);
    }
}

/// Says that the next records come under a new key, and makes it (RFC 8446, 4.6.3).
fn renew(out: &mut Protection, kept: &mut Kept, wire: &mut Vec<u8>) -> Result<(), Error> {
    out.seal(ContentType::Handshake, &KEY_UPDATE, wire)?;
    *out = Protection::new(ProtocolVersion::TLSv1_3, kept.update_tx_secret()?)?;
    Ok(())
}

/// What stands behind a message in its record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Something,
}

impl Behind {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::Nothing } else { Self::Something }
    }
}

/// What the other side must be told of an error, unless it has told it itself (RFC 8446, 6.2).
fn alert_for(error: &Error) -> Option<AlertDescription> {
    Some(match error {
        Error::AlertReceived(_) => return None,
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        Error::InvalidMessage(InvalidMessage::InvalidKeyUpdate) => {
            AlertDescription::IllegalParameter
        }
        Error::InvalidMessage(_) => AlertDescription::DecodeError,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_) => AlertDescription::UnexpectedMessage,
        _ => AlertDescription::InternalError,
    })
}

/// A `KeyUpdate` that asks for none in return.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const WARNING: u8 = 1;
const FATAL: u8 = 2;
/// Records without data in a row: more are no accident, and each of them costs work.
const FRUITLESS_MAX: u8 = 32;
/// As long as rustls lets a message of a handshake be.
const MESSAGE_BYTES_MAX: usize = 0xffff;

#[cfg(any(test, fuzzing))]
pub(super) mod hostile;
#[cfg(test)]
mod tests;

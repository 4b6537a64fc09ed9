//! Records of TLS after the handshake: what is sent is sealed, what has come is opened, in place.
//!
//! rustls makes a vector of each record, copies it, and holds buffers for both directions between
//! them. A record here is sealed in the buffer that is written, and opened in the buffer that was
//! read into, with its content moved to where the reader wants it by the same pass that decrypts.
//! TLS 1.3 as RFC 8446, 5 says, and TLS 1.2 with the cipher suites that rustls has: AES-GCM as in
//! RFC 5288, ChaCha20-Poly1305 as in RFC 7905.
//! Knows neither sockets nor what a record is about: see `channel.rs`.

use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, PeerMisbehaved, ProtocolVersion};

/// A record's type, a version that nobody reads, and its length.
pub(super) const HEADER_BYTES: usize = 5;
/// The most that a record carries (RFC 8446, 5.1).
pub(super) const PLAIN_BYTES_MAX: usize = 1 << 14;
/// The most that a record of ours is longer than what it carries: header, nonce and tag.
pub(super) const OVERHEAD_BYTES_MAX: usize = HEADER_BYTES + EXPLICIT_BYTES + TAG_BYTES;

/// The nonce of AES-GCM in TLS 1.2, which stands in front of what is sealed.
const EXPLICIT_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// One direction of a connection: its key, and how many records have been protected with it.
pub(super) struct Protection {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
    form: Form,
}

/// What stands where in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Tls13,
    /// TLS 1.2 with AES-GCM: the second part of the nonce is sent (RFC 5288, 3).
    Tls12Explicit,
    /// TLS 1.2 with ChaCha20-Poly1305: the nonce is made as in TLS 1.3 (RFC 7905, 2).
    Tls12,
}

/// What was in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: ContentType,
    pub(super) size: usize,
}

impl Protection {
    /// # Errors
    ///
    /// When the secrets are of a cipher that is not spoken here.
    pub(super) fn new(
        version: ProtocolVersion,
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Error> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(unknown_cipher()),
        };
        let form = match version {
            ProtocolVersion::TLSv1_3 => Form::Tls13,
            _ if algorithm == &CHACHA20_POLY1305 => Form::Tls12,
            _ => Form::Tls12Explicit,
        };
        let iv = iv.as_ref().try_into().map_err(|_| unknown_cipher())?;
        Self::of(form, (algorithm, key.as_ref()), iv, sequence)
    }

    fn of(
        form: Form,
        (algorithm, key): (&'static Algorithm, &[u8]),
        iv: [u8; NONCE_LEN],
        sequence: u64,
    ) -> Result<Self, Error> {
        let key = UnboundKey::new(algorithm, key).map_err(|_| unknown_cipher())?;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence, form })
    }

    /// Records that have been protected with this key.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Adds a record that carries `plain`, at most [`PLAIN_BYTES_MAX`], to the end of `wire`.
    ///
    /// # Errors
    ///
    /// When the key has been used up (RFC 8446, 5.3): sequence numbers never wrap.
    pub(super) fn seal(
        &mut self,
        kind: ContentType,
        plain: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (sequence, nonce) = self.next(Error::EncryptError)?;
        let (outer, sealed) = match self.form {
            Form::Tls13 => (ContentType::ApplicationData, plain.len() + 1 + TAG_BYTES),
            Form::Tls12Explicit => (kind, EXPLICIT_BYTES + plain.len() + TAG_BYTES),
            Form::Tls12 => (kind, plain.len() + TAG_BYTES),
        };
        let header = header(outer, sealed);
        wire.reserve(HEADER_BYTES + sealed);
        wire.extend_from_slice(&header);
        if self.form == Form::Tls12Explicit {
            wire.extend_from_slice(&nonce[NONCE_LEN - EXPLICIT_BYTES..]);
        }
        let begin = wire.len();
        wire.extend_from_slice(plain);
        if self.form == Form::Tls13 {
            wire.push(kind.into());
        }
        let additional = self.additional(&header, sequence, plain.len());
        let tag = self.key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(additional.bytes()),
            &mut wire[begin..],
        );
        wire.extend_from_slice(tag.map_err(|_| Error::EncryptError)?.as_ref());
        Ok(())
    }

    /// How long the record is that begins `bytes`, with its header; none if that is not all there.
    ///
    /// # Errors
    ///
    /// When it is no record, or one that is longer than any may be.
    pub(super) fn record_bytes(&self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let kind = ContentType::from(header[0]);
        let (is_expected, expansion_max) = match self.form {
            Form::Tls13 => (kind == ContentType::ApplicationData, 256),
            Form::Tls12 | Form::Tls12Explicit => (is_protected(kind), 2048),
        };
        if !is_expected {
            return Err(unexpected(kind));
        }
        let size = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if size > PLAIN_BYTES_MAX + expansion_max {
            return Err(Error::PeerSentOversizedRecord);
        }
        Ok(Some(HEADER_BYTES + size))
    }

    /// Opens the record that begins at `at` and ends where `bytes` does; its content comes to stand
    /// at the beginning of `bytes`.
    ///
    /// # Errors
    ///
    /// When somebody has changed it, or it carries more than it may, or nothing at all.
    pub(super) fn open(&mut self, bytes: &mut [u8], at: usize) -> Result<Content, Error> {
        let (sequence, mut nonce) = self.next(Error::DecryptError)?;
        let header = *bytes[at..].first_chunk().expect("a whole record");
        let mut begin = at + HEADER_BYTES;
        if self.form == Form::Tls12Explicit {
            let explicit = bytes[begin..].first_chunk::<EXPLICIT_BYTES>();
            let explicit = explicit.ok_or(Error::DecryptError)?;
            nonce[NONCE_LEN - EXPLICIT_BYTES..].copy_from_slice(explicit);
            nonce[..NONCE_LEN - EXPLICIT_BYTES]
                .copy_from_slice(&self.iv[..NONCE_LEN - EXPLICIT_BYTES]);
            begin += EXPLICIT_BYTES;
        }
        let sealed = (bytes.len() - begin).checked_sub(TAG_BYTES).ok_or(Error::DecryptError)?;
        let additional = self.additional(&header, sequence, sealed);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self
            .key
            .open_within(nonce, Aad::from(additional.bytes()), bytes, begin..)
            .map_err(|_| Error::DecryptError)?;
        let content = match self.form {
            Form::Tls13 => inner(plain)?,
            Form::Tls12 | Form::Tls12Explicit => {
                Content { kind: ContentType::from(header[0]), size: plain.len() }
            }
        };
        if content.size > PLAIN_BYTES_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        Ok(content)
    }

    /// The next record's number and its nonce (RFC 8446, 5.3).
    fn next(&mut self, used_up: Error) -> Result<(u64, [u8; NONCE_LEN]), Error> {
        let sequence = self.sequence;
        self.sequence = sequence.checked_add(1).ok_or(used_up)?;
        let mut nonce = self.iv;
        let last = &mut nonce[NONCE_LEN - 8..];
        last.iter_mut().zip(sequence.to_be_bytes()).for_each(|(byte, of)| *byte ^= of);
        Ok((sequence, nonce))
    }

    /// What is authenticated beside the content: the header in TLS 1.3 (RFC 8446, 5.2), the number
    /// and the header of the unprotected record in TLS 1.2 (RFC 5246, 6.2.3.3).
    fn additional(&self, header: &[u8; HEADER_BYTES], sequence: u64, plain: usize) -> Additional {
        let mut bytes = [0; ADDITIONAL_BYTES_MAX];
        if self.form == Form::Tls13 {
            bytes[..HEADER_BYTES].copy_from_slice(header);
            return Additional { bytes, size: HEADER_BYTES };
        }
        bytes[..8].copy_from_slice(&sequence.to_be_bytes());
        bytes[8..11].copy_from_slice(&header[..3]);
        bytes[11..].copy_from_slice(&length(plain));
        Additional { bytes, size: ADDITIONAL_BYTES_MAX }
    }
}

const ADDITIONAL_BYTES_MAX: usize = 8 + HEADER_BYTES;

struct Additional {
    bytes: [u8; ADDITIONAL_BYTES_MAX],
    size: usize,
}

impl Additional {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

/// What is in a record of TLS 1.3: content, its type, and any number of zeros (RFC 8446, 5.4).
fn inner(plain: &[u8]) -> Result<Content, Error> {
    if plain.len() > PLAIN_BYTES_MAX + 1 {
        return Err(Error::PeerSentOversizedRecord);
    }
    let size = plain.iter().rposition(|byte| *byte != 0);
    let size = size.ok_or(PeerMisbehaved::IllegalTlsInnerPlaintext)?;
    Ok(Content { kind: ContentType::from(plain[size]), size })
}

fn header(kind: ContentType, size: usize) -> [u8; HEADER_BYTES] {
    // TLS 1.3 gives itself out for TLS 1.2 (RFC 8446, 5.1).
    let [high, low] = length(size);
    [kind.into(), 3, 3, high, low]
}

fn length(size: usize) -> [u8; 2] {
    u16::try_from(size).expect("at most 2^14 and some").to_be_bytes()
}

fn is_protected(kind: ContentType) -> bool {
    use ContentType as C;
    matches!(kind, C::ApplicationData | C::Alert | C::Handshake)
}

/// A record that has no place where it is (RFC 8446, 5).
pub(super) fn unexpected(got_type: ContentType) -> Error {
    Error::InappropriateMessage { expect_types: vec![ContentType::ApplicationData], got_type }
}

fn unknown_cipher() -> Error {
    Error::General("secrets of a cipher that is not spoken here".to_owned())
}

/// Both ends of one direction under a key that is no secret: in TLS 1.3, or else in 1.2.
#[cfg(any(test, fuzzing))]
pub(super) fn ends(
    version: ProtocolVersion,
    algorithm: &'static Algorithm,
    sequence: u64,
) -> [Protection; 2] {
    let form = match version {
        ProtocolVersion::TLSv1_3 => Form::Tls13,
        _ if algorithm == &CHACHA20_POLY1305 => Form::Tls12,
        _ => Form::Tls12Explicit,
    };
    let key: Vec<u8> = (0..32).take(algorithm.key_len()).collect();
    [(); 2].map(|()| {
        Protection::of(form, (algorithm, &key), [0x5a; NONCE_LEN], sequence).expect("a key")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form of record with every cipher.
    fn all() -> impl Iterator<Item = (ProtocolVersion, &'static Algorithm)> {
        [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2].into_iter().flat_map(|version| {
            [&AES_128_GCM, &AES_256_GCM, &CHACHA20_POLY1305].map(|algorithm| (version, algorithm))
        })
    }

    fn sealed(out: &mut Protection, kind: ContentType, plain: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        out.seal(kind, plain, &mut wire).expect("a key that is not used up");
        wire
    }

    /// What a record carries.
    fn opened(into: &mut Protection, mut wire: Vec<u8>) -> Result<(ContentType, Vec<u8>), Error> {
        assert_eq!(into.record_bytes(&wire)?, Some(wire.len()), "a whole record");
        let content = into.open(&mut wire, 0)?;
        wire.truncate(content.size);
        Ok((content.kind, wire))
    }

    #[test]
    fn a_record_is_what_the_standard_gives_as_an_example() {
        // RFC 8448, 3: the client's data under its application traffic key.
        let key = bytes("17422dda596ed5d9acd890e3c63f5051");
        let iv = bytes("5b78923dee08579033e523d9").try_into().expect("12 bytes");
        let mut out = Protection::of(Form::Tls13, (&AES_128_GCM, &key), iv, 0).expect("a key");
        let data: Vec<u8> = (0..50).collect();
        let expected = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8\
                        a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
        assert_eq!(sealed(&mut out, ContentType::ApplicationData, &data), bytes(expected));
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn what_is_sealed_is_opened_with_every_cipher_and_every_size() {
        for (version, algorithm) in all() {
            let [mut out, mut into] = ends(version, algorithm, 250);
            for size in [0, 1, 2, 15, 16, 17, 100, 4_096, PLAIN_BYTES_MAX - 1, PLAIN_BYTES_MAX] {
                let plain: Vec<u8> = (0..=250).cycle().take(size).collect();
                for kind in [ContentType::ApplicationData, ContentType::Alert] {
                    let wire = sealed(&mut out, kind, &plain);
                    assert!(wire.len() <= size + OVERHEAD_BYTES_MAX);
                    let content = opened(&mut into, wire);
                    assert!(content == Ok((kind, plain.clone())), "{version:?} {size}");
                }
            }
            assert_eq!((out.sequence(), into.sequence()), (270, 270));
        }
    }

    #[test]
    fn content_moves_to_the_beginning_of_the_bytes_it_is_opened_in() {
        for (version, algorithm) in all() {
            for before in [1, 5, 15, 16, 17, 40, 1_000] {
                let [mut out, mut into] = ends(version, algorithm, 0);
                let plain: Vec<u8> = (0..200).collect();
                let mut bytes = vec![0xee; before];
                bytes.extend(sealed(&mut out, ContentType::ApplicationData, &plain));
                let content = into.open(&mut bytes, before).expect("a good record");
                assert_eq!(&bytes[..content.size], &plain, "{version:?} behind {before}");
            }
        }
    }

    #[test]
    fn a_record_with_any_bit_changed_is_refused() {
        for (version, algorithm) in all() {
            let [mut out, _] = ends(version, algorithm, 7);
            let good = sealed(&mut out, ContentType::ApplicationData, b"a body");
            for at in 0..good.len() {
                for bit in 0..8 {
                    let [_, mut into] = ends(version, algorithm, 7);
                    let mut wire = good.clone();
                    wire[at] ^= 1 << bit;
                    match into.record_bytes(&wire) {
                        Ok(Some(size)) if size == wire.len() => {
                            let refused = into.open(&mut wire, 0);
                            assert_eq!(refused, Err(Error::DecryptError), "{version:?} {at} {bit}");
                        }
                        // Another type or another length: it is not opened at all.
                        other => assert!(at < HEADER_BYTES, "{version:?} {at} {bit}: {other:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_record_out_of_its_turn_is_refused() {
        for (version, algorithm) in all() {
            let [mut out, mut into] = ends(version, algorithm, 0);
            let first = sealed(&mut out, ContentType::ApplicationData, b"first");
            let second = sealed(&mut out, ContentType::ApplicationData, b"second");
            assert!(opened(&mut into, first.clone()).is_ok());
            assert_eq!(opened(&mut into, first), Err(Error::DecryptError), "twice");
            let [_, mut into] = ends(version, algorithm, 0);
            assert_eq!(opened(&mut into, second), Err(Error::DecryptError), "too early");
        }
    }

    #[test]
    fn padding_is_taken_off_and_nothing_but_padding_is_refused() {
        let [mut out, mut into] = ends(ProtocolVersion::TLSv1_3, &AES_256_GCM, 0);
        let padded = |out: &mut Protection, content: &[u8], zeros: usize| {
            // The type of the outermost is the last byte, hence the last zero.
            let inner = [content, &vec![0; zeros - 1]].concat();
            sealed(out, ContentType::from(0), &inner)
        };
        for zeros in [1, 2, 100, PLAIN_BYTES_MAX - 5] {
            let wire = padded(&mut out, b"body\x17", zeros);
            let content = opened(&mut into, wire).expect("padding may be of any length");
            assert_eq!(content, (ContentType::ApplicationData, b"body".to_vec()));
        }
        let wire = padded(&mut out, b"", 30);
        assert_eq!(opened(&mut into, wire), Err(PeerMisbehaved::IllegalTlsInnerPlaintext.into()));
    }

    #[test]
    fn records_that_are_too_long_too_short_or_of_a_wrong_type_are_refused() {
        for (version, algorithm) in all() {
            let [mut out, mut into] = ends(version, algorithm, 0);
            let expansion = if version == ProtocolVersion::TLSv1_3 { 256 } else { 2048 };
            let header = |size| header(ContentType::ApplicationData, size);
            let most = PLAIN_BYTES_MAX + expansion;
            assert_eq!(into.record_bytes(&header(most)), Ok(Some(HEADER_BYTES + most)));
            let error = Err(Error::PeerSentOversizedRecord);
            assert_eq!(into.record_bytes(&header(most + 1)), error);
            assert_eq!(into.record_bytes(b"HTTP/1.1"), Err(unexpected(ContentType::from(b'H'))));
            assert_eq!(into.record_bytes(&[20, 3, 3, 0, 1]), Err(unexpected(20.into())));
            assert_eq!(into.record_bytes(&[23, 3, 3, 0]), Ok(None), "no whole header");
            for size in 0..16 {
                let [_, mut into] = ends(version, algorithm, 0);
                let mut wire = [&header(size)[..], &vec![1; size]].concat();
                assert_eq!(into.open(&mut wire, 0), Err(Error::DecryptError), "{size} bytes");
            }
            let wire =
                sealed(&mut out, ContentType::ApplicationData, &vec![1; PLAIN_BYTES_MAX + 1]);
            assert_eq!(opened(&mut into, wire), Err(Error::PeerSentOversizedRecord));
        }
    }

    #[test]
    fn numbers_of_records_never_wrap() {
        for (version, algorithm) in all() {
            let [mut out, mut into] = ends(version, algorithm, u64::MAX - 1);
            let last = sealed(&mut out, ContentType::ApplicationData, b"last");
            assert!(opened(&mut into, last.clone()).is_ok());
            let kind = ContentType::ApplicationData;
            assert_eq!(out.seal(kind, b"more", &mut Vec::new()), Err(Error::EncryptError));
            assert_eq!(opened(&mut into, last), Err(Error::DecryptError));
        }
    }
}

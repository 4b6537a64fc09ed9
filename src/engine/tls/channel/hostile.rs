//! Any bytes as what a server says behind its handshake: for the tests and the fuzzer.
//!
//! Bytes that a fuzzer makes up fail at the first tag. So they are mostly taken as a script of
//! records, which are sealed with the key that the channel opens with: what is behind the tag is
//! reached. None of this is in a build that is shipped.

use ring::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305};

use super::super::record::ends;
use super::*;

/// Both ends of a connection without rustls: a channel, and what speaks to it and listens.
pub(super) fn by_hand(
    version: ProtocolVersion,
    algorithm: &'static Algorithm,
) -> (Channel, Protection, Protection) {
    let [out, theirs_into] = ends(version, algorithm, 0);
    let [theirs_out, into] = ends(version, algorithm, 0);
    let channel = Channel {
        out,
        into,
        kept: None,
        records_max: u64::MAX,
        message: Vec::new(),
        answer: Vec::new(),
        is_closed: false,
        fruitless: 0,
    };
    (channel, theirs_out, theirs_into)
}

/// What stands in the first byte of an input, beside the cipher.
const TLS_1_2: u8 = 0x04;
const AS_IT_IS: u8 = 0x08;
const SPOILT: u8 = 0x10;

/// However the bytes are cut into pieces, the same comes of them: data that was sealed, in its
/// order, and an end or an error; and what is answered is sealed as it should be.
///
/// # Panics
///
/// If that does not hold.
pub(in crate::engine) fn check_tls_records(input: &[u8]) {
    let [form, script @ ..] = input else { return };
    let (wire, sealed) = match form & AS_IT_IS {
        0 => sealed(*form, script),
        _ => (script.to_vec(), Vec::new()),
    };
    let whole = heard(*form, &wire, wire.len());
    for piece in [1, 7, 300] {
        let heard = heard(*form, &wire, piece);
        assert_eq!((&heard.end, &heard.answer), (&whole.end, &whole.answer), "pieces of {piece}");
        assert!(sealed.starts_with(&heard.data), "pieces of {piece}: data that nobody sealed");
        // A piece that is refused gives none of its data.
        let is_same = heard.data == whole.data || whole.end.is_err();
        assert!(is_same && heard.data.starts_with(&whole.data), "pieces of {piece}");
    }
}

/// What a channel made of bytes.
struct Heard {
    data: Vec<u8>,
    /// Whether the stream has ended, or what is wrong.
    end: Result<bool, Error>,
    answer: Vec<(ContentType, Vec<u8>)>,
}

fn heard(form: u8, wire: &[u8], piece: usize) -> Heard {
    let (mut channel, _, mut into) = of_form(form);
    let (mut data, mut coming, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = Ok(false);
    for now in wire.chunks(piece.max(1)) {
        coming.extend_from_slice(now);
        match channel.open(&mut coming) {
            Ok(opened) => {
                assert_eq!(opened.missing > 0, !opened.rest.is_empty(), "{opened:?}");
                assert!(opened.data <= opened.rest.start, "{opened:?}");
                assert_eq!(opened.rest.end, coming.len(), "{opened:?}");
                data.extend_from_slice(&coming[..opened.data]);
                coming.drain(..opened.rest.start);
                end = Ok(channel.is_closed());
            }
            Err(error) => end = Err(error),
        }
        answer.extend(channel.take_answer().unwrap_or_default());
        if end.is_err() {
            break;
        }
    }
    Heard { data, end, answer: said(&mut into, &answer) }
}

/// What the records of an answer carry; all of it must be good.
fn said(into: &mut Protection, mut wire: &[u8]) -> Vec<(ContentType, Vec<u8>)> {
    let mut said = Vec::new();
    while !wire.is_empty() {
        let size = into.record_bytes(wire).expect("a record").expect("a header");
        let (record, rest) = wire.split_at(size);
        let mut record = record.to_vec();
        let content = into.open(&mut record, 0).expect("a good record");
        record.truncate(content.size);
        said.push((content.kind, record));
        wire = rest;
    }
    said
}

fn of_form(form: u8) -> (Channel, Protection, Protection) {
    let is_old = form & TLS_1_2 != 0;
    let version = if is_old { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 };
    let algorithm = match form & 3 {
        0 => &AES_128_GCM,
        1 => &AES_256_GCM,
        _ => &CHACHA20_POLY1305,
    };
    by_hand(version, algorithm)
}

/// The records of a script, sealed, and the data in them. Each has two bytes, its type and its
/// size, and then its content; of size 255 it is longer than a record may be. What is spoilt is a
/// bit of a byte whose place the first two bytes say.
fn sealed(form: u8, script: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, mut out, _) = of_form(form);
    let (mut wire, mut data) = (Vec::new(), Vec::new());
    let (spoilt, mut script) = match script {
        [high, low, rest @ ..] if form & SPOILT != 0 => {
            (Some(usize::from(*high) << 8 | usize::from(*low)), rest)
        }
        _ => (None, script),
    };
    while let [kind, size, rest @ ..] = script {
        let (content, rest) = rest.split_at(rest.len().min(usize::from(*size)));
        script = rest;
        let content = match *size {
            u8::MAX => content.iter().copied().cycle().take(PLAIN_BYTES_MAX + 1).collect(),
            _ => content.to_vec(),
        };
        let sealed = out.seal(ContentType::from(*kind), &content, &mut wire);
        sealed.expect("a key that is not used up");
        data.extend_from_slice(carried(form, &[&content[..], &[*kind]].concat()));
    }
    if let Some(place) = spoilt.and_then(|place| place.checked_rem(wire.len())) {
        wire[place] ^= 1 << (place & 7);
    }
    (wire, data)
}

/// The data in a record's content, whose type stands behind it; in TLS 1.3 zeros may follow that.
fn carried(form: u8, content: &[u8]) -> &[u8] {
    let end = match form & TLS_1_2 {
        0 => content.iter().rposition(|byte| *byte != 0),
        _ => Some(content.len() - 1),
    };
    match end {
        Some(end) if ContentType::from(content[end]) == ContentType::ApplicationData => {
            &content[..end]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::Path;

    use super::*;

    /// Changed copies of each input. The fuzz target tries more; this finds what is easy to find.
    const SEEDS: u64 = 50;

    #[test]
    fn kept_inputs_of_tls_records_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/tls_records");
        let mut count = 0;
        for entry in fs::read_dir(folder).expect("the corpus is in the repository") {
            let path = entry.expect("a readable folder").path();
            let input = fs::read(&path).expect("a readable file");
            for seed in 0..SEEDS {
                let changed = changed(&input, seed);
                let held = catch_unwind(|| check_tls_records(&changed));
                assert!(held.is_ok(), "SEED={seed} of {}: {changed:?}", path.display());
            }
            count += 1;
        }
        assert!(count > 0, "no inputs");
    }

    /// The input itself, or a byte of it set to any other.
    fn changed(input: &[u8], seed: u64) -> Vec<u8> {
        let mut changed = input.to_vec();
        let random = seed.wrapping_mul(0x5851_F42D_4C95_7F2D);
        let [.., byte, high, low] = random.to_be_bytes();
        let at = usize::from(high) << 8 | usize::from(low);
        if seed > 0 && !input.is_empty() {
            changed[at % input.len()] = byte;
        }
        changed
    }

    #[test]
    fn scripts_reach_data_ends_and_errors() {
        let whole = |form, script: &[u8]| {
            let (wire, sealed) = sealed(form, script);
            (heard(form, &wire, wire.len()), sealed)
        };
        for form in 0..7 {
            let (heard, sealed) = whole(form, b"\x17\x02ab\x17\x01c\x15\x02\x01\x00");
            assert_eq!((&heard.data[..], &sealed[..]), (&b"abc"[..], &b"abc"[..]), "{form}");
            assert_eq!(heard.end, Ok(true), "{form}: close_notify");
            let (heard, _) = whole(form, b"\x17\x02ab\x14\x00");
            assert!(heard.end.is_err() && heard.answer.len() == 1, "{form}: an alert answers");
        }
        // A record that is all zeros but for its data and its type.
        let (heard, sealed) = whole(0, b"\x00\x05ab\x17\x00\x00");
        assert_eq!((&heard.data[..], &sealed[..]), (&b"ab"[..], &b"ab"[..]));
    }
}

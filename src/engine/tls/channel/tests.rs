//! Channels against rustls' servers, in memory, and against records made by hand.

use std::io::{Read, Write};
use std::sync::Arc;

use ring::aead::AES_256_GCM;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ServerConfig, ServerConnection};

use super::super::handshake::{Awaits, Handshake, Handshaking};
use super::super::{BotTls, Resumption, Tls, TlsOptions, TlsVersion, Trust};
use super::*;

const DATA: ContentType = ContentType::ApplicationData;
const SUITES: [(&str, TlsVersion); 6] = [
    ("TLS_AES_128_GCM_SHA256", TlsVersion::Tls13),
    ("TLS_AES_256_GCM_SHA384", TlsVersion::Tls13),
    ("TLS_CHACHA20_POLY1305_SHA256", TlsVersion::Tls13),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", TlsVersion::Tls12),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TlsVersion::Tls12),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", TlsVersion::Tls12),
];

fn client(suite: &str, version: TlsVersion) -> Tls {
    Tls::new(&TlsOptions {
        trust: Trust::Anyone,
        min: version,
        max: version,
        cipher_suites: vec![suite.to_owned()],
        resumption: Resumption::PerBot,
        ..TlsOptions::default()
    })
    .expect("options that fit together")
}

fn server_config() -> ServerConfig {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key")
}

/// A secured connection to a server of rustls' in memory, and bytes that wait to be opened.
struct Pair {
    channel: Channel,
    server: ServerConnection,
    coming: Vec<u8>,
    kind: Handshake,
}

impl Pair {
    fn new((suite, version): (&str, TlsVersion)) -> Self {
        Self::again(&client(suite, version), &mut BotTls::default(), Arc::new(server_config()))
    }

    fn again(tls: &Tls, bot: &mut BotTls, config: Arc<ServerConfig>) -> Self {
        let name = tls.name("localhost").expect("a name");
        let mut handshaking = Handshaking::new(tls.session(bot, &name).expect("a session"));
        let mut server = ServerConnection::new(config).expect("a session");
        let (mut coming, mut going) = (Vec::new(), Vec::new());
        loop {
            let awaits = handshaking.advance(&mut coming, &mut going).expect("a good server");
            hand_over(&mut server, &going).expect("a good client");
            going.clear();
            if awaits == Awaits::Nothing {
                break;
            }
            while server.wants_write() {
                server.write_tls(&mut coming).expect("a vector takes all");
            }
        }
        let (channel, kind) = handshaking.finish().expect("it is over");
        Self { channel, server, coming, kind }
    }

    /// Sends `data` to the server, and returns what it has got.
    fn send(&mut self, data: &[u8]) -> Vec<u8> {
        let (mut parts, mut got) = ([data], Vec::new());
        while !parts[0].is_empty() {
            let mut wire = Vec::new();
            self.channel.seal(&mut parts, &mut wire, 64 * 1024).expect("a good key");
            assert!(wire.len() <= 64 * 1024);
            got.extend(hand_over(&mut self.server, &wire).expect("good records"));
        }
        got
    }

    /// Lets the server send `data`, and returns what comes of it in pieces of so many bytes.
    fn answer(&mut self, data: &[u8], mut piece: impl FnMut() -> usize) -> Result<Vec<u8>, Error> {
        let mut data = data;
        let mut got = Vec::new();
        while !data.is_empty() || self.server.wants_write() {
            let taken = self.server.writer().write(data).expect("a vector takes it");
            data = &data[taken..];
            let mut wire = Vec::new();
            self.server.write_tls(&mut wire).expect("a vector takes all");
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                let (now, later) = wire.split_at(piece().clamp(1, wire.len()));
                self.coming.extend_from_slice(now);
                wire = later;
                got.extend(open_what_came(&mut self.channel, &mut self.coming)?);
                if let Some(answer) = self.channel.take_answer() {
                    hand_over(&mut self.server, &answer)?;
                }
            }
        }
        Ok(got)
    }
}

/// Hands bytes to the server, and returns the data in them.
fn hand_over(server: &mut ServerConnection, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).expect("a slice can be read");
        server.process_new_packets()?;
        let _all_is_read = server.reader().read_to_end(&mut data);
    }
    Ok(data)
}

/// Opens what can be opened of `coming`, and leaves the rest in it.
fn open_what_came(channel: &mut Channel, coming: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
    let opened = channel.open(coming)?;
    let data = coming[..opened.data].to_vec();
    assert_eq!(opened.missing > 0, !opened.rest.is_empty(), "{opened:?}");
    assert!(opened.rest.end == coming.len(), "{opened:?}");
    *coming = coming[opened.rest].to_vec();
    Ok(data)
}

fn some(size: usize) -> Vec<u8> {
    (0..=252).cycle().take(size).collect()
}

#[test]
fn data_goes_both_ways_with_every_suite() {
    for suite in SUITES {
        let mut pair = Pair::new(suite);
        for size in [1, 100, PLAIN_BYTES_MAX, PLAIN_BYTES_MAX + 1, 100_000, 1_000_000] {
            assert!(pair.send(&some(size)) == some(size), "{suite:?}: {size} bytes sent");
            let answer = pair.answer(&some(size), || 64 * 1024);
            assert!(answer == Ok(some(size)), "{suite:?}: {size} bytes received");
        }
        assert!(pair.channel.take_answer().is_none());
    }
}

#[test]
fn a_record_or_a_write_is_never_larger_than_it_may_be() {
    let mut pair = Pair::new(SUITES[0]);
    let (head, body) = (some(100), some(3 * PLAIN_BYTES_MAX));
    let mut parts = [head.as_slice(), body.as_slice()];
    let mut wire = Vec::new();
    pair.channel.seal(&mut parts, &mut wire, 40_000).expect("a good key");
    assert_eq!(parts.map(<[u8]>::len), [0, PLAIN_BYTES_MAX], "a head and two records fit");
    assert_eq!(wire.len(), 100 + 2 * PLAIN_BYTES_MAX + 3 * 22);
    wire.clear();
    pair.channel.seal(&mut parts, &mut wire, 10).expect("a good key");
    assert_eq!(parts.map(<[u8]>::len), [0, 0], "one record goes out in any case");
}

#[test]
fn bytes_that_come_one_by_one_are_the_same_bytes() {
    for suite in SUITES {
        let mut pair = Pair::new(suite);
        for size in [1, 300, 5_000] {
            assert!(pair.answer(&some(size), || 1) == Ok(some(size)), "{suite:?}");
        }
    }
}

/// Both ends of a connection without rustls: a channel, and what speaks to it.
fn by_hand() -> (Channel, Protection, Protection) {
    hostile::by_hand(ProtocolVersion::TLSv1_3, &AES_256_GCM)
}

fn records(of: &mut Protection, contents: &[(ContentType, &[u8])]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (kind, content) in contents {
        of.seal(*kind, content, &mut wire).expect("a good key");
    }
    wire
}

#[test]
fn records_that_are_split_anywhere_are_opened_the_same() {
    let contents: [(ContentType, &[u8]); 5] = [
        (DATA, b"HTTP/1.1 200 OK\r\n"),
        (DATA, b""),
        (DATA, b"content-length: 4\r\n\r\n"),
        (DATA, b"b"),
        (DATA, b"ody"),
    ];
    let wire = records(&mut by_hand().1, &contents);
    let whole: Vec<u8> = contents.iter().flat_map(|(_, content)| content.to_vec()).collect();
    for split in 0..=wire.len() {
        let (mut channel, ..) = by_hand();
        let mut coming = wire[..split].to_vec();
        let mut got = open_what_came(&mut channel, &mut coming).expect("good records");
        coming.extend_from_slice(&wire[split..]);
        got.extend(open_what_came(&mut channel, &mut coming).expect("good records"));
        assert!(got == whole && coming.is_empty(), "split at {split}");
    }
}

#[test]
fn what_is_missing_of_a_record_is_known_from_its_header_on() {
    let wire = records(&mut by_hand().1, &[(DATA, &some(1_000))]);
    for count in 1..wire.len() {
        let (mut channel, ..) = by_hand();
        let opened = channel.open(&mut wire[..count].to_vec()).expect("the start of a record");
        let missing = if count < 5 { 5 - count } else { wire.len() - count };
        assert_eq!(opened, Opened { data: 0, rest: 0..count, missing });
    }
}

#[test]
fn a_session_is_resumed_by_the_tickets_that_come_between_the_data() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let suite = SUITES.iter().find(|(_, of)| *of == version).expect("one of each");
        let (tls, mut bot) = (client(suite.0, version), BotTls::default());
        let config = Arc::new(server_config());
        let mut pair = Pair::again(&tls, &mut bot, Arc::clone(&config));
        assert_eq!(pair.kind, Handshake::Full);
        assert_eq!(pair.send(b"GET"), b"GET");
        // Tickets are of some hundred bytes: here they come in pieces.
        assert_eq!(pair.answer(b"200", || 7), Ok(b"200".to_vec()));
        let mut again = Pair::again(&tls, &mut bot, config);
        assert_eq!(again.kind, Handshake::Resumed, "{version:?}");
        assert_eq!(again.send(b"GET"), b"GET");
        assert_eq!(again.answer(b"200", || 7), Ok(b"200".to_vec()));
    }
}

#[test]
fn the_server_may_change_its_key_at_any_time() {
    let mut pair = Pair::new(SUITES[1]);
    for _ in 0..3 {
        assert_eq!(pair.send(b"GET"), b"GET");
        // This asks for a new key of the client's too.
        pair.server.refresh_traffic_keys().expect("TLS 1.3");
        assert_eq!(pair.answer(&some(20_000), || 999), Ok(some(20_000)));
        assert_eq!(pair.channel.out.sequence(), 0, "the client's key is a new one");
    }
}

#[test]
fn a_key_that_has_protected_as_much_as_it_may_is_changed_or_its_connection_given_up() {
    let mut pair = Pair::new(SUITES[0]);
    pair.channel.records_max = 3;
    for number in 0..20 {
        assert_eq!(pair.send(b"GET"), b"GET", "record {number}");
        assert!(!pair.channel.is_worn());
        assert!(pair.channel.out.sequence() <= 3, "record {number}");
    }
    let mut pair = Pair::new(SUITES[3]);
    // The end of the handshake was a record too.
    pair.channel.records_max = 3;
    assert_eq!(pair.send(b"GET"), b"GET");
    assert!(!pair.channel.is_worn());
    assert_eq!(pair.send(b"GET"), b"GET");
    assert!(pair.channel.is_worn(), "TLS 1.2 has no new keys");
}

/// A channel whose server is asked by hand: its protections, and what makes new keys for them.
fn with_server_by_hand() -> (Channel, [Protection; 2], KernelConnection<ServerData>) {
    let tls = client("TLS_AES_128_GCM_SHA256", TlsVersion::Tls13);
    let name = tls.name("localhost").expect("a name");
    let session = tls.session(&mut BotTls::default(), &name).expect("a session");
    let mut handshaking = Handshaking::new(session);
    let mut config = server_config();
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    let mut server = UnbufferedServerConnection::new(Arc::new(config)).expect("a session");
    let (mut coming, mut going) = (Vec::new(), Vec::new());
    let mut awaits = Awaits::More;
    while awaits == Awaits::More {
        awaits = handshaking.advance(&mut coming, &mut going).expect("a good server");
        while !serve(&mut server, &mut going, &mut coming) {}
    }
    let (secrets, kept) = server.dangerous_into_kernel_connection().expect("it is over");
    let ends = [secrets.tx, secrets.rx]
        .map(|of| Protection::new(ProtocolVersion::TLSv1_3, of).expect("a good key"));
    (handshaking.finish().expect("it is over").0, ends, kept)
}

type ServerData = rustls::server::ServerConnectionData;

/// A step of a server's handshake; whether it waits for the client.
fn serve(
    server: &mut UnbufferedServerConnection,
    going: &mut Vec<u8>,
    coming: &mut Vec<u8>,
) -> bool {
    let UnbufferedStatus { discard, state, .. } = server.process_tls_records(going);
    let is_waiting = match state.expect("a good client") {
        ConnectionState::EncodeTlsData(mut message) => {
            let mut bytes = vec![0; 4_096];
            let size = message.encode(&mut bytes).expect("room");
            coming.extend_from_slice(&bytes[..size]);
            false
        }
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            false
        }
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => true,
        other => panic!("{other:?} in a handshake"),
    };
    going.drain(..discard);
    is_waiting
}

#[test]
fn a_new_key_that_is_asked_for_is_announced_and_used() {
    let (mut channel, [mut out, mut into], mut kept) = with_server_by_hand();
    for round in 0..3 {
        let mut coming = records(&mut out, &[(DATA, b"before"), (ContentType::Handshake, ASK)]);
        out = Protection::new(ProtocolVersion::TLSv1_3, kept.update_tx_secret().expect("a key"))
            .expect("a key");
        coming.extend(records(&mut out, &[(DATA, b", behind")]));
        let got = open_what_came(&mut channel, &mut coming).expect("good records");
        assert_eq!(got, b"before, behind", "round {round}");
        let mut answer = channel.take_answer().expect("it was asked for");
        assert_eq!(into.record_bytes(&answer), Ok(Some(answer.len())));
        let content = into.open(&mut answer, 0).expect("under the old key");
        assert_eq!(content.kind, ContentType::Handshake);
        assert_eq!(answer[..content.size], KEY_UPDATE);
        into = Protection::new(ProtocolVersion::TLSv1_3, kept.update_rx_secret().expect("a key"))
            .expect("a key");
        let mut wire = Vec::new();
        channel.seal(&mut [b"GET"], &mut wire, 1_000).expect("a good key");
        let content = into.open(&mut wire, 0).expect("under the new key");
        assert_eq!(&wire[..content.size], b"GET");
    }
}

/// A `KeyUpdate` that asks for one in return.
const ASK: &[u8] = &[24, 0, 0, 1, 1];

#[test]
fn new_keys_that_are_malformed_or_have_company_are_refused() {
    let wrong: [(&[u8], Error); 4] = [
        (&[24, 0, 0, 1, 2], InvalidMessage::InvalidKeyUpdate.into()),
        (&[24, 0, 0, 0], InvalidMessage::InvalidKeyUpdate.into()),
        (&[24, 0, 0, 1, 0, 4], PeerMisbehaved::KeyEpochWithPendingFragment.into()),
        (&[24, 1, 0, 0, 0], InvalidMessage::HandshakePayloadTooLarge.into()),
    ];
    for (message, error) in wrong {
        let (mut channel, [mut out, _], _) = with_server_by_hand();
        let mut coming = records(&mut out, &[(ContentType::Handshake, message)]);
        assert_eq!(channel.open(&mut coming), Err(error), "{message:?}");
        assert!(channel.take_answer().is_some(), "the server is told");
    }
}

#[test]
fn a_message_in_parts_is_put_together_and_nothing_comes_in_between() {
    let (mut channel, [mut out, _], mut kept) = with_server_by_hand();
    for part in ASK {
        let mut coming = records(&mut out, &[(ContentType::Handshake, &[*part])]);
        assert_eq!(channel.open(&mut coming).map(|opened| opened.data), Ok(0));
    }
    assert!(channel.take_answer().is_some(), "all of it has come");
    out = Protection::new(ProtocolVersion::TLSv1_3, kept.update_tx_secret().expect("a key"))
        .expect("a key");
    let parts: [(ContentType, &[u8]); 2] = [(ContentType::Handshake, &[24, 0]), (DATA, b"data")];
    let refused = channel.open(&mut records(&mut out, &parts));
    assert_eq!(refused, Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into()));
}

#[test]
fn the_end_of_the_stream_is_heard_and_nothing_behind_it() {
    let (mut channel, mut out, _) = by_hand();
    let mut coming =
        records(&mut out, &[(DATA, b"all"), (ContentType::Alert, &[1, 0]), (DATA, b"more")]);
    coming.extend_from_slice(b"not TLS");
    let got = open_what_came(&mut channel, &mut coming);
    assert_eq!(got, Ok(b"all".to_vec()));
    assert!(channel.is_closed() && coming.is_empty() && channel.take_answer().is_none());
}

#[test]
fn what_the_server_refuses_is_said_and_not_answered() {
    let (mut channel, [mut out, _], _) = with_server_by_hand();
    // In TLS 1.3 the level says nothing.
    for level in [1, 2] {
        let refused = channel.open(&mut records(&mut out, &[(ContentType::Alert, &[level, 116])]));
        assert_eq!(refused, Err(Error::AlertReceived(AlertDescription::CertificateRequired)));
        assert!(channel.take_answer().is_none());
    }
    let refused = channel.open(&mut records(&mut out, &[(ContentType::Alert, &[1])]));
    assert_eq!(refused, Err(InvalidMessage::TrailingData("an alert").into()));
}

#[test]
fn in_tls_1_2_warnings_pass_and_another_handshake_is_declined() {
    let (mut channel, mut out, mut into) = by_hand();
    let mut coming = records(
        &mut out,
        &[(ContentType::Alert, &[1, 90]), (ContentType::Handshake, &[0; 4]), (DATA, b"data")],
    );
    assert_eq!(open_what_came(&mut channel, &mut coming), Ok(b"data".to_vec()));
    let mut answer = channel.take_answer().expect("a warning");
    let content = into.open(&mut answer, 0).expect("a good record");
    assert_eq!((content.kind, &answer[..content.size]), (ContentType::Alert, &[1, 100][..]));
    let refused = channel.open(&mut records(&mut out, &[(ContentType::Alert, &[2, 40])]));
    assert_eq!(refused, Err(Error::AlertReceived(AlertDescription::HandshakeFailure)));
}

#[test]
fn the_server_is_told_what_is_wrong_with_its_records() {
    let mut pair = Pair::new(SUITES[2]);
    pair.answer(b"ok", || 100).expect("good records");
    pair.server.writer().write_all(b"data").expect("room");
    let mut wire = Vec::new();
    pair.server.write_tls(&mut wire).expect("a vector takes all");
    *wire.last_mut().expect("a record") ^= 1;
    assert_eq!(pair.channel.open(&mut wire), Err(Error::DecryptError));
    let answer = pair.channel.take_answer().expect("an alert");
    let told = hand_over(&mut pair.server, &answer);
    assert_eq!(told, Err(Error::AlertReceived(AlertDescription::BadRecordMac)));
}

#[test]
fn records_without_data_come_to_an_end() {
    let kinds: [(ContentType, &[u8], PeerMisbehaved); 3] = [
        (DATA, b"", PeerMisbehaved::TooManyEmptyFragments),
        (ContentType::Alert, &[1, 90], PeerMisbehaved::TooManyWarningAlertsReceived),
        (ContentType::Handshake, &[0; 4], PeerMisbehaved::TooManyRenegotiationRequests),
    ];
    for (kind, content, error) in kinds {
        let (mut channel, mut out, _) = by_hand();
        for _ in 0..3 {
            let mut coming = records(&mut out, &[(kind, content); FRUITLESS_MAX as usize]);
            coming.extend(records(&mut out, &[(DATA, b"x")]));
            assert_eq!(open_what_came(&mut channel, &mut coming), Ok(b"x".to_vec()));
        }
        let mut coming = records(&mut out, &[(kind, content); FRUITLESS_MAX as usize + 1]);
        assert_eq!(channel.open(&mut coming), Err(error.into()));
    }
}

/// Seeds that property tests run: `SEED=n` runs one.
fn seeds(count: u64) -> Range<u64> {
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

/// Numbers below a limit, drawn from a seed.
fn draws(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |limit| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    }
}

#[test]
fn whatever_a_server_seals_is_data_or_an_end_or_an_error() {
    let (mut ends, mut errors) = (0, 0);
    for seed in seeds(2_000) {
        let mut below = draws(seed);
        let (mut channel, mut out, _) = by_hand();
        let (mut wire, mut data) = (Vec::new(), Vec::new());
        for _ in 0..1 + below(12) {
            // Mostly data; else any type, with what looks like alerts and messages.
            let kind = [23, 23, 23, 21, 22, 20, 0][below(7)];
            let size = if kind == 21 { 2 } else { below(9) };
            let content: Vec<u8> =
                (0..size).map(|_| [0, 0, 0, 1, 2, 4, 24, 90][below(8)]).collect();
            out.seal(ContentType::from(kind), &content, &mut wire).expect("a good key");
            if kind == 23 {
                data.extend(content);
            }
        }
        if below(8) == 0 {
            let at = below(wire.len());
            wire[at] ^= 1 << below(8);
        }
        let (mut got, mut coming, mut wire) = (Vec::new(), Vec::new(), wire.as_slice());
        let mut refused = Ok(());
        while refused.is_ok() && !wire.is_empty() {
            let (now, later) = wire.split_at((1 + below(40)).min(wire.len()));
            coming.extend_from_slice(now);
            wire = later;
            match open_what_came(&mut channel, &mut coming) {
                Ok(more) => got.extend(more),
                Err(error) => refused = Err(error),
            }
        }
        assert!(data.starts_with(&got), "rerun with SEED={seed}");
        let is_all = refused.is_ok() && !channel.is_closed() && coming.is_empty();
        assert!(!is_all || got == data, "rerun with SEED={seed}");
        ends += u32::from(channel.is_closed());
        errors += u32::from(refused.is_err());
    }
    assert!(std::env::var("SEED").is_ok() || ends.min(errors) > 50, "{ends} ends, {errors} errors");
}

#[test]
fn whatever_is_said_in_whatever_pieces_arrives_and_nothing_spoilt_does() {
    for seed in seeds(24) {
        let mut below = draws(seed);
        let suite = SUITES[below(6)];
        let mut pair = Pair::new(suite);
        for _ in 0..30 {
            let size = 1 + below(20_000);
            match below(4) {
                0 => assert!(pair.send(&some(size)) == some(size), "rerun with SEED={seed}"),
                1 if suite.1 == TlsVersion::Tls13 => {
                    pair.server.refresh_traffic_keys().expect("TLS 1.3");
                }
                _ => {
                    let piece_max = 1 + below(3_000);
                    let answer = pair.answer(&some(size), || 1 + below(piece_max));
                    assert!(answer == Ok(some(size)), "rerun with SEED={seed}");
                }
            }
        }
        pair.server.writer().write_all(&some(1_000)).expect("room");
        let mut wire = Vec::new();
        pair.server.write_tls(&mut wire).expect("a vector takes all");
        let at = below(wire.len());
        wire[at] ^= 1 << below(8);
        let data = open_what_came(&mut pair.channel, &mut wire);
        // A longer length is one that has not come yet.
        assert!(data.is_err() || data == Ok(Vec::new()), "rerun with SEED={seed}");
    }
}

//! The layout, byte by byte, and what becomes of bytes that are none.

use super::*;
use crate::session::{Arrived, Who};
use crate::{Failure, Name, ReadError};

const WHO: Who = Who { scenario: 0x0102_0304_0506_0708, bot: 300, session: 1 };

fn started(recorder: &mut Recorder) {
    recorder.start(&RecordedStart {
        who: WHO,
        at_us: 1_000_000,
        stopping: false,
        sampler_version: 1,
        carry: b"null",
        setup: b"",
    });
}

fn taken(recorder: &mut Recorder) -> Vec<u8> {
    let mut bytes = Vec::new();
    recorder.take(WHO, &mut bytes);
    bytes
}

#[test]
fn a_record_is_laid_out_as_its_header_says() {
    let mut recorder = Recorder::default();
    started(&mut recorder);
    recorder.send(&Name::from("ab"), 0x1111_2222_3333_4455);
    recorder.input(Arrived::Response(200), 1_000_005, true);
    recorder.value_json(Asked::Pointer, b"12");
    recorder.value_error(Asked::Text, ReadError::NotText as u8);
    recorder.value_panicked(Asked::Reveal);
    recorder.send(&Name::from("ab".to_owned()), 0x6677);
    recorder.input(Arrived::Response(503), 1_000_205, false);
    recorder.other(CommandKind::Sleep, 0, 0x8899);
    recorder.input(Arrived::Woke, 1_000_205, false);
    recorder.end(1, Some("no"), 0x0102_0304_0506_0708);
    #[rustfmt::skip]
    let expected = [
        0x00, 0xC0, 0x84, 0x3D, 1, 1, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0xAC, 2, 1,
        4, b'n', b'u', b'l', b'l', 0,
        0x80 | 31, 2, b'a', b'b', 0x55, 0x44,
        0x09, 5,
        0x41, 2, b'1', b'2',
        0x53, 4,
        0x68,
        0x80, 0x77, 0x66,
        0x02, 0xC8, 1, 0xF7, 3,
        0xA0, 0x99, 0x88,
        0x04, 0,
        0xE1, 2, b'n', b'o', 8, 7, 6, 5, 4, 3, 2, 1,
    ];
    assert_eq!(taken(&mut recorder), expected);
}

#[test]
fn all_that_is_written_is_read_back() {
    let mut recorder = Recorder::default();
    started(&mut recorder);
    recorder.other(CommandKind::Ask, 0, 7);
    let mut at_us = 1_000_000;
    let arrivals = [
        Arrived::Response(200),
        Arrived::Response(0),
        Arrived::Response(u16::MAX),
        Arrived::Woke,
        Arrived::Answer(0),
        Arrived::Answer(u64::MAX),
    ];
    let failures = Failure::ALL.iter().map(|failure| Arrived::Failed(*failure));
    let arrivals: Vec<_> = arrivals.into_iter().chain(failures).collect();
    for arrived in &arrivals {
        at_us += 1 << 40;
        recorder.input(*arrived, at_us, true);
        recorder.other(CommandKind::Sleep, 0, 7);
    }
    let bytes = taken(&mut recorder);
    let mut read = Vec::new();
    for event in Events::new(&bytes) {
        if let Event::Input { at_us, stopping, input } = event.expect("as written") {
            assert!(stopping);
            assert_eq!(at_us, 1_000_000 + (read.len() as u64 + 1) * (1 << 40));
            read.push(match input {
                RecordedInput::Response(status) => Arrived::Response(status),
                RecordedInput::Failed(failure) => Arrived::Failed(failure),
                RecordedInput::Woke => Arrived::Woke,
                RecordedInput::Answer(answer) => Arrived::Answer(answer),
            });
        }
    }
    assert_eq!(read, arrivals);
}

#[test]
fn labels_beyond_the_limit_are_spelt_out_each_time() {
    let names: Vec<_> = (0..LABELS_MAX + 20).map(|n| Name::from(format!("label {n}"))).collect();
    let mut recorder = Recorder::default();
    started(&mut recorder);
    let twice = || names.iter().chain(&names);
    for name in twice() {
        recorder.send(name, 0);
    }
    let bytes = taken(&mut recorder);
    let labels: Vec<_> = Events::new(&bytes)
        .filter_map(|event| match event.expect("as written") {
            Event::Command(command) => Some(command.label.to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(labels, twice().map(|name| name.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_large_record_does_not_stay_in_memory() {
    let mut recorder = Recorder::default();
    started(&mut recorder);
    recorder.value_json(Asked::Text, &[b'0'; 100_000]);
    assert!(taken(&mut recorder).len() > 100_000);
    assert!(recorder.capacity() <= 512);
}

#[test]
fn what_cannot_be_is_an_error_where_it_stands() {
    for (bytes, error) in [
        (&[0x3F, 0][..], RecordError::Malformed { offset: 0 }),
        (&[0x06, 0], RecordError::Malformed { offset: 1 }),
        (&[0x00, 0, 99], RecordError::Version(99)),
        (&[0x03, 0, 200, 1], RecordError::Malformed { offset: 3 }),
        (&[0x4F], RecordError::Malformed { offset: 0 }),
        (&[0x50, 200], RecordError::Malformed { offset: 1 }),
        (&[0x70], RecordError::Malformed { offset: 0 }),
        (&[0x80, 0, 0], RecordError::Malformed { offset: 0 }),
        (&[0x9F, 1, 0xFF, 0, 0], RecordError::Malformed { offset: 2 }),
        (&[0x40, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], RecordError::Truncated),
        (&[0x40, 5, b'1'], RecordError::Truncated),
        (&[0x05, 0], RecordError::Truncated),
        (&[0x04; 1], RecordError::Truncated),
        (&[0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], {
            RecordError::Malformed { offset: 10 }
        }),
    ] {
        let mut events = Events::new(bytes);
        assert_eq!(events.next(), Some(Err(error)), "{bytes:x?}");
        assert_eq!(events.next(), None, "an error is the last event");
    }
}

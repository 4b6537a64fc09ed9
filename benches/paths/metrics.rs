//! What is counted for each request, and how histograms add up.

use std::hint::black_box;

use tallyho::metrics::{Ended, Exchange, Histogram, Recorder};
use tallyho_replay::{Name, Note};

use super::Path;

const EXCHANGE: Exchange = Exchange {
    due_us: 1_000,
    sent_us: 1_010,
    completed_us: 4_000,
    waited_us: 0,
    blocked_us: 0,
    connecting_us: 0,
    tls_us: 0,
    sending_us: 10,
    waiting_us: 2_900,
    receiving_us: 80,
    status: 200,
    expected: true,
    failure: None,
    bytes_sent: 80,
    bytes_received: 500,
};

/// Values as a server's times are spread, again and again.
fn values() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        200 + (state >> 52)
    }
}

/// The whole account of a request with one of so many names.
fn exchange(count: usize) -> Path {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let names: Vec<Name> = (0..count).map(|n| Name::from(format!("GET /items/{n}"))).collect();
    let (mut value, mut turn) = (values(), 0);
    let mut run = move || {
        turn = (turn + 1) % names.len();
        let series = recorder.series(scenario, &names[turn]);
        let took = value();
        let exchange = Exchange { completed_us: 1_010 + took, waiting_us: took - 90, ..EXCHANGE };
        recorder.exchange(series, &exchange).is_some()
    };
    // The first values of a name make pages of its histograms, which is not what is measured.
    (0..200 * count).for_each(|_| _ = run());
    Path::new(format!("histogram/request with {count} name(s)"), run)
}

pub(crate) fn all() -> Vec<Path> {
    let (mut histogram, mut value) = (Histogram::<u32>::new(), values());
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let check = Note::Check { name: Name::from("status is 200"), passed: true };
    let (mut sum, mut part) = (Histogram::<u64>::new(), Histogram::<u32>::new());
    let mut others = values();
    (0..10_000).for_each(|_| part.record(others()));
    vec![
        Path::new("histogram/record", move || histogram.record(value())),
        exchange(1),
        exchange(40),
        Path::new("histogram/check and iteration", move || {
            recorder.note(1, black_box(&check));
            recorder.iteration(scenario, 4_000, Ended::Completed);
        }),
        Path::new("histogram/merge one of 4,000 values", move || sum.add(black_box(&part))),
    ]
}

//! What is counted, and what is not lost silently.

use std::rc::Rc;

use tallyho_replay::{Failure, Note};

use super::*;
use crate::metrics::{OTHER, Totals};

const ANSWERED: Exchange = Exchange {
    due_us: 1_000,
    sent_us: 1_500,
    completed_us: 4_000,
    waited_us: 0,
    blocked_us: 0,
    connecting_us: 0,
    tls_us: 0,
    sending_us: 100,
    waiting_us: 2_000,
    receiving_us: 300,
    status: 200,
    expected: true,
    failure: None,
    bytes_sent: 80,
    bytes_received: 500,
};

fn totals(recorder: &mut Recorder) -> Totals {
    let mut totals = Totals::default();
    totals.add_snapshot(&recorder.swap(Snapshot::default()));
    totals
}

fn record(exchange: &Exchange) -> Totals {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("GET /"));
    recorder.exchange(series, exchange);
    totals(&mut recorder)
}

#[test]
fn response_time_counts_from_due_and_service_time_from_the_phases() {
    let totals = record(&ANSWERED);
    let all = totals.all_requests();
    assert_eq!(all.response_time().figures().max_us, 3_000);
    assert_eq!(all.http_req_duration().figures().max_us, 2_400);
    assert_eq!(all.http_req_waiting.figures().max_us, 2_000);
    assert_eq!((all.bytes_sent, all.bytes_received, all.failed), (80, 500, 0));
    assert_eq!(all.statuses.get(&200), Some(&1));
}

#[test]
fn waiting_for_a_bot_or_a_connection_is_not_schedule_lag() {
    assert_eq!(record(&ANSWERED).schedule_lag.figures().max_us, 500);
    let waited = Exchange { waited_us: 300, blocked_us: 150, ..ANSWERED };
    assert_eq!(record(&waited).schedule_lag.figures().max_us, 50);
    let early = Exchange { sent_us: 900, ..ANSWERED };
    assert_eq!(record(&early).schedule_lag.figures().max_us, 0);
}

#[test]
fn a_request_sent_late_by_the_generator_counts_as_late() {
    assert_eq!(record(&ANSWERED).late, 0);
    assert_eq!(record(&Exchange { sent_us: 1_000 + LATE_US, ..ANSWERED }).late, 1);
}

#[test]
fn unexpected_answers_are_kept_apart_from_expected_ones() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("GET /"));
    recorder.exchange(series, &ANSWERED);
    let fast = Exchange { status: 503, expected: false, completed_us: 1_600, ..ANSWERED };
    assert!(recorder.exchange(series, &fast).is_some());
    let totals = totals(&mut recorder);
    let (_, _, series) = totals.requests().next().unwrap();
    assert_eq!(series.expected.response_time.figures().min_us, 3_000);
    assert_eq!(series.unexpected.response_time.figures().max_us, 600);
    assert_eq!((series.count(), series.failed), (2, 1));
    assert_eq!(totals.failures["unexpected status 503"].count, 1);
}

#[test]
fn zeros_of_open_connections_are_counted_without_recording_them() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("GET /"));
    for _ in 0..9 {
        recorder.exchange(series, &ANSWERED);
    }
    let opened = Exchange { blocked_us: 70, connecting_us: 50, ..ANSWERED };
    recorder.exchange(series, &opened);
    let totals = totals(&mut recorder);
    assert_eq!(totals.http_req_connecting.count(), 10);
    assert_eq!(totals.http_req_connecting.percentile_us(90.0), Some(0));
    assert_eq!(totals.http_req_connecting.percentile_us(100.0), Some(50));
    assert_eq!(totals.http_req_tls_handshaking.count(), 10);
}

#[test]
fn only_the_first_failure_of_a_kind_asks_for_an_example() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("GET /"));
    let refused =
        Exchange { status: 0, expected: false, failure: Some(Failure::Refused), ..ANSWERED };
    let slot = recorder.exchange(series, &refused).unwrap();
    recorder.example(slot, "7/1".to_owned(), "x".repeat(EXAMPLE_BYTES_MAX + 1));
    assert!(recorder.exchange(series, &refused).is_none());
    let later = Exchange { completed_us: 9_000, ..refused };
    assert!(recorder.exchange(series, &later).is_none());
    let totals = totals(&mut recorder);
    let failures = &totals.failures[Failure::Refused.as_str()];
    assert_eq!((failures.count, failures.first_us, failures.last_us), (3, 4_000, 9_000));
    assert_eq!(failures.requests["GET /"], 3);
    let example = failures.example.as_ref().unwrap();
    assert_eq!((example.session.as_str(), example.text.len()), ("7/1", EXAMPLE_BYTES_MAX));
}

#[test]
fn request_names_above_the_bound_share_one_row_and_are_counted() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    for id in 0..REQUEST_NAMES_MAX + 25 {
        let name = Name::Shared(Rc::from(format!("GET /items/{id}")));
        let series = recorder.series(scenario, &name);
        recorder.exchange(series, &ANSWERED);
    }
    let totals = totals(&mut recorder);
    assert_eq!(totals.requests().count(), REQUEST_NAMES_MAX as usize + 1);
    assert_eq!(totals.scenarios["default"].requests[OTHER].count(), 25);
    assert_eq!(totals.bounds.request_names, 25);
}

#[test]
fn the_same_request_name_in_two_scenarios_is_two_series() {
    let mut recorder = Recorder::new();
    let (a, b) = (recorder.scenario("a"), recorder.scenario("b"));
    let name = Name::Static("GET /");
    assert_ne!(recorder.series(a, &name), recorder.series(b, &name));
    assert_eq!(recorder.series(a, &name), recorder.series(a, &name));
}

#[test]
fn iterations_stopped_on_the_way_have_no_duration() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    recorder.due(scenario, 4);
    recorder.started(scenario, 3);
    recorder.dropped(scenario, 1);
    recorder.iteration(scenario, 10, Ended::Completed);
    recorder.iteration(scenario, 20, Ended::Failed);
    recorder.iteration(scenario, 30, Ended::Interrupted);
    let all = totals(&mut recorder).all_iterations();
    assert_eq!((all.due, all.started, all.dropped), (4, 3, 1));
    assert_eq!((all.completed, all.failed, all.interrupted), (2, 1, 1));
    assert_eq!(all.iteration_duration.figures().sum_us, 30);
}

#[test]
fn notes_become_the_four_kinds_of_metric() {
    let mut recorder = Recorder::new();
    let name = |text| Name::Static(text);
    for note in [
        Note::Check { name: name("ok"), passed: true },
        Note::Check { name: name("ok"), passed: false },
        Note::Counter { name: name("sold"), by: 3 },
        Note::Counter { name: name("sold"), by: 4 },
        Note::Rate { name: name("hit"), hit: true },
        Note::Gauge { name: name("queue"), value: 5.0 },
        Note::Gauge { name: name("queue"), value: -2.0 },
        Note::Trend { name: name("size"), value: 1.5, is_time: false },
        Note::Trend { name: name("round"), value: 12.25, is_time: true },
        Note::Action { set: name("home"), name: name("shop"), took_us: 9 },
        Note::Action { set: name(""), name: name("shop"), took_us: 8 },
    ] {
        recorder.note(7, &note);
    }
    let totals = totals(&mut recorder);
    assert_eq!((totals.checks["ok"].passes, totals.checks["ok"].fails), (1, 1));
    assert_eq!(totals.counters["sold"], 7);
    assert_eq!((totals.rates["hit"].passes, totals.rates["hit"].fails), (1, 0));
    let queue = totals.gauges["queue"];
    assert_eq!((queue.min, queue.max, queue.count), (-2.0, 5.0, 2));
    assert_eq!(totals.trends["size"].figures().sum_us, 1_500);
    assert_eq!(totals.times["round"].figures().sum_us, 12_250);
    assert_eq!(totals.actions.keys().collect::<Vec<_>>(), ["home/shop", "shop"]);
}

#[test]
fn notes_that_no_metric_can_hold_are_counted_and_not_lost_silently() {
    let mut recorder = Recorder::new();
    for value in [f64::NAN, -1.0, 1e12] {
        recorder.note(0, &Note::Trend { name: "size".into(), value, is_time: false });
    }
    recorder.note(0, &Note::Gauge { name: "queue".into(), value: f64::INFINITY });
    recorder.note(0, &Note::Counter { name: "http_reqs".into(), by: 1 });
    let totals = totals(&mut recorder);
    assert_eq!(totals.bounds.out_of_range, 4);
    assert_eq!(totals.bounds.names_taken, 1);
    assert_eq!(totals.trends["size"].count(), 2);
    assert!(totals.gauges.is_empty() && totals.counters.is_empty());
}

#[test]
fn a_spare_goes_on_where_the_snapshot_before_it_ended() {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("GET /"));
    recorder.exchange(series, &ANSWERED);
    recorder.cpu(100, 10);
    let mut first = recorder.swap(Snapshot::default());
    recorder.exchange(series, &ANSWERED);
    let another = recorder.series(scenario, &Name::Static("GET /more"));
    recorder.exchange(another, &ANSWERED);
    recorder.cpu(350, 15);
    assert_eq!((first.requests(), first.cpu_us, first.cpu_wait_us), (1, 100, 10));
    first.clear();
    let second = recorder.swap(first);
    assert_eq!((second.requests(), second.cpu_us, second.cpu_wait_us), (2, 250, 5));
    recorder.exchange(another, &ANSWERED);
    assert_eq!(recorder.swap(Snapshot::default()).requests(), 1);
}

#[test]
fn a_snapshot_travels_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Snapshot>();
}

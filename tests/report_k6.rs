//! What k6 users rely on: the layout of k6's text for the example of its documentation, and the
//! shape of the summary export.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixture;

use std::time::Duration;

use fixture::{SECONDS, events, facts, measure, report};
use serde_json::Value;
use tallyho::metrics::{Collector, Ended, Exchange, Recorder, Snapshot, Threshold};
use tallyho::report::text::{self, Options};
use tallyho::report::{Report, k6_summary};
use tallyho_replay::{Name, Note};

/// k6's example: 45 requests, two checks each, in 6.858623 s.
fn example() -> Report {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let series = recorder.series(scenario, &Name::Static("http://localhost/"));
    for index in 0..45_u64 {
        let took_us = 119_080 + index * 800;
        recorder.exchange(
            series,
            &Exchange {
                due_us: 0,
                sent_us: 0,
                completed_us: took_us,
                waited_us: 0,
                blocked_us: 0,
                connecting_us: 0,
                tls_us: 0,
                sending_us: 0,
                waiting_us: took_us,
                receiving_us: 0,
                status: 200,
                expected: true,
                failure: None,
                bytes_sent: 120,
                bytes_received: 120_000,
            },
        );
        recorder.note(0, &Note::Check { name: "status is 200".into(), passed: true });
        recorder.note(0, &Note::Check { name: "body ok".into(), passed: index != 7 });
        recorder.iteration(scenario, took_us + 1_000_000, Ended::Completed);
    }
    let mut collector = Collector::new(1);
    collector.add(0, 0, &mut recorder.swap(Snapshot::default()));
    let mut facts = facts(0);
    facts.duration = Duration::from_micros(6_858_623);
    let threshold = Threshold::parse("http_req_duration", "p(95)<1500").unwrap();
    Report::new(facts, collector.finish(), &[threshold])
}

#[test]
fn thresholds_come_first_as_k6_prints_them() {
    let text = text::render(&example(), &Options { columns: None, ..Options::default() });
    let expected = "\n  █ THRESHOLDS\n\n    http_req_duration\n    ✓ 'p(95)<1500' p(95)=152.7ms\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn checks_are_counted_and_listed_as_k6_does() {
    let text = text::render(&example(), &Options { columns: None, ..Options::default() });
    let expected = "
  █ TOTAL RESULTS

    checks_total.......: 90     13.122168/s
    checks_succeeded...: 98.88% 89 out of 90
    checks_failed......: 1.11%  1 out of 90

    ✗ body ok
      ↳  97% — ✓ 44 / ✗ 1
    ✓ status is 200
";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn metrics_are_dotted_to_the_longest_of_their_block_and_three_more() {
    let text = text::render(&example(), &Options { columns: None, ..Options::default() });
    let stats = "avg=136.68ms min=119.08ms med=136.7ms max=154.28ms p(90)=151.16ms p(95)=152.7ms";
    let expected = format!(
        "
    HTTP
    http_req_duration..............: {stats}
      {{ expected_response:true }}...: {stats}
    http_req_failed................: 0.00% 0 out of 45
    http_reqs......................: 45    6.561084/s
"
    );
    assert!(text.contains(&expected), "{text}");
    let network = "
    NETWORK
    data_received...: 5.4 MB 787 kB/s
    data_sent.......: 5.4 kB 787 B/s
";
    assert!(text.contains(network), "{text}");
}

#[test]
fn the_export_has_the_old_shape_in_which_true_means_failed() {
    let export: Value = serde_json::from_str(&k6_summary::render(&report())).unwrap();
    let metrics = &export["metrics"];
    assert_eq!(metrics["http_req_duration"]["thresholds"]["p(95)<1500"], false);
    assert_eq!(metrics["http_req_duration"]["thresholds"]["p(99)<1"], true);
    assert_eq!(metrics["http_req_failed"]["thresholds"]["rate<0.01"], true);
    assert_eq!(metrics["never_told"]["thresholds"]["avg<3"], false);
    for (metric, keys) in [
        ("http_reqs", &["count", "rate"][..]),
        ("vus", &["max", "min", "value"]),
        ("checks", &["fails", "passes", "thresholds", "value"]),
        ("iteration_duration", &["avg", "max", "med", "min", "p(90)", "p(95)"]),
    ] {
        let found: Vec<&String> = metrics[metric].as_object().unwrap().keys().collect();
        assert_eq!(found, keys, "{metric}");
    }
    let check = &export["root_group"]["checks"]["cart is not empty"];
    assert_eq!(check["path"], "::cart is not empty");
    assert!(check["fails"].as_u64() > Some(0));
}

#[test]
fn a_rate_of_the_export_is_the_share_of_true_values() {
    let report = report();
    let export: Value = serde_json::from_str(&k6_summary::render(&report)).unwrap();
    let failed = &export["metrics"]["http_req_failed"];
    let requests = report.summary.requests;
    assert_eq!(failed["passes"], report.summary.requests_failed);
    assert_eq!(failed["passes"].as_u64().unwrap() + failed["fails"].as_u64().unwrap(), requests);
    assert_eq!(failed["value"].as_f64(), Some(report.summary.requests_failed_share));
}

#[test]
fn metrics_without_samples_are_not_listed() {
    let measured = measure(&events(1, 0), 1, 0, || 0).remove(0);
    let report = Report::new(facts(0), measured, &[]);
    let export: Value = serde_json::from_str(&k6_summary::render(&report)).unwrap();
    let names: Vec<&String> = export["metrics"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["vus", "vus_max"], "nothing happened in {SECONDS} s");
    let text = text::render(&report, &Options::default());
    assert!(!text.contains("http_req_duration...") && !text.contains("NaN"), "{text}");
}

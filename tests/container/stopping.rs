//! SIGTERM in every phase: ECS gives a task some time, then kills it.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::lambda;
use crate::results::SCENARIO;
use crate::task;

/// Far longer than any test waits.
const LONG: &str = r#"{
  "vus": 4, "duration": "10m",
  "steps": [ { "get": "/health" }, { "think": "5ms..15ms" } ]
}"#;

/// No object is half there: the one that the function reads is whole, or there is none.
fn expect_whole(bucket: &Bucket) {
    for key in bucket.keys().iter().filter(|key| key.ends_with("json")) {
        if key.starts_with("results/") {
            lambda::parse(&bucket.read(key));
        } else {
            serde_json::from_str::<serde_json::Value>(&bucket.read(key)).expect("JSON");
        }
    }
}

#[test]
fn a_signal_during_the_load_drains_it_and_uploads_results_that_say_they_are_partial() {
    let bucket = Bucket::start("stop-running");
    bucket.put("test-scenarios/t.json", LONG);
    let task = task::start(&bucket.url(), &[("TALLYHO_PAUSE", "10m")]);
    task.wait_for("IO driver: ");
    std::thread::sleep(Duration::from_millis(1_500));
    task.signal("TERM");
    let ended = task.finish().expect_exit(0);
    assert!(ended.took < Duration::from_secs(28), "{:?}\n{}", ended.took, ended.log);
    let uuid = ended.uuid();
    let parsed = lambda::parse(&bucket.read(&format!("results/t/{uuid}.json")));
    assert!(parsed.test_duration > 1.0 && parsed.test_duration < 60.0, "{parsed:?}");
    let report = bucket.read(&format!("runs/t/{uuid}/run.json"));
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["run"]["stopped_by"], "a signal");
    assert!(bucket.read(&format!("runs/t/{uuid}/report.txt")).contains("stopped early"));
    expect_whole(&bucket);
}

#[test]
fn a_signal_during_the_pause_ends_it_and_uploads_results_that_are_whole() {
    let bucket = Bucket::start("stop-pausing");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let task = task::start(&bucket.url(), &[("TALLYHO_PAUSE", "10m")]);
    task.wait_for("sleep for: ");
    task.signal("TERM");
    let ended = task.finish().expect_exit(0);
    assert!(ended.took < Duration::from_secs(28), "{:?}\n{}", ended.took, ended.log);
    let report = bucket.read(&format!("runs/t/{}/run.json", ended.uuid()));
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["run"]["stopped_by"].is_null());
    expect_whole(&bucket);
}

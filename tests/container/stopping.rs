//! SIGTERM in every phase: ECS gives a task some time, then kills it.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::lambda;
use crate::proxy::{Fault, Proxy};
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
    for key in [format!("results/t/{uuid}.json"), format!("runs/t/{uuid}/run.json")] {
        assert_eq!(bucket.metadata(&key)["tallyho-partial"], "true", "{key}");
    }
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
    let metadata = bucket.metadata(&format!("results/t/{}.json", ended.uuid()));
    assert!(metadata["tallyho-partial"].is_null(), "it is whole: {metadata}");
    expect_whole(&bucket);
}

#[test]
fn a_signal_before_the_load_ends_the_task_at_once() {
    let bucket = Bucket::start("stop-early");
    bucket.put("test-scenarios/t.json", LONG);
    let proxy = Proxy::start(bucket.address, &[("test-scenarios", Fault::Stall, 9)]);
    let task = task::start(&proxy.url(), &[]);
    task.wait_for("Downloading test scenario");
    task.signal("TERM");
    let ended = task.finish().expect_exit(105);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    ended.expect_said("Stopped before the load began");
    assert_eq!(bucket.keys(), ["test-scenarios/t.json"]);
}

#[test]
fn a_signal_during_an_upload_that_hangs_ends_the_task_in_time_with_files_kept() {
    let bucket = Bucket::start("stop-uploading");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let proxy = Proxy::start(bucket.address, &[("run.json", Fault::Stall, 99)]);
    let task = task::start(&proxy.url(), &[("TALLYHO_STOP_TIMEOUT", "6s")]);
    task.wait_for("Uploaded s3://scenarios/results/");
    task.signal("TERM");
    let ended = task.finish().expect_exit(1);
    assert!(ended.took < Duration::from_secs(6), "{:?}", ended.took);
    let kept = ended.work.path().join(ended.uuid()).join("run.json");
    assert!(kept.is_file(), "{}", ended.log);
    expect_whole(&bucket);
}

/// Killed without warning in each phase, and while an object is under way.
#[test]
fn a_kill_in_any_phase_leaves_whole_objects_or_none() {
    for (said, slow) in [
        ("Running test", ""),
        ("IO driver: ", ""),
        ("sleep for: ", ""),
        ("Uploading results", "PUT*results*.json"),
        ("Uploaded s3://scenarios/results/", "run.json"),
    ] {
        let bucket = Bucket::start("killed");
        bucket.put("test-scenarios/t.json", SCENARIO);
        let slow = if slow.is_empty() { "no such key" } else { slow };
        let proxy = Proxy::start(bucket.address, &[(slow, Fault::Slow(2_000), 9)]);
        let task = task::start(&proxy.url(), &[("TALLYHO_PAUSE", "200ms")]);
        task.wait_for(said);
        std::thread::sleep(Duration::from_millis(50));
        task.signal("KILL");
        let _killed = task.finish();
        expect_whole(&bucket);
    }
}

//! From the scenario in the bucket to results in the bucket.

use serde_json::Value;

use crate::bucket::Bucket;
use crate::lambda::{self, Metric};
use crate::run::tallyho;
use crate::task;

/// Against the stand-in API, for a second and a half, with some failures.
pub const SCENARIO: &str = r#"{
  "vus": 4,
  "duration": "1500ms",
  "steps": [ { "get": "/health" }, { "think": "5ms..15ms" } ]
}"#;

#[test]
fn a_task_downloads_its_scenario_runs_it_and_uploads_what_the_function_reads() {
    let bucket = Bucket::start("whole");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let ended = task::start(&bucket.url(), &[]).finish().expect_exit(0);
    let uuid = ended.uuid();
    let keys = bucket.keys();
    let json: Vec<&String> =
        keys.iter().filter(|key| key.starts_with("results/") && key.ends_with("json")).collect();
    assert_eq!(json, [&format!("results/t/{uuid}.json")], "{keys:?}");
    for name in ["run.json", "report.html", "report.txt", "task.json", "trace-0.tly"] {
        assert!(keys.contains(&format!("runs/t/{uuid}/{name}")), "{name}: {keys:?}");
    }
    let parsed = lambda::parse(&bucket.read(&format!("results/t/{uuid}.json")));
    let report: Value =
        serde_json::from_str(&bucket.read(&format!("runs/t/{uuid}/run.json"))).expect("JSON");
    let requests = report["summary"]["requests"].as_f64().expect("a number");
    assert!(requests > 10.0, "{}", ended.log);
    assert_eq!(parsed.metrics["http_reqs"], Metric::Counter(requests));
    let summary = |name: &str| report["summary"][name].as_f64().expect("a number");
    assert_eq!(parsed.metrics["iterations"], Metric::Counter(summary("completed")));
    assert_eq!(parsed.metrics["data_received"], Metric::Counter(summary("bytes_received")));
    assert_eq!(parsed.metrics["http_req_failed"], Metric::Rate(summary("requests_failed_share")));
    let seconds = report["duration_us"].as_f64().expect("a number") / 1e6;
    assert!((parsed.test_duration - seconds).abs() < 0.002, "{}", parsed.test_duration);
    for name in ["http_req_duration", "response_time"] {
        let Metric::Trend(trend) = parsed.metrics[name] else { panic!("{name} is no trend") };
        let times = &report["summary"][name];
        let us = |percentile: &str| times[percentile].as_f64().expect("a time") / 1_000.0;
        assert_eq!(trend.max, us("max_us"), "{name}");
        assert!(trend.min <= trend.med && trend.med <= trend.p90, "{trend:?}");
        // Of some hundred samples neighbours differ by more than a step of the histogram.
        for (seen, percentile) in [(trend.med, "p50_us"), (trend.p90, "p90_us")] {
            let wanted = us(percentile);
            assert!((seen - wanted).abs() < wanted * 0.1 + 0.05, "{name}: {seen} for {wanted}");
        }
    }
    for line in ["S3_BUCKET: scenarios", "TEST_ID: t", "TASK_INDEX: 0", "Downloading test scenario"]
    {
        ended.expect_said(&format!("{line}\n"));
    }
    ended.expect_said("Running test\n");
    ended.expect_said("sleep for: 0.001 seconds.\nUploading results\n");
}

#[test]
fn tasks_of_one_test_have_identities_apart_and_merge_into_one_report() {
    let bucket = Bucket::start("tasks");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let tasks = ["0", "1"].map(|index| task::start(&bucket.url(), &[("TASK_INDEX", index)]));
    let tasks = tasks.map(|task| task.finish().expect_exit(0));
    let keys = tasks.each_ref().map(|task| format!("runs/t/{}/run.json", task.uuid()));
    let files = keys.each_ref().map(|key| bucket.path(key));
    let files = files.each_ref().map(|path| path.to_str().expect("text"));
    let merged = tallyho(&["report", files[0], files[1], "-f", "json"]);
    let merged: Value = serde_json::from_slice(&merged.stdout).expect("a report");
    assert_eq!(merged["tasks"].as_array().expect("tasks").len(), 2);
    let parsed = tasks
        .each_ref()
        .map(|task| lambda::parse(&bucket.read(&format!("results/t/{}.json", task.uuid()))));
    let function = lambda::merge(&parsed);
    let requests = merged["summary"]["requests"].as_f64().expect("a number");
    assert_eq!(function["http_reqs"], Metric::Counter(requests));
    let (Metric::Trend(both), Metric::Trend(one)) =
        (&function["http_req_duration"], &parsed[0].metrics["http_req_duration"])
    else {
        panic!("not trends")
    };
    assert!(both.min <= one.min && both.max <= one.max, "as the function has it");
}

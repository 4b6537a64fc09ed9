//! Faults on the way to S3, and what becomes of a task that meets them.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::lambda;
use crate::proxy::{Fault, Proxy, Rule};
use crate::results::SCENARIO;
use crate::task::{self, Ended};

/// Runs a task whose way to S3 has these faults.
fn run(name: &str, rules: &[Rule]) -> (Bucket, Proxy, Ended) {
    let bucket = Bucket::start(name);
    bucket.put("test-scenarios/t.json", SCENARIO);
    let proxy = Proxy::start(bucket.address, rules);
    let ended = task::start(&proxy.url(), &[]).finish();
    (bucket, proxy, ended)
}

/// The result is there, whole and once.
fn expect_result(bucket: &Bucket, ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    lambda::parse(&bucket.read(&format!("results/t/{}.json", ended.uuid())));
}

#[test]
fn slow_down_resets_and_lost_answers_are_tried_again() {
    let rules = [
        ("GET /scenarios/test-scenarios", Fault::Status(503, "SlowDown"), 2),
        (".started", Fault::Reset, 1),
        ("task.json", Fault::LoseAnswer, 1),
        ("run.json", Fault::Status(500, "InternalError"), 1),
        ("PUT /scenarios/results*.json", Fault::LoseAnswer, 1),
    ];
    let (bucket, proxy, ended) = run("again", &rules);
    expect_result(&bucket, &ended);
    // A busy machine may let an attempt run out of time, so there may be more of them.
    assert!(proxy.requests("GET /scenarios/test-scenarios") >= 3);
    let uuid = ended.uuid();
    assert!(proxy.requests(&format!("PUT /scenarios/results/t/{uuid}.json")) >= 2);
    assert!(proxy.requests(&format!("HEAD /scenarios/runs/t/{uuid}/task.json")) >= 1);
}

#[test]
fn a_slow_link_and_an_attempt_that_stands_still_delay_the_upload_and_no_more() {
    let rules = [("report.html", Fault::Slow(200_000), 1), ("run.json", Fault::Stall, 1)];
    let (bucket, _, ended) = run("slow", &rules);
    expect_result(&bucket, &ended);
    assert!(bucket.path(&format!("runs/t/{}/run.json", ended.uuid())).exists());
}

#[test]
fn access_denied_expired_credentials_and_another_region_are_told_apart_before_the_load() {
    let denied = Fault::Status(403, "AccessDenied");
    for (text, fault, said) in [
        ("test-scenarios", denied, "access denied (403); the role needs s3:GetObject"),
        (".started", denied, "cannot write results, and so nothing is run: s3://scenarios/results"),
        ("task.json", denied, "access denied (403)"),
        ("GET", Fault::Status(400, "ExpiredToken"), "the AWS credentials have expired"),
        ("GET", Fault::Redirect("eu-west-1"), "set AWS_REGION=eu-west-1"),
        ("GET", Fault::Status(404, "NoSuchBucket"), "there is no bucket scenarios (404)"),
    ] {
        let (bucket, _, ended) = run("denied", &[(text, fault, usize::MAX)]);
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        ended.expect_said(said);
        assert!(!ended.log.contains("Running test"), "{}", ended.log);
        assert!(
            !bucket.keys().iter().any(|key| key.starts_with("results/") && key.ends_with("json"))
        );
    }
}

#[test]
fn an_upload_that_fails_keeps_the_files_says_so_and_exits_with_1() {
    let denied = Fault::Status(403, "AccessDenied");
    let (bucket, _, ended) = run("lost", &[("run.json", denied, 9)]);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let folder = ended.work.path().join(ended.uuid());
    ended.expect_said(&format!("the files are kept in {}", folder.display()));
    ended.expect_said("run.json was not uploaded: s3://scenarios/runs/t/");
    for name in ["run.json", "report.html", "trace-0.tly", "results.json"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    // What could be uploaded was.
    lambda::parse(&bucket.read(&format!("results/t/{}.json", ended.uuid())));
    assert!(ended.took < Duration::from_secs(60));
}

/// A task with a second trace of 12 MB, which goes up in three parts.
fn run_in_parts(bucket: &Bucket, proxy: &Proxy) -> (Ended, Vec<u8>) {
    let parts = [("TALLYHO_PART_BYTES", "5MiB"), ("TALLYHO_PAUSE", "2s")];
    let task = task::start(&proxy.url(), &parts);
    task.wait_for("sleep for: ");
    let large: Vec<u8> =
        (0..12_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
    let uuid = task.log().lines().find_map(|line| line.strip_prefix("UUID: ").map(str::to_owned));
    let folder = task.work.path().join(uuid.expect("a UUID"));
    std::fs::write(folder.join("trace-9.tly"), &large).expect("a file");
    assert!(!bucket.keys().iter().any(|key| key.ends_with("trace-9.tly")));
    (task.finish(), large)
}

#[test]
fn an_object_in_parts_is_whole_and_once_whatever_a_part_meets() {
    let bucket = Bucket::start("parts");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let rules = [
        ("PUT*trace-9*partNumber=2", Fault::Status(503, "SlowDown"), 1),
        ("PUT*trace-9*partNumber=1", Fault::Reset, 1),
    ];
    let proxy = Proxy::start(bucket.address, &rules);
    let (ended, large) = run_in_parts(&bucket, &proxy);
    let key = format!("runs/t/{}/trace-9.tly", ended.uuid());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(std::fs::read(bucket.path(&key)).expect("an object") == large, "not the same bytes");
    assert!(proxy.requests("partNumber") >= 5, "three parts, two of them twice");
}

#[test]
fn a_part_that_is_refused_for_good_ends_the_upload_and_leaves_no_object() {
    let bucket = Bucket::start("no-parts");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let rules = [("trace-9*partNumber=2", Fault::Status(403, "AccessDenied"), 99)];
    let proxy = Proxy::start(bucket.address, &rules);
    let (ended, _) = run_in_parts(&bucket, &proxy);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(!bucket.path(&format!("runs/t/{}/trace-9.tly", ended.uuid())).exists());
    assert_eq!(proxy.requests("DELETE"), 1, "the parts are given up");
}

//! What is wrong with bucket, credentials or variables is said before any load.

use crate::bucket::Bucket;
use crate::results::SCENARIO;
use crate::task;

#[test]
fn a_scenario_that_is_not_there_is_said_before_any_load() {
    let bucket = Bucket::start("no-key");
    let ended = task::start(&bucket.url(), &[]).finish().expect_exit(1);
    ended.expect_said("s3://scenarios/test-scenarios/t.json: there is no such object (404)");
    assert!(!ended.log.contains("Running test"), "{}", ended.log);
}

#[test]
fn a_wrong_secret_key_is_said_before_any_load() {
    let bucket = Bucket::start("no-bucket");
    bucket.put("test-scenarios/t.json", SCENARIO);
    let wrong = [("AWS_SECRET_ACCESS_KEY", "wrong")];
    let ended = task::start(&bucket.url(), &wrong).finish().expect_exit(1);
    ended.expect_said("the AWS credentials are not accepted (SignatureDoesNotMatch)");
}

#[test]
fn missing_variables_and_missing_credentials_are_named() {
    for (name, value) in [("S3_BUCKET", ""), ("TEST_ID", ""), ("TEST_ID", "../x")] {
        let ended = task::start("http://127.0.0.1:1", &[(name, value)]).finish().expect_exit(2);
        ended.expect_said(name);
    }
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let ended = task::start("http://127.0.0.1:1", &none).finish().expect_exit(1);
    ended.expect_said("no AWS credentials were found");
}

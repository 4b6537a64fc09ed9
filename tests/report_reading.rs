//! `run.json` is read back whole, tolerantly, and never by a version that is too old.

mod fixture;

use std::time::Duration;

use fixture::{events, facts, measure, report};
use tallyho::report::{ReadError, Report, State, Warning};

#[test]
fn a_report_read_back_is_the_report_that_was_written() {
    let report = report();
    let read = Report::from_json(&report.to_json()).unwrap();
    assert_eq!(read, report);
    assert_eq!(read.to_json(), report.to_json());
}

#[test]
fn fields_of_a_newer_version_are_ignored() {
    let mut json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
    json["weather"] = "fine".into();
    json["totals"]["humidity"] = 3.into();
    json["run"]["mood"] = "good".into();
    json["tasks"][0]["notices"][0]["kind"] = "something_new".into();
    let read = Report::from_json(&json.to_string()).unwrap();
    assert_eq!(read.totals, report().totals);
    assert_eq!(read.tasks[0].notices, [Warning::Unknown]);
}

#[test]
fn a_newer_major_schema_is_refused_in_clear_words() {
    let json = report().to_json().replace("tallyho.run.v1", "tallyho.run.v2");
    let error = Report::from_json(&json).unwrap_err();
    assert!(matches!(&error, ReadError::Newer(schema) if schema == "tallyho.run.v2"));
    assert_eq!(
        error.to_string(),
        "this report was written by a newer version (schema tallyho.run.v2, this version reads \
         tallyho.run.v1): read it with that version"
    );
}

#[test]
fn a_file_of_another_program_is_refused() {
    for json in ["{}", r#"{"schema":"k6"}"#, r#"{"schema":"tallyho.run.vx"}"#] {
        assert!(matches!(Report::from_json(json), Err(ReadError::Other(_))), "{json}");
    }
    assert!(matches!(Report::from_json("[1"), Err(ReadError::Json(_))));
}

#[test]
fn a_histogram_whose_count_does_not_fit_its_values_is_refused() {
    let mut json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
    json["totals"]["schedule_lag"]["count"] = 1.into();
    let error = Report::from_json(&json.to_string()).unwrap_err().to_string();
    assert!(error.contains("count is 1, but hdr holds"), "{error}");
}

#[test]
fn numbers_that_cannot_be_are_refused_before_anything_is_added() {
    let refused = |pointer: &str, value: serde_json::Value| {
        let mut json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        Report::from_json(&json.to_string()).unwrap_err().to_string()
    };
    assert_eq!(
        refused("/timeline/rows/3/due", u64::MAX.into()),
        "this report says what cannot be: /timeline/rows/3/due is 18446744073709551615"
    );
    let count = report().totals.scenarios["browse"].requests["GET /items"].count();
    let items = "/totals/scenarios/browse/requests/GET ~1items";
    assert_eq!(
        refused(&format!("{items}/failed"), 1_000_000.into()),
        format!("this report says what cannot be: 1000000 of {count} requests GET /items failed")
    );
    let error = refused(&format!("{items}/statuses/200"), 99_999.into());
    let expected = format!("responses to {count} requests GET /items");
    assert!(error.contains(&expected), "{error}");
    assert!(refused("/timeline/seconds_per_row", 0.into()).contains("seconds_per_row is 0"));
    assert!(refused("/timeline/seconds_per_row", 3.into()).contains("seconds_per_row is 3"));
}

#[test]
fn reports_of_different_runs_do_not_merge() {
    let of_run = |run_id: &str, index| {
        let mut facts = facts(index);
        facts.run.run_id = run_id.to_owned();
        Report::new(facts, measure(&events(1, 5), 1, 1, || 0).remove(0), &[])
    };
    let error = Report::merge(vec![of_run("a", 0), of_run("b", 1)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these reports are not of one test: the run id is a in one and b in another"
    );
    assert!(matches!(Report::merge(vec![]), Err(ReadError::Nothing)));
    let twice = Report::merge(vec![of_run("a", 3), of_run("a", 3)]);
    assert!(matches!(twice, Err(ReadError::Different { .. })), "a task counted twice");
}

#[test]
fn a_merged_report_lasts_from_the_first_start_to_the_last_end() {
    let of_task = |index: u32, seconds: u64, start: &str, end: &str| {
        let mut facts = facts(index);
        facts.duration = Duration::from_secs(seconds);
        facts.task.started_unix_us += u64::from(index) * 3_000_000;
        (facts.started_at, facts.ended_at) = (start.to_owned(), end.to_owned());
        Report::new(facts, measure(&events(1, 5), 1, 1, || 0).remove(0), &[])
    };
    let merged = Report::merge(vec![
        of_task(0, 10, "2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"),
        of_task(1, 20, "2026-01-01T00:00:03Z", "2026-01-01T00:00:23Z"),
    ]);
    let merged = merged.unwrap();
    assert_eq!(merged.started_at, "2026-01-01T00:00:00Z");
    assert_eq!(merged.ended_at, "2026-01-01T00:00:23Z");
    assert_eq!(merged.duration_us, 20_000_000);
    assert!(merged.warnings.contains(&Warning::TasksApart { apart_us: 3_000_000 }));
}

#[test]
fn missing_tasks_degrade_the_merged_report() {
    let mut facts = facts(0);
    facts.run.tasks_expected = 3;
    let measured = measure(&events(1, 50), 1, 1, || 0).remove(0);
    let report = Report::merge(vec![Report::new(facts, measured, &[])]).unwrap();
    assert!(report.warnings.contains(&Warning::TasksMissing { present: 1, expected: 3 }));
    assert!(report.verdict.evidence.iter().any(|text| text.contains("2 of 3 tasks are missing")));
}

#[test]
fn a_run_without_requests_is_invalid() {
    let measured = measure(&[vec![], vec![]], 1, 1, || 0).remove(0);
    let report = Report::new(facts(0), measured, &[]);
    assert_eq!(report.verdict.state, State::Invalid);
    assert_eq!(report.verdict.evidence, ["no request was made"]);
}

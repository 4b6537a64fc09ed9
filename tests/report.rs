//! `tallyho report` and `tallyho compare` on recorded runs, with the real binary.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixture;
mod servers;
mod tallyho;

use std::path::Path;
use std::process::Output;

use ::tallyho::report::Report;
use ::tallyho::report::compare::Comparison;
use ::tallyho::report::text::{Options, compare};
use fixture::{Random, events, facts, measure, report, thresholds};
use serde_json::Value;
use servers::{RawServer, Scratch, answer_all};
use tallyho::tallyho;

/// What comes out of a command that must end well.
fn printed(words: &[&str]) -> String {
    let output = tallyho(words);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(words: &[&str], parts: &[&str]) {
    let Output { status, stdout, stderr } = tallyho(words);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{words:?}: {stderr}");
    assert!(stdout.is_empty(), "{words:?} printed something");
    for part in parts {
        assert!(stderr.contains(part), "{words:?}: `{part}` is not in: {stderr}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with the `run.json` of a report.
fn run_folder(scratch: &Scratch, name: &str, report: &Report) -> String {
    let folder = scratch.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("run.json"), report.to_json()).unwrap();
    path(&folder).to_owned()
}

#[test]
fn a_recorded_run_is_rendered_in_every_format() {
    let scratch = Scratch::new("report-formats");
    let run = run_folder(&scratch, "run", &report());
    let golden = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        std::fs::read_to_string(folder.join(name)).unwrap()
    };
    assert_eq!(printed(&["report", &run]), golden("report.txt"));
    for (format, file) in [
        ("text", "report.txt"),
        ("markdown", "report.md"),
        ("junit", "report.junit.xml"),
        ("hgrm", "report.hgrm"),
        ("k6-summary", "report.k6.json"),
    ] {
        assert_eq!(printed(&["report", &run, "--format", format]), golden(file), "{format}");
    }
    assert_eq!(printed(&["report", &run, "-f", "json"]), format!("{}\n", report().to_json()));
    assert!(printed(&["report", &run, "-f", "html"]).starts_with("<!doctype html>"));
}

#[test]
fn a_report_is_written_to_the_file_that_is_named() {
    let scratch = Scratch::new("report-file");
    let run = run_folder(&scratch, "run", &report());
    let file = scratch.path().join("out.md");
    let words = ["report", &format!("{run}/run.json"), "-f", "markdown", "-o", path(&file)];
    assert_eq!(printed(&words), "");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        printed(&["report", &run, "-f", "markdown"])
    );
    let output = tallyho(&["report", &run, "-o", "/no/such/folder/report.txt"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_reports_of_40_tasks_are_one_report_with_the_figures_of_the_whole() {
    let scratch = Scratch::new("report-merge");
    let events = events(3, 400);
    let whole = Report::new(facts(0), measure(&events, 1, 40, || 0).remove(0), &thresholds());
    let whole = run_folder(&scratch, "whole", &whole);
    let mut random = Random(11);
    let parts = measure(&events, 40, 1, || usize::try_from(random.below(40)).unwrap());
    let mut folders = Vec::new();
    for (part, task) in parts.into_iter().zip(0..) {
        let report = Report::new(facts(task), part, &thresholds());
        folders.push(run_folder(&scratch, &format!("tasks/{task}"), &report));
    }
    random.shuffle(&mut folders);
    let merged = |words: &[&str]| {
        let folders = folders.iter().map(String::as_str);
        printed(
            &std::iter::once("report")
                .chain(folders)
                .chain(words.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    for format in ["hgrm", "k6-summary"] {
        let words = ["--format", format];
        assert_eq!(merged(&words), printed(&["report", &whole, "--format", format]), "{format}");
    }
    let (one, other): (Value, Value) = (
        serde_json::from_str(&merged(&["-f", "json"])).unwrap(),
        serde_json::from_str(&printed(&["report", &whole, "-f", "json"])).unwrap(),
    );
    for part in ["totals", "summary", "timeline", "thresholds"] {
        assert_eq!(one[part].to_string(), other[part].to_string(), "{part}");
    }
    assert_eq!(one["tasks"].as_array().unwrap().len(), 40);
    // The folder that holds the folders of all tasks stands for them.
    let folder = path(&scratch.path().join("tasks")).to_owned();
    assert_eq!(printed(&["report", &folder]), merged(&[]));
}

#[test]
fn reports_of_different_tests_do_not_become_one() {
    let scratch = Scratch::new("report-different");
    let first = run_folder(&scratch, "first", &report());
    let mut other = facts(1);
    other.run.run_id = "another".to_owned();
    let other = Report::new(other, measure(&events(1, 5), 1, 1, || 0).remove(0), &[]);
    let second = run_folder(&scratch, "second", &other);
    refused(&["report", &first, &second], &["the run id is", "another", "tallyho compare"]);
    refused(&["report", &first, &first], &["the task's number is 0"]);
}

#[test]
fn what_is_no_report_is_refused_with_its_name_and_what_to_do() {
    let scratch = Scratch::new("report-refused");
    let file = |name: &str, text: &str| path(&scratch.file(name, text)).to_owned();
    refused(&["report", "/no/such/run"], &["/no/such/run: no such file", "runs/ID"]);
    let newer = file("newer.json", &report().to_json().replace("tallyho.run.v1", "tallyho.run.v2"));
    refused(&["report", &newer], &[&newer, "newer version", "read it with that version"]);
    let other = file("other.json", r#"{"schema": "k6"}"#);
    refused(&["report", &other], &[&other, "not a report of tallyho"]);
    let broken = file("broken.json", &report().to_json()[..5_000]);
    refused(&["report", &broken], &[&broken, "cannot be read"]);
    let empty = scratch.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    refused(&["report", path(&empty)], &["there is no run.json in it"]);
    refused(&["report"], &["<RUN>"]);
    refused(&["report", &other, "--format", "pdf"], &["pdf", "k6-summary"]);
    refused(&["compare", &other], &["<B>"]);
    refused(&["compare", &other, &other, "--at-least", "much"], &["much", "5%"]);
}

#[test]
fn with_check_the_exit_code_is_that_of_the_run() {
    let scratch = Scratch::new("report-check");
    let run = run_folder(&scratch, "failed", &report());
    assert_eq!(tallyho(&["report", &run, "--check"]).status.code(), Some(99));
    let mut sound = report();
    sound.thresholds.clear();
    // 20 of its arrivals were dropped.
    let invalid = run_folder(&scratch, "invalid", &sound);
    assert_eq!(tallyho(&["report", &invalid, "--check"]).status.code(), Some(4));
    assert_eq!(tallyho(&["report", &invalid]).status.code(), Some(0));
}

#[test]
fn a_run_leaves_its_report_as_html_too() {
    let server = RawServer::start(|s| answer_all(s, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let ended = tallyho::run(&[&server.url("/"), "-n", "20", "-c", "2", "--quiet"]).expect_exit(0);
    let page = std::fs::read_to_string(ended.path("report.html")).unwrap();
    let folder = ended.path("run.json");
    assert_eq!(page, printed(&["report", path(&folder), "--format", "html"]));
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let scratch = Scratch::new("compare-same");
    let run = run_folder(&scratch, "run", &report());
    let text = printed(&["compare", &run, &run, "--check"]);
    assert!(text.contains("Nothing differs beyond noise."), "{text}");
    assert!(!text.contains("worse") && !text.contains("better"), "{text}");
}

/// The report of a run like any other, whose responses took longer by a factor.
fn slower(seed: u64, factor: u64) -> Report {
    let mut events = events(seed, 900);
    for event in events.iter_mut().flatten() {
        if let fixture::Event::Exchange { exchange, .. } = event {
            let more = exchange.waiting_us * (factor - 1);
            exchange.waiting_us += more;
            exchange.completed_us += more;
        }
    }
    Report::new(facts(0), measure(&events, 1, 250, || 0).remove(0), &[])
}

#[test]
fn runs_that_differ_by_chance_only_do_not_differ() {
    let scratch = Scratch::new("compare-chance");
    let a = run_folder(&scratch, "a", &slower(0, 1));
    for seed in 1..8 {
        let b = run_folder(&scratch, "b", &slower(seed, 1));
        let text = printed(&["compare", &a, &b]);
        assert!(text.contains("Nothing differs beyond noise."), "rerun with SEED={seed}\n{text}");
    }
}

#[test]
fn a_run_that_is_slower_by_more_than_noise_is_called_worse() {
    let scratch = Scratch::new("compare-slower");
    let a = run_folder(&scratch, "a", &slower(0, 1));
    let b = run_folder(&scratch, "b", &slower(1, 2));
    let json: Value = serde_json::from_str(&printed(&["compare", &a, &b, "-f", "json"])).unwrap();
    let outcome = |name: &str| {
        let figures = json["figures"].as_array().unwrap();
        let figure = figures.iter().find(|figure| figure["name"] == name).unwrap();
        figure["outcome"].as_str().unwrap().to_owned()
    };
    for name in ["service time p50", "service time p90", "response time p50"] {
        assert_eq!(outcome(name), "worse", "{name}");
    }
    for name in ["requests", "failed", "achieved"] {
        assert_eq!(outcome(name), "same", "{name}");
    }
    assert_eq!(outcome("service time max"), "unknown");
    assert_eq!(tallyho(&["compare", &a, &b, "--check"]).status.code(), Some(99));
    let back = printed(&["compare", &b, &a, "--check"]);
    assert!(back.contains("▼ better") && !back.contains("▲ worse"), "{back}");
    let large = printed(&["compare", &a, &b, "--at-least", "400%"]);
    assert!(large.contains("Nothing differs"), "{large}");
}

#[test]
fn what_else_differs_between_two_runs_is_said() {
    let mut other = facts(0);
    other.config = serde_json::json!({ "scenarios": { "browse": { "rate": 5 } } });
    other.task.host = "ip-10-9-9-9".to_owned();
    other.task.io_driver = "io_uring".to_owned();
    other.run.stopped_by = Some("a signal".to_owned());
    let other = Report::new(other, measure(&events(7, 900), 1, 250, || 0).remove(0), &[]);
    let comparison = Comparison::of(("runs/a", &report()), ("runs/b", &other), 0.05);
    fixture::golden("compare.txt", &compare::render(&comparison, &Options::default()));
}

//! Every rendering of one report, compared with golden files.

mod fixture;

use fixture::{golden, report};
use tallyho::metrics::threshold::Outcome;
use tallyho::report::text::{Colour, Mode, Options};
use tallyho::report::{
    FailingReport, Planted, Report, TimeUnit, hgrm, html, junit, k6_summary, markdown, text,
};

#[test]
fn text_at_80_columns_is_as_in_the_golden_file() {
    let text = text::render(&report(), &Options::default());
    golden("report.txt", &text);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "longer than 80 columns: {line}");
        assert_eq!(line, line.trim_end(), "spaces at the end of a line");
    }
}

#[test]
fn text_with_colours_is_the_plain_text_with_escape_codes() {
    let report = report();
    let plain = text::render(&report, &Options::default());
    let ansi = text::render(&report, &Options { colour: Colour::Ansi, ..Options::default() });
    let mut stripped = String::new();
    let mut rest = ansi.as_str();
    while let Some(at) = rest.find('\x1b') {
        stripped.push_str(&rest[..at]);
        let end = rest[at..].find('m').expect("every code ends in m");
        rest = &rest[at + end + 1..];
    }
    stripped.push_str(rest);
    assert_ne!(ansi, plain);
    assert_eq!(stripped, plain);
}

#[test]
fn text_without_a_width_has_the_long_lines_of_k6() {
    let options = Options {
        columns: None,
        mode: Mode::Full,
        time_unit: TimeUnit::Milliseconds,
        ..Options::default()
    };
    golden("report_full.txt", &text::render(&report(), &options));
}

#[test]
fn markdown_is_as_in_the_golden_file() {
    golden("report.md", &markdown::render(&report()));
}

#[test]
fn junit_is_as_in_the_golden_file() {
    golden("report.junit.xml", &junit::render(&report()));
}

#[test]
fn the_k6_summary_is_as_in_the_golden_file() {
    golden("report.k6.json", &k6_summary::render(&report()));
}

#[test]
fn hgrm_is_as_in_the_golden_file() {
    golden("report.hgrm", &hgrm::render(&report()));
}

/// The text between a title and the next, as one line.
fn section(report: &Report, title: &str) -> String {
    let text = text::render(report, &Options::default());
    let rest = text.split_once(&format!("█ {title}\n")).map_or("", |(_, rest)| rest);
    let section = rest.split('█').next().unwrap_or_default();
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_last_words_say_whether_the_run_passed() {
    let mut report = report();
    report.verdict.state = tallyho::report::State::Ok;
    let (failed, started) = (report.summary.failed, report.summary.started);
    let sessions = format!("{failed} of {started} sessions failed");
    let all = report.thresholds.len();
    let bad = report.thresholds.iter().filter(|threshold| threshold.failed).count();
    let words = format!("✗ failed: {bad} of {all} thresholds did not hold; {sessions}");
    assert_eq!(section(&report, "RESULT"), words);
    report.thresholds.retain(|threshold| threshold.outcome == Outcome::Pass);
    let left = report.thresholds.len();
    let words = format!("✓ passed: {left} of {left} thresholds held; {sessions}");
    assert_eq!(section(&report, "RESULT"), words);
    report.thresholds.truncate(1);
    report.summary.failed = 0;
    assert_eq!(section(&report, "RESULT"), "✓ passed: its threshold held; no session failed");
    report.verdict.state = tallyho::report::State::Invalid;
    assert!(section(&report, "RESULT").starts_with("✗ invalid: the load was not what"));
    report.run.stopped_by = Some("a signal".to_owned());
    assert!(section(&report, "RESULT").starts_with("✗ stopped early by a signal;"));
    report.run.stopped_by = None;
    report.verdict.state = tallyho::report::State::Degraded;
    report.thresholds.clear();
    let words = "✓ done; without thresholds there is nothing to fail; no session failed";
    assert_eq!(section(&report, "RESULT"), words);
}

#[test]
fn many_kinds_of_failing_sessions_are_counted_and_a_few_are_listed() {
    let mut report = report();
    let kind = |number: u64| FailingReport {
        signature: format!("GET /{number}: unexpected status 503 (in shop.order)"),
        count: 100 - number,
        example: format!("{number}/0"),
        steps: 7,
        replay: Some(format!("tallyho replay runs/2f6c1a9e --session {number}/0")),
    };
    report.failing = (0..60).map(kind).collect();
    let text = section(&report, "FAILING SESSIONS");
    let first = "100 GET /0: unexpected status 503 (in shop.order), 7 steps or more \
                 tallyho replay runs/2f6c1a9e --session 0/0";
    assert!(text.starts_with(first), "{text}");
    let rest: u64 = (8..60).map(|number| 100 - number).sum();
    let last = format!(
        "{rest} that failed in 52 other ways; all of them are listed by \
         tallyho sessions runs/2f6c1a9e --failing"
    );
    assert!(text.ends_with(&last), "{text}");
    let whole = text::render(&report, &Options::default());
    let lines = whole.lines().skip_while(|line| !line.ends_with("FAILING SESSIONS"));
    let lines = lines.take_while(|line| !line.ends_with("GENERATOR")).count();
    assert!(lines <= 24, "{lines} lines: the rest of the report is out of sight");
}

#[test]
fn faults_that_the_stand_in_planted_are_told_in_the_same_words_in_every_report() {
    let mut report = report();
    assert_eq!(section(&report, "PLANTED FAULTS"), "", "with a target of one's own");
    assert!(!markdown::render(&report).contains("Planted faults"));
    assert!(html::render(&report).contains(r#""planted":[]"#));
    report.tasks[0].planted = Some(Planted {
        faults: "status=0.1%".to_owned(),
        status: 11,
        reset: 2,
        slow: 30,
        audit_error: Some("10 were paid twice".to_owned()),
        ..Planted::default()
    });
    report.totals.counters.insert("requests_repeated".to_owned(), 3);
    let renderings =
        [section(&report, "PLANTED FAULTS"), markdown::render(&report), html::render(&report)];
    for part in [
        "11 times with status 503, 2 times by a reset of the connection (3 of all requests were",
        "0 times with half of the JSON; 30 answers were late.",
        "--faults status=0.1%; leave them out with --faults none.",
        "Its books do not add up: 10 were paid twice.",
    ] {
        for text in &renderings {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
    }
    let markdown = &renderings[1];
    let (planted, failures) = (markdown.find("**Planted"), markdown.find("| failure |"));
    assert!(planted < failures && planted.is_some(), "before the failures: {markdown}");
}

//! Every rendering of one report, compared with golden files.

mod fixture;

use fixture::{golden, report};
use tallyho::report::text::{Colour, Mode, Options};
use tallyho::report::{TimeUnit, hgrm, junit, k6_summary, markdown, text};

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

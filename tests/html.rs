//! The HTML report: self-contained, safe against what is in it, and drawn by a real browser.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixture;
mod servers;

use std::process::{Command, Stdio};

use fixture::{facts, report};
use servers::{Scratch, is_installed};
use tallyho::report::{Planted, Report, html};

/// Charts of the page.
const CHARTS: &str = "11";
/// Text that would end the page's data, were it markup there.
const HOSTILE: &str =
    "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>";

/// The page without its data, which is text of the run.
fn frame(page: &str) -> String {
    let (before, rest) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    let (_, after) = rest.split_once("</script>").unwrap();
    format!("{before}{after}")
}

fn hostile_report() -> Report {
    let mut report = report();
    report.run.title = HOSTILE.to_owned();
    let name = HOSTILE.replace('"', "\\\"");
    let json = report.to_json().replace("GET /search", &name).replace("answered 503", &name);
    Report::from_json(&json).unwrap()
}

#[test]
fn the_page_names_no_address_outside_its_data() {
    let page = frame(&html::render(&report()));
    // The comment at the top of uPlot says where it comes from.
    let page = page.replace("/*! https://github.com/leeoniya/uPlot", "");
    for word in ["http://", "https://", "src=", "href=", "url(", "@import", "fetch(", "XMLHttp"] {
        let at = page.find(word).map(|at| &page[at.saturating_sub(60)..at + 60]);
        assert_eq!(at, None, "{word}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("Permission is hereby granted"), "uPlot's licence goes with it");
}

#[test]
fn text_of_the_run_cannot_end_the_data() {
    let page = html::render(&hostile_report());
    assert!(!page.contains("<img"));
    assert!(page.contains("\\u003c/script>"));
    let own = html::render(&report());
    assert_eq!(page.matches("</script>").count(), own.matches("</script>").count());
}

#[test]
fn a_long_run_makes_no_long_page() {
    let mut long = report();
    let rows = long.timeline.rows.clone();
    while long.timeline.rows.len() < 3_600 {
        let mut row = rows[long.timeline.rows.len() % rows.len()].clone();
        row.second = long.timeline.rows.len() as u64;
        long.timeline.rows.push(row);
    }
    long.duration_us = 3_600_000_000;
    let page = html::render(&long);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains(r#""seconds_per_row":4"#));
}

/// What a browser made of a page: the `html` element's tag, and all that it said on its console.
fn opened(name: &str, page: &str, query: &str) -> Option<(String, String, String)> {
    if !is_installed("chromium") {
        return None;
    }
    let scratch = Scratch::new(name);
    let file = scratch.file("page.html", page);
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--enable-logging=stderr", "--dump-dom"])
        .args(["--virtual-time-budget=5000", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
        .arg(format!("file://{}{query}", file.display()))
        .stdin(Stdio::null())
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let tag = dom.lines().find(|line| line.starts_with("<html")).unwrap_or_default().to_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    Some((tag, console.collect::<Vec<_>>().join("\n"), dom))
}

fn draws(name: &str, report: &Report, query: &str, canvases: &str) -> String {
    let Some((tag, console, dom)) = opened(name, &html::render(report), query) else {
        return String::new();
    };
    assert_eq!(console, "", "the browser complains");
    for (attribute, value) in [
        ("data-errors", "0"),
        ("data-charts", CHARTS),
        ("data-charts-drawn", CHARTS),
        ("data-canvases", canvases),
    ] {
        assert!(tag.contains(&format!(r#"{attribute}="{value}""#)), "{attribute}: {tag}");
    }
    dom
}

#[test]
fn every_chart_is_drawn_in_light_and_dark() {
    let light = draws("html-light", &report(), "?theme=light", CHARTS);
    assert!(light.is_empty() || light.contains(r#"data-theme="light""#));
    let dark = draws("html-dark", &report(), "?theme=dark", CHARTS);
    assert!(dark.is_empty() || dark.contains(r#"data-theme="dark""#));
}

#[test]
fn seconds_in_which_the_generator_was_the_limit_are_shaded_in_every_chart_over_time() {
    let mut events = fixture::events(7, 900);
    for event in &mut events[5] {
        if let fixture::Event::Exchange { exchange, .. } = event {
            exchange.due_us -= 50_000;
        }
    }
    let late = Report::new(facts(0), fixture::measure(&events, 1, 250, || 0).remove(0), &[]);
    let page = html::render(&late);
    assert!(page.contains(r#""limited":[[5,6]]"#));
    let shaded = |name: &str, page: &str| opened(name, page, "").map(|(tag, ..)| tag);
    // All but the percentile plot, which has no time axis.
    let Some(tag) = shaded("html-late", &page) else { return };
    assert!(tag.contains(r#"data-charts-shaded="10""#), "{tag}");
    let Some(tag) = shaded("html-in-time", &html::render(&report())) else { return };
    assert!(tag.contains(r#"data-charts-shaded="0""#), "{tag}");
    let bare = page.replace("drawClear: [shade(data.time.limited),", "drawClear: [");
    let Some(tag) = shaded("html-bare", &bare) else { return };
    assert!(tag.contains(r#"data-charts-shaded="0""#), "{tag}");
}

#[test]
fn planted_faults_are_shown_before_the_figures() {
    let plain = draws("html-not-planted", &report(), "", CHARTS);
    assert!(!plain.contains("<strong>Planted faults</strong>"));
    let mut report = report();
    let planted = Planted { faults: "status=1%".to_owned(), status: 7, ..Planted::default() };
    report.tasks[0].planted = Some(planted);
    let dom = draws("html-planted", &report, "", CHARTS);
    if dom.is_empty() {
        return;
    }
    let told = dom.find("<strong>Planted faults</strong><p class=\"plain\">The built-in stand-in");
    assert!(told.is_some() && told < dom.find("failed requests"), "{told:?}");
}

#[test]
fn names_that_look_like_markup_are_shown_as_text() {
    let dom = draws("html-hostile", &hostile_report(), "", CHARTS);
    assert!(!dom.contains("<img"));
    assert!(dom.is_empty() || dom.contains("&lt;/script&gt;&lt;script&gt;document.title"));
    assert!(!dom.contains("<title>taken"));
}

#[test]
fn a_run_without_a_request_says_so_instead_of_drawing_nothing() {
    let measured = fixture::measure(&[], 1, 1, || 0).remove(0);
    let dom = draws("html-empty", &Report::new(facts(0), measured, &[]), "", "0");
    assert!(dom.is_empty() || dom.contains("Nothing was measured."));
}

#[test]
fn a_page_that_fails_would_be_noticed() {
    let page = html::render(&report()).replace("applyTheme();\n  header();", "header(nothing);");
    let Some((tag, console, _)) = opened("html-broken", &page, "") else { return };
    assert!(tag.contains(r#"data-errors="1""#), "{tag}");
    assert!(console.contains("nothing is not defined"), "{console}");
    let blank = html::render(&report()).replace("stroke: colour(name)", "stroke: \"transparent\"");
    let Some((tag, ..)) = opened("html-blank", &blank, "") else { return };
    assert!(!tag.contains(&format!(r#"data-charts-drawn="{CHARTS}""#)), "{tag}");
}

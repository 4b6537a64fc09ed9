//! The report as one HTML file: charts, tables, identity.
//!
//! Nothing is loaded from anywhere: styles, uPlot and the figures are in the file, and its content
//! policy forbids the network. The figures are one JSON document, which the page's script draws;
//! text of scenarios and servers is data there, never markup. What a chart needs is computed here
//! from the histograms (`data`), so the page only draws, and its size does not depend on the
//! length of the run. The files of the page are in `html/`.

mod data;

use super::run_json::Report;
use data::Data;

const PAGE: &str = include_str!("html/page.html");
/// In the order in which they use each other.
const STYLES: [&str; 2] =
    [include_str!("html/vendor/uPlot.min.css"), include_str!("html/page.css")];
const SCRIPTS: [&str; 5] = [
    include_str!("html/vendor/uPlot.iife.min.js"),
    include_str!("html/words.js"),
    include_str!("html/charts.js"),
    include_str!("html/tables.js"),
    include_str!("html/page.js"),
];
/// Whoever passes a report on passes uPlot on, and with it its licence.
const LICENCE: &str = include_str!("html/vendor/uPlot.LICENSE");

/// The report as an HTML page.
pub fn render(report: &Report) -> String {
    let data = serde_json::to_string(&Data::of(report)).expect("text keys only");
    let mut scripts = format!("/*!\n{LICENCE}*/\n");
    scripts.push_str(&SCRIPTS.join("\n"));
    filled(&[
        ("{{title}}", &escaped(&report.run.title)),
        ("{{styles}}", &STYLES.join("\n")),
        // In JSON a `<` is only ever part of a text, so no text can end the element.
        ("{{data}}", &data.replace('<', "\\u003c")),
        ("{{scripts}}", &scripts),
    ])
}

/// The page with its places filled, which must be in order: what is filled in is not searched.
fn filled(places: &[(&str, &str)]) -> String {
    let length: usize = places.iter().map(|(_, text)| text.len()).sum();
    let mut out = String::with_capacity(PAGE.len() + length);
    let mut rest = PAGE;
    for (place, text) in places {
        let (before, after) = rest.split_once(place).expect("the page has all places in order");
        out.push_str(before);
        out.push_str(text);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

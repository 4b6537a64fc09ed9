//! Two runs side by side as text: what differs first, then the table it was taken from.

use super::layout::{NO_BREAK, Paint, left, paragraph, right, wrapped};
use super::{Options, title};
use crate::report::compare::{Comparison, Figure, Outcome, Side, Unit};
use crate::report::units::{duration_us, number};

/// Differences that are named at the top; the table marks all.
const NAMED_MAX: usize = 8;
/// The columns behind the name of a figure.
const COLUMNS: [(&str, usize); 4] = [("A", 11), ("B", 11), ("change", 10), ("noise", 9)];
const NAME_COLUMNS: usize = 22;

/// The comparison as text.
pub fn render(comparison: &Comparison, options: &Options) -> String {
    let mut out = String::from("\n");
    title(&mut out, "COMPARISON", options);
    side(&mut out, "A", &comparison.a, options);
    side(&mut out, "B", &comparison.b, options);
    out.push('\n');
    let columns = options.width() - 4;
    for line in wrapped(&conclusion(comparison), columns) {
        out.push_str(&format!("    {line}\n"));
    }
    for caution in &comparison.cautions {
        let label = "    caution:";
        let painted = options.colour.paint(Paint::Caution, label);
        paragraph(&mut out, label, &painted, caution, options.width());
    }
    out.push('\n');
    title(&mut out, "ALL REQUESTS", options);
    figures(&mut out, &comparison.figures, options);
    if comparison.requests.len() > 1 {
        title(&mut out, "REQUESTS", options);
        for request in &comparison.requests {
            out.push_str(&format!("    {}\n", options.colour.paint(Paint::Value, &request.name)));
            match only_in(&request.figures) {
                Some(side) => out.push_str(&format!("      only in {side}\n\n")),
                None => figures(&mut out, &request.figures, options),
            }
        }
    }
    explanation(&mut out, comparison, options);
    out
}

/// The run that a request name is in, when it is not in both.
fn only_in(figures: &[Figure]) -> Option<&'static str> {
    match (figures.iter().any(|f| f.a.is_some()), figures.iter().any(|f| f.b.is_some())) {
        (true, false) => Some("A"),
        (false, true) => Some("B"),
        _ => None,
    }
}

fn side(out: &mut String, letter: &str, side: &Side, options: &Options) {
    let label = format!("    {letter}:");
    let text = format!(
        "{}, {}, run {} of {}, {}",
        side.name,
        side.title,
        side.run_id,
        side.started_at,
        duration_us(side.duration_us)
    );
    let painted = options.colour.paint(Paint::Title, &label);
    paragraph(out, &label, &painted, &text, options.width());
}

/// What differs, in a sentence.
fn conclusion(comparison: &Comparison) -> String {
    let shown = comparison.requests.len() > 1;
    let differences: Vec<_> =
        comparison.differences().filter(|(name, _)| shown || name.is_none()).collect();
    if differences.is_empty() {
        return "Nothing differs beyond noise.".to_owned();
    }
    let mut named: Vec<String> = Vec::new();
    for (request, figure) in differences.iter().take(NAMED_MAX) {
        let of = request.map_or_else(String::new, |request| format!(" of {request}"));
        let words = format!("{}{of} {} ({})", figure.name, change(figure), word(figure.outcome));
        named.push(words.replace(' ', &NO_BREAK.to_string()));
    }
    let more = match differences.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("B differs from A beyond noise: {}{more}.", named.join("; "))
}

fn figures(out: &mut String, figures: &[Figure], options: &Options) {
    let mut head = left("", NAME_COLUMNS);
    for (name, columns) in COLUMNS {
        head.push_str(&right(name, columns));
    }
    out.push_str(&format!("      {}\n", options.colour.paint(Paint::Faint, &head)));
    for figure in figures {
        let cells = [
            value(figure, figure.a),
            value(figure, figure.b),
            change(figure),
            noise(figure).unwrap_or_default(),
        ];
        let mut line = left(&figure.name, NAME_COLUMNS);
        for (cell, (_, columns)) in cells.iter().zip(COLUMNS) {
            line.push_str(&right(cell, columns));
        }
        let mark = match figure.outcome {
            Outcome::Worse => options.colour.paint(Paint::Bad, "▲ worse"),
            Outcome::Better => options.colour.paint(Paint::Good, "▼ better"),
            Outcome::Same | Outcome::Unknown => String::new(),
        };
        out.push_str(format!("      {line} {mark}").trim_end());
        out.push('\n');
    }
    out.push('\n');
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Better => "better",
        Outcome::Worse => "worse",
        Outcome::Same => "same",
        Outcome::Unknown => "not judged",
    }
}

fn value(figure: &Figure, value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match figure.unit {
        Unit::PerSecond => format!("{}/s", number(value, 2)),
        Unit::Share => format!("{:.2}%", value * 100.0),
        Unit::Microseconds => duration_us(whole(value)),
    }
}

/// In percent of A; a share, which is a percentage itself, in points.
fn change(figure: &Figure) -> String {
    let (Some(a), Some(b)) = (figure.a, figure.b) else { return "-".to_owned() };
    match figure.unit {
        Unit::Share => format!("{:+.2} pt", (b - a) * 100.0),
        _ if a > 0.0 => format!("{:+.1}%", (b / a - 1.0) * 100.0),
        _ if b > 0.0 => "from 0".to_owned(),
        _ => "+0.0%".to_owned(),
    }
}

fn noise(figure: &Figure) -> Option<String> {
    let noise = figure.noise?;
    match figure.unit {
        Unit::Share => Some(format!("±{:.2} pt", noise * 100.0)),
        _ if figure.a? > 0.0 => Some(format!("±{:.1}%", noise / figure.a? * 100.0)),
        _ => None,
    }
}

fn explanation(out: &mut String, comparison: &Comparison, options: &Options) {
    let text = format!(
        "Noise is how far two values may lie apart by chance, from how the seconds of each run \
         vary. Marked is what differs by more, and by at least {}%. What varies between runs only, \
         such as another load on the machine, is not in it: run both again before you conclude. \
         The greatest value is one request, and not judged.",
        number(comparison.at_least * 100.0, 2)
    );
    for line in wrapped(&text, options.width() - 4) {
        out.push_str(&format!("    {line}\n"));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in µs, not negative"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

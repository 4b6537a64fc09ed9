//! k6's threshold grammar.
//!
//! ```text
//! key        = metric | metric{tag:value,tag2:value2}      (quotes around a tag or value allowed)
//! expression = method ws* operator ws* number
//! method     = count rate (counter) · value (gauge) · rate (rate)
//!            | avg min med max p(0..100) (trend)
//! operator   = < <= > >= == === !=
//! ```
//! An error says what is wrong, where (bytes of the key or the expression), and what was expected.

use std::fmt;
use std::ops::Range;

use super::{Comparison, Method, Tag};
use crate::metrics::table::{self, BUILT_IN, Kind, Metric};

/// Why a threshold cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdError {
    /// Which of the two texts it is in.
    pub part: Part,
    /// That text, as given.
    pub text: String,
    /// Which bytes of it.
    pub span: Range<usize>,
    /// What is wrong there.
    pub problem: Problem,
}

/// The two texts of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The metric and its tags.
    Key,
    /// The condition.
    Expression,
}

/// What is wrong in a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The key has no metric name.
    MetricMissing,
    /// A metric that is nearly a built-in one.
    MetricMisspelt(&'static str),
    /// A metric name with characters that no metric has.
    MetricName,
    /// `{` without `}` at the end, or the reverse.
    Braces,
    /// A tag that is not `tag:value`.
    TagShape,
    /// A tag by which this metric is not kept apart.
    TagUnknown {
        /// The metric.
        metric: String,
        /// The tags it has.
        known: &'static [&'static str],
    },
    /// A value that this tag never has.
    TagValue(&'static str),
    /// Two tags that are not kept apart together.
    TagsTogether,
    /// No aggregation method at the start.
    Method,
    /// A method that the metric's kind does not have.
    MethodOfKind {
        /// The metric's kind.
        kind: Kind,
        /// Its methods.
        known: &'static str,
    },
    /// A percentile outside 0..=100.
    Percentile,
    /// No comparison after the method.
    Operator,
    /// No number after the operator.
    Number,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetricMissing => f.write_str("a metric name is missing"),
            Self::MetricMisspelt(near) => write!(f, "unknown metric, did you mean {near}?"),
            Self::MetricName => {
                f.write_str("a metric name has letters, digits and _ only, and no digit first")
            }
            Self::Braces => f.write_str("expected metric{tag:value}, with one } at the end"),
            Self::TagShape => f.write_str("expected tag:value"),
            Self::TagUnknown { metric, known: [] } => {
                write!(f, "{metric} is not kept apart by any tag: use it without {{}}")
            }
            Self::TagUnknown { metric, known } => {
                write!(f, "{metric} is kept apart by {} only", known.join(", "))
            }
            Self::TagValue(expected) => write!(f, "expected {expected}"),
            Self::TagsTogether => {
                f.write_str("status and expected_response are not kept apart together: use one")
            }
            Self::Method => f.write_str(
                "expected an aggregation: count, rate, value, avg, min, med, max or p(N)",
            ),
            Self::MethodOfKind { kind, known } => {
                write!(f, "a {} has no such aggregation, expected {known}", kind.as_str())
            }
            Self::Percentile => f.write_str("expected a percentile from 0 to 100, as in p(99.9)"),
            Self::Operator => f.write_str("expected one of < <= > >= == === !="),
            Self::Number => f.write_str("expected a number (times are in milliseconds)"),
        }
    }
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part: _, text, span, problem } = self;
        let part = text.get(span.clone()).unwrap_or_default();
        if part.is_empty() {
            write!(f, "threshold '{text}', column {}: {problem}", span.start + 1)
        } else {
            write!(f, "threshold '{text}', at '{part}': {problem}")
        }
    }
}

impl std::error::Error for ThresholdError {}

impl ThresholdError {
    pub(super) fn of_key(self) -> Self {
        Self { part: Part::Key, ..self }
    }
}

fn error(text: &str, span: Range<usize>, problem: Problem) -> ThresholdError {
    ThresholdError { part: Part::Expression, text: text.to_owned(), span, problem }
}

/// A key in parts: the metric's name, and the tags that select a part of it.
pub(super) fn key(text: &str) -> Result<(String, Vec<Tag>), ThresholdError> {
    let (name, tags) = match text.find('{') {
        None if text.contains('}') => {
            let at = text.find('}').unwrap_or_default();
            return Err(error(text, at..at + 1, Problem::Braces));
        }
        None => (text, None),
        Some(open) if text.trim_end().ends_with('}') => {
            (&text[..open], Some(open + 1..text.trim_end().len() - 1))
        }
        Some(open) => return Err(error(text, open..text.len(), Problem::Braces)),
    };
    let start = name.len() - name.trim_start().len();
    let name = name.trim();
    let span = start..start + name.len();
    if name.is_empty() {
        return Err(error(text, span, Problem::MetricMissing));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(error(text, span, Problem::MetricName));
    }
    let metric = table::built_in(name);
    if metric.is_none()
        && let Some(near) = nearest(name)
    {
        return Err(error(text, span, Problem::MetricMisspelt(near)));
    }
    let tags = match tags {
        None => Vec::new(),
        Some(range) => self::tags(text, range, name, metric)?,
    };
    Ok((name.to_owned(), tags))
}

fn tags(
    text: &str,
    range: Range<usize>,
    name: &str,
    metric: Option<&Metric>,
) -> Result<Vec<Tag>, ThresholdError> {
    let known = metric.map_or(&[][..], |metric| metric.tags);
    let mut tags = Vec::new();
    for span in split_outside_quotes(text, range) {
        let part = &text[span.clone()];
        let Some((tag, value)) = part.split_once(':') else {
            return Err(error(text, span, Problem::TagShape));
        };
        let (tag, value) = (unquoted(tag), unquoted(value));
        if !known.contains(&tag) {
            let problem = Problem::TagUnknown { metric: name.to_owned(), known };
            return Err(error(text, span, problem));
        }
        let value = match tag {
            "name" => Tag::Name(value.to_owned()),
            "scenario" => Tag::Scenario(value.to_owned()),
            "action" => Tag::Action(value.to_owned()),
            "check" => Tag::Check(value.to_owned()),
            "status" => Tag::Status(value.parse().map_err(|_| {
                error(text, span.clone(), Problem::TagValue("a status as 200, or 0 for none"))
            })?),
            _ => Tag::ExpectedResponse(
                value
                    .parse()
                    .map_err(|_| error(text, span.clone(), Problem::TagValue("true or false")))?,
            ),
        };
        tags.push(value);
    }
    let has = |wanted: fn(&Tag) -> bool| tags.iter().any(wanted);
    if has(|tag| matches!(tag, Tag::Status(_)))
        && has(|tag| matches!(tag, Tag::ExpectedResponse(_)))
    {
        return Err(error(text, 0..text.len(), Problem::TagsTogether));
    }
    Ok(tags)
}

/// The parts between commas, as byte ranges. A comma in quotes belongs to its part.
fn split_outside_quotes(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut quote) = (range.start, None);
    for (offset, c) in text[range.clone()].char_indices() {
        let at = range.start + offset;
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ',') => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(start..range.end);
    parts
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// The built-in metric that is at most two letters away.
fn nearest(name: &str) -> Option<&'static str> {
    let distance = |metric: &&Metric| edits(name, metric.name);
    let near = BUILT_IN.iter().min_by_key(distance)?;
    // Two edits turn any three letters into `vus`: short names must be nearer.
    let allowed = if near.name.len() < 8 { 1 } else { 2 };
    (edits(name, near.name) <= allowed).then_some(near.name)
}

/// Levenshtein's distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// An expression in parts.
pub(super) fn expression(text: &str) -> Result<(Method, Comparison, f64), ThresholdError> {
    let start = text.len() - text.trim_start().len();
    let end = text[start..].find(|c| "<>=!".contains(c)).map_or(text.len(), |at| start + at);
    let word = text[start..end].trim_end();
    let span = start..start + word.len();
    let method = method(word).map_err(|problem| error(text, span, problem))?;
    let rest = &text[end..];
    let (operator, comparison) = OPERATORS
        .iter()
        .find(|(operator, _)| rest.starts_with(operator))
        .ok_or_else(|| error(text, end..text.len(), Problem::Operator))?;
    let number_at = end + operator.len();
    let number = text[number_at..].trim();
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((method, *comparison, value)),
        _ => Err(error(text, number_at..text.len(), Problem::Number)),
    }
}

/// Longest first: `<=` begins with `<`.
const OPERATORS: &[(&str, Comparison)] = &[
    ("===", Comparison::Equal),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

fn method(word: &str) -> Result<Method, Problem> {
    Ok(match word {
        "count" => Method::Count,
        "rate" => Method::Rate,
        "value" => Method::Value,
        "avg" => Method::Avg,
        "min" => Method::Min,
        "med" => Method::Med,
        "max" => Method::Max,
        _ => {
            let inside = word.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
            let percentile = inside.ok_or(Problem::Method)?.trim().parse::<f64>();
            match percentile {
                Ok(percentile) if (0.0..=100.0).contains(&percentile) => {
                    Method::Percentile(percentile)
                }
                _ => return Err(Problem::Percentile),
            }
        }
    })
}

/// Whether a kind has a method; else which it has.
pub(super) fn check_method(text: &str, kind: Kind, method: Method) -> Result<(), ThresholdError> {
    let (known, fits) = match kind {
        Kind::Counter => ("count or rate", matches!(method, Method::Count | Method::Rate)),
        Kind::Gauge => ("value", method == Method::Value),
        Kind::Rate => ("rate", method == Method::Rate),
        Kind::Trend => (
            "avg, min, med, max or p(N)",
            !matches!(method, Method::Count | Method::Rate | Method::Value),
        ),
    };
    if fits {
        return Ok(());
    }
    let end = text.find(|c| "<>=!".contains(c)).unwrap_or(text.len());
    Err(error(text, 0..text[..end].trim_end().len(), Problem::MethodOfKind { kind, known }))
}

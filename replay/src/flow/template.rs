//! Text with holes: `/users/${id}`.
//! A hole ends at the first `}` outside of quotes. `$${` stands for `${` itself.

use std::ops::Range;

use super::expression::Expression;
use super::syntax::{Parsed, Problem, SyntaxError, parse_at};

/// Text with holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(pub Vec<Piece>);

/// Plain text, or a hole.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// What the expression gives.
    Hole(Expression),
}

impl Template {
    /// A template without holes.
    pub fn plain(text: &str) -> Template {
        Template(if text.is_empty() { vec![] } else { vec![Piece::Text(text.to_owned())] })
    }

    /// The text, when there are no holes.
    pub fn as_plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression, when the template is one hole and nothing else: such a template has its
    /// value's own type.
    pub fn as_hole(&self) -> Option<&Expression> {
        match self.0.as_slice() {
            [Piece::Hole(expression)] => Some(expression),
            _ => None,
        }
    }

    /// The holes, in order.
    pub fn holes(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Hole(expression) => Some(expression),
        })
    }
}

/// Reads a template.
pub fn parse_template(text: &str) -> Result<Parsed<Template>, SyntaxError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut names: Vec<(Expression, Range<usize>)> = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        plain.push_str(&text[at..dollar]);
        let rest = &text[dollar..];
        if rest.starts_with("$${") {
            plain.push_str("${");
            at = dollar + 3;
        } else if rest.starts_with("${") {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let end = hole_end(text, dollar + 2)?;
            let parsed = parse_at(text, dollar + 2..end)?;
            pieces.push(Piece::Hole(parsed.value));
            names.extend(parsed.names);
            at = end + 1;
        } else {
            plain.push('$');
            at = dollar + 1;
        }
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(Parsed { value: Template(pieces), names })
}

fn hole_end(text: &str, start: usize) -> Result<usize, SyntaxError> {
    let mut quoted = false;
    let mut escaped = false;
    for (offset, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            '}' if !quoted => return Ok(start + offset),
            _ => {}
        }
    }
    Err(SyntaxError { range: start - 2..text.len(), problem: Problem::UnclosedHole })
}

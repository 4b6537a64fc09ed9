//! The words of an expression.

use std::ops::Range;

use super::syntax::{Problem, SyntaxError};

/// One word, with the bytes it stood in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) range: Range<usize>,
}

/// The kinds of words.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    Integer(i64),
    Text(String),
    Word(&'a str),
    Symbol(&'static str),
    End,
}

/// Longer ones first, so that `==` is not read as `=` twice.
const SYMBOLS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "=", "!", "+", "-", "*", "/", "%", "(", ")", "[",
    "]", ".", ",", "|", "?", ":",
];

/// Splits the part `range` of `text`; the last token is `End`, an empty range behind the last word.
pub(super) fn tokens(text: &str, range: Range<usize>) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        let first = rest.chars().next().expect("not at the end");
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, size) = match first {
            '0'..='9' => number(rest, at)?,
            '\'' => quoted(rest, at)?,
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word = word(rest);
                (TokenKind::Word(word), word.len())
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let Some(symbol) = symbol else {
                    let range = at..at + first.len_utf8();
                    return Err(SyntaxError { range, problem: Problem::StrayCharacter });
                };
                (TokenKind::Symbol(symbol), symbol.len())
            }
        };
        tokens.push(Token { kind, range: at..at + size });
        at += size;
    }
    tokens.push(Token { kind: TokenKind::End, range: range.end..range.end });
    Ok(tokens)
}

fn word(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &rest[..end.unwrap_or(rest.len())]
}

/// A whole number, or a duration in milliseconds.
fn number(rest: &str, at: usize) -> Result<(TokenKind<'static>, usize), SyntaxError> {
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let unit = word(&rest[digits..]);
    let size = digits + unit.len();
    let fraction =
        rest[size..].starts_with('.') && rest[size + 1..].starts_with(|c: char| c.is_ascii_digit());
    let milliseconds = match unit {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let value = rest[..digits].parse::<i64>().ok().zip(milliseconds);
    match value.and_then(|(n, unit)| n.checked_mul(unit)) {
        Some(n) if !fraction => Ok((TokenKind::Integer(n), size)),
        _ => Err(SyntaxError { range: at..at + size, problem: Problem::NotWhole }),
    }
}

/// Text in single quotes; `\'` and `\\` stand for themselves.
fn quoted(rest: &str, at: usize) -> Result<(TokenKind<'static>, usize), SyntaxError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((offset, c)) = characters.next() {
        match c {
            '\'' => return Ok((TokenKind::Text(text), offset + 1)),
            '\\' => match characters.next() {
                Some((_, escaped @ ('\'' | '\\'))) => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            },
            _ => text.push(c),
        }
    }
    Err(SyntaxError { range: at..at + rest.len(), problem: Problem::UnclosedText })
}

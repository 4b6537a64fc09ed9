//! A scenario file as a tree in which everything knows where it stood.
//!
//! JSON with comments and trailing commas, and nothing else of JSON5: one way to write a thing.
//! Members keep their order and their duplicates, which the checks report. The only file that knows
//! `jsonc-parser`.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::diagnostic::Diagnostic;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Bytes of the file, quotes and brackets included.
    pub(super) range: Range<usize>,
    pub(super) value: Value,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    /// Of the key, quotes included.
    pub(super) key_range: Range<usize>,
    pub(super) value: Node,
}

impl Node {
    /// A node that stands for something left out; its place is where it should have been.
    pub(super) fn absent(range: Range<usize>) -> Node {
        Node { range, value: Value::Null }
    }

    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The first member of that name.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The value of the first member of that name.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.member(key).map(|member| &member.value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text, or a number as it was written: what a console's form sends may be either.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// `a text`, `a number`...: what stands here, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The value as JSON text, without comments.
    pub(super) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Number(number) => out.push_str(number),
            Value::Text(text) => out.push_str(&quoted(text)),
            Value::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, member) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&quoted(&member.key));
                    out.push(':');
                    member.value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Reads a file's text.
pub(super) fn parse(text: &str) -> Result<Node, Diagnostic> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => match parsed.value {
            Some(value) => Ok(convert(&value)),
            None => Err(Diagnostic::error(0..text.len(), "the file is empty")
                .help("a scenario is a JSON object; `docs/scenario.md` has examples")),
        },
        Err(error) => {
            let range = error.range();
            let title = lower_first(&error.kind().to_string());
            Err(Diagnostic::error(range.start..range.end, format!("not JSON: {title}"))
                .help("a scenario is JSON; comments and trailing commas are allowed"))
        }
    }
}

/// Our messages begin with a small letter.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

fn convert(value: &ast::Value<'_>) -> Node {
    let range = value.range();
    let converted = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::Text(literal.value.to_string()),
        ast::Value::Array(array) => Value::List(array.elements.iter().map(convert).collect()),
        ast::Value::Object(object) => {
            Value::Object(object.properties.iter().map(convert_member).collect())
        }
    };
    Node { range: range.start..range.end, value: converted }
}

fn convert_member(property: &ast::ObjectProp<'_>) -> Member {
    let range = property.name.range();
    Member {
        key: property.name.as_str().to_owned(),
        key_range: range.start..range.end,
        value: convert(&property.value),
    }
}

/// Moves a range inside a text's value to the bytes of the file that spell it.
pub(super) fn inside(file: &str, node: &Range<usize>, inner: &Range<usize>) -> Range<usize> {
    let quoted = file.get(node.clone()).filter(|raw| raw.starts_with('"') && raw.len() >= 2);
    let Some(raw) = quoted else { return node.clone() };
    let raw = &raw[1..raw.len() - 1];
    let start = node.start + 1 + raw_offset(raw, inner.start);
    let end = node.start + 1 + raw_offset(raw, inner.end);
    start..end.max(start)
}

/// Where the byte `offset` of the decoded text is spelt in the raw one.
fn raw_offset(raw: &str, offset: usize) -> usize {
    let mut decoded = 0;
    let mut at = 0;
    while decoded < offset && at < raw.len() {
        let rest = &raw[at..];
        let (raw_size, size) = match rest.as_bytes() {
            [b'\\', b'u', ..] => escaped_unicode(rest),
            [b'\\', ..] => (2, 1),
            _ => {
                let size = rest.chars().next().map_or(1, char::len_utf8);
                (size, size)
            }
        };
        at += raw_size;
        decoded += size;
    }
    at.min(raw.len())
}

/// Bytes of a `\u` escape, or of a pair of them, and of the character it stands for.
fn escaped_unicode(rest: &str) -> (usize, usize) {
    let unit = |text: Option<&str>| text.and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match unit(rest.get(2..6)) {
        Some(0xD800..=0xDBFF) if rest.get(6..8) == Some("\\u") => (12, 4),
        Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
        None => (2, 1),
    }
}

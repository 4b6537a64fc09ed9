//! Templates cut into pieces.
//!
//! A JSON body becomes text with holes here, once: nothing of it is a tree when it is sent. Only
//! members that may be left out need anything at run time, which is their comma.

use std::rc::Rc;

use super::super::definition::JsonTemplate;
use super::super::expression::{Expression, Function};
use super::super::program::{Encoding, Expr, Id, Piece, Template, ValueTemplate};
use super::super::template;
use super::super::value::{Value, write_json_escaped};
use super::{Compile, Compiler, id_of};

impl Compiler<'_> {
    /// A template whose holes are all written in the same way.
    pub(super) fn template(
        &mut self,
        template: &template::Template,
        encoding: Encoding,
    ) -> Compile<Template> {
        let mut pieces = Pieces::default();
        self.pieces(template, encoding, &mut pieces)?;
        Ok(pieces.finish())
    }

    /// Appends a template's pieces.
    pub(super) fn pieces(
        &mut self,
        template: &template::Template,
        encoding: Encoding,
        pieces: &mut Pieces,
    ) -> Compile<()> {
        for piece in &template.0 {
            match piece {
                template::Piece::Text(text) if encoding == Encoding::JsonText => {
                    write_json_escaped(text, &mut pieces.text);
                }
                template::Piece::Text(text) => pieces.text.push_str(text),
                template::Piece::Hole(expression) => {
                    let hole = self.hole(expression, encoding)?;
                    pieces.push(hole);
                }
            }
        }
        Ok(())
    }

    fn hole(&mut self, expression: &Expression, encoding: Encoding) -> Compile<Piece> {
        let what = Rc::from(describe(expression));
        Ok(Piece::Hole { value: self.resolve(expression)?, encoding, what })
    }

    /// A JSON document as text with holes.
    pub(super) fn json(&mut self, value: &JsonTemplate) -> Compile<Template> {
        let mut pieces = Pieces::default();
        self.json_pieces(value, &mut pieces)?;
        Ok(pieces.finish())
    }

    fn json_pieces(&mut self, value: &JsonTemplate, out: &mut Pieces) -> Compile<()> {
        match value {
            JsonTemplate::Null => out.text.push_str("null"),
            JsonTemplate::Bool(true) => out.text.push_str("true"),
            JsonTemplate::Bool(false) => out.text.push_str("false"),
            JsonTemplate::Number(number) => out.text.push_str(number),
            JsonTemplate::Text(template) => match template.as_hole() {
                Some(expression) => {
                    let hole = self.hole(expression, Encoding::JsonValue)?;
                    out.push(hole);
                }
                None => self.json_text(template, out)?,
            },
            JsonTemplate::List(items) => {
                out.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.text.push(',');
                    }
                    self.json_pieces(item, out)?;
                }
                out.text.push(']');
            }
            JsonTemplate::Object(members) => self.json_object(members, out)?,
        }
        Ok(())
    }

    fn json_text(&mut self, template: &template::Template, out: &mut Pieces) -> Compile<()> {
        out.text.push('"');
        self.pieces(template, Encoding::JsonText, out)?;
        out.text.push('"');
        Ok(())
    }

    fn json_object(
        &mut self,
        members: &[(template::Template, JsonTemplate)],
        out: &mut Pieces,
    ) -> Compile<()> {
        let mut may_be_first = true;
        out.text.push('{');
        for (index, (key, value)) in members.iter().enumerate() {
            if let Some(optional) = optional(value) {
                let mut text = String::new();
                write_json_escaped(key.as_plain().unwrap_or(""), &mut text);
                let value = self.resolve(optional)?;
                out.push(Piece::Member { key: text.into(), value });
                continue;
            }
            if index > 0 && may_be_first {
                // Everything before it may have been left out.
                out.push(Piece::Comma);
            } else if index > 0 {
                out.text.push(',');
            }
            may_be_first = false;
            self.json_text(key, out)?;
            out.text.push(':');
            self.json_pieces(value, out)?;
        }
        out.text.push('}');
        Ok(())
    }

    /// The number of a value in the program.
    pub(super) fn value(&mut self, value: &JsonTemplate) -> Compile<Id> {
        let value = self.value_template(value)?;
        self.program.values.push(value);
        Ok(id_of(self.program.values.len() - 1))
    }

    fn value_template(&mut self, value: &JsonTemplate) -> Compile<ValueTemplate> {
        Ok(match value {
            JsonTemplate::Null => ValueTemplate::Value(Expr::Constant(Value::Null)),
            JsonTemplate::Bool(b) => ValueTemplate::Value(Expr::Constant(Value::Bool(*b))),
            JsonTemplate::Number(number) => {
                let value = serde_json::from_str(number).unwrap_or_default();
                ValueTemplate::Value(Expr::Constant(value))
            }
            JsonTemplate::Text(template) => match (template.as_hole(), template.as_plain()) {
                (Some(hole), _) => ValueTemplate::Value(self.resolve(hole)?),
                (None, Some(text)) => ValueTemplate::Value(Expr::Constant(Value::from(text))),
                (None, None) => ValueTemplate::Text(self.template(template, Encoding::Plain)?),
            },
            JsonTemplate::List(items) => {
                let items = items.iter().map(|item| self.value_template(item));
                ValueTemplate::List(items.collect::<Compile<_>>()?)
            }
            JsonTemplate::Object(members) => {
                let mut out = Vec::with_capacity(members.len());
                for (key, value) in members {
                    let key = Rc::from(key.as_plain().unwrap_or(""));
                    out.push((key, self.value_template(value)?));
                }
                ValueTemplate::Object(out)
            }
        })
    }
}

/// The expression of a member that may be left out: `"${code | optional}"`.
fn optional(value: &JsonTemplate) -> Option<&Expression> {
    let JsonTemplate::Text(template) = value else { return None };
    match template.as_hole()? {
        Expression::Call(Function::Optional, arguments) => arguments.first(),
        _ => None,
    }
}

/// What an expression is about, for messages.
pub(super) fn describe(expression: &Expression) -> String {
    match expression {
        Expression::Variable(name) => name.clone(),
        Expression::Setup(name) => format!("setup.{name}"),
        Expression::Parameter(name) => format!("env.{name}"),
        Expression::Data { source, column: None } => format!("data.{source}"),
        Expression::Data { source, column: Some(column) } => format!("data.{source}.{column}"),
        Expression::Field(value, name) => format!("{}.{name}", describe(value)),
        Expression::Index(value, _) => format!("{}[..]", describe(value)),
        Expression::Draw { site, .. } => format!("draw.{site}"),
        Expression::Call(_, arguments) => arguments.first().map_or_else(String::new, describe),
        _ => "an expression".to_owned(),
    }
}

/// Pieces under construction: neighbouring texts become one.
#[derive(Default)]
pub(super) struct Pieces {
    pub(super) text: String,
    done: Vec<Piece>,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Piece) {
        self.flush();
        self.done.push(piece);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(std::mem::take(&mut self.text).into()));
        }
    }

    pub(super) fn finish(mut self) -> Template {
        self.flush();
        Template(self.done)
    }
}

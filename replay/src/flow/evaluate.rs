//! Expressions and templates of a running session.
//!
//! What is simple costs little: a variable in a template is written straight into the buffer,
//! without a value in between.

use std::rc::Rc;

use super::compile::percent_encode;
use super::definition::Secrecy;
use super::expression::{Binary, Fact, Sampler};
use super::operate;
use super::program::{DataPlan, Encoding, Expr, Piece, Program, Template, ValueTemplate};
use super::value::{Value, write_json_escaped};
use crate::bot::Context;
use crate::observe::{ReadError, Response};
use crate::trace::record::Asked;
use crate::{Secret, Site, site};

/// Where `uuid` draws from.
const UUID: Site = site("uuid");

/// All that an expression can see.
pub(super) struct Scope<'a> {
    pub(super) program: &'a Program,
    pub(super) slots: &'a [Value],
    pub(super) setup: &'a [Value],
    pub(super) ctx: &'a Context,
    pub(super) response: Option<&'a Response>,
    pub(super) status: u16,
    pub(super) time_us: u64,
}

/// What had no value where one is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) Rc<str>);

impl Scope<'_> {
    pub(super) fn evaluate(&self, expression: &Expr) -> Value {
        match expression {
            Expr::Constant(value) => value.clone(),
            Expr::Slot(slot) => self.slots[usize::from(*slot)].clone(),
            Expr::Setup(index) => self.setup.get(usize::from(*index)).cloned().unwrap_or_default(),
            Expr::Secret(name) => secret_value(self.ctx.secret(name)),
            Expr::Cell { source, column, secrecy } => self.cell(*source, *column, *secrecy),
            Expr::Fact(fact) => self.fact(*fact),
            Expr::Status => Value::Integer(i64::from(self.status)),
            Expr::Time => Value::Integer(integer(self.time_us / 1000)),
            Expr::Header(name) => self.header(name),
            Expr::Json(pointer) => self
                .response
                .and_then(|response| response.pointer(pointer).ok())
                .unwrap_or_default(),
            Expr::BodyContains(part) => {
                let part = self.evaluate(part);
                Value::Bool(
                    !part.is_null() && self.body(|body| find(body, part.to_text().as_bytes())),
                )
            }
            Expr::BodyMatches(pattern) => {
                let pattern = &self.program.patterns[*pattern as usize];
                Value::Bool(self.body(|body| pattern.is_match(body)))
            }
            Expr::Field(value, name) => self.evaluate(value).field(name),
            Expr::Index(value, index) => {
                operate::index(&self.evaluate(value), &self.evaluate(index))
            }
            Expr::Unary(operator, value) => operate::unary(*operator, &self.evaluate(value)),
            Expr::Binary(Binary::And, a, b) => Value::Bool(self.holds(a) && self.holds(b)),
            Expr::Binary(Binary::Or, a, b) => Value::Bool(self.holds(a) || self.holds(b)),
            Expr::Binary(operator, a, b) => {
                operate::binary(*operator, &self.evaluate(a), &self.evaluate(b))
            }
            Expr::Either(condition, yes, no) => {
                self.evaluate(if self.holds(condition) { yes } else { no })
            }
            Expr::Call(function, arguments) => {
                // On the stack: no function takes more than three.
                let mut values: [Value; 3] = Default::default();
                for (value, argument) in values.iter_mut().zip(arguments) {
                    *value = self.evaluate(argument);
                }
                operate::call(*function, &values[..arguments.len().min(3)])
            }
            Expr::Draw(site, sampler, arguments) => self.draw(*site, *sampler, arguments),
        }
    }

    pub(super) fn holds(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Slot(slot) => self.slots[usize::from(*slot)].holds(),
            Expr::Constant(value) => value.holds(),
            other => self.evaluate(other).holds(),
        }
    }

    fn fact(&self, fact: Fact) -> Value {
        let who = self.ctx.who();
        match fact {
            Fact::Bot => Value::Integer(integer(who.bot)),
            Fact::Session => Value::Integer(integer(who.session)),
            Fact::Task => Value::Integer(i64::from(self.ctx.state.run.task_index)),
            Fact::Now => Value::Integer(integer(self.ctx.state.now_us.get() / 1000)),
            Fact::Stopping => Value::Bool(self.ctx.stopping()),
            Fact::Uuid => self.uuid(),
        }
    }

    /// A version 4 UUID (RFC 9562, 5.4) from the run's id.
    fn uuid(&self) -> Value {
        let mut draw = self.ctx.draw_new(UUID);
        let bits = (u128::from(draw.bits()) << 64) | u128::from(draw.bits());
        let bits = bits & !(0xF << 76) | (0x4 << 76);
        let bits = bits & !(0x3 << 62) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        Value::Text(format!("{a}-{b}-{c}-{d}-{e}").into())
    }

    fn header(&self, name: &str) -> Value {
        let header = self.response.and_then(|response| response.header(name));
        header.map_or(Value::Null, |text| Value::Text(text.into()))
    }

    /// Asks about the body; only the answer is recorded.
    fn body(&self, ask: impl FnOnce(&[u8]) -> bool) -> bool {
        if self.response.is_none() {
            return false;
        }
        read_body(self.ctx, |body| Ok(ask(body))).unwrap_or(false)
    }

    fn cell(&self, source: u16, column: u16, secrecy: Secrecy) -> Value {
        let data = &self.program.data[usize::from(source)];
        let Some((text, kind)) = self.cell_text(data, column) else { return Value::Null };
        match (secrecy, kind) {
            (Secrecy::Secret, _) => secret_value(
                self.ctx
                    .state
                    .read(Asked::Secret, || Secret::take_in(text).ok_or(ReadError::TooLarge)),
            ),
            (Secrecy::Plain, super::definition::CellKind::Text) => Value::from(text),
            (Secrecy::Plain, super::definition::CellKind::Json) => {
                serde_json::from_str(text).unwrap_or_default()
            }
        }
    }

    fn cell_text<'t>(
        &self,
        data: &'t DataPlan,
        column: u16,
    ) -> Option<(&'t str, super::definition::CellKind)> {
        let row = self.slots[usize::from(data.row)].as_integer()?;
        data.table.cell(usize::try_from(row).ok()?, usize::from(column))
    }

    fn draw(&self, site: Site, sampler: Sampler, arguments: &[Expr]) -> Value {
        // Drawn whatever the arguments are, so that the n-th draw of a site is always its n-th use.
        let mut draw = self.ctx.draw(site);
        let argument = |index: usize| self.evaluate(&arguments[index]);
        match sampler {
            Sampler::Pick => {
                let index = draw.below(arguments.len() as u64);
                usize::try_from(index).map_or(Value::Null, argument)
            }
            Sampler::Between => {
                let bounds = argument(0).as_integer().zip(argument(1).as_integer());
                let Some((from, to)) = bounds.filter(|(from, to)| from <= to) else {
                    return Value::Null;
                };
                let offset = draw.between(0..=to.abs_diff(from));
                Value::Integer(from.wrapping_add_unsigned(offset))
            }
            Sampler::Chance => {
                let positive =
                    |value: Value| value.as_integer().and_then(|n| u64::try_from(n).ok());
                match positive(argument(0)).zip(positive(argument(1))) {
                    Some((n, of)) if of > 0 => Value::Bool(draw.chance(n.min(of), of)),
                    _ => Value::Null,
                }
            }
            Sampler::Element => match argument(0) {
                Value::List(items) => draw.pick(&items).cloned().unwrap_or_default(),
                _ => Value::Null,
            },
        }
    }

    /// What a variable is set to.
    pub(super) fn value(&self, template: &ValueTemplate) -> Value {
        match template {
            ValueTemplate::Value(expression) => self.evaluate(expression),
            ValueTemplate::Text(template) => {
                let mut text = String::new();
                match self.write(template, &mut text) {
                    Ok(()) => Value::Text(text.into()),
                    Err(Missing(_)) => Value::Null,
                }
            }
            ValueTemplate::List(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect())
            }
            ValueTemplate::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.clone(), self.value(value)));
                Value::Object(members.collect())
            }
        }
    }

    /// Appends what a template gives.
    pub(super) fn write(&self, template: &Template, out: &mut String) -> Result<(), Missing> {
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Hole { value, encoding, what } => self.hole(value, *encoding, what, out)?,
                Piece::Comma => comma(out),
                Piece::Member { key, value } => {
                    let value = self.evaluate(value);
                    if !value.is_null() {
                        comma(out);
                        out.push('"');
                        out.push_str(key);
                        out.push_str("\":");
                        value.write_json(out);
                    }
                }
            }
        }
        Ok(())
    }

    fn hole(
        &self,
        value: &Expr,
        encoding: Encoding,
        what: &Rc<str>,
        out: &mut String,
    ) -> Result<(), Missing> {
        let evaluated;
        let value = match value {
            Expr::Slot(slot) => &self.slots[usize::from(*slot)],
            Expr::Constant(value) => value,
            other => {
                evaluated = self.evaluate(other);
                &evaluated
            }
        };
        if value.is_null() {
            return Err(Missing(what.clone()));
        }
        write_encoded(value, encoding, out);
        Ok(())
    }
}

fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn secret_value(secret: Result<Secret, ReadError>) -> Value {
    secret.map_or(Value::Null, |secret| Value::Text(secret.to_string().into()))
}

/// Reads something from the body of the response; only that is recorded.
pub(super) fn read_body<T: serde::Serialize + serde::de::DeserializeOwned>(
    ctx: &Context,
    read: impl FnOnce(&[u8]) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    ctx.state.read(Asked::Text, || {
        ctx.state.with_body(|body| match body {
            // An empty body is one in which there is nothing to find.
            Err(ReadError::NoBody) => read(&[]),
            body => read(body?),
        })
    })
}

fn find(body: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(body, part).is_some()
}

/// A comma, unless the object has only just begun.
fn comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

/// Writes a value as its place needs it.
fn write_encoded(value: &Value, encoding: Encoding, out: &mut String) {
    match (encoding, value) {
        (Encoding::Plain, value) => value.write_text(out),
        (Encoding::JsonValue, value) => value.write_json(out),
        (Encoding::Url, Value::Text(text)) => percent_encode(text, out),
        (Encoding::Url, Value::Integer(_)) => value.write_text(out),
        (Encoding::Url, other) => percent_encode(&other.to_text(), out),
        (Encoding::JsonText, Value::Text(text)) => write_json_escaped(text, out),
        (Encoding::JsonText, other) => write_json_escaped(&other.to_text(), out),
        (Encoding::Header, value) => {
            let start = out.len();
            value.write_text(out);
            if out[start..].bytes().any(|byte| byte < b' ' || byte == 0x7F) {
                let clean: String = out[start..]
                    .chars()
                    .map(|c| if c.is_ascii_control() { ' ' } else { c })
                    .collect();
                out.truncate(start);
                out.push_str(&clean);
            }
        }
    }
}

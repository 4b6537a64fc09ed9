//! Expressions with their names resolved.

use std::rc::Rc;

use super::super::definition::Secrecy;
use super::super::expression::{Expression, Read};
use super::super::patterns;
use super::super::program::{Expr, Id};
use super::super::value::Value;
use super::{Compile, CompileError, Compiler, id_of};

impl Compiler<'_> {
    /// The number of an expression in the program.
    pub(super) fn expression(&mut self, expression: &Expression) -> Compile<Id> {
        let expression = self.resolve(expression)?;
        self.program.expressions.push(expression);
        Ok(id_of(self.program.expressions.len() - 1))
    }

    /// An expression with its names resolved. Their depth is bounded by the parser; one from
    /// elsewhere by `serde_json`.
    pub(super) fn resolve(&mut self, expression: &Expression) -> Compile<Expr> {
        Ok(match expression {
            Expression::Null => Expr::Constant(Value::Null),
            Expression::Bool(b) => Expr::Constant(Value::Bool(*b)),
            Expression::Integer(n) => Expr::Constant(Value::Integer(*n)),
            Expression::Text(text) => Expr::Constant(Value::from(text.as_str())),
            Expression::Variable(name) => Expr::Slot(self.known_slot(name)?),
            Expression::Setup(name) => self.setup(name)?,
            Expression::Parameter(name) => Expr::Secret(Rc::from(name.as_str())),
            Expression::Data { source, column } => self.cell(source, column.as_deref())?,
            Expression::Fact(fact) => Expr::Fact(*fact),
            Expression::Read(read) => self.read(read)?,
            Expression::Field(value, name) => {
                Expr::Field(self.boxed(value)?, Rc::from(name.as_str()))
            }
            Expression::Index(value, index) => Expr::Index(self.boxed(value)?, self.boxed(index)?),
            Expression::Unary(operator, value) => Expr::Unary(*operator, self.boxed(value)?),
            Expression::Binary(operator, a, b) => {
                Expr::Binary(*operator, self.boxed(a)?, self.boxed(b)?)
            }
            Expression::Either(condition, yes, no) => {
                Expr::Either(self.boxed(condition)?, self.boxed(yes)?, self.boxed(no)?)
            }
            Expression::Call(function, arguments) => Expr::Call(*function, self.all(arguments)?),
            Expression::Draw { site, sampler, arguments } => {
                let site = self.site(&format!("draw.{site}"));
                Expr::Draw(site, *sampler, self.all(arguments)?)
            }
        })
    }

    fn boxed(&mut self, expression: &Expression) -> Compile<Box<Expr>> {
        Ok(Box::new(self.resolve(expression)?))
    }

    fn all(&mut self, expressions: &[Expression]) -> Compile<Box<[Expr]>> {
        expressions.iter().map(|expression| self.resolve(expression)).collect()
    }

    fn setup(&mut self, name: &str) -> Compile<Expr> {
        let names = &mut self.program.setup;
        let known = names.iter().position(|known| &**known == name);
        let index = known.unwrap_or_else(|| {
            names.push(Rc::from(name));
            names.len() - 1
        });
        let index = u16::try_from(index).map_err(|_| CompileError::TooMany("set-up results"))?;
        Ok(Expr::Setup(index))
    }

    fn cell(&mut self, source: &str, column: Option<&str>) -> Compile<Expr> {
        let unknown = || CompileError::Unknown(format!("data.{source}"));
        let index = self.definition.data.iter().position(|data| data.name == source);
        let index = index.ok_or_else(unknown)?;
        let data = &self.definition.data[index];
        let (number, secrecy) = match column {
            None => (0, Secrecy::Plain),
            Some(column) => {
                let number = data.table.columns.iter().position(|known| known == column);
                let is_secret = data.secret.iter().any(|secret| secret == column);
                let secrecy = if is_secret { Secrecy::Secret } else { Secrecy::Plain };
                (number.ok_or_else(unknown)?, secrecy)
            }
        };
        let source = u16::try_from(index).map_err(|_| CompileError::TooMany("data sources"))?;
        let column = u16::try_from(number).map_err(|_| CompileError::TooMany("columns"))?;
        Ok(Expr::Cell { source, column, secrecy })
    }

    fn read(&mut self, read: &Read) -> Compile<Expr> {
        Ok(match read {
            Read::Status => Expr::Status,
            Read::Time => Expr::Time,
            Read::Header(name) => Expr::Header(Rc::from(name.as_str())),
            Read::Json(pointer) => Expr::Json(Rc::from(pointer.as_str())),
            Read::BodyContains(part) => Expr::BodyContains(self.boxed(part)?),
            Read::BodyMatches(pattern) => Expr::BodyMatches(self.pattern(pattern)?),
        })
    }

    pub(super) fn pattern(&mut self, pattern: &str) -> Compile<Id> {
        let known = self.program.patterns.iter().position(|known| known.as_str() == pattern);
        if let Some(index) = known {
            return Ok(id_of(index));
        }
        let compiled = patterns::compile(pattern).map_err(CompileError::Malformed)?;
        self.program.patterns.push(compiled);
        Ok(id_of(self.program.patterns.len() - 1))
    }
}

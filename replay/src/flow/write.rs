//! Expressions and templates as text again: reading it gives back the same.
//!
//! That is how a definition keeps them. It stays readable in a trace, however deep a tree is, and
//! a later version reads it with the parser that users' files are read with.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::expression::{Binary, Expression, Fact, Function, Read, Sampler, Unary};
use super::syntax::parse_expression;
use super::template::{Piece, Template, parse_template};

/// Binding powers: those of `syntax.rs`, and looser and tighter ones around them.
const CONDITIONAL: u8 = 0;
const UNARY: u8 = 90;
const POSTFIX: u8 = 95;

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, CONDITIONAL, f)
    }
}

/// Writes an expression where only what binds at least so tightly can stand.
fn write(expression: &Expression, power_min: u8, f: &mut Formatter<'_>) -> fmt::Result {
    let power = power(expression);
    if power < power_min {
        f.write_str("(")?;
    }
    match expression {
        Expression::Null => f.write_str("null")?,
        Expression::Bool(b) => write!(f, "{b}")?,
        Expression::Integer(n) => write!(f, "{n}")?,
        Expression::Text(text) => quoted(text, f)?,
        Expression::Variable(name) => f.write_str(name)?,
        Expression::Setup(name) => write!(f, "setup.{name}")?,
        Expression::Parameter(name) => write!(f, "env.{name}")?,
        Expression::Data { source, column: None } => write!(f, "data.{source}")?,
        Expression::Data { source, column: Some(column) } => write!(f, "data.{source}.{column}")?,
        Expression::Fact(fact) => f.write_str(fact_word(*fact))?,
        Expression::Read(read) => write_read(read, f)?,
        Expression::Field(value, name) => {
            write(value, POSTFIX, f)?;
            write!(f, ".{name}")?;
        }
        Expression::Index(value, index) => {
            write(value, POSTFIX, f)?;
            write!(f, "[{index}]")?;
        }
        Expression::Unary(operator, value) => {
            f.write_str(if *operator == Unary::Not { "!" } else { "-" })?;
            write(value, UNARY, f)?;
        }
        Expression::Binary(operator, a, b) => {
            write(a, power, f)?;
            write!(f, " {} ", operator_word(*operator))?;
            write(b, power + 1, f)?;
        }
        Expression::Either(condition, yes, no) => {
            write(condition, CONDITIONAL + 1, f)?;
            write!(f, " ? {yes} : {no}")?;
        }
        Expression::Call(function, arguments) => {
            write!(f, "{}(", function_word(*function))?;
            list(arguments, f)?;
        }
        Expression::Draw { site, sampler, arguments } => {
            write!(f, "draw.{site}.{}(", sampler_word(*sampler))?;
            list(arguments, f)?;
        }
    }
    if power < power_min { f.write_str(")") } else { Ok(()) }
}

fn power(expression: &Expression) -> u8 {
    match expression {
        Expression::Either(..) => CONDITIONAL,
        Expression::Binary(operator, ..) => operator_power(*operator),
        Expression::Read(Read::BodyContains(_)) => operator_power(Binary::Contains),
        Expression::Unary(..) => UNARY,
        // `-5[0]` would be read as `-(5[0])`.
        Expression::Integer(n) if *n < 0 => UNARY,
        _ => u8::MAX,
    }
}

fn operator_power(operator: Binary) -> u8 {
    match operator {
        Binary::Or => 1,
        Binary::And => 2,
        Binary::Equal | Binary::NotEqual => 3,
        Binary::Less
        | Binary::LessOrEqual
        | Binary::Greater
        | Binary::GreaterOrEqual
        | Binary::Contains => 4,
        Binary::Add | Binary::Subtract => 5,
        Binary::Multiply | Binary::Divide | Binary::Remainder => 6,
    }
}

fn operator_word(operator: Binary) -> &'static str {
    match operator {
        Binary::Or => "||",
        Binary::And => "&&",
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::Contains => "contains",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Remainder => "%",
    }
}

fn fact_word(fact: Fact) -> &'static str {
    let row = Fact::ALL.iter().find(|(_, known)| *known == fact);
    row.map_or("null", |(word, _)| word)
}

fn function_word(function: Function) -> &'static str {
    Function::ALL.iter().find(|row| row.1 == function).map_or("null", |row| row.0)
}

fn sampler_word(sampler: Sampler) -> &'static str {
    Sampler::ALL.iter().find(|row| row.1 == sampler).map_or("null", |row| row.0)
}

fn list(arguments: &[Expression], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, argument) in arguments.iter().enumerate() {
        f.write_str(if index > 0 { ", " } else { "" })?;
        write(argument, CONDITIONAL, f)?;
    }
    f.write_str(")")
}

fn write_read(read: &Read, f: &mut Formatter<'_>) -> fmt::Result {
    let call = |word: &str, text: &str, f: &mut Formatter<'_>| {
        write!(f, "{word}(")?;
        quoted(text, f)?;
        f.write_str(")")
    };
    match read {
        Read::Status => f.write_str("status"),
        Read::Time => f.write_str("time"),
        Read::Header(name) => call("header", name, f),
        Read::Json(pointer) => call("json", pointer, f),
        Read::BodyMatches(pattern) => {
            f.write_str("body matches ")?;
            quoted(pattern, f)
        }
        Read::BodyContains(part) => {
            f.write_str("body contains ")?;
            write(part, operator_power(Binary::Contains) + 1, f)
        }
    }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace("${", "$${"))?,
                Piece::Hole(expression) => write!(f, "${{{expression}}}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expression, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = parse_expression(&text);
        parsed.map(|parsed| parsed.value).map_err(|error| de::Error::custom(error.problem))
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Template, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = parse_template(&text);
        parsed.map(|parsed| parsed.value).map_err(|error| de::Error::custom(error.problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Expression {
        parse_expression(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).value
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        for text in [
            "a + b * c - d",
            "(a + b) * c",
            "a - (b - c)",
            "!(a && b) || c",
            "-(a.b[0])",
            "(-5)[0]",
            "a ? b : c ? d : e",
            "(a ? b : c) ? d : e",
            "a == 'it\\'s \\\\ here'",
            "body contains 'x' || body contains (a ? b : c)",
            "(body contains a) contains b",
            "body matches '\\\\d+'",
            "header('X') == json('/a/0')",
            "x | pad 5 | upper",
            "draw.site.pick(1, 'a', draw.other.between(-3, 5))",
            "find(list, 'a', 3).b",
            "data.users.name + data.words + setup.x + env.Y",
            "uuid + bot % 2",
            "1 < 2 == true",
            "'}' + '${'",
            "- -5",
            "5s + 500ms",
            "null",
            "!!a",
            "(a | default 5) + 1",
        ] {
            let parsed = expression(text);
            let written = parsed.to_string();
            assert_eq!(expression(&written), parsed, "{text} was written as {written}");
        }
    }

    #[test]
    fn templates_are_written_as_they_were() {
        for text in ["", "a", "${a}", "x$${y}z", "a$b", "$", "${'}'}|${a | pad 2}", "$${${a}"] {
            let parsed = parse_template(text).expect("readable").value;
            let written = parsed.to_string();
            assert_eq!(parse_template(&written).expect("readable").value, parsed, "{text}");
        }
    }

    #[test]
    fn the_largest_expression_that_is_read_is_written_and_read_again() {
        let chains = [
            format!("a{}", " + 1".repeat(100)),
            format!("{}a{}", "text(".repeat(100), ")".repeat(100)),
            format!("a{}", " | text".repeat(100)),
            format!("{}a", "!".repeat(100)),
            format!("a{}", "[0]".repeat(100)),
            format!("{}a", "b ? c : ".repeat(100)),
            format!("{}a{}", "1 - (".repeat(100), ")".repeat(100)),
        ];
        for text in chains {
            let parsed = expression(&text);
            assert_eq!(expression(&parsed.to_string()), parsed, "{text}");
            assert!(parse_expression(&format!("!({text})")).is_err(), "one more is too large");
        }
    }
}

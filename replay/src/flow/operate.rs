//! What operators and functions do to values.
//!
//! Total: what makes no sense gives no value, and never ends a session. Shared by running bots and
//! by the check of scenarios, so that both agree.

use std::cmp::Ordering;
use std::rc::Rc;

use super::expression::{Binary, Expression, Function, Unary};
use super::value::Value;

/// Text longer than this is cut off: `pad` and `+` in a loop must not use up the memory.
const TEXT_BYTES_MAX: usize = 1 << 20;

pub(super) fn unary(operator: Unary, value: &Value) -> Value {
    match operator {
        Unary::Not => Value::Bool(!value.holds()),
        Unary::Minus => integer(value.as_integer().and_then(i64::checked_neg)),
    }
}

/// All operators but `&&` and `||`, which do not always look at both sides.
pub(super) fn binary(operator: Binary, a: &Value, b: &Value) -> Value {
    let ordered = |wanted: &[Ordering]| {
        Value::Bool(a.compare(b).is_some_and(|ordering| wanted.contains(&ordering)))
    };
    match operator {
        Binary::Or => Value::Bool(a.holds() || b.holds()),
        Binary::And => Value::Bool(a.holds() && b.holds()),
        Binary::Equal => Value::Bool(a.equals(b)),
        Binary::NotEqual => Value::Bool(!a.equals(b)),
        Binary::Less => ordered(&[Ordering::Less]),
        Binary::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Binary::Greater => ordered(&[Ordering::Greater]),
        Binary::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
        Binary::Contains => Value::Bool(contains(a, b)),
        Binary::Add => add(a, b),
        Binary::Subtract => arithmetic(a, b, i64::checked_sub),
        Binary::Multiply => arithmetic(a, b, i64::checked_mul),
        Binary::Divide => arithmetic(a, b, i64::checked_div),
        Binary::Remainder => arithmetic(a, b, i64::checked_rem),
    }
}

fn integer(n: Option<i64>) -> Value {
    n.map_or(Value::Null, Value::Integer)
}

fn arithmetic(a: &Value, b: &Value, apply: fn(i64, i64) -> Option<i64>) -> Value {
    integer(a.as_integer().zip(b.as_integer()).and_then(|(a, b)| apply(a, b)))
}

fn add(a: &Value, b: &Value) -> Value {
    let number = |value: &Value| matches!(value, Value::Integer(_) | Value::Number(_));
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        _ if number(a) && number(b) => arithmetic(a, b, i64::checked_add),
        _ => {
            let mut text = a.to_text().to_string();
            b.write_text(&mut text);
            bounded(text)
        }
    }
}

fn bounded(mut text: String) -> Value {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    Value::Text(text.into())
}

fn contains(a: &Value, b: &Value) -> bool {
    match a {
        Value::Text(text) => !b.is_null() && text.contains(&*b.to_text()),
        Value::List(items) => items.iter().any(|item| item.equals(b)),
        Value::Object(members) => {
            let name = b.to_text();
            members.iter().any(|(key, _)| *key == name)
        }
        _ => false,
    }
}

/// `value[index]`: an element of a list, a member of an object, a character of a text.
pub(super) fn index(value: &Value, index: &Value) -> Value {
    let position = || index.as_integer().and_then(|n| usize::try_from(n).ok());
    match value {
        Value::List(items) => position().and_then(|n| items.get(n)).cloned().unwrap_or_default(),
        Value::Object(_) => value.field(&index.to_text()),
        Value::Text(text) => {
            let found = position().and_then(|n| text.chars().nth(n));
            found.map_or(Value::Null, |c| Value::Text(c.to_string().into()))
        }
        _ => Value::Null,
    }
}

pub(super) fn call(function: Function, arguments: &[Value]) -> Value {
    let first = arguments.first().unwrap_or(&Value::Null);
    let second = arguments.get(1).unwrap_or(&Value::Null);
    match function {
        Function::Defined => Value::Bool(!first.is_null()),
        Function::Default if first.is_null() => second.clone(),
        Function::Default | Function::Optional => first.clone(),
        Function::Length => length(first),
        Function::Int => integer(first.as_integer()),
        Function::Text if first.is_null() => Value::Null,
        Function::Text => Value::Text(first.to_text()),
        Function::Lower => text(first, |text| text.to_lowercase()),
        Function::Upper => text(first, |text| text.to_uppercase()),
        Function::Pad => pad(first, second),
        Function::Slice => slice(first, second, arguments.get(2).unwrap_or(&Value::Null)),
        Function::Min => smaller_or_larger(first, second, i64::min),
        Function::Max => smaller_or_larger(first, second, i64::max),
        Function::Find => find(first, second, arguments.get(2).unwrap_or(&Value::Null)),
    }
}

fn text(value: &Value, change: fn(&str) -> String) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    bounded(change(&value.to_text()))
}

fn length(value: &Value) -> Value {
    let count = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return Value::Null,
    };
    integer(i64::try_from(count).ok())
}

fn pad(value: &Value, width: &Value) -> Value {
    let width = width.as_integer().and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(256);
    if value.is_null() {
        return Value::Null;
    }
    let mut text = String::with_capacity(width.max(20));
    value.write_text(&mut text);
    let sign = usize::from(text.starts_with('-'));
    for _ in text.len()..width {
        text.insert(sign, '0');
    }
    Value::Text(text.into())
}

fn slice(value: &Value, from: &Value, to: &Value) -> Value {
    let position = |value: &Value| value.as_integer().and_then(|n| usize::try_from(n).ok());
    let (Some(from), Some(to)) = (position(from), position(to)) else { return Value::Null };
    if value.is_null() {
        return Value::Null;
    }
    let text: String = value.to_text().chars().skip(from).take(to.saturating_sub(from)).collect();
    Value::Text(text.into())
}

fn smaller_or_larger(a: &Value, b: &Value, choose: fn(i64, i64) -> i64) -> Value {
    integer(a.as_integer().zip(b.as_integer()).map(|(a, b)| choose(a, b)))
}

fn find(list: &Value, field: &Value, wanted: &Value) -> Value {
    let Value::List(items) = list else { return Value::Null };
    let field: Rc<str> = field.to_text();
    items.iter().find(|item| item.field(&field).equals(wanted)).cloned().unwrap_or_default()
}

/// What an expression gives if it depends only on constants and on the variables that `look_up`
/// knows; none when that is not certain.
pub fn constant_value(
    expression: &Expression,
    look_up: &dyn Fn(&str) -> Option<Value>,
) -> Option<Value> {
    let value = |part: &Expression| constant_value(part, look_up);
    match expression {
        Expression::Null => Some(Value::Null),
        Expression::Bool(b) => Some(Value::Bool(*b)),
        Expression::Integer(n) => Some(Value::Integer(*n)),
        Expression::Text(text) => Some(Value::from(text.as_str())),
        Expression::Variable(name) => look_up(name),
        Expression::Field(part, name) => Some(value(part)?.field(name)),
        Expression::Index(part, at) => Some(index(&value(part)?, &value(at)?)),
        Expression::Unary(operator, part) => Some(unary(*operator, &value(part)?)),
        Expression::Binary(operator @ (Binary::And | Binary::Or), a, b) => {
            // One side can decide alone: `false && x` is false whatever x is.
            let decides = *operator == Binary::Or;
            match (value(a).map(|a| a.holds()), value(b).map(|b| b.holds())) {
                (Some(a), Some(b)) => Some(Value::Bool(if decides { a || b } else { a && b })),
                (Some(one), None) | (None, Some(one)) if one == decides => Some(Value::Bool(one)),
                _ => None,
            }
        }
        Expression::Binary(operator, a, b) => Some(binary(*operator, &value(a)?, &value(b)?)),
        Expression::Either(condition, yes, no) => {
            if value(condition)?.holds() {
                value(yes)
            } else {
                value(no)
            }
        }
        Expression::Call(function, arguments) => {
            let arguments: Option<Vec<Value>> = arguments.iter().map(value).collect();
            Some(call(*function, &arguments?))
        }
        Expression::Setup(_)
        | Expression::Parameter(_)
        | Expression::Data { .. }
        | Expression::Fact(_)
        | Expression::Read(_)
        | Expression::Draw { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse_expression;
    use super::*;

    /// What an expression of constants gives, as JSON.
    fn value(text: &str) -> String {
        let parsed = parse_expression(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let known = |name: &str| match name {
            "user" => serde_json::from_str(r#"{"rank": 7, "tags": ["a", "b"], "pi": 3.25}"#).ok(),
            "list" => serde_json::from_str(r#"[{"k": 1}, {"k": "2", "v": "x"}, {"k": 3}]"#).ok(),
            _ => None,
        };
        let mut out = String::new();
        constant_value(&parsed.value, &known).expect("constant").write_json(&mut out);
        out
    }

    #[test]
    fn operators_bind_as_everywhere() {
        assert_eq!(value("1 + 2 * 3 - 4 / 2"), "5");
        assert_eq!(value("10 - 3 - 2"), "5");
        assert_eq!(value("-7 / 2"), "-3");
        assert_eq!(value("1 < 2 && 2 < 1 || true"), "true");
        assert_eq!(value("1 == 1 ? 'yes' : 'no'"), "\"yes\"");
        assert_eq!(value("!false == true"), "true");
    }

    #[test]
    fn text_that_reads_as_a_number_equals_and_compares_as_that_number() {
        assert_eq!(value("'5' == 5"), "true");
        assert_eq!(value("'10' > 9"), "true");
        assert_eq!(value("'10' > '9'"), "false", "two texts compare as texts");
        assert_eq!(value("user.pi > 3 && user.pi < 4"), "true");
        assert_eq!(value("'x' > 1 || 'x' < 1 || 'x' == 1"), "false");
        assert_eq!(value("null == 0 || null == false || null < 1"), "false");
    }

    #[test]
    fn what_makes_no_sense_gives_nothing() {
        for text in [
            "1 / 0",
            "1 % 0",
            "9223372036854775807 + 1",
            "'a' - 1",
            "null + 1",
            "user.nobody",
            "user.tags[9]",
            "length(5)",
            "-'x'",
        ] {
            assert_eq!(value(text), "null", "{text}");
        }
    }

    #[test]
    fn functions_do_what_they_are_called() {
        assert_eq!(value("pad(7, 5) + pad(-7, 5) + pad(123456, 3)"), "\"00007-0007123456\"");
        assert_eq!(value("slice('äbcde', 1, 3)"), "\"bc\"");
        assert_eq!(value("length('äö') + length(user.tags) + length(user)"), "7");
        assert_eq!(value("int(user.pi) + int(' 4 ')"), "7");
        assert_eq!(value("find(list, 'k', 2).v"), "\"x\"");
        assert_eq!(value("default(user.nobody, 'x') + default(1, 2)"), "\"x1\"");
        assert_eq!(value("user.tags contains 'b' && 'abc' contains 'bc'"), "true");
        assert_eq!(value("min(3, 2) + max(3, 2)"), "5");
        assert_eq!(value("upper('ß') + lower('Ä')"), "\"SSä\"");
        assert_eq!(value("defined(user.rank) && !defined(user.nobody)"), "true");
    }

    #[test]
    fn one_side_can_decide_alone() {
        let unknown = |text: &str| {
            let parsed = parse_expression(text).expect("readable").value;
            constant_value(&parsed, &|_| None).map(|value| value.holds())
        };
        assert_eq!(unknown("x && false"), Some(false));
        assert_eq!(unknown("true || x"), Some(true));
        assert_eq!(unknown("x && true"), None);
        assert_eq!(unknown("x || false"), None);
    }
}

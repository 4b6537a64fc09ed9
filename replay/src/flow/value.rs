//! What a variable of a declared bot holds.
//!
//! Cloning is cheap: text and lists are shared. Numbers with a fraction are passed on and compared,
//! never calculated with, so that no decision depends on rounding.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value: never set, not found, or JSON's null.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text. A secret is held as its placeholder.
    Text(Rc<str>),
    /// A list.
    List(Rc<[Value]>),
    /// Members in their order.
    Object(Rc<[(Rc<str>, Value)]>),
}

impl Value {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Everything holds but null, false, 0 and the empty text.
    pub fn holds(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(b) => *b,
            Value::Integer(n) => *n != 0,
            Value::Number(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(_) | Value::Object(_) => true,
        }
    }

    /// A whole number: fractions are cut off, text is read.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(n) => Some(*n),
            Value::Bool(b) => Some(i64::from(*b)),
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
            Value::Number(n) if n.abs() < 9e18 => Some(n.trunc() as i64),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Any number as it is used by metrics.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
            Value::Integer(n) => Some(*n as f64),
            Value::Number(n) => Some(*n),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            Value::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn field(&self, name: &str) -> Value {
        match self {
            Value::Object(members) => members
                .iter()
                .find(|(key, _)| &**key == name)
                .map(|(_, value)| value.clone())
                .unwrap_or_default(),
            _ => Value::Null,
        }
    }

    /// Whether two values are the same; text that reads as a number equals that number.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Bool(_), _) | (_, Value::Bool(_)) => false,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// Order of two numbers or two texts; none between other kinds.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        if let (Value::Text(a), Value::Text(b)) = (self, other) {
            return Some(a.cmp(b));
        }
        let comparable =
            |value: &Value| matches!(value, Value::Integer(_) | Value::Number(_) | Value::Text(_));
        if !comparable(self) || !comparable(other) {
            return None;
        }
        match (self.exact_integer(), other.exact_integer()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => self.as_f64()?.partial_cmp(&other.as_f64()?),
        }
    }

    fn exact_integer(&self) -> Option<i64> {
        match self {
            Value::Number(_) => None,
            _ => self.as_integer(),
        }
    }

    /// Appends the value as text: what a URL, a header or a longer text shows of it.
    pub fn write_text(&self, out: &mut String) {
        match self {
            Value::Text(text) => out.push_str(text),
            Value::Null => {}
            other => other.write_json(out),
        }
    }

    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            // Writing to a String cannot fail.
            Value::Integer(n) => write!(out, "{n}").unwrap_or(()),
            Value::Number(n) => match serde_json::Number::from_f64(*n) {
                Some(n) => write!(out, "{n}").unwrap_or(()),
                None => out.push_str("null"),
            },
            Value::Text(text) => {
                out.push('"');
                write_json_escaped(text, out);
                out.push('"');
            }
            Value::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { ",\"" } else { "\"" });
                    write_json_escaped(name, out);
                    out.push_str("\":");
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// The value as text.
    pub fn to_text(&self) -> Rc<str> {
        match self {
            Value::Text(text) => text.clone(),
            other => {
                let mut text = String::new();
                other.write_text(&mut text);
                text.into()
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

/// Appends text as it stands inside the quotes of a JSON string.
pub(super) fn write_json_escaped(text: &str, out: &mut String) {
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[plain..index]);
        plain = index + 1;
        if escape.is_empty() {
            // Writing to a String cannot fail.
            write!(out, "\\u{byte:04x}").unwrap_or(());
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Integer(n) => serializer.serialize_i64(*n),
            Value::Number(n) => serializer.serialize_f64(*n),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(name, value)| map.serialize_entry(&**name, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Integer(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "as JavaScript does above 2^63")]
        Ok(i64::try_from(n).map_or(Value::Number(n as f64), Value::Integer))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(Value::Number(n))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Rc<str>, Value)> = Vec::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            members.push((name.into(), value));
        }
        Ok(Value::Object(members.into()))
    }
}

//! One value out of a JSON document, by an RFC 6901 pointer.
//!
//! The rest of the document is skipped, not built. If a name is in an object twice, the first
//! counts.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess,
    SeqAccess, Visitor,
};

use super::ReadError;
use super::read::parse_error;

/// The value that the pointer leads to.
pub(super) fn find<T: DeserializeOwned>(json: &[u8], pointer: &str) -> Result<T, ReadError> {
    let path = match pointer.strip_prefix('/') {
        Some(path) => Some(path),
        None if pointer.is_empty() => None,
        None => return Err(ReadError::Missing),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let seed = Path { path, value: PhantomData };
    let found = seed.deserialize(&mut deserializer).map_err(|error| parse_error(&error))?;
    deserializer.end().map_err(|error| parse_error(&error))?;
    found.ok_or(ReadError::Missing)
}

/// What is left of a pointer; `None` at its end.
struct Path<'a, T> {
    path: Option<&'a str>,
    value: PhantomData<T>,
}

impl<'a, T> Path<'a, T> {
    /// The next token as written, and the rest.
    fn next(path: &'a str) -> (&'a str, Self) {
        let (token, rest) = match path.split_once('/') {
            Some((token, rest)) => (token, Some(rest)),
            None => (path, None),
        };
        (token, Self { path: rest, value: PhantomData })
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Path<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        match self.path {
            None => T::deserialize(deserializer).map(Some),
            Some(path) => deserializer.deserialize_any(Step { path, value: PhantomData }),
        }
    }
}

/// Visits what the next token must be found in.
struct Step<'a, T> {
    path: &'a str,
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Step<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let (token, rest) = Path::next(self.path);
        let mut rest = Some(rest);
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Key { token })? {
            match rest.take_if(|_| is_it) {
                Some(rest) => found = map.next_value_seed(rest)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<T>, A::Error> {
        let (token, rest) = Path::next(self.path);
        let wanted = index(token);
        let mut rest = Some(rest);
        let mut found = None;
        for at in 0_usize.. {
            match rest.take_if(|_| Some(at) == wanted) {
                Some(rest) => match items.next_element_seed(rest)? {
                    Some(value) => found = value,
                    None => break,
                },
                None if items.next_element::<IgnoredAny>()?.is_none() => break,
                None => {}
            }
        }
        Ok(found)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// Whether an object's key is the token.
struct Key<'a> {
    token: &'a str,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if self.token.contains('~') {
            Ok(self.token.replace("~1", "/").replace("~0", "~") == key)
        } else {
            Ok(self.token == key)
        }
    }
}

/// Digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with('0');
    let is_number = token.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && is_number { token.parse().ok() } else { None }
}

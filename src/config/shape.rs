//! What a scenario may contain, as tables, and the check of a file against them.
//!
//! One table per kind of object drives four things that would drift apart otherwise: the errors for
//! unknown keys and wrong types, the JSON schema for editors, the completeness of
//! `docs/scenario.md`, and what the later checks may take for granted. The tables themselves are in
//! `format.rs`.

use std::ops::Range;

use tallyho_replay::flow::nearest;

use super::diagnostic::Diagnostic;
use super::format::{ACTION, STEPS_KNOWN};
use super::json::{Node, Value};

/// A kind of object.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its name in the schema and in messages: `an action`, `a request`.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// Keys of which exactly one must be there and says what the object is; none for most objects.
    pub(super) verbs: &'static [&'static str],
    /// All keys, verbs included.
    pub(super) keys: &'static [Key],
}

/// A key of an object.
#[derive(Debug)]
pub(super) struct Key {
    /// As written in the file.
    pub(super) name: &'static str,
    /// What its value may be.
    pub(super) kind: Kind,
    /// Whether it may be left out.
    pub(super) need: Need,
    /// One sentence.
    pub(super) about: &'static str,
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It may.
    Optional,
    /// It may not.
    Required,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any JSON, with templates in its texts.
    Any,
    /// Text as it stands.
    Text,
    /// Text with `${...}`; numbers and truth values stand for their text.
    Template,
    /// An expression in a text; numbers and truth values stand for themselves.
    Expression,
    /// A name: letters, digits, `_`, and for actions `-` and spaces.
    Name,
    /// A whole number of at least this, or such a number in a text.
    Integer(i64),
    /// A number of at least 0, or such a number in a text.
    Ratio,
    /// True or false, or one of them in a text.
    Bool,
    /// `"30s"`, `"1m30s"`.
    Duration,
    /// The same; a number without a unit is milliseconds, as k6 has it.
    LoadDuration,
    /// A duration, or `"1s..3s"`, or `{"exponential": "2s"}`.
    Delay,
    /// A whole number, or `"100/s"`.
    Rate,
    /// A status, `"2xx"`, `"200..299"`, or a list of them.
    Statuses,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// An object with free keys.
    Map(&'static Kind),
    /// An object.
    Object(&'static Shape),
    /// A list of steps, whose verbs say which shape each has.
    Steps,
    /// A list of weighted actions.
    Actions,
    /// A list, or one of its elements alone.
    OneOrMore(&'static Kind),
    /// A text that is one of some words, or an object.
    WordOr(&'static [&'static str], &'static Shape),
    /// A text, or an object.
    TextOr(&'static Shape),
    /// An option of k6 that does nothing here.
    Ignored,
}

/// Checks a value and everything in it.
pub(super) fn check(node: &Node, kind: &Kind, found: &mut Vec<Diagnostic>) {
    let is_text = node.text().is_some();
    match kind {
        Kind::Any | Kind::Ignored => {}
        Kind::Text | Kind::Name if is_text => {}
        Kind::Delay if is_text || is_exponential(node) => {}
        Kind::Duration if is_text => {}
        Kind::Template | Kind::Expression | Kind::Rate | Kind::LoadDuration
            if node.scalar().is_some() => {}
        Kind::Integer(least) => integer(node, *least, found),
        Kind::Ratio if ratio_ppm(node.scalar().unwrap_or("")).is_some() => {}
        Kind::Bool if matches!(node.scalar(), Some("true" | "false")) => {}
        Kind::Statuses => statuses(node, found),
        Kind::Word(words) if is_text => word(node, words, found),
        Kind::WordOr(words, _) if is_text => word(node, words, found),
        Kind::TextOr(_) if is_text => {}
        Kind::List(kind) if matches!(node.value, Value::List(_)) => {
            node.items().iter().for_each(|item| check(item, kind, found));
        }
        Kind::OneOrMore(kind) => match &node.value {
            Value::List(items) => items.iter().for_each(|item| check(item, kind, found)),
            _ => check(node, kind, found),
        },
        Kind::Map(kind) if matches!(node.value, Value::Object(_)) => {
            duplicates(node, found);
            node.members().iter().for_each(|member| check(&member.value, kind, found));
        }
        Kind::Object(shape) | Kind::WordOr(_, shape) | Kind::TextOr(shape)
            if matches!(node.value, Value::Object(_)) =>
        {
            object(node, shape, Strays::Reported, found);
        }
        Kind::Steps if matches!(node.value, Value::List(_)) => {
            node.items().iter().for_each(|item| step(item, found));
        }
        Kind::Actions if matches!(node.value, Value::List(_)) => {
            node.items().iter().for_each(|item| check(item, &Kind::Object(&ACTION), found));
        }
        Kind::Word(words) => {
            let expected = format!("must be one of {}", words.join(", "));
            found.push(Diagnostic::error(node.range.clone(), "wrong type").label(expected));
        }
        _ => {
            let label = format!("must be {}, not {}", expected(kind), node.kind());
            let mut wrong = Diagnostic::error(node.range.clone(), "wrong type").label(label);
            if let (Kind::Duration | Kind::Delay, Some(number)) = (kind, node.scalar()) {
                wrong = wrong.help(format!("write a unit: \"{number}s\" or \"{number}ms\""));
            }
            found.push(wrong);
        }
    }
}

/// What a kind is called in messages.
pub(super) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Any | Kind::Ignored => "any JSON".into(),
        Kind::Text | Kind::Template => "a text".into(),
        Kind::Expression => "an expression, as a text".into(),
        Kind::Name => "a name, as a text".into(),
        Kind::Integer(least) => format!("a whole number of at least {least}"),
        Kind::Ratio => "a number of at least 0".into(),
        Kind::Bool => "true or false".into(),
        Kind::Duration | Kind::LoadDuration => "a duration such as \"30s\"".into(),
        Kind::Delay => "a duration such as \"2s\" or \"1s..3s\"".into(),
        Kind::Rate => "a whole number or a rate such as \"100/s\"".into(),
        Kind::Statuses => "a status, \"2xx\", \"200..299\", or a list of them".into(),
        Kind::Word(words) => format!("one of {}", words.join(", ")),
        Kind::List(_) | Kind::Steps | Kind::Actions => "a list".into(),
        Kind::Map(_) | Kind::Object(_) => "an object".into(),
        Kind::OneOrMore(kind) => format!("{}, or a list of them", expected(kind)),
        Kind::WordOr(words, _) => format!("one of {}, or an object", words.join(", ")),
        Kind::TextOr(_) => "a text or an object".into(),
    }
}

fn is_exponential(node: &Node) -> bool {
    match node.members() {
        [member] => member.key == "exponential" && member.value.text().is_some(),
        _ => false,
    }
}

fn integer(node: &Node, least: i64, found: &mut Vec<Diagnostic>) {
    let wrong = |label: String| Diagnostic::error(node.range.clone(), "wrong number").label(label);
    match node.scalar().map(|text| text.trim().parse::<i64>()) {
        Some(Ok(n)) if n >= least => {}
        Some(Ok(n)) if n < 0 => {
            found.push(wrong(format!("must be at least {least}, and not negative")));
        }
        Some(Ok(_)) => found.push(wrong(format!("must be at least {least}"))),
        _ => {
            let label = format!("must be {}", expected(&Kind::Integer(least)));
            found.push(Diagnostic::error(node.range.clone(), "wrong type").label(label));
        }
    }
}

/// A decimal number as millionths, read exactly.
pub(super) fn ratio_ppm(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || fraction.len() > 6 {
        return None;
    }
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<6}").parse().ok()
}

/// A status, a class of them, or a range: inclusive.
pub(super) fn status_range(text: &str) -> Option<(u16, u16)> {
    let text = text.trim();
    let status = |text: &str| text.trim().parse().ok().filter(|n| (100..=999).contains(n));
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (1..=9).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    match text.split_once("..") {
        Some((first, last)) => {
            let last = last.strip_prefix('=').unwrap_or(last);
            Some((status(first)?, status(last)?)).filter(|(first, last)| first <= last)
        }
        None => status(text).map(|status| (status, status)),
    }
}

fn statuses(node: &Node, found: &mut Vec<Diagnostic>) {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for item in items {
        if item.scalar().and_then(status_range).is_none() {
            found.push(
                Diagnostic::error(item.range.clone(), "not a status")
                    .label("must be 100 to 999, \"2xx\", or \"200..299\""),
            );
        }
    }
}

fn word(node: &Node, words: &[&str], found: &mut Vec<Diagnostic>) {
    let text = node.text().unwrap_or("");
    if words.contains(&text) {
        return;
    }
    let wrong = Diagnostic::error(node.range.clone(), format!("unknown word `{text}`"))
        .label(format!("must be one of {}", words.join(", ")));
    found.push(match nearest(text, words.iter().copied()) {
        Some(word) => wrong.help(format!("did you mean `{word}`?")),
        None => wrong,
    });
}

fn duplicates(node: &Node, found: &mut Vec<Diagnostic>) {
    let members = node.members();
    for (index, member) in members.iter().enumerate() {
        if members[..index].iter().any(|earlier| earlier.key == member.key) {
            found.push(
                Diagnostic::error(
                    member.key_range.clone(),
                    format!("`{}` is there twice", member.key),
                )
                .label("only one of them can count")
                .help("remove one"),
            );
        }
    }
}

/// What to do with keys that no table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strays {
    /// They are errors.
    Reported,
    /// They belong to a bot written in Rust, which checks them itself.
    Allowed,
}

/// Checks an object against its table.
pub(super) fn object(node: &Node, shape: &Shape, strays: Strays, found: &mut Vec<Diagnostic>) {
    duplicates(node, found);
    for member in node.members() {
        match shape.keys.iter().find(|key| key.name == member.key) {
            Some(Key { kind: Kind::Ignored, about, .. }) => found.push(
                Diagnostic::warning(
                    member.key_range.clone(),
                    format!("`{}` does nothing", member.key),
                )
                .label(*about)
                .help("remove it"),
            ),
            Some(key) => check(&member.value, &key.kind, found),
            None if strays == Strays::Allowed => {}
            None => found.push(unknown_key(&member.key, member.key_range.clone(), shape)),
        }
    }
    for key in shape.keys.iter().filter(|key| key.need == Need::Required) {
        if node.get(key.name).is_none() {
            found.push(
                Diagnostic::error(node.range.clone(), format!("`{}` is missing", key.name))
                    .label(format!("{} needs it", shape.name))
                    .help(format!("add \"{}\": {}", key.name, expected(&key.kind))),
            );
        }
    }
}

fn unknown_key(key: &str, range: Range<usize>, shape: &Shape) -> Diagnostic {
    let known = || shape.keys.iter().map(|key| key.name);
    let stray = Diagnostic::error(range, format!("unknown key `{key}`"))
        .label(format!("{} has no such key", shape.name));
    match nearest(key, known()) {
        Some(name) => stray.help(format!("did you mean `{name}`?")),
        None if shape.keys.len() <= LISTED_MAX => {
            stray.help(format!("its keys are {}", known().collect::<Vec<_>>().join(", ")))
        }
        None => stray,
    }
}

/// A longer list of keys is not read by anybody.
const LISTED_MAX: usize = 16;

/// The table whose verb an object has.
pub(super) fn shape_of<'s>(node: &Node, shapes: &[&'s Shape]) -> Option<&'s Shape> {
    let has_verb = |shape: &&&Shape| shape.verbs.iter().any(|verb| node.get(verb).is_some());
    shapes.iter().find(has_verb).copied()
}

fn step(node: &Node, found: &mut Vec<Diagnostic>) {
    let shapes = &STEPS_KNOWN;
    if !matches!(node.value, Value::Object(_)) {
        let label = format!("must be an object, not {}", node.kind());
        found.push(Diagnostic::error(node.range.clone(), "wrong type").label(label));
        return;
    }
    let all = || shapes.iter().flat_map(|shape| shape.verbs.iter().copied());
    let Some(shape) = shape_of(node, shapes) else {
        let guess = node.members().first().and_then(|member| nearest(&member.key, all()));
        let nothing = Diagnostic::error(node.range.clone(), "this step does nothing")
            .label(format!("needs one of {}", all().collect::<Vec<_>>().join(", ")));
        found.push(match guess {
            Some(verb) => nothing.help(format!("did you mean `{verb}`?")),
            None => nothing,
        });
        return;
    };
    let known = |key: &str| shape.keys.iter().any(|known| known.name == key);
    let is_verb =
        |key: &str| shape.verbs.contains(&key) || (!known(key) && all().any(|verb| verb == key));
    let mut verbs = node.members().iter().filter(|member| is_verb(&member.key));
    if let (Some(first), Some(second)) = (verbs.next(), verbs.next())
        && first.key != second.key
    {
        let title = format!("both `{}` and `{}` in one step", first.key, second.key);
        found.push(
            Diagnostic::error(second.key_range.clone(), title)
                .label("a step does one thing")
                .help("make two steps of it"),
        );
        return;
    }
    object(node, shape, Strays::Reported, found);
}

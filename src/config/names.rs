//! Which variables a bot may use where.
//!
//! The reader notes, in the order of a session, where a variable is set and where it is used. From
//! that alone follow the three mistakes there are: a name that nobody sets, one that is used before
//! it can have been set, and one that is set and never used.

use std::collections::BTreeSet;
use std::ops::Range;

use tallyho_replay::flow::nearest;

use super::diagnostic::Diagnostic;

/// Something that happens to names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// A variable is used. Lenient: where it may have no value.
    Used { variable: String, range: Range<usize>, lenient: bool },
    /// A variable is set.
    Set { variable: String, range: Range<usize> },
    /// What follows may run again, so everything set in it may be there from its beginning.
    LoopBegins,
    /// The end of it.
    LoopEnds,
}

impl Event {
    pub(super) fn used(variable: &str, range: Range<usize>, lenient: bool) -> Event {
        Event::Used { variable: variable.to_owned(), range, lenient }
    }

    pub(super) fn set(variable: &str, range: Range<usize>) -> Event {
        Event::Set { variable: variable.to_owned(), range }
    }
}

/// What is known from outside the events.
pub(super) struct Outside<'a> {
    /// Variables with a value before the session begins: carried ones.
    pub(super) carried: &'a [String],
    /// Variables that somebody outside uses: handed over, carried, exported.
    pub(super) wanted: &'a [String],
}

/// Checks the events of one bot.
pub(super) fn check(events: &[Event], outside: &Outside<'_>, found: &mut Vec<Diagnostic>) {
    let all: BTreeSet<&str> = events.iter().filter_map(set_variable).collect();
    let mut known: BTreeSet<&str> = outside.carried.iter().map(String::as_str).collect();
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Set { variable, .. } => {
                known.insert(variable);
            }
            Event::LoopBegins => known.extend(loop_body(events, index).filter_map(set_variable)),
            Event::LoopEnds => {}
            Event::Used { variable, range, .. } if !all.contains(variable.as_str()) => {
                found.push(unknown(variable, range.clone(), &all));
            }
            Event::Used { variable, range, lenient } => {
                if !lenient && !known.contains(variable.as_str()) {
                    found.push(
                        Diagnostic::error(
                            range.clone(),
                            format!("`{variable}` cannot have a value here"),
                        )
                        .label("it is set later in the session")
                        .help("set or capture it before, or use `default(name, value)`"),
                    );
                }
            }
        }
    }
    unused(events, outside, found);
}

fn set_variable(event: &Event) -> Option<&str> {
    match event {
        Event::Set { variable, .. } => Some(variable),
        _ => None,
    }
}

/// The events between a loop's beginning and its end.
fn loop_body(events: &[Event], begin: usize) -> impl Iterator<Item = &Event> {
    let mut depth = 0usize;
    events[begin..].iter().take_while(move |event| {
        match event {
            Event::LoopBegins => depth += 1,
            Event::LoopEnds => depth -= 1,
            _ => {}
        }
        depth > 0
    })
}

fn unknown(variable: &str, range: Range<usize>, all: &BTreeSet<&str>) -> Diagnostic {
    let unknown =
        Diagnostic::error(range, format!("unknown variable `{variable}`")).label("nothing sets it");
    match nearest(variable, all.iter().copied()) {
        Some(near) => unknown.help(format!("did you mean `{near}`?")),
        None => unknown.help("set it in `variables`, with a `set` step, or capture it"),
    }
}

/// Reading a value out of every response costs time and trace; nobody wants it for nothing.
fn unused(events: &[Event], outside: &Outside<'_>, found: &mut Vec<Diagnostic>) {
    let used: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Used { variable, .. } => Some(variable.as_str()),
            _ => None,
        })
        .chain(outside.wanted.iter().map(String::as_str))
        .collect();
    let mut named = BTreeSet::new();
    for event in events {
        if let Event::Set { variable, range } = event
            && !used.contains(variable.as_str())
            && named.insert(variable)
        {
            found.push(
                Diagnostic::warning(range.clone(), format!("`{variable}` is never used"))
                    .label("set for nothing")
                    .help("remove it"),
            );
        }
    }
}

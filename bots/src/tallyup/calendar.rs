//! The special events, as a bot remembers them.
//!
//! Events are many, and nearly the same for everybody: what differs is a user's own standing in
//! them. Were every bot to keep a copy, thousands of them would hold little else; so a worker's
//! bots share what is equal. Nothing is decided by whether something is shared.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::documents::{EventLists, SpecialEvent};

/// Events that are shared at most: dozens, each in a few standings. Where every user has events of
/// its own there is nothing to share, and no reason to search.
const KNOWN_MAX: usize = 1_024;

/// The events that bots of a worker remember.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownEvents(RefCell<BTreeSet<Rc<SpecialEvent>>>);

impl KnownEvents {
    /// The event, held once however many remember it.
    pub(super) fn share(&self, event: SpecialEvent) -> Rc<SpecialEvent> {
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.get(&event) {
            return Rc::clone(known);
        }
        if known.len() == KNOWN_MAX {
            // Whoever remembers one of them still does.
            known.clear();
        }
        let event = Rc::new(event);
        known.insert(Rc::clone(&event));
        event
    }
}

/// What one bot remembers.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    pub(super) last: Box<[Rc<SpecialEvent>]>,
    pub(super) current: Box<[Rc<SpecialEvent>]>,
    pub(super) next: Box<[Rc<SpecialEvent>]>,
}

impl Calendar {
    pub(super) fn new(lists: EventLists, known: &KnownEvents) -> Self {
        let share =
            |events: Box<[SpecialEvent]>| events.into_iter().map(|one| known.share(one)).collect();
        Self { last: share(lists.last), current: share(lists.current), next: share(lists.next) }
    }

    pub(super) fn find(&self, id: &str) -> Option<&Rc<SpecialEvent>> {
        [&self.last, &self.current, &self.next].into_iter().flatten().find(|event| *event.id == *id)
    }

    /// Replaces an event by a newer view of it, in whichever list it is.
    pub(super) fn replace(&mut self, newer: &Rc<SpecialEvent>) {
        for list in [&mut self.last, &mut self.current, &mut self.next] {
            for event in list.iter_mut().filter(|event| event.id == newer.id) {
                event.clone_from(newer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(ids: std::ops::Range<usize>) -> EventLists {
        let events: Vec<String> = ids.map(|id| format!(r#"{{"id": "e{id}"}}"#)).collect();
        let json = format!(r#"{{"current": [{}]}}"#, events.join(","));
        serde_json::from_str(&json).expect("events")
    }

    #[test]
    fn what_is_equal_is_held_once_and_what_differs_is_not() {
        let known = KnownEvents::default();
        let one = Calendar::new(lists(0..2), &known);
        let mut other = Calendar::new(lists(1..3), &known);
        assert!(Rc::ptr_eq(&one.current[1], &other.current[0]));
        assert!(!Rc::ptr_eq(&one.current[0], &other.current[1]));
        let won = r#"{"id": "e1", "userStatus": "Won"}"#;
        let newer = known.share(serde_json::from_str(won).expect("an event"));
        other.replace(&newer);
        assert!(Rc::ptr_eq(other.find("e1").expect("there"), &newer));
        assert_ne!(one.find("e1"), other.find("e1"), "the other bot's is as it was");
    }

    #[test]
    fn events_without_end_are_not_held_without_end() {
        let known = KnownEvents::default();
        let first = Calendar::new(lists(0..1), &known);
        Calendar::new(lists(1..5_000), &known);
        assert!(known.0.borrow().len() <= KNOWN_MAX);
        assert_eq!(first.find("e0").expect("still there").id, "e0".into());
    }
}

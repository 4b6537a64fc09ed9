//! Names in use, interned: from a name to its small index, bounded, without allocating.
//!
//! A name of a bot is a static text or a shared one, so its address nearly always tells it. A
//! small direct-mapped cache by address is asked first; it holds a clone of the name, so that
//! no other text can come to live at that address. Behind it stands a map by text. When the
//! bound is reached, further names share the last index, "(other)", and are counted: a bot that
//! puts ids into its names costs no memory and is told about in the report.

use std::collections::HashMap;

use tallyho_replay::Name;

/// What stands for all names above the bound.
pub const OTHER: &str = "(other)";

/// A power of two well above the names that a scenario has; 512 slots are 16 KiB.
const CACHE_SLOTS: usize = 512;

/// Indices of names: 0, 1, 2… in order of first use.
#[derive(Debug)]
pub(super) struct NameTable {
    by_text: HashMap<Box<str>, u32>,
    cache: Vec<Option<(Name, u32)>>,
    names_max: u32,
    /// Uses of names above the bound since the last [`NameTable::take_overflow`].
    overflow: u64,
}

/// What the table knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has had this index before.
    Known(u32),
    /// It was given this index just now: the caller adds its row.
    New(u32),
    /// The table is full.
    Full,
}

impl NameTable {
    /// A table of at most `names_max` names.
    pub(super) fn new(names_max: u32) -> Self {
        Self { by_text: HashMap::new(), cache: vec![None; CACHE_SLOTS], names_max, overflow: 0 }
    }

    /// The index of a name; 8 ns or less when the name was seen at the same address before.
    #[inline]
    pub(super) fn place(&mut self, name: &Name) -> Place {
        let slot = slot_of(name);
        if let Some((cached, index)) = &self.cache[slot]
            && cached.is_same_text(name)
        {
            return Place::Known(*index);
        }
        self.place_by_text(name, slot)
    }

    #[cold]
    fn place_by_text(&mut self, name: &Name, slot: usize) -> Place {
        let text = name.as_str();
        let place = if let Some(&index) = self.by_text.get(text) {
            Place::Known(index)
        } else if self.len() < self.names_max {
            let index = self.len();
            self.by_text.insert(text.into(), index);
            Place::New(index)
        } else {
            self.overflow += 1;
            return Place::Full;
        };
        if let Place::Known(index) | Place::New(index) = place {
            self.cache[slot] = Some((name.clone(), index));
        }
        place
    }

    /// How many names have an index.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.by_text.len()).expect("bounded by names_max")
    }

    /// Uses of names above the bound since the last call.
    pub(super) fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow)
    }
}

/// Fibonacci hashing of the address; the upper bits are the mixed ones.
fn slot_of(name: &Name) -> usize {
    let mixed = (name.address() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> (64 - CACHE_SLOTS.trailing_zeros())).expect("below CACHE_SLOTS")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_name_has_one_index_wherever_its_text_lies() {
        let mut table = NameTable::new(10);
        let shared = Name::Shared(Rc::from("items"));
        assert_eq!(table.place(&Name::Static("items")), Place::New(0));
        assert_eq!(table.place(&shared), Place::Known(0));
        assert_eq!(table.place(&shared), Place::Known(0));
        assert_eq!(table.place(&Name::Static("cart")), Place::New(1));
    }

    #[test]
    fn a_text_that_begins_another_is_another_name() {
        const LONG: &str = "items and more";
        let mut table = NameTable::new(10);
        assert_eq!(table.place(&Name::Static(LONG)), Place::New(0));
        assert_eq!(table.place(&Name::Static(&LONG[..5])), Place::New(1));
        assert_eq!(table.place(&Name::Static(LONG)), Place::Known(0));
    }

    #[test]
    fn a_freed_name_does_not_lend_its_address_to_another() {
        let mut table = NameTable::new(2_000);
        for round in 0..2_000 {
            // Freed at once: without the cache's clone the next one would lie at its address.
            let name = Name::Shared(Rc::from(format!("request {round:04}")));
            assert_eq!(table.place(&name), Place::New(round));
        }
    }

    #[test]
    fn names_above_the_bound_are_counted() {
        let mut table = NameTable::new(2);
        table.place(&Name::Static("a"));
        table.place(&Name::Static("b"));
        assert_eq!(table.place(&Name::Static("c")), Place::Full);
        assert_eq!(table.place(&Name::Static("d")), Place::Full);
        assert_eq!(table.place(&Name::Static("a")), Place::Known(0));
        assert_eq!(table.take_overflow(), 2);
        assert_eq!(table.take_overflow(), 0);
    }
}

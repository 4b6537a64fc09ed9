//! From names to the rows of tables, each with a bound.

use tallyho_replay::Name;

use crate::metrics::names::{NameTable, OTHER, Place};
use crate::metrics::snapshot::Row;

/// The names of one scenario or set, and the rows they have in a table shared by all of them.
#[derive(Debug)]
pub(super) struct GroupedNames {
    pub(super) table: NameTable,
    rows: Vec<u32>,
    other: Option<u32>,
}

impl GroupedNames {
    pub(super) fn new(names_max: u32) -> Self {
        Self { table: NameTable::new(names_max), rows: Vec::new(), other: None }
    }

    /// The row of a name; `push` makes one and says which.
    #[inline]
    pub(super) fn row(&mut self, name: &Name, push: impl FnOnce(&str) -> u32) -> u32 {
        match self.table.place(name) {
            Place::Known(index) => self.rows[index as usize],
            Place::New(_) => {
                let row = push(name.as_str());
                self.rows.push(row);
                row
            }
            Place::Full => *self.other.get_or_insert_with(|| push(OTHER)),
        }
    }
}

/// The value of a name; names above the bound share the row behind the last one.
pub(super) fn row_of<'a, V: Default>(
    names: &mut NameTable,
    rows: &'a mut Vec<Row<V>>,
    name: &Name,
) -> &'a mut V {
    let (index, text) = match names.place(name) {
        Place::Known(index) | Place::New(index) => (index as usize, name.as_str()),
        Place::Full => (names.len() as usize, OTHER),
    };
    if index == rows.len() {
        rows.push(Row { name: text.into(), value: V::default() });
    }
    &mut rows[index].value
}

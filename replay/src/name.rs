//! A label that costs nothing to clone: of a request, an action, a check, a metric.
//!
//! Names are compared by text but found by address: whoever keeps something per name (a metric,
//! a record's label) looks at [`Name::address`] first and needs the text only once.

use std::fmt;
use std::rc::Rc;

/// A label: a literal in code, or shared text from a scenario.
#[derive(Clone)]
pub enum Name {
    /// A literal.
    Static(&'static str),
    /// Text made at run time, kept by whoever made it and cloned by reference.
    Shared(Rc<str>),
}

impl Name {
    /// The label's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }

    /// Where the text lies: equal addresses and lengths are equal names, and the reverse is not
    /// true. Only valid while a clone is kept.
    #[must_use]
    pub fn address(&self) -> usize {
        self.as_str().as_ptr().addr()
    }

    /// Equal by address and length, hence by text, without reading the text.
    #[must_use]
    pub fn is_same_text(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_str(), other.as_str())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.is_same_text(other) || self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl Default for Name {
    fn default() -> Self {
        Self::Static("")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&'static str> for Name {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl From<Rc<str>> for Name {
    fn from(text: Rc<str>) -> Self {
        Self::Shared(text)
    }
}

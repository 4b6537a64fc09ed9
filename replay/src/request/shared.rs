//! A body that is read once and sent by many.
//!
//! A file of megabytes is not copied into every request, nor into the trace: written down, it is
//! its name, size and hash. The hash is what the canonical form of a request covers, so a replay
//! needs no file to know that the same bytes were sent.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// A body that is read once and sent by many.
#[derive(Clone, Serialize, Deserialize)]
pub struct SharedBody {
    name: Arc<str>,
    size: u64,
    hash: u64,
    #[serde(skip)]
    bytes: Arc<[u8]>,
}

impl SharedBody {
    /// The contents of a file; the name is for people.
    #[must_use]
    pub fn new(name: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { name: name.into(), size: bytes.len() as u64, hash: xxh3_64(&bytes), bytes }
    }

    /// The bytes; in a replay none.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }
}

/// Equal by what was read: a replay has no bytes.
impl PartialEq for SharedBody {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.size, self.hash) == (&other.name, other.size, other.hash)
    }
}

impl Eq for SharedBody {}

impl fmt::Display for SharedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes of {}>", self.size, self.name)
    }
}

impl fmt::Debug for SharedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

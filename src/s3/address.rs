//! Where an object is: `s3://bucket/key`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What addresses begin with.
const SCHEME: &str = "s3://";

/// A bucket and a key in it, or the beginning of several keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket's name.
    pub bucket: String,
    /// The key.
    pub key: String,
}

impl Address {
    /// The address of a key in a bucket.
    #[must_use]
    pub fn new(bucket: &str, key: impl Into<String>) -> Self {
        Self { bucket: bucket.to_owned(), key: key.into() }
    }

    /// The address that was typed where a path could be, if it is one.
    #[must_use]
    pub fn typed(path: &Path) -> Option<Result<Self, String>> {
        let text = path.to_str()?;
        text.starts_with(SCHEME).then(|| text.parse())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bucket, key) =
            text.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).unwrap_or_default();
        if bucket.is_empty() || key.is_empty() {
            return Err(format!(
                "{text}: no bucket and key; write for example s3://bucket/runs/x/"
            ));
        }
        Ok(Self::new(bucket, key))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_key_and_anything_else_is_refused() {
        let address: Address = "s3://bucket/runs/a/b.tly".parse().expect("an address");
        assert_eq!(address, Address::new("bucket", "runs/a/b.tly"));
        assert_eq!(address.to_string(), "s3://bucket/runs/a/b.tly");
        for wrong in ["s3://bucket", "s3://bucket/", "s3:///key", "s3://"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        assert_eq!(Address::typed(Path::new("runs/20260101")), None);
    }
}

//! Files of runs that lie in S3, fetched so that every command reads them as if they lay here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::background;
use crate::exit::BadUsage;
use crate::s3::{Address, Store};

/// A full trace over a slow link.
const WITHIN: Duration = Duration::from_secs(3_600);

/// Files that were fetched; they are gone when this is.
pub(super) struct Fetched {
    folder: PathBuf,
    /// The files, in the order of their keys.
    pub(super) files: Vec<PathBuf>,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_dir_all(&self.folder);
    }
}

/// Fetches what was typed, if it is an `s3://` address: one object, or below an address that ends
/// in `/` all whose names `is_wanted` holds for.
///
/// # Errors
///
/// [`BadUsage`] for an address that is none; anything else for what S3 or this disk refuses.
pub(super) fn fetch(
    typed: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Option<Fetched>> {
    let Some(address) = Address::typed(typed) else { return Ok(None) };
    let address = address.map_err(BadUsage)?;
    let handle = background::start_plain().context("cannot start a thread for S3")?;
    let store = Store::connect(&handle)?;
    let keys = if address.key.ends_with('/') {
        let keys = store.list(&address, WITHIN)?;
        keys.into_iter().filter(|key| is_wanted(name_of(key))).collect()
    } else {
        vec![address.key.clone()]
    };
    if keys.is_empty() {
        let message = format!("{address}: nothing of a run lies there; check the address");
        return Err(BadUsage(message).into());
    }
    let folder = folder();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mut fetched = Fetched { folder, files: Vec::with_capacity(keys.len()) };
    for (number, key) in keys.iter().enumerate() {
        let file = fetched.folder.join(format!("{number}-{}", name_of(key)));
        store.fetch(&Address::new(&address.bucket, key), &file, WITHIN)?;
        fetched.files.push(file);
    }
    Ok(Some(fetched))
}

fn name_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// A folder of this process's own.
fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tallyho-s3-{}-{number}", std::process::id()))
}

//! The folder that a run leaves behind.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::identity::Identity;

/// The folder that a run leaves behind; made, and tried, before any load.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes `out`, or `runs/<run id>`, and makes sure that files can be written there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or written to.
    pub(super) fn create(out: Option<&Path>, identity: &Identity) -> anyhow::Result<Self> {
        let path = out.map_or_else(|| Path::new("runs").join(&identity.id), Path::to_owned);
        let failed = || {
            let path = path.display();
            format!("cannot write results to {path}; choose another folder with --out")
        };
        std::fs::create_dir_all(&path).with_context(failed)?;
        let folder = Self(path.clone());
        folder.write(TRIAL, "").with_context(failed)?;
        std::fs::remove_file(path.join(TRIAL)).with_context(failed)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file whole or not at all: it appears under its name when it is complete.
    ///
    /// # Errors
    ///
    /// When the disk is full or the folder is gone.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (partial, whole) = (self.0.join(format!("{name}.partial")), self.0.join(name));
        let failed = || format!("cannot write {}", whole.display());
        let mut file = std::fs::File::create(&partial).with_context(failed)?;
        file.write_all(text.as_bytes()).with_context(failed)?;
        file.sync_all().with_context(failed)?;
        std::fs::rename(&partial, &whole).with_context(failed)
    }
}

/// Written and removed again before the run.
const TRIAL: &str = ".trial";

//! The folder that a run leaves behind.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The folder that a run leaves behind; made, and tried, before any load.
pub(super) struct Folder {
    path: PathBuf,
    is_parent: bool,
    /// Where its files will be found, if not here.
    place: Option<String>,
}

impl Folder {
    /// Makes `out`, or `runs`, and makes sure that files can be written there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or written to.
    pub(super) fn create(out: Option<&Path>) -> anyhow::Result<Self> {
        let path = out.map_or_else(|| PathBuf::from("runs"), Path::to_owned);
        let failed = || {
            let path = path.display();
            format!("cannot write results to {path}; choose another folder with --out")
        };
        std::fs::create_dir_all(&path).with_context(failed)?;
        let folder = Self { path: path.clone(), is_parent: out.is_none(), place: None };
        // Several tasks may try the same folder at the same time.
        let trial = format!("{TRIAL}-{}", std::process::id());
        folder.write(&trial, "").with_context(failed)?;
        std::fs::remove_file(path.join(trial)).with_context(failed)?;
        Ok(folder)
    }

    /// Without `--out`, makes the run's own folder in `runs`; of a run whose id was given a folder
    /// for each task, as they may share a disk.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(super) fn named(self, run_id: &str, task: Option<u32>) -> anyhow::Result<Self> {
        if !self.is_parent {
            return Ok(self);
        }
        let path = self.path.join(run_id);
        let path = task.map_or(path.clone(), |task| path.join(format!("task-{task}")));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, is_parent: false, place: self.place })
    }

    /// Its files will be found elsewhere.
    pub(super) fn placed(self, place: Option<String>) -> Self {
        Self { place, ..self }
    }

    /// Where its files will be found.
    pub(super) fn place(&self) -> String {
        self.place.clone().unwrap_or_else(|| self.path.display().to_string())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole or not at all: it appears under its name when it is complete.
    ///
    /// # Errors
    ///
    /// When the disk is full or the folder is gone.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (partial, whole) = (self.path.join(format!("{name}.partial")), self.path.join(name));
        let failed = || format!("cannot write {}", whole.display());
        let mut file = std::fs::File::create(&partial).with_context(failed)?;
        file.write_all(text.as_bytes()).with_context(failed)?;
        file.sync_all().with_context(failed)?;
        std::fs::rename(&partial, &whole).with_context(failed)
    }
}

/// Written and removed again before the run.
const TRIAL: &str = ".trial";

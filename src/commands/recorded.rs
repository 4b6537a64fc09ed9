//! Runs that were recorded: finds the `run.json` of what was typed, and makes one report of them.

use std::path::{Path, PathBuf};

use super::remote;
use crate::exit::BadUsage;
use crate::report::Report;

/// The file in the folder of a run.
const RUN_JSON: &str = "run.json";

/// The one report of everything that was typed: files, folders of runs, or folders of such folders,
/// here or in S3.
///
/// # Errors
///
/// When there is no report, one cannot be read, or they are not of one test.
pub(super) fn load(paths: &[PathBuf]) -> anyhow::Result<Report> {
    let mut reports = Vec::new();
    for path in paths {
        let fetched = remote::fetch(path, |name| name == RUN_JSON)?;
        let files = match &fetched {
            Some(fetched) => fetched.files.clone(),
            None => files_of(path)?,
        };
        for file in &files {
            reports.push(read(file)?);
        }
    }
    if reports.len() == 1 {
        return Ok(reports.remove(0));
    }
    let merged = Report::merge(reports).map_err(|error| {
        BadUsage(format!(
            "{error}; reports merge when they are of tasks of one test, to set two tests beside \
             each other use tallyho compare A B"
        ))
    });
    Ok(merged?)
}

/// A file is itself; a folder is its `run.json`, or else those of the folders in it.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, BadUsage> {
    if !path.exists() {
        return Err(BadUsage(format!(
            "{}: no such file or folder; name the folder of a run, for example runs/ID, or its \
             {RUN_JSON}",
            path.display()
        )));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let own = path.join(RUN_JSON);
    if own.exists() {
        return Ok(vec![own]);
    }
    let unreadable = |error| BadUsage(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path().join(RUN_JSON);
        if file.exists() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(BadUsage(format!(
            "{}: there is no {RUN_JSON} in it, nor in the folders in it",
            path.display()
        )));
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Report, BadUsage> {
    let failed = |error: &dyn std::fmt::Display| BadUsage(format!("{}: {error}", file.display()));
    let json = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    Report::from_json(&json).map_err(|error| failed(&error))
}

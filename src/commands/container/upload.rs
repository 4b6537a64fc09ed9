//! What a task leaves in S3: the result last of all that its reader needs, and every object once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::commands::run::Ended;
use crate::container::metadata::Metadata;
use crate::container::{Task, print};
use crate::report::{k6_results, rfc3339, text};
use crate::s3::{Address, Body, NewObject, Problem, Store};

/// How long anything may take that is asked before the load.
pub(super) const CHECK_WITHIN: Duration = Duration::from_secs(60);
/// What a file gets at least, so that a late one is tried too.
const WITHIN_MIN: Duration = Duration::from_secs(1);

/// The result, in the task's own folder.
const RESULT: &str = "results.json";

/// The way to the task's objects.
pub(super) struct Uploads {
    store: Store,
    task: Task,
}

impl Uploads {
    pub(super) fn new(store: Store, task: &Task) -> Self {
        Self { store, task: task.clone() }
    }

    /// Writes two small objects that tell of the task's start, and so show before the load that
    /// results can be written after it.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub(super) fn announce(&self, about: Option<&Metadata>) -> anyhow::Result<()> {
        let Task { test_id, index, uuid, .. } = &self.task;
        let mut text = serde_json::json!({
            "test_id": test_id,
            "task_index": index,
            "uuid": uuid,
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": rfc3339(std::time::SystemTime::now()),
        });
        if let Some(about) = about {
            text["task_arn"] = about.task_arn.clone().into();
            text["cluster"] = about.cluster.clone().into();
            text["task_definition"] = format!("{}:{}", about.family, about.revision).into();
            text["availability_zone"] = about.availability_zone.clone().into();
            text["launch_type"] = about.launch_type.clone().into();
        }
        let text = format!("{text}\n");
        for address in [self.task.started(), self.task.file("task.json")] {
            let body = Body::Bytes(text.clone().into_bytes());
            self.write(address, "application/json", body, CHECK_WITHIN)
                .context("cannot write results, and so nothing is run")?;
        }
        Ok(())
    }

    /// Uploads everything that a run left, the most important first, within this time. What cannot
    /// be uploaded does not hold up the rest.
    ///
    /// # Errors
    ///
    /// Everything that was not uploaded.
    pub(super) fn send(&self, ended: &Ended, within: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + within;
        let mut failed = Vec::new();
        let mut send = |address: Address, content_type, body| {
            let left = until.saturating_duration_since(Instant::now()).max(WITHIN_MIN);
            let name = address.to_string();
            match self.write_marked(address, content_type, body, (left, ended)) {
                Ok(()) => print(&format!("Uploaded {name}\n")),
                Err(problem) => {
                    print(&format!("error: {name} was not uploaded: {problem}\n"));
                    failed.push(name);
                }
            }
        };
        // A file first, which stays if it cannot be uploaded.
        let result = ended.folder.join(RESULT);
        std::fs::write(&result, k6_results::render(&ended.report))
            .with_context(|| format!("cannot write {}", result.display()))?;
        let file = |name: &str| Body::File(ended.folder.join(name));
        let text = text::render(&ended.report, &text::Options::default());
        send(self.task.result(), "application/json", Body::File(result));
        send(self.task.file("run.json"), "application/json", file("run.json"));
        send(self.task.file("report.html"), "text/html; charset=utf-8", file("report.html"));
        send(self.task.file("report.txt"), "text/plain; charset=utf-8", Body::Bytes(text.into()));
        for name in traces(&ended.folder) {
            send(self.task.file(&name), "application/octet-stream", file(&name));
        }
        if failed.is_empty() { Ok(()) } else { Err(anyhow!("not uploaded: {}", failed.join(", "))) }
    }

    /// Writes an object that was not there.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    fn write(
        &self,
        address: Address,
        content_type: &'static str,
        body: Body,
        within: Duration,
    ) -> Result<(), Problem> {
        let object = NewObject { address, content_type, metadata: Vec::new(), body };
        self.store.write(object, within)
    }

    fn write_marked(
        &self,
        address: Address,
        content_type: &'static str,
        body: Body,
        (within, ended): (Duration, &Ended),
    ) -> Result<(), Problem> {
        let run = &ended.report.run;
        let mut metadata = vec![("tallyho-run", run.run_id.clone())];
        if run.stopped_by.is_some() {
            metadata.push(("tallyho-partial", "true".to_owned()));
        }
        self.store.write(NewObject { address, content_type, metadata, body }, within)
    }
}

/// The names of the traces in a folder.
fn traces(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with("trace-") && name.ends_with(".tly")).collect();
    names.sort();
    names
}

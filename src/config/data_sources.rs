//! The `data` of a scenario: finds the files, and says what is wrong with them.

use std::path::Path;
use std::sync::Arc;

use tallyho_replay::flow::{Data, Deal, Table};

use super::data::{self, DataError};
use super::diagnostic::{Diagnostic, Findings};
use super::json::Node;
use super::parameters::looks_secret;

/// A data source and its columns.
pub(super) struct DataSource {
    pub(super) data: Data,
}

/// Reads all data files; those that cannot be read are reported, and stand for an empty table.
pub(super) fn read(root: &Node, folder: &Path, findings: &mut Findings) -> Vec<DataSource> {
    let members = root.get("data").map_or(&[][..], Node::members);
    let mut sources = Vec::with_capacity(members.len());
    for member in members {
        let Some(file) = member.value.get("file") else { continue };
        let shown = file.text().unwrap_or("");
        let path = folder.join(shown);
        let table = match data::read(&path, &path.display().to_string()) {
            Ok(table) => table,
            Err(error) => {
                report(file, shown, error, findings);
                continue;
            }
        };
        let secret = secret_columns(&member.value, &table, findings);
        let deal = match member.value.get("deal").and_then(Node::text) {
            Some("perSession") => Deal::PerSession,
            _ => Deal::PerBot,
        };
        let data = Data { name: member.key.clone(), deal, secret, table: Arc::new(table) };
        sources.push(DataSource { data });
    }
    sources
}

fn report(file: &Node, shown: &str, error: DataError, findings: &mut Findings) {
    match error {
        DataError::File(problem) => findings.diagnostics.push(
            Diagnostic::error(
                file.range.clone(),
                format!("the data file `{shown}` cannot be used"),
            )
            .label(problem)
            .help("paths are relative to the scenario file"),
        ),
        DataError::Content(source, mut diagnostic) => {
            diagnostic.source = findings.sources.len();
            findings.sources.push(source);
            findings.diagnostics.push(*diagnostic);
        }
    }
}

/// Columns that the file marks, and those whose name says it.
fn secret_columns(node: &Node, table: &Table, findings: &mut Findings) -> Vec<String> {
    let mut secret: Vec<String> =
        table.columns.iter().filter(|column| looks_secret(column)).cloned().collect();
    for item in node.get("secret").map_or(&[][..], Node::items) {
        let Some(name) = item.text() else { continue };
        if table.columns.iter().any(|column| column == name) {
            secret.push(name.to_owned());
        } else {
            let title = format!("there is no column `{name}`");
            let help = format!("the file's columns are {}", table.columns.join(", "));
            let wrong = Diagnostic::error(item.range.clone(), title).help(help);
            findings.diagnostics.push(wrong);
        }
    }
    secret.sort();
    secret.dedup();
    secret
}

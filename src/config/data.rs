//! Data files: CSV with a header line, or a JSON list.
//!
//! Read once, before the run, into one table that all workers share. What is wrong with a file is
//! shown in that file.

use std::path::Path;

use tallyho_replay::flow::{CellKind, Table};

use super::diagnostic::{Diagnostic, Source};
use super::json::{self, Node, Value};

/// A data file larger than this does not fit the memory of a small task several times over.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What can go wrong with a data file.
pub(super) enum DataError {
    /// The file itself: there is nothing to show of it.
    File(String),
    /// Something in it.
    Content(Source, Box<Diagnostic>),
}

/// Reads a file by its extension.
pub(super) fn read(path: &Path, shown: &str) -> Result<Table, DataError> {
    let size = std::fs::metadata(path).map_err(|error| DataError::File(reason(&error)))?.len();
    if size > FILE_BYTES_MAX {
        return Err(DataError::File("must be at most 1 GiB".into()));
    }
    let bytes = std::fs::read(path).map_err(|error| DataError::File(reason(&error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        DataError::File(format!("is not UTF-8 at byte {at}"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let read = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => read_csv(text),
        Some("json") => read_json(text),
        _ => return Err(DataError::File("must end in .csv or .json".into())),
    };
    let table = read.map_err(|diagnostic| {
        let source = Source { path: shown.to_owned(), text: text.to_owned() };
        DataError::Content(source, diagnostic)
    })?;
    if table.is_empty() {
        return Err(DataError::File("has no rows".into()));
    }
    Ok(table)
}

pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".into(),
        _ => error.to_string(),
    }
}

type Read = Result<Table, Box<Diagnostic>>;

/// RFC 4180: quoted fields, doubled quotes, line breaks inside quotes.
pub(super) fn read_csv(text: &str) -> Read {
    let mut at = 0;
    let mut header = Vec::new();
    read_record(text, &mut at, &mut header)?;
    if header.iter().all(|(name, _)| name.trim().is_empty()) {
        return Err(Box::new(
            Diagnostic::error(0..at, "no header line").label("must name the columns"),
        ));
    }
    let columns: Vec<String> = header.iter().map(|(name, _)| name.trim().to_owned()).collect();
    for (index, name) in columns.iter().enumerate() {
        if name.is_empty() || columns[..index].contains(name) {
            let problem = if name.is_empty() { "without a name" } else { "named twice" };
            return Err(Box::new(Diagnostic::error(
                header[index].1.clone(),
                format!("a column {problem}"),
            )));
        }
    }
    let width = columns.len();
    let mut table = Table::new(columns);
    let mut record = Vec::new();
    while at < text.len() {
        let start = at;
        record.clear();
        read_record(text, &mut at, &mut record)?;
        if let [(only, _)] = record.as_slice()
            && only.is_empty()
            && width != 1
        {
            continue;
        }
        if record.len() != width {
            let line = text[start..at].trim_end_matches(['\r', '\n']).len();
            let title = format!("{} fields in this row", record.len());
            return Err(Box::new(
                Diagnostic::error(start..start + line, title)
                    .label(format!("must be {width}, as in the header line"))
                    .help("put quotes around fields with commas"),
            ));
        }
        for (field, range) in &record {
            push(&mut table, field, CellKind::Text, range)?;
        }
    }
    Ok(table)
}

fn push(
    table: &mut Table,
    text: &str,
    kind: CellKind,
    range: &std::ops::Range<usize>,
) -> Result<(), Box<Diagnostic>> {
    if table.push(text, kind) {
        return Ok(());
    }
    Err(Box::new(Diagnostic::error(range.clone(), "more than 4 GiB of text")))
}

type Field = (String, std::ops::Range<usize>);

fn read_record(text: &str, at: &mut usize, fields: &mut Vec<Field>) -> Result<(), Box<Diagnostic>> {
    let bytes = text.as_bytes();
    loop {
        let start = *at;
        let mut field = String::new();
        if bytes.get(*at) == Some(&b'"') {
            *at += 1;
            loop {
                let Some(quote) = text[*at..].find('"') else {
                    let range = start..text[start..].find('\n').map_or(text.len(), |n| start + n);
                    return Err(Box::new(
                        Diagnostic::error(range, "this quote is never closed").label("begins here"),
                    ));
                };
                field.push_str(&text[*at..*at + quote]);
                *at += quote + 1;
                if bytes.get(*at) != Some(&b'"') {
                    break;
                }
                field.push('"');
                *at += 1;
            }
        }
        let rest = &text[*at..];
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        field.push_str(rest[..end].trim_end_matches('\r'));
        *at += end;
        fields.push((field, start..*at));
        let separator = bytes.get(*at).copied();
        *at += usize::from(separator.is_some());
        if separator != Some(b',') {
            return Ok(());
        }
    }
}

/// A list of objects, whose first one names the columns, or of plain values.
pub(super) fn read_json(text: &str) -> Read {
    let node = json::parse(text).map_err(Box::new)?;
    let Value::List(rows) = &node.value else {
        return Err(Box::new(
            Diagnostic::error(node.range, "not a list")
                .label("must be a list of objects or values"),
        ));
    };
    let columns: Vec<String> = rows
        .first()
        .map_or(&[][..], Node::members)
        .iter()
        .map(|member| member.key.clone())
        .collect();
    let mut table = Table::new(columns.clone());
    for row in rows {
        if columns.is_empty() {
            let (text, kind) = cell(row);
            push(&mut table, &text, kind, &row.range)?;
            continue;
        }
        if let Some(stray) = row.members().iter().find(|member| !columns.contains(&member.key)) {
            let title = format!("`{}` is not in the first row", stray.key);
            return Err(Box::new(
                Diagnostic::error(stray.key_range.clone(), title)
                    .label("the first row names the columns"),
            ));
        }
        for column in &columns {
            let absent = Node::absent(row.range.clone());
            let (text, kind) = cell(row.get(column).unwrap_or(&absent));
            push(&mut table, &text, kind, &row.range)?;
        }
    }
    Ok(table)
}

fn cell(node: &Node) -> (String, CellKind) {
    match node.text() {
        Some(text) => (text.to_owned(), CellKind::Text),
        None => (node.to_json(), CellKind::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(table: &Table) -> Vec<Vec<String>> {
        (0..table.len())
            .map(|row| {
                (0..table.width())
                    .map(|column| table.cell(row, column).expect("inside").0.to_owned())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn csv_fields_may_be_quoted_and_hold_commas_quotes_and_line_breaks() {
        let text = "name,note\r\nann,\"a, \"\"b\"\"\nc\"\r\nbob,\n";
        let table = read_csv(text).expect("well formed");
        assert_eq!(table.columns, ["name", "note"]);
        assert_eq!(rows(&table), [["ann", "a, \"b\"\nc"], ["bob", ""]]);
    }

    #[test]
    fn a_csv_row_of_another_width_is_shown_with_its_line() {
        let error = read_csv("a,b\n1,2\n3\n").expect_err("too short");
        assert_eq!(error.range, 8..9);
        assert_eq!(error.title, "1 fields in this row");
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error() {
        assert!(read_csv("a\n\"x\n").is_err());
    }

    #[test]
    fn json_rows_keep_their_types() {
        let table = read_json(r#"[{"id": 5, "name": "ann"}, {"name": "bob"}]"#).expect("valid");
        assert_eq!(table.cell(0, 0), Some(("5", CellKind::Json)));
        assert_eq!(table.cell(0, 1), Some(("ann", CellKind::Text)));
        assert_eq!(table.cell(1, 0), Some(("null", CellKind::Json)));
    }

    #[test]
    fn json_data_may_be_a_list_of_plain_values() {
        let table = read_json(r#"["a", "b"]"#).expect("valid");
        assert!(table.columns.is_empty());
        assert_eq!(rows(&table), [["a"], ["b"]]);
    }
}

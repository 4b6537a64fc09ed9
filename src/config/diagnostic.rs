//! What is wrong with a scenario, shown with its line and a caret.
//!
//! A diagnostic is data until it is rendered, so that all of them can be collected, sorted and
//! compared in tests. The only file that knows `annotate-snippets`, whose interface still changes
//! between versions.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot run.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One thing that is wrong, in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub title: String,
    /// Index of the file among the report's sources.
    pub source: usize,
    /// Bytes of the file.
    pub range: Range<usize>,
    /// What was expected there; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error in the scenario file.
    pub fn error(range: Range<usize>, title: impl Into<String>) -> Diagnostic {
        let title = title.into();
        let (source, label, help) = (0, String::new(), None);
        Diagnostic { severity: Severity::Error, title, source, range, label, help }
    }

    /// A warning about the scenario file.
    pub fn warning(range: Range<usize>, title: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(range, title) }
    }

    /// Says what was expected.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

/// A file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The path, as the user gave it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Whether to use the terminal's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// None.
    Never,
    /// ANSI sequences.
    Always,
}

/// Everything found, with the files it was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The scenario file first, then data files that have something wrong.
    pub sources: Vec<Source>,
    /// In the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

/// More than this at once helps nobody.
const SHOWN_MAX: usize = 50;

impl Findings {
    /// Whether the scenario cannot run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == severity).count()
    }

    /// Sorts by place, and drops what was found twice in one place.
    pub(super) fn finish(&mut self) {
        self.diagnostics.sort_by(|a, b| {
            (a.source, a.range.start, a.severity).cmp(&(b.source, b.range.start, b.severity))
        });
        self.diagnostics.dedup();
    }

    /// Text for people, one paragraph for each finding and a last line with their number.
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(TERMINAL_COLUMNS);
        let mut text = String::new();
        for found in self.diagnostics.iter().take(SHOWN_MAX) {
            text.push_str(&self.render_one(found, &renderer));
            text.push_str("\n\n");
        }
        if self.diagnostics.len() > SHOWN_MAX {
            text.push_str(&format!("and {} more\n\n", self.diagnostics.len() - SHOWN_MAX));
        }
        text.push_str(&self.sum());
        text
    }

    fn render_one(&self, found: &Diagnostic, renderer: &Renderer) -> String {
        let level = match found.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(found.title.as_str());
        let group = match self.sources.get(found.source) {
            Some(source) if !source.text.is_empty() => {
                let range = visible(&source.text, found.range.clone());
                let mut annotation = AnnotationKind::Primary.span(range);
                if !found.label.is_empty() {
                    annotation = annotation.label(found.label.as_str());
                }
                let snippet = Snippet::source(source.text.as_str())
                    .path(source.path.as_str())
                    .annotation(annotation);
                title.element(snippet)
            }
            _ => title.elements(Vec::<annotate_snippets::Message<'_>>::new()),
        };
        let group = match &found.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        };
        renderer.render(&[group])
    }

    /// `2 errors and 1 warning in checkout.json`.
    fn sum(&self) -> String {
        let counted = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        let errors = self.count(Severity::Error);
        let warnings = self.count(Severity::Warning);
        let path = self.sources.first().map_or("", |source| source.path.as_str());
        match (errors, warnings) {
            (0, 0) => format!("{path}: nothing is wrong\n"),
            (0, warnings) => format!("{} in {path}\n", counted(warnings, "warning")),
            (errors, 0) => format!("{} in {path}\n", counted(errors, "error")),
            _ => format!(
                "{} and {} in {path}\n",
                counted(errors, "error"),
                counted(warnings, "warning")
            ),
        }
    }
}

/// Wide enough for a scenario's lines; beyond it the renderer cuts them.
const TERMINAL_COLUMNS: usize = 140;

/// A range that the renderer can draw: inside the text, on whole characters, within one line.
fn visible(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    // An object or list is pointed at by its first line: a caret under thirty lines says less than
    // one under the first.
    let line = text[start..end].find('\n').map_or(end, |offset| start + offset);
    start..line.max(start)
}

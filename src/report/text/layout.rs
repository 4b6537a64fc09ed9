//! Lines of the text report: colour, columns and wrapping.
//!
//! Text is padded before it is painted, so that escape codes do not count as width.

use super::Colour;

/// What a piece of text is, and so how it is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Title,
    Good,
    Bad,
    Caution,
    Value,
    Faint,
}

impl Colour {
    /// The text, painted if colours are on.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Title => "1",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Caution => "33",
            Paint::Value => "36",
            Paint::Faint => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// How many columns a text takes: names may be in any script, escape codes are not in it.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text with spaces behind it up to a width.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text with spaces before it up to a width.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text cut to a width, with `…` for what is missing.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A space at which a line does not end, shown as a space: for names of several words.
pub(super) const NO_BREAK: char = '\u{a0}';

/// Words in lines of at most `columns`; a word that is longer has a line of its own.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split([' ', '\n', '\t', '\r']).filter(|word| !word.is_empty()) {
        let word = &word.replace(NO_BREAK, " ");
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}

/// A paragraph: a label, and text wrapped behind it.
pub(super) fn paragraph(out: &mut String, label: &str, painted: &str, text: &str, columns: usize) {
    let indent = width(label) + 1;
    for (index, line) in wrapped(text, columns.saturating_sub(indent)).iter().enumerate() {
        if index == 0 {
            out.push_str(painted);
        } else {
            out.push_str(&" ".repeat(indent - 1));
        }
        out.push(' ');
        out.push_str(line);
        out.push('\n');
    }
}

//! Puts drawn cells onto the terminal, below what is there, and over what it put there before.
//!
//! Moves the cursor up by the lines it has written, so it asks the terminal nothing: no raw mode
//! (Ctrl-C stays a signal), no question that is answered on standard input, and not a byte on
//! standard output. Between two frames the terminal is as it was, the cursor below the last line,
//! so there is nothing to restore whenever and however the process ends.
//! Knows nothing of what is drawn.

use std::io::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier};
use ratatui::text::Span;

use crate::report::text::Colour;

/// Draws frames over each other.
#[derive(Debug)]
pub(super) struct Painter {
    colour: Colour,
    /// The width of each line of the last frame.
    drawn: Vec<usize>,
}

/// Terminals that know it show a frame at once and not line by line; others ignore it.
const FRAME_BEGIN: &str = "\x1b[?2026h\r";
const FRAME_END: &str = "\x1b[J\x1b[?2026l";
/// What is assumed when the terminal does not tell.
const SIZE_DEFAULT: Size = Size { width: 80, height: 24 };

impl Painter {
    pub(super) const fn new(colour: Colour) -> Self {
        Self { colour, drawn: Vec::new() }
    }

    /// The size of the terminal on standard error.
    pub(super) fn size() -> Size {
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { width: size.ws_col, height: size.ws_row }
            }
            _ => SIZE_DEFAULT,
        }
    }

    /// Writes a frame to standard error.
    pub(super) fn paint(&mut self, frame: &Buffer, terminal: Size) {
        let bytes = self.frame(frame, terminal);
        // A terminal that is gone is no reason to end the run.
        let _terminal_is_gone = std::io::stderr().write_all(bytes.as_bytes());
    }

    /// The bytes that put this frame over the one before.
    fn frame(&mut self, frame: &Buffer, terminal: Size) -> String {
        let mut out = String::from(FRAME_BEGIN);
        // A terminal that has become narrower has broken the lines that no longer fit.
        let columns = usize::from(terminal.width).max(1);
        let above: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if above > 0 {
            out.push_str(&format!("\x1b[{above}A"));
        }
        self.drawn.clear();
        for cells in frame.content.chunks(usize::from(frame.area.width).max(1)) {
            let width = self.line(&mut out, cells);
            self.drawn.push(width);
            out.push_str("\x1b[K\r\n");
        }
        out.push_str(FRAME_END);
        out
    }

    /// Writes a line without the blanks at its end, and says how wide it is.
    fn line(&self, out: &mut String, cells: &[Cell]) -> usize {
        let end = cells.iter().rposition(|cell| cell.symbol() != " ").map_or(0, |last| last + 1);
        let (mut style, mut column) = (Pen::default(), 0);
        while column < end {
            let cell = &cells[column];
            if self.colour == Colour::Ansi {
                style.change(out, Pen::of(cell));
            }
            out.push_str(cell.symbol());
            // A wide character has a second cell that is not written.
            column += Span::raw(cell.symbol()).width().max(1);
        }
        style.change(out, Pen::default());
        column
    }
}

/// What the terminal writes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pen {
    foreground: Color,
    modifier: Modifier,
}

impl Pen {
    const fn of(cell: &Cell) -> Self {
        Self { foreground: cell.fg, modifier: cell.modifier }
    }

    fn change(&mut self, out: &mut String, to: Self) {
        if *self == to {
            return;
        }
        *self = to;
        out.push_str("\x1b[0");
        if to.modifier.contains(Modifier::BOLD) {
            out.push_str(";1");
        }
        if to.modifier.contains(Modifier::DIM) {
            out.push_str(";2");
        }
        if let Some(code) = code(to.foreground) {
            out.push_str(&format!(";{code}"));
        }
        out.push('m');
    }
}

/// The code of one of the terminal's own sixteen colours, which suit its theme; no other is used.
const fn code(color: Color) -> Option<u8> {
    Some(match color {
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const TERMINAL: Size = Size { width: 20, height: 10 };

    fn frame(lines: &[&str]) -> Buffer {
        let height = u16::try_from(lines.len()).unwrap();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 19, height));
        for (y, line) in (0..).zip(lines) {
            let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
            buffer.set_string(0, y, line, style);
        }
        buffer
    }

    #[test]
    fn a_frame_is_put_over_the_one_before() {
        let mut painter = Painter::new(Colour::Plain);
        let first = painter.frame(&frame(&["one", "", "three"]), TERMINAL);
        assert_eq!(first, "\x1b[?2026h\rone\x1b[K\r\n\x1b[K\r\nthree\x1b[K\r\n\x1b[J\x1b[?2026l");
        let second = painter.frame(&frame(&["four"]), TERMINAL);
        assert_eq!(second, "\x1b[?2026h\r\x1b[3Afour\x1b[K\r\n\x1b[J\x1b[?2026l");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_counted_as_it_shows_them() {
        let mut painter = Painter::new(Colour::Plain);
        painter.frame(&frame(&["0123456789abcdef", "short", ""]), TERMINAL);
        let narrow = painter.frame(&frame(&["x"]), Size { width: 8, height: 10 });
        assert!(narrow.starts_with("\x1b[?2026h\r\x1b[4A"), "{narrow:?}");
    }

    #[test]
    fn every_line_ends_without_colour_and_plain_frames_have_none() {
        let red = Painter::new(Colour::Ansi).frame(&frame(&["a b"]), TERMINAL);
        assert!(red.contains("\x1b[0;1;31ma b\x1b[0m\x1b[K\r\n"), "{red:?}");
        let plain = Painter::new(Colour::Plain).frame(&frame(&["a b"]), TERMINAL);
        assert!(!plain.contains('m'), "{plain:?}");
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        let mut painter = Painter::new(Colour::Plain);
        let text = painter.frame(&frame(&["日本 x"]), TERMINAL);
        assert!(text.contains("\r日本 x\x1b[K"), "{text:?}");
        assert_eq!(painter.drawn, [6]);
    }
}

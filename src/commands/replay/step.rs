//! `--step`: walks through one session in the terminal, forwards and backwards.
//!
//! All steps are known before the first is shown, so going back is looking at a text again. The
//! terminal is in raw mode and on its other screen meanwhile, and is put back however this ends.
//! Knows nothing of replays.

use std::io::{IsTerminal, Read, Write};

use anyhow::Context;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::timeline::Timeline;
use crate::exit::BadUsage;
use crate::output::broken;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Next,
    Back,
    First,
    Last,
    Failing,
    Down,
    Up,
    PageDown,
    PageUp,
    Quit,
}

/// Lines around the text: the title and the rule below it, the rule and the keys.
const FRAME_LINES: usize = 4;
const KEYS: &str = "n next  b back  g first  G last  f failing step  j k PgDn PgUp scroll  q quit";

/// Walks through the session until the user has seen enough.
///
/// # Errors
///
/// [`BadUsage`] where there is no terminal.
pub(super) fn walk(timeline: &Timeline) -> anyhow::Result<()> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    if !(stdin.is_terminal() && stdout.is_terminal()) {
        let message = "--step needs a terminal on standard input and output; without it the whole \
                       timeline is printed";
        return Err(BadUsage(message.to_owned()).into());
    }
    let mut view = View { timeline, at: timeline.failing.unwrap_or(0), scrolled: 0 };
    let raw = Raw::enter().context("the terminal cannot be read key by key")?;
    let mut bytes = [0; 64];
    loop {
        let size = tcgetwinsize(&stdout).map(|size| (size.ws_col.into(), size.ws_row.into()));
        let size = size.ok().filter(|size| *size > (0, 0)).unwrap_or((80, 24));
        raw.show(&view.frame(size))?;
        let count = stdin.lock().read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        for key in keys(&bytes[..count]) {
            if key == Key::Quit {
                return Ok(());
            }
            view.press(key, size);
        }
    }
}

/// The keys in what the terminal sent.
fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let [first, rest @ ..] = bytes {
        let (key, length) = match (first, rest) {
            (0x1B, [b'[' | b'O', b'C', ..]) => (Some(Key::Next), 3),
            (0x1B, [b'[' | b'O', b'D', ..]) => (Some(Key::Back), 3),
            (0x1B, [b'[' | b'O', b'A', ..]) => (Some(Key::Up), 3),
            (0x1B, [b'[' | b'O', b'B', ..]) => (Some(Key::Down), 3),
            (0x1B, [b'[' | b'O', b'H', ..]) => (Some(Key::First), 3),
            (0x1B, [b'[' | b'O', b'F', ..]) => (Some(Key::Last), 3),
            // What the Linux console, tmux and PuTTY send for Home and End, and all for the pages.
            (0x1B, [b'[', b'1' | b'7', b'~', ..]) => (Some(Key::First), 4),
            (0x1B, [b'[', b'4' | b'8', b'~', ..]) => (Some(Key::Last), 4),
            (0x1B, [b'[', b'5', b'~', ..]) => (Some(Key::PageUp), 4),
            (0x1B, [b'[', b'6', b'~', ..]) => (Some(Key::PageDown), 4),
            // Another key of that kind; alone, the escape key.
            (0x1B, [b'[' | b'O', ..]) => (None, bytes.len()),
            (0x1B | 0x03 | 0x04 | b'q', _) => (Some(Key::Quit), 1),
            (b'n' | b'l' | b' ' | b'\r' | b'\n', _) => (Some(Key::Next), 1),
            (b'b' | b'p' | b'h' | 0x7F | 0x08, _) => (Some(Key::Back), 1),
            (b'g', _) => (Some(Key::First), 1),
            (b'G', _) => (Some(Key::Last), 1),
            (b'f', _) => (Some(Key::Failing), 1),
            (b'j', _) => (Some(Key::Down), 1),
            (b'k', _) => (Some(Key::Up), 1),
            _ => (None, 1),
        };
        keys.extend(key);
        bytes = &bytes[length..];
    }
    keys
}

/// Where the user is.
struct View<'a> {
    timeline: &'a Timeline,
    at: usize,
    /// Lines of the step above the screen.
    scrolled: usize,
}

impl View<'_> {
    fn press(&mut self, key: Key, (columns, rows): (usize, usize)) {
        let last = self.timeline.steps.len().saturating_sub(1);
        let room = rows.saturating_sub(FRAME_LINES).max(1);
        let hidden = self.lines(columns).len().saturating_sub(room);
        let scrolled = match key {
            Key::Down => Some(self.scrolled + 1),
            Key::Up => Some(self.scrolled.saturating_sub(1)),
            Key::PageDown => Some(self.scrolled + room),
            Key::PageUp => Some(self.scrolled.saturating_sub(room)),
            _ => None,
        };
        if let Some(scrolled) = scrolled {
            self.scrolled = scrolled.min(hidden);
            return;
        }
        let at = match key {
            Key::Next => (self.at + 1).min(last),
            Key::Back => self.at.saturating_sub(1),
            Key::First => 0,
            Key::Last => last,
            Key::Failing => self.timeline.failing.unwrap_or(self.at),
            Key::Down | Key::Up | Key::PageDown | Key::PageUp | Key::Quit => return,
        };
        self.scrolled = if at == self.at { self.scrolled } else { 0 };
        self.at = at;
    }

    /// The step at hand, and behind the last one what came of it all, broken into lines.
    fn lines(&self, columns: usize) -> Vec<String> {
        let timeline = self.timeline;
        let mut text = timeline.steps.get(self.at).cloned().unwrap_or_default();
        if self.at + 1 >= timeline.steps.len() {
            text.push_str(&format!("\n{}", timeline.conclusion));
        }
        broken(&text, columns)
    }

    /// The screen, line by line.
    fn frame(&self, (columns, rows): (usize, usize)) -> Vec<String> {
        let timeline = self.timeline;
        let steps = timeline.steps.len();
        let of = timeline.heading.lines().next().unwrap_or_default();
        let failing = match timeline.failing {
            Some(at) if at == self.at => ", fails here".to_owned(),
            Some(at) => format!(", fails at {at}"),
            None => String::new(),
        };
        let title = format!("step {} of 0 to {}{failing}  {of}", self.at, steps.saturating_sub(1));
        let cut = |text: &str| text.chars().take(columns).collect::<String>();
        let room = rows.saturating_sub(FRAME_LINES).max(1);
        let lines = self.lines(columns);
        let more = lines.len().saturating_sub(self.scrolled + room);
        let mut frame = vec![cut(&title), "─".repeat(columns)];
        frame.extend(lines.into_iter().skip(self.scrolled).take(room));
        frame.resize(room + 2, String::new());
        let below =
            if more > 0 { format!("─── {more} more lines, j ") } else { String::new() };
        let rule = "─".repeat(columns.saturating_sub(below.chars().count()));
        frame.push(cut(&format!("{below}{rule}")));
        frame.push(cut(KEYS));
        frame
    }
}

/// The terminal, read key by key; as it was when this is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw)?;
        let entered = Self { before };
        entered.write("\x1b[?1049h\x1b[?25l")?;
        Ok(entered)
    }

    fn show(&self, frame: &[String]) -> std::io::Result<()> {
        let mut out = String::from("\x1b[?2026h\x1b[H");
        out.push_str(&frame.join("\x1b[K\r\n"));
        out.push_str("\x1b[K\x1b[J\x1b[?2026l");
        self.write(&out)
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _terminal_is_gone = self.write("\x1b[?25h\x1b[?1049l");
        let _terminal_is_gone = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn timeline() -> Timeline {
        let steps = (0..4).map(|step| format!("#{step}\n{}", "word \n".repeat(30 * step)));
        Timeline {
            heading: "session 1/2 of default".to_owned(),
            steps: steps.collect(),
            conclusion: "exact\n".to_owned(),
            exit: Exit::Ok,
            failing: Some(2),
        }
    }

    #[test]
    fn keys_go_through_the_steps_in_both_directions_and_stop_at_the_ends() {
        let timeline = timeline();
        let mut view = View { timeline: &timeline, at: 0, scrolled: 0 };
        let mut seen = Vec::new();
        for key in keys(b"\x1b[C n\x1b[C\x1b[C\x1b[Dbgbff\x1b[FG") {
            view.press(key, (80, 24));
            seen.push(view.at);
        }
        assert_eq!(seen, [1, 2, 3, 3, 3, 2, 1, 0, 0, 2, 2, 3, 3]);
        assert_eq!(keys(b"\x1b[1~\x1b[4~"), [Key::First, Key::Last]);
        assert_eq!(keys(b"\x1b[6~\x1b[5~"), [Key::PageDown, Key::PageUp]);
        assert_eq!(keys(b"\x1b[3~"), []);
        assert_eq!(keys(b"q"), [Key::Quit]);
        assert_eq!(keys(b"\x03"), [Key::Quit]);
        assert_eq!(keys(b"\x1b"), [Key::Quit]);
    }

    #[test]
    fn a_frame_fits_any_terminal_and_scrolls_as_far_as_there_is_text() {
        let timeline = timeline();
        for (columns, rows) in [(80, 24), (20, 6), (300, 100), (1, 1)] {
            let mut view = View { timeline: &timeline, at: 3, scrolled: 0 };
            for _ in 0..500 {
                view.press(Key::Down, (columns, rows));
            }
            let frame = view.frame((columns, rows));
            assert!(frame.len() <= rows.max(FRAME_LINES + 1), "{frame:?}");
            assert!(frame.iter().all(|line| line.chars().count() <= columns), "{frame:?}");
            if rows > FRAME_LINES && columns > 5 {
                assert!(frame.iter().any(|line| line == "exact"), "{frame:?}");
            }
        }
    }
}

//! Standard output, for results.
//!
//! A reader that has seen enough (`| head`) closes the pipe: that is no error, and no panic.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

/// Prints text as it is; nothing happens when nobody reads any more.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _reader_is_gone = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Text out of a file that came by mail, or from a server: without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '.' } else { c }).collect()
}

/// How many there are, in words.
pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Prints whole lines, broken if they go to a terminal.
pub(crate) fn print_broken(text: &str) {
    print(&fitted(text, &std::io::stdout()));
}

/// Says something on standard error, broken into lines if that is a terminal.
pub(crate) fn complain(text: &str) {
    eprint!("{}", fitted(&format!("{text}\n"), &std::io::stderr()));
}

/// Lines as they are for a file or a pipe, whose readers want them whole.
fn fitted(text: &str, to: &(impl IsTerminal + AsFd)) -> String {
    let Some(columns) = columns(to) else { return text.to_owned() };
    broken(text, columns).into_iter().map(|line| line + "\n").collect()
}

fn columns(of: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let size = of.is_terminal().then(|| rustix::termios::tcgetwinsize(of).ok()).flatten()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// Where a line goes on that does not fit, under what a timeline says of a step.
const HANGING: usize = 15;
/// A narrower terminal has no room for that.
const HANGING_COLUMNS_MIN: usize = 40;

/// Lines that fit so many columns, broken where people would: behind a space or a mark, and going
/// on under where they began.
pub(crate) fn broken(text: &str, columns: usize) -> Vec<String> {
    text.lines().flat_map(|line| broken_line(line, columns.max(1))).collect()
}

fn broken_line(line: &str, columns: usize) -> Vec<String> {
    let mut rest: Vec<char> = line.chars().collect();
    let spaces = rest.iter().take_while(|c| **c == ' ').count();
    let opens_step = line.starts_with(|c: char| c == '#' || c.is_ascii_digit());
    let indent = match spaces {
        _ if columns < HANGING_COLUMNS_MIN => 0,
        0 if opens_step => HANGING,
        _ => (spaces + 2).min(HANGING),
    };
    let mut lines = Vec::new();
    while rest.len() > columns {
        let least = if lines.is_empty() { spaces } else { indent };
        let at = break_at(&rest, columns, least.max(columns / 3));
        let mut taken: String = rest.drain(..at).collect();
        taken.truncate(taken.trim_end().len());
        lines.push(taken);
        let gap = rest.iter().take_while(|c| **c == ' ').count();
        rest.splice(..gap, std::iter::repeat_n(' ', indent));
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// How much of it is a line of at most so many columns: up to a space or behind the last of some
/// marks, or else behind a slash; not less than `least`.
fn break_at(line: &[char], columns: usize, least: usize) -> usize {
    let behind = |marks: &[char]| {
        let is_last = |at: &usize| marks.contains(&line[at - 1]) && !marks.contains(&line[*at]);
        (least + 1..=columns).rev().find(is_last)
    };
    let space = (least + 1..=columns).rev().find(|at| line[*at] == ' ');
    let mark = behind(&[',', ';', '&', '}', ']', ')']);
    space.max(mark).or_else(|| behind(&['/'])).unwrap_or(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_behind_a_space_or_a_mark_and_go_on_under_where_they_began() {
        let line = "00:00.586 -> POST http://127.0.0.1/users/session   (POST /users/session)";
        assert_eq!(broken(line, 80), [line]);
        assert_eq!(
            broken(line, 60),
            [
                "00:00.586 -> POST http://127.0.0.1/users/session   (POST",
                "               /users/session)"
            ]
        );
        let json = "             {\"kept\":[\"<secret 6909>\",3600],\"login\":{\"Until\":354}}";
        let lines = [
            "             {\"kept\":[\"<secret 6909>\",3600],",
            "               \"login\":{\"Until\":354}}",
        ];
        assert_eq!(broken(json, 58), lines);
        assert_eq!(
            broken("  recorded: sleep for a while", 22),
            ["  recorded: sleep for", "a while"]
        );
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_and_nothing_of_it_is_lost() {
        let texts = ["word ".repeat(60), "x".repeat(300), "a,b;c/d&e".repeat(40), "é ".repeat(99)];
        for text in texts {
            for columns in [1, 2, 17, 39, 40, 80, 200] {
                let lines = broken(&text, columns);
                assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
                let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
                assert_eq!(letters(&lines.concat()), letters(&text));
            }
        }
        assert_eq!(broken("a\n\nb", 80), ["a", "", "b"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\te"), "a.[2Jb\nc.d.e");
    }
}

//! The live screen of the real binary, looked at in a real terminal: tmux.

mod servers;
mod tallyho;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use servers::{RawServer, is_installed, read_request};
use terminal::{PATIENCE, Terminal};

/// Answers every tenth request with 503, the others with 200.
fn failing_server() -> RawServer {
    let count = Arc::new(AtomicU64::new(0));
    RawServer::start(move |mut stream| {
        while read_request(&mut stream).is_some() {
            let fails = count.fetch_add(1, Ordering::Relaxed) % 10 == 9;
            let status = if fails { "503 Busy" } else { "200 OK" };
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
            if std::io::Write::write_all(&mut stream, response.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A server that never answers.
fn silent_server() -> RawServer {
    RawServer::start(|mut stream| {
        let _request = read_request(&mut stream);
        let _until_the_client_closes = read_request(&mut stream);
    })
}

fn assert_fits(text: &str, columns: usize) {
    for line in text.lines() {
        let width = line.chars().count();
        assert!(width < columns, "{width} columns of {columns}: {line}\n{text}");
    }
}

#[test]
fn the_screen_shows_how_the_run_goes_and_its_end_stays_above_results_on_stdout() {
    if !is_installed("tmux") {
        return;
    }
    let server = failing_server();
    for columns in [80, 200] {
        let words = format!("{} -d 300s -q 200/s -c 5 --seed 7", server.url("/items"));
        let terminal = Terminal::start(columns, &words);
        let target = server.url("/items");
        let parts = [
            target.as_str(),
            "seed 7",
            " of 05:00",
            "200/s for 300s, up to 5 at once",
            " of 5 bots busy",
            "requests  ",
            "sessions offered 200/s",
            "achieved ",
            "█",
            "response  p50 ",
            "last 5 seconds",
            "1ms ",
            "generator ● ",
            "lag p99 ",
            "busiest core ",
            "failures  ",
            "unexpected status 503",
            "Ctrl-C: finish and report - again: stop now",
        ];
        let text = terminal.wait_for(&parts);
        assert_fits(&text, usize::from(columns));
        let lines = text.trim_end().lines().count();
        assert!((12..=18).contains(&lines), "{lines} lines\n{text}");
        assert_eq!(terminal.stdout(), "", "results come at the end");

        terminal.press_ctrl_c();
        let text = terminal.wait_for(&["ended after 00:", "exit 105"]);
        assert_fits(&text, usize::from(columns));
        assert_eq!(text.matches("tallyho   http").count(), 1, "one screen stays:\n{text}");
        let end = text.find("unexpected status 503").expect("the last state stays");
        assert!(end < text.find("exit 105").expect("waited for"), "{text}");
        let results = terminal.stdout();
        assert!(results.contains("achieved") && results.contains("a signal"), "{results}");
        assert!(!results.contains('\x1b'), "no escape codes in a file: {results:?}");
    }
}

#[test]
fn the_screen_follows_the_size_of_the_terminal() {
    if !is_installed("tmux") {
        return;
    }
    let server = failing_server();
    let words = format!("{} -d 300s -q 200/s -c 5", server.url("/items"));
    let terminal = Terminal::start(100, &words);
    terminal.wait_for(&["unexpected status 503", "stop now"]);
    for columns in [180, 70, 150, 80] {
        terminal.resize(columns);
        let deadline = Instant::now() + PATIENCE;
        // The terminal shows broken lines until the next frame.
        loop {
            let text = terminal.text();
            let title = text.lines().find(|line| line.starts_with("tallyho   http"));
            let is_right = title.is_some_and(|line| {
                line.chars().count() == usize::from(columns) - 1 && text.contains("stop now")
            });
            if is_right {
                assert_fits(&text, usize::from(columns));
                assert_eq!(text.matches("tallyho   http").count(), 1, "{columns}:\n{text}");
                assert_eq!(text.matches("stop now").count(), 1, "{columns}:\n{text}");
                break;
            }
            assert!(Instant::now() < deadline, "never {columns} columns wide:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    terminal.resize(50);
    let deadline = Instant::now() + PATIENCE;
    while terminal.text().trim().lines().count() != 1 {
        assert!(Instant::now() < deadline, "never one line:\n{}", terminal.text());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(terminal.text().contains("/s p99 "), "{}", terminal.text());
}

#[test]
fn the_first_ctrl_c_is_answered_on_the_screen_and_the_second_ends_the_run() {
    if !is_installed("tmux") {
        return;
    }
    let server = silent_server();
    let terminal = Terminal::start(100, &format!("{} -d 300s -c 5", server.url("/")));
    terminal.wait_for(&["Ctrl-C: finish and report", "5 of 5 bots busy"]);
    terminal.press_ctrl_c();
    let waiting = "finishing: no new sessions, waiting for 5 running sessions";
    terminal.wait_for(&[waiting, "Ctrl-C again: stop now", "stopping"]);
    terminal.press_ctrl_c();
    terminal.wait_for(&["ended after", "interrupted", "exit 105"]);
}

#[test]
fn there_is_no_colour_where_none_is_wanted() {
    if !is_installed("tmux") {
        return;
    }
    let server = failing_server();
    for (variables, flag, is_coloured) in
        [("NO_COLOR=", "", true), ("", "--no-color", false), ("NO_COLOR=1", "", false)]
    {
        let words = format!("{} -d 300s -q 50/s -c 5 {flag}", server.url("/"));
        let terminal = Terminal::start_with(80, variables, &words);
        terminal.wait_for(&["generator ● "]);
        let text = terminal.tmux(&["capture-pane", "-p", "-e", "-t", "s"]);
        assert_eq!(text.contains('\x1b'), is_coloured, "{variables}{flag}: {text:?}");
    }
}

#[test]
fn off_a_terminal_there_are_plain_lines_on_stderr_and_none_with_quiet() {
    let server = failing_server();
    let url = server.url("/items");
    let ended = tallyho::run(&[&url, "-q", "200/s", "-d", "5500ms", "-c", "5"]).expect_exit(0);
    assert!(ended.stderr.starts_with(&format!("run      {url}\n")), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let header = lines.iter().position(|line| line.trim_start().starts_with("elapsed"));
    let cells: Vec<&str> = lines[header.expect("a header") + 1].split_whitespace().collect();
    assert_eq!(cells.len(), 9, "{}", ended.stderr);
    let rate = |index: usize| cells[index].parse::<u64>().expect("a number");
    // Wide bounds: a busy machine makes one second of two.
    assert!((100..=400).contains(&rate(1)) && rate(2) > 50 && rate(3) > 5, "{cells:?}");
    assert!(ended.stderr.is_ascii(), "{}", ended.stderr);
    assert!(!ended.stdout.contains("elapsed"), "{}", ended.stdout);

    let quiet = tallyho::run(&[&url, "-n", "10", "--quiet"]).expect_exit(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("achieved"), "{}", quiet.stdout);
}

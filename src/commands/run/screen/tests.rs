//! The screen of made-up runs, compared with golden files.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tallyho_replay::{Failure, Name};

use super::*;
use crate::commands::run::live::About;
use crate::metrics::{Collector, Ended, Exchange, Recorder, Snapshot};

/// A run of a minute after so many seconds, on two workers. Its rate rises to 400/s, every
/// hundredth request fails, and after 20 s the target is slow for 5 s.
struct Made {
    seconds: u64,
    requests_per_sec: u64,
    lag_us: u64,
    /// Kinds of failure; none where it is empty.
    failures: &'static [Failure],
    cpu_us: u64,
}

const MADE: Made = Made {
    seconds: 42,
    requests_per_sec: 400,
    lag_us: 180,
    failures: &[Failure::Reset, Failure::Refused, Failure::Dns],
    cpu_us: 310_000,
};

impl Made {
    fn live(&self, change: impl FnOnce(&mut About)) -> Live {
        let mut about = About {
            target: "http://127.0.0.1:8080/api/v1/startup".to_owned(),
            load: "800/s for 1m, up to 50 at once".to_owned(),
            seed: 7,
            workers: 2,
            driver: "io_uring".to_owned(),
            duration: Duration::from_secs(60),
            sessions: None,
            bots: 50,
        };
        change(&mut about);
        let mut live = Live::new(about);
        let mut collector = Collector::new(2);
        let mut workers = [Recorder::new(), Recorder::new()];
        live.take(Duration::from_millis(100), Stage::Running, &collector);
        for second in 0..self.seconds {
            for (worker, recorder) in workers.iter_mut().enumerate() {
                self.play(recorder, second, worker as u64);
                let cpu_us = (second + 1) * self.cpu_us * (worker as u64 + 1);
                recorder.cpu(cpu_us, 0);
                collector.add(worker, second, &mut recorder.swap(Snapshot::default()));
            }
            live.take(Duration::from_secs(second + 1), Stage::Running, &collector);
        }
        live
    }

    fn play(&self, recorder: &mut Recorder, second: u64, worker: u64) {
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        let requests = self.requests_per_sec * (second + 1).min(10) / 10;
        recorder.due(scenario, self.requests_per_sec.min(requests + 1));
        // One session of each second is still running at its end.
        recorder.started(scenario, requests + u64::from(second + 1 == self.seconds));
        let slow = if (20..25).contains(&second) { 40 } else { 1 };
        for n in 0..requests {
            let failure = self.failures.get((n / 100) as usize % self.failures.len().max(1));
            let failure = failure.filter(|_| n % 100 == 99).copied();
            let due_us = second * 1_000_000 + n;
            let sent_us = due_us + self.lag_us * (worker + 1) / 2;
            let took_us = slow * (900 + n * n % 700 + if n % 80 == 0 { 20_000 } else { 0 });
            recorder.exchange(
                series,
                &Exchange {
                    due_us,
                    sent_us,
                    completed_us: sent_us + took_us,
                    waited_us: 0,
                    blocked_us: 0,
                    connecting_us: 0,
                    tls_us: 0,
                    sending_us: 10,
                    waiting_us: took_us,
                    receiving_us: 0,
                    status: if failure.is_some() { 0 } else { 200 },
                    expected: failure.is_none(),
                    failure,
                    bytes_sent: 1,
                    bytes_received: 1,
                },
            );
            recorder.iteration(scenario, took_us, Ended::Completed);
        }
    }
}

/// The screen as text, by way of ratatui's own test terminal.
fn screen(live: &Live, columns: u16, rows: u16) -> String {
    let frame = draw(live, Size { width: columns, height: rows });
    let viewport = TerminalOptions { viewport: Viewport::Fixed(frame.area) };
    let backend = TestBackend::new(frame.area.width, frame.area.height);
    let mut terminal = Terminal::with_options(backend, viewport).unwrap();
    terminal.draw(|target| target.buffer_mut().clone_from(&frame)).unwrap();
    let backend = terminal.backend();
    backend.assert_buffer(&frame);
    let mut text = String::new();
    for line in frame.content.chunks(usize::from(frame.area.width)) {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    assert!(text.lines().count() < usize::from(rows), "a line stays free:\n{text}");
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest < usize::from(columns), "a column stays free:\n{text}");
    text
}

fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{name} differs; UPDATE_GOLDEN=1 rewrites it\n{actual}");
}

#[test]
fn the_screen_at_80_columns_is_as_in_the_golden_file() {
    golden("screen_80.txt", &screen(&MADE.live(|_| {}), 80, 24));
}

#[test]
fn the_screen_at_200_columns_is_as_in_the_golden_file() {
    golden("screen_200.txt", &screen(&MADE.live(|_| {}), 200, 50));
}

#[test]
fn the_screen_before_the_first_second_is_as_in_the_golden_file() {
    let live = Made { seconds: 0, ..MADE }.live(|_| {});
    golden("screen_start.txt", &screen(&live, 80, 24));
}

#[test]
fn every_size_of_terminal_has_a_screen_that_fits() {
    let live = MADE.live(|_| {});
    for columns in 20..=220 {
        for rows in [2, 5, 10, 13, 15, 18, 24, 60] {
            let text = screen(&live, columns, rows);
            let lines = text.lines().count();
            assert_eq!(lines == 1, columns < 60 || rows < 13, "{columns}x{rows}:\n{text}");
        }
    }
    assert_eq!(screen(&live, 40, 24), "70% 00:42 800/s p99 21.11ms fail 0.97%\n");
}

#[test]
fn a_late_generator_is_told_with_its_worker() {
    let late = Made { lag_us: 12_000, ..MADE }.live(|_| {});
    let text = screen(&late, 80, 24);
    assert!(text.contains("● late  lag p99 12ms      worker 1: 12ms"), "{text}");
    let off_the_lines = "\n    100ms ";
    assert!(text.contains("\n     10ms ") && !text.contains(off_the_lines), "{text}");
    let strained = Made { lag_us: 180, cpu_us: 460_000, ..MADE }.live(|_| {});
    let text = screen(&strained, 80, 24);
    assert!(text.contains("● strained  lag p99 180µs"), "{text}");
    assert!(text.contains("busiest core 92% (worker 1 of 2)"), "{text}");
}

#[test]
fn a_p99_is_of_as_many_seconds_as_it_needs_or_not_told() {
    let text = screen(&Made { requests_per_sec: 100, ..MADE }.live(|_| {}), 80, 24);
    assert!(text.contains("last 5 seconds\n"), "{text}");
    let text = screen(&Made { requests_per_sec: 20, ..MADE }.live(|_| {}), 80, 24);
    assert!(text.contains("p99 -  "), "{text}");
    assert!(text.contains("last 10 seconds\n"), "{text}");
}

#[test]
fn failures_are_none_until_there_are_some() {
    let text = screen(&Made { failures: &[], ..MADE }.live(|_| {}), 80, 24);
    assert!(text.contains("failures  none\n"), "{text}");
}

#[test]
fn a_second_in_which_fewer_sessions_began_than_were_due_is_amber() {
    let mut live = MADE.live(|_| {});
    let newest_bar = |live: &Live| {
        let frame = draw(live, Size { width: 80, height: 24 });
        frame[(78, 6)].fg
    };
    assert_eq!(newest_bar(&live), Color::Green);
    live.seconds.back_mut().unwrap().started = 700;
    assert_eq!(newest_bar(&live), Color::Yellow);
}

#[test]
fn the_last_line_says_what_ctrl_c_does_and_has_done() {
    let mut live = MADE.live(|_| {});
    for (stage, expected) in [
        (Stage::Running, "Ctrl-C: finish and report - again: stop now"),
        (Stage::Over, "waiting for 2 running sessions - Ctrl-C twice: stop now"),
        (Stage::Aborting, "aborted: waiting for 2 running sessions - Ctrl-C twice: stop now"),
        (
            Stage::Stopping,
            "finishing: no new sessions, waiting for 2 running sessions - Ctrl-C again: stop now",
        ),
        (Stage::Cut, "stopping now: running requests are cut off"),
        (Stage::Ended, ""),
    ] {
        live.stage = stage;
        let text = screen(&live, 100, 24);
        assert_eq!(text.lines().last(), Some(expected));
    }
}

#[test]
fn a_run_by_number_is_as_far_as_its_sessions_are() {
    let live = MADE.live(|about| about.sessions = Some(40_000));
    let text = screen(&live, 100, 24);
    assert!(text.contains("of 40,000  00:42  at most 00:18 left\n"), "{text}");
    assert!(text.contains("\n75% "), "{text}");
}

#[test]
fn a_long_target_is_cut_and_the_seed_stays() {
    let mut live = MADE.live(|about| about.target = format!("http://host/{}", "x".repeat(200)));
    let text = screen(&live, 80, 24);
    assert!(text.lines().next().unwrap().ends_with("xx…  seed 7  io_uring"), "{text}");
    live.about.seed = u64::MAX;
    let text = screen(&live, COLUMNS_MIN, 24);
    assert!(text.contains("…  seed 18446744073709551615  io_uring\n"), "{text}");
}

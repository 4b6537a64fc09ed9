//! The live screen: a few lines at the end of the terminal, drawn from one value.
//!
//! A pure function from [`Live`] and a size to cells, so that what people see is compared with
//! golden files. It has three shapes: two columns side by side, one column, and a single line
//! where there is no room. All times of one family have one hue; red is for failures and amber for
//! the generator's own limits; without colour the words say the same.
//! Writes nothing: see painter.rs.

mod charts;
#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Widget};

use super::live::{Health, Light, Live, Stage, Times};
use crate::report::units::{clock, duration_us, grouped, share_percent};

/// Below this width there is one line.
const COLUMNS_MIN: u16 = 60;
/// From this width on there are two columns.
const COLUMNS_WIDE: u16 = 140;
/// Kinds of failure that are shown.
const KINDS_MAX: usize = 4;
/// The column at which values begin, after a label.
const LABEL: u16 = 10;

const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);
const CAUTION: Style = Style::new().fg(Color::Yellow);
const RATE: Style = Style::new().fg(Color::Green);
const P50: Style = Style::new().fg(Color::LightCyan);
const P99: Style = Style::new().fg(Color::LightBlue);
const MAX: Style = Style::new().fg(Color::LightMagenta);

/// How the lines are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Line,
    /// One column; how many lines each chart has.
    Narrow {
        rate: u16,
        times: u16,
    },
    /// Two columns; how many lines the charts have.
    Wide {
        charts: u16,
    },
}

/// Draws the screen for a terminal of that size, of which one line and one column stay free.
pub(super) fn draw(live: &Live, terminal: Size) -> Buffer {
    let columns = terminal.width.saturating_sub(1);
    let kinds = u16::try_from(live.kinds.len().min(KINDS_MAX)).unwrap_or(0);
    let shape = shape(terminal, kinds);
    let rows = match shape {
        Shape::Line => 1,
        Shape::Narrow { rate, times } => 9 + rate + times + kinds,
        Shape::Wide { charts } => 7 + charts + kinds.max(1),
    };
    let mut sheet = Sheet { buffer: Buffer::empty(Rect::new(0, 0, columns, rows)), live };
    match shape {
        Shape::Line => sheet.single_line(),
        Shape::Narrow { rate, times } => sheet.narrow(rate, times),
        Shape::Wide { charts } => sheet.wide(charts),
    }
    sheet.buffer
}

fn shape(terminal: Size, kinds: u16) -> Shape {
    let rows = terminal.height.saturating_sub(1);
    if terminal.width < COLUMNS_MIN || rows < 9 + kinds {
        return Shape::Line;
    }
    if terminal.width >= COLUMNS_WIDE && rows >= 12 + kinds {
        return Shape::Wide { charts: 5 };
    }
    let charts = rows - 9 - kinds;
    match charts {
        6.. => Shape::Narrow { rate: 2, times: 4 },
        4.. => Shape::Narrow { rate: 1, times: 3 },
        _ => Shape::Narrow { rate: 0, times: 0 },
    }
}

/// A part of one line.
#[derive(Clone, Copy)]
struct Place {
    x: u16,
    y: u16,
    columns: u16,
}

impl Place {
    fn down(self, lines: u16) -> Self {
        Self { y: self.y + lines, ..self }
    }

    /// The lines of a chart below, without the column of labels.
    fn chart(self, lines: u16) -> Rect {
        Rect::new(self.x + LABEL, self.y, self.columns.saturating_sub(LABEL), lines)
    }
}

struct Sheet<'a> {
    buffer: Buffer,
    live: &'a Live,
}

impl Sheet<'_> {
    fn narrow(&mut self, rate: u16, times: u16) {
        let all = self.heading();
        let place = all.down(4);
        self.rate(place, rate);
        let place = place.down(1 + rate);
        self.times(place, times);
        let place = place.down(1 + times);
        self.generator(place);
        self.failures(place.down(1));
        self.hint();
    }

    fn wide(&mut self, charts: u16) {
        let all = self.heading();
        let gap = 3;
        let left = Place { columns: (all.columns - gap) / 2, ..all.down(4) };
        let x = left.columns + gap;
        let right = Place { x, columns: all.columns - x, ..left };
        self.rate(left, charts);
        self.times(right, charts);
        self.failures(left.down(1 + charts));
        self.generator(right.down(1 + charts));
        self.hint();
    }

    /// What runs, how far it is, and with which load; then an empty line.
    fn heading(&mut self) -> Place {
        let live = self.live;
        let about = &live.about;
        let all = Place { x: 0, y: 0, columns: self.buffer.area.width };
        let facts = format!("seed {}  {}", about.seed, about.driver);
        let title = vec![Span::styled("tallyho   ", TITLE), Span::raw(about.target.clone())];
        self.line_cut(all, title, vec![Span::styled(facts, FAINT)]);
        self.gauge(all.down(1));
        let busy = format!("{} of {} bots busy", grouped(live.bots_busy), grouped(about.bots));
        let load = vec![label("load"), Span::raw(about.load.clone())];
        self.line_cut(all.down(2), load, vec![Span::raw(busy)]);
        all
    }

    fn gauge(&mut self, place: Place) {
        let done = self.live.done();
        let text = format!(" {}", self.time_left());
        let width = Span::raw(text.as_str()).width();
        let columns = place.columns.saturating_sub(u16::try_from(width).unwrap_or(0));
        // As everywhere, a share is cut and not rounded: 100 % is the end.
        let percent = format!("{:<9}", format!("{}%", (done * 100.0).floor()));
        LineGauge::default()
            .ratio(done)
            .label(Span::styled(percent, TITLE))
            .filled_symbol("━")
            .unfilled_symbol("─")
            .filled_style(GOOD)
            .unfilled_style(FAINT)
            .render(Rect::new(place.x, place.y, columns, 1), &mut self.buffer);
        self.buffer.set_string(place.x + columns, place.y, text, Style::new());
    }

    /// How long the run has been going and how long it will go on.
    fn time_left(&self) -> String {
        let live = self.live;
        let passed = clock(live.elapsed.as_secs());
        // The second that has begun counts as left.
        let left = live.left();
        let left = clock(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        match (live.about.sessions, live.stage) {
            (_, Stage::Ended) => format!("ended after {passed}"),
            (_, Stage::Over) => format!("{passed}  time is over"),
            (_, Stage::Aborting | Stage::Stopping | Stage::Cut) => format!("{passed}  stopping"),
            (Some(sessions), Stage::Running) => {
                let done = grouped(live.completed);
                format!("{done} of {}  {passed}  at most {left} left", grouped(sessions))
            }
            (None, Stage::Running) => {
                let all = clock(live.about.duration.as_secs());
                format!("{passed} of {all}  {left} left")
            }
        }
    }

    fn rate(&mut self, place: Place, lines: u16) {
        let live = self.live;
        let span = live.span(1);
        let shown = |count| per_sec(span.seconds, count);
        let offered = if place.columns < SPACIOUS { "  offered " } else { "  sessions offered " };
        let mut text = vec![
            label("requests"),
            Span::styled(format!("{:<RATE_WIDTH$}", shown(span.requests)), RATE),
            Span::styled(offered, FAINT),
            Span::raw(format!("{:<RATE_WIDTH$}", shown(span.offered))),
            Span::styled(" achieved ", FAINT),
            Span::raw(format!("{:<RATE_WIDTH$}", shown(span.achieved))),
        ];
        if live.dropped > 0 {
            text.push(Span::styled(format!("dropped {}", grouped(live.dropped)), CAUTION));
        }
        self.line(place, text, Vec::new());
        charts::rate(live, place.down(1).chart(lines), &mut self.buffer);
    }

    fn times(&mut self, place: Place, lines: u16) {
        let live = self.live;
        let newest = live.seconds.back().and_then(|second| second.times);
        let mut text = vec![label("response")];
        for (name, style, value) in [
            ("p50 ", P50, newest.map(|times| times.p50_us)),
            ("  p99 ", P99, newest.and_then(|times| times.p99_us)),
            ("  max ", MAX, newest.map(|times| times.max_us)),
        ] {
            text.push(Span::styled(name, FAINT));
            let value = value.map_or_else(|| "-".to_owned(), duration_us);
            text.push(Span::styled(format!("{value:<TIME$}"), style));
        }
        let of = newest.map_or_else(String::new, window);
        self.line(place, text, vec![Span::styled(of, FAINT)]);
        charts::times(live, place.down(1).chart(lines), &mut self.buffer);
    }

    fn generator(&mut self, place: Place) {
        let mut text = vec![label("generator")];
        let mut right = Vec::new();
        match self.live.health {
            None => text.push(Span::styled("starting", FAINT)),
            Some(health) => {
                text.extend(light(&health));
                let (worker, percent) = health.busiest;
                right.push(Span::styled("busiest core ", FAINT));
                right.push(Span::raw(format!("{percent}%")));
                right.push(Span::styled(
                    format!(" (worker {worker} of {})", self.live.about.workers),
                    FAINT,
                ));
            }
        }
        self.line(place, text, right);
    }

    fn failures(&mut self, place: Place) {
        let live = self.live;
        if live.failed == 0 {
            let text = vec![label("failures"), Span::styled("none", GOOD)];
            return self.line(place, text, Vec::new());
        }
        let share = share_percent(live.failed, live.requests);
        let text = vec![
            label("failures"),
            Span::styled(format!("{} ", grouped(live.failed)), BAD),
            Span::styled(format!("of {} requests, {share}", grouped(live.requests)), FAINT),
        ];
        let more = live.kinds.len().saturating_sub(KINDS_MAX);
        let more = if more > 0 {
            format!("{} not shown", counted(more as u64, "kind"))
        } else {
            String::new()
        };
        self.line(place, text, vec![Span::styled(more, FAINT)]);
        let columns = place.columns.min(KIND_COLUMNS);
        for (kind, lines) in live.kinds.iter().take(KINDS_MAX).zip(1..) {
            let name = vec![label(""), Span::raw(kind.name.clone())];
            let figures = format!(
                "{:>9} {:>7} {:>8}/s",
                grouped(kind.count),
                share_percent(kind.count, live.requests),
                grouped(kind.now)
            );
            let style = if kind.now > 0 { BAD } else { FAINT };
            let place = Place { columns, ..place.down(lines) };
            self.line_cut(place, name, vec![Span::styled(figures, style)]);
        }
    }

    /// What Ctrl-C does, or has done; on the last line.
    fn hint(&mut self) {
        let area = self.buffer.area;
        let busy = counted(self.live.bots_busy, "running session");
        let (text, style) = match self.live.stage {
            Stage::Running => ("Ctrl-C: finish and report - again: stop now".to_owned(), FAINT),
            Stage::Over => (format!("waiting for {busy} - Ctrl-C twice: stop now"), FAINT),
            Stage::Aborting => {
                (format!("aborted: waiting for {busy} - Ctrl-C twice: stop now"), CAUTION)
            }
            Stage::Stopping => (
                format!("finishing: no new sessions, waiting for {busy} - Ctrl-C again: stop now"),
                CAUTION,
            ),
            Stage::Cut => ("stopping now: running requests are cut off".to_owned(), CAUTION),
            Stage::Ended => return,
        };
        let place = Place { x: 0, y: area.height - 1, columns: area.width };
        self.line(place, vec![Span::styled(text, style)], Vec::new());
    }

    fn single_line(&mut self) {
        let live = self.live;
        let span = live.span(1);
        let newest = live.seconds.back().and_then(|second| second.times);
        let p99 = newest.and_then(|times| times.p99_us.or(Some(times.max_us)));
        let text = vec![
            Span::styled(format!("{}%", (live.done() * 100.0).floor()), TITLE),
            Span::raw(format!(" {}", clock(live.elapsed.as_secs()))),
            Span::styled(format!(" {}", per_sec(span.seconds, span.achieved)), RATE),
            Span::raw(format!(" p99 {}", p99.map_or_else(|| "-".to_owned(), duration_us))),
            Span::styled(format!(" fail {}", share_percent(live.failed, live.requests)), BAD),
        ];
        let place = Place { x: 0, y: 0, columns: self.buffer.area.width };
        self.line(place, text, Vec::new());
    }

    /// Text from the left, and text that ends on the right if there is room for it.
    fn line(&mut self, place: Place, left: Vec<Span<'_>>, right: Vec<Span<'_>>) {
        let (left, right) = (Line::from(left), Line::from(right));
        let none = Line::default();
        let fits = left.width() + 2 + right.width() <= usize::from(place.columns);
        self.set(place, &left, if fits { &right } else { &none });
    }

    /// The same where what is on the right matters more than the end of what is on the left.
    fn line_cut(&mut self, place: Place, left: Vec<Span<'_>>, right: Vec<Span<'_>>) {
        self.set(place, &Line::from(left), &Line::from(right));
    }

    fn set(&mut self, place: Place, left: &Line<'_>, right: &Line<'_>) {
        let aside = u16::try_from(right.width()).unwrap_or(u16::MAX).min(place.columns);
        let room = if aside > 0 { place.columns.saturating_sub(aside + 2) } else { place.columns };
        let (end, _) = self.buffer.set_line(place.x, place.y, left, room);
        if left.width() > usize::from(room) && end > place.x {
            self.buffer[(end - 1, place.y)].set_symbol("…");
        }
        self.buffer.set_line(place.x + place.columns - aside, place.y, right, aside);
    }
}

/// A rate up to `99,999/s`: figures keep their places while they change.
const RATE_WIDTH: usize = 9;
/// From this width on there is room to say what is offered.
const SPACIOUS: u16 = 68;
/// The widest time, `999.99ms`.
const TIME: usize = 8;
/// A row of the table of failures is not longer than this, so that figures stay near the names.
const KIND_COLUMNS: u16 = 72;

fn label(text: &str) -> Span<'static> {
    Span::styled(format!("{text:<width$}", width = usize::from(LABEL)), FAINT)
}

/// `1 bot`, `2 bots`.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A count of some seconds per second; `-` before there are any.
fn per_sec(seconds: u64, count: u64) -> String {
    match seconds {
        0 => "-".to_owned(),
        seconds => format!("{}/s", grouped((count + seconds / 2) / seconds)),
    }
}

fn window(times: Times) -> String {
    match times.seconds {
        1 => "last second".to_owned(),
        seconds => format!("last {seconds} seconds"),
    }
}

/// The light and why it is so.
fn light(health: &Health) -> Vec<Span<'static>> {
    let (style, word) = match health.light() {
        Light::Ok => (GOOD, "ok"),
        Light::Strained => (CAUTION, "strained"),
        Light::Late => (BAD, "late"),
        Light::HeldUp => (BAD, "held up"),
    };
    if let Some(why) = health.held_up_by() {
        return vec![Span::styled(format!("● {word}  {why}"), style)];
    }
    let lag = health.lag_us_p99.map_or_else(|| "-".to_owned(), duration_us);
    let mut text = vec![
        Span::styled(format!("● {word}"), style),
        Span::styled("  lag p99 ", FAINT),
        Span::raw(format!("{lag:<TIME$}")),
    ];
    if health.light() == Light::Late {
        let (worker, lag) = health.latest;
        text.push(Span::styled(format!("  worker {worker}: {}", duration_us(lag)), style));
    }
    text
}

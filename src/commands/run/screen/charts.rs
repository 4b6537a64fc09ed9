//! The two charts of the live screen: requests per second as bars, response times as lines.
//!
//! Both have the newest second on the right and a scale on the left. The rate's scale begins at
//! zero; that of times is logarithmic, since p50 and max are often a hundred times apart.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::canvas::{Canvas, Context, Line, Points};
use ratatui::widgets::{Sparkline, SparklineBar, Widget};

use super::{CAUTION, FAINT, LABEL, Live, MAX, P50, P99, RATE};
use crate::commands::run::live::{Second, Times};
use crate::report::units::duration_us;

/// Dots of a Braille pattern above each other.
const DOTS: u32 = 4;
/// A second in which less of what was due began, in percent, had too few bots. A few sessions
/// always begin in the second after the one that they were due in.
const STARTED_MIN: u64 = 95;

/// Requests per second; amber where fewer sessions began than were due.
pub(super) fn rate(live: &Live, area: Rect, buffer: &mut Buffer) {
    let columns = visible(live, area.width);
    let top = columns.iter().flatten().map(|second| second.requests).max().unwrap_or(0);
    if area.height == 0 || top == 0 {
        return;
    }
    let top = above(top);
    scale(area, 0, &per_sec(top), buffer);
    if area.height > 1 {
        scale(area, area.height - 1, "0", buffer);
    }
    let bars = columns.iter().map(|second| match second {
        None => SparklineBar::from(None),
        Some(second) => {
            let is_short = second.started * 100 < second.offered * STARTED_MIN;
            SparklineBar::from(second.requests).style(if is_short { CAUTION } else { RATE })
        }
    });
    Sparkline::default()
        .data(bars.collect::<Vec<_>>())
        .absent_value_symbol(" ")
        .max(top)
        .render(area, buffer);
}

/// p50, p99 and max of each second.
pub(super) fn times(live: &Live, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let columns = visible(live, area.width);
    let Some((low, high)) = decades(columns.iter().flatten()) else { return };
    for decade in low..=high {
        // In dots from the top, of which a line has four. A decade is named where it is no more
        // than a dot from its line, so at most one is on a line, and none in a wrong place.
        let all = (u32::from(area.height) - 1) * DOTS;
        let dots = ((high - decade) * all * 2).div_ceil(high - low) / 2;
        let line = (dots + 1) / DOTS;
        if dots.abs_diff(line * DOTS) <= 1 {
            let line = u16::try_from(line).unwrap_or(0);
            scale(area, line, &duration_us(10_u64.pow(decade)), buffer);
        }
    }
    Canvas::default()
        .marker(Marker::Braille)
        .x_bounds([0.0, f64::from(area.width.max(2) - 1)])
        .y_bounds([f64::from(low), f64::from(high)])
        .paint(|context| {
            // The greater one first: where lines meet, the p50 is seen.
            curve(context, &columns, MAX, |times| Some(times.max_us));
            curve(context, &columns, P99, |times| times.p99_us);
            curve(context, &columns, P50, |times| Some(times.p50_us));
        })
        .render(area, buffer);
}

/// The next round number, so that bars have some room above them and the scale seldom changes.
fn above(value: u64) -> u64 {
    let unit = 10_u64.pow(value.max(10).ilog10() - 1);
    let steps = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100];
    steps.map(|step| step * unit).into_iter().find(|&step| step >= value).unwrap_or(value)
}

/// The seconds that the columns stand for, the newest in the last column; none where there is none.
fn visible(live: &Live, columns: u16) -> Vec<Option<Second>> {
    let mut visible = vec![None; usize::from(columns)];
    let Some(newest) = live.seconds.back().map(|second| second.second) else { return visible };
    for second in &live.seconds {
        let age = usize::try_from(newest - second.second).unwrap_or(usize::MAX);
        if age < visible.len() {
            let last = visible.len() - 1;
            visible[last - age] = Some(*second);
        }
    }
    visible
}

/// The powers of ten in µs between which all times lie.
fn decades<'a>(seconds: impl Iterator<Item = &'a Second>) -> Option<(u32, u32)> {
    let (mut least, mut greatest) = (u64::MAX, 1);
    for times in seconds.filter_map(|second| second.times) {
        (least, greatest) = (least.min(times.p50_us), greatest.max(times.max_us));
    }
    if least == u64::MAX {
        return None;
    }
    let low = least.max(1).ilog10();
    let high = greatest.ilog10() + u32::from(!is_power_of_ten(greatest));
    Some((low, high.max(low + 1)))
}

fn is_power_of_ten(value: u64) -> bool {
    10_u64.pow(value.ilog10()) == value
}

/// A line through neighbouring seconds; a gap where a second has no value.
fn curve(
    context: &mut Context<'_>,
    columns: &[Option<Second>],
    style: Style,
    value: impl Fn(Times) -> Option<u64>,
) {
    let color = style.fg.unwrap_or(Color::Reset);
    let height = |second: &Option<Second>| second.and_then(|s| s.times).and_then(&value).map(log10);
    let mut before = None;
    for (column, second) in columns.iter().enumerate() {
        let now = height(second).map(|y| (to_f64(column), y));
        match (before, now) {
            (Some((x1, y1)), Some((x2, y2))) => context.draw(&Line { x1, y1, x2, y2, color }),
            (None, Some(point)) => context.draw(&Points { coords: &[point], color }),
            _ => {}
        }
        before = now;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn log10(us: u64) -> f64 {
    (us.max(1) as f64).log10()
}

#[expect(clippy::cast_precision_loss, reason = "a column of a chart")]
fn to_f64(column: usize) -> f64 {
    column as f64
}

/// A label left of the chart.
fn scale(area: Rect, line: u16, text: &str, buffer: &mut Buffer) {
    let text = format!("{text:>width$} ", width = usize::from(LABEL) - 1);
    buffer.set_string(area.x - LABEL, area.y + line, text, FAINT);
}

/// A round rate in few characters: `950/s`, `1.2k/s`, `40k/s`, `2M/s`.
fn per_sec(count: u64) -> String {
    let (unit, name) = match count {
        0..1_000 => (1, ""),
        1_000..1_000_000 => (1_000, "k"),
        _ => (1_000_000, "M"),
    };
    match count % unit * 10 / unit {
        0 => format!("{}{name}/s", count / unit),
        tenths => format!("{}.{tenths}{name}/s", count / unit),
    }
}

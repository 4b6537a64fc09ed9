//! What is printed: tables in Markdown, as they stand in docs/benchmarks.md.

use crate::clients::{Client, Run};
use crate::rows::{Against, Group, Pair};

/// Some measurements of the same thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self { median, min, max })
    }
}

pub(crate) fn pairs_head() {
    println!("\n## Client CPU per request, as a ratio within each round\n");
    println!("| load | client | beside | median | min - max | target | |");
    println!("|---|---|---|---|---|---|---|");
}

pub(crate) fn pair(group: &Group, pair: &Pair, compared: &Result<Spread, String>) {
    let against = match pair.against {
        Against::Client(client) => client.name(),
        Against::K6 { times_wrk } => format!("k6 (without one: {times_wrk:.1} x wrk's GET)"),
    };
    let target = pair.target.map_or("-".to_owned(), |target| format!("{target:.3}"));
    let (figures, verdict) = match compared {
        Err(why) => ("- | -".to_owned(), why.as_str()),
        Ok(spread) => {
            let Spread { median, min, max } = spread;
            let verdict = match pair.target {
                None => "",
                Some(target) if *median <= target => "met",
                Some(_) => "**missed**",
            };
            (format!("{median:.3} | {min:.3} - {max:.3}"), verdict)
        }
    };
    let (name, subject) = (group.name, pair.subject.name());
    println!("| {name} | {subject} | {against} | {figures} | {target} | {verdict} |");
}

/// What one client of a group took, on standard error: the ratios are what lasts.
pub(crate) fn client<'a>(group: &Group, client: Client, runs: impl Iterator<Item = &'a Run>) {
    let runs: Vec<&Run> = runs.collect();
    let Some(cpu) = Spread::of(runs.iter().map(|run| run.cpu_us_per_request())) else { return };
    let Some(rate) = Spread::of(runs.iter().map(|run| run.per_second())) else { return };
    eprintln!(
        "{:28} {:28} {:6.2} us ({:.2} - {:.2}), {:7.0} requests/s",
        group.name,
        client.name(),
        cpu.median,
        cpu.min,
        cpu.max,
        rate.median
    );
}

pub(crate) fn single_head() {
    println!("\n## Compared with nobody\n");
    println!("| what | measured | target | |");
    println!("|---|---|---|---|");
}

/// A line of its own; `is_met` is none where nothing was promised.
pub(crate) fn single(what: &str, measured: &str, target: &str, is_met: Option<bool>) {
    let verdict = match is_met {
        None => "",
        Some(true) => "met",
        Some(false) => "**missed**",
    };
    println!("| {what} | {measured} | {target} | {verdict} |");
}

/// A line for several measurements of the same thing; a target of infinity is none.
pub(crate) fn spread(what: &str, unit: &str, values: Vec<f64>, target: f64) {
    let Some(Spread { median, min, max }) = Spread::of(values.into_iter()) else { return };
    let measured = format!("{median:.3}{unit} ({min:.3} - {max:.3})");
    match target.is_finite() {
        true => single(what, &measured, &format!("{target}{unit}"), Some(median <= target)),
        false => single(what, &measured, "-", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_lie_in_the_middle() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(None, of(&[]));
        assert_eq!(Some(Spread { median: 2.0, min: 1.0, max: 9.0 }), of(&[9.0, 1.0, 2.0]));
        assert_eq!(Some(2.5), of(&[1.0, 2.0, 3.0, 4.0]).map(|spread| spread.median));
    }
}

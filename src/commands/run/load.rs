//! What the command line says about a job's load and judgement, whether it came from a URL or from
//! a file.

use std::time::Duration;

use super::job::Job;
use crate::cli::{LoadArgs, RunArgs, VerdictArgs};
use crate::engine::{BOTS_MAX_DEFAULT, OnNoFreeBot, Profile, Spacing, Supply};
use crate::exit::BadUsage;
use crate::metrics::Threshold;
use crate::units;

/// Bots where nothing is said, as in oha and hey.
const BOTS_DEFAULT: u64 = 50;
/// Bots that a ramp starts with where nothing is said: k6's `startVUs`.
const RAMP_BOTS_DEFAULT: u64 = 1;
/// How long a run lasts when neither a time nor a number of sessions is given.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// How long a run by number may last at most: k6's `maxDuration`.
const DURATION_BY_NUMBER_MAX: Duration = Duration::from_secs(600);

/// The load profile that the flags describe for a URL.
pub(super) fn of_url(args: &RunArgs) -> Profile {
    let stages = args.load.stages.clone();
    let vus = args.bots.unwrap_or(BOTS_DEFAULT);
    let by_number = args.iterations.map_or(DURATION_DEFAULT, |_| DURATION_BY_NUMBER_MAX);
    let duration = args.duration.unwrap_or(by_number);
    // Bots that were asked for are all there are, as in wrk2; else their number follows the need.
    let max = args.bots.unwrap_or(BOTS_MAX_DEFAULT);
    let supply = Supply { prepared: vus, max, on_no_free_bot: OnNoFreeBot::Wait };
    let spacing = Spacing::Even;
    match (args.rate, args.iterations) {
        (Some(rate), _) if !stages.is_empty() => {
            let (start_rate, unit) = (rate.count, rate.unit);
            Profile::RampingArrivalRate { start_rate, unit, stages, supply, spacing }
        }
        (Some(rate), iterations) => {
            Profile::ConstantArrivalRate { rate, duration, iterations, supply, spacing }
        }
        (None, _) if !stages.is_empty() => Profile::RampingVus {
            start_vus: args.bots.unwrap_or(RAMP_BOTS_DEFAULT),
            stages,
            graceful_ramp_down: args.drain,
        },
        (None, Some(iterations)) => Profile::SharedIterations {
            vus: vus.min(iterations),
            iterations,
            max_duration: duration,
        },
        (None, None) => Profile::ConstantVus { vus, duration },
    }
}

/// Applies what the flags say about arrivals and thresholds.
///
/// # Errors
///
/// [`BadUsage`] for a threshold that cannot be read, and for flags about arrivals where there are
/// none.
pub(super) fn apply(job: &mut Job, args: &RunArgs) -> Result<(), BadUsage> {
    let LoadArgs { max_vus, on_no_free_bot, poisson, .. } = &args.load;
    let is_open = job.loads.iter().any(|load| load.profile.supply().is_some());
    let speaks_of_arrivals = max_vus.is_some() || on_no_free_bot.is_some() || *poisson;
    if speaks_of_arrivals && !is_open {
        let flags = "--max-vus, --on-no-free-bot and --poisson";
        let message = format!("{flags} are about arrivals: add for example --rate 100/s");
        return Err(BadUsage(message));
    }
    for load in &mut job.loads {
        let profile = if *poisson {
            load.profile.clone().spaced(Spacing::Poisson)
        } else {
            load.profile.clone()
        };
        load.profile = match profile.supply() {
            None => profile,
            Some(given) => {
                let max = max_vus.unwrap_or(given.max);
                let prepared = given.prepared.min(max);
                let on_no_free_bot = on_no_free_bot.unwrap_or(given.on_no_free_bot);
                profile.supplied(Supply { prepared, max, on_no_free_bot })
            }
        };
    }
    for load in &job.loads {
        let refused = |error| BadUsage(format!("the load {}: {error}", load.name));
        load.profile.check().map_err(refused)?;
    }
    let bots = job.loads.iter().map(|load| load.profile.vus()).sum();
    job.bots_per_task = job.bots_per_task.max(bots);
    job.thresholds.extend(thresholds(&args.verdict)?);
    Ok(())
}

fn thresholds(args: &VerdictArgs) -> Result<Vec<Threshold>, BadUsage> {
    let read = |text: &String| {
        threshold(text).map_err(|problem| {
            let help = "write for example --threshold 'http_req_duration: p(95)<500'";
            BadUsage(format!("--threshold '{text}': {problem}; {help}"))
        })
    };
    args.thresholds.iter().map(read).collect()
}

/// Reads `METRIC: CONDITION[, abortOnFail][, delayAbortEval 10s][, failOnNoData]`.
fn threshold(text: &str) -> Result<Threshold, String> {
    let mut depth = 0;
    let is_colon = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ':' && depth == 0
    };
    let (metric, rest) = match text.find(is_colon) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => return Err("there is no colon between metric and condition".to_owned()),
    };
    let mut parts = rest.split(',').map(str::trim);
    let condition = parts.next().unwrap_or_default();
    let mut threshold = Threshold::parse(metric.trim(), condition).map_err(|e| e.to_string())?;
    for part in parts {
        match part.split_once([' ', '=']) {
            None if part == "abortOnFail" => threshold.abort_on_fail = true,
            None if part == "failOnNoData" => threshold.fail_on_no_data = true,
            Some(("delayAbortEval", time)) => {
                threshold.delay_abort_eval = units::duration(time.trim())?;
            }
            _ => {
                return Err(format!(
                    "`{part}` is none of abortOnFail, delayAbortEval 10s, \
                                     failOnNoData"
                ));
            }
        }
    }
    Ok(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_on_the_command_line_has_a_metric_a_condition_and_options() {
        let read = threshold("http_req_duration{name:a, scenario:b}: p(95) < 500");
        assert!(read.is_ok_and(|read| !read.abort_on_fail && read.metric() == "http_req_duration"));
        let read = threshold("checks:rate>0.9, abortOnFail, delayAbortEval 5s, failOnNoData");
        let read = read.expect("valid");
        assert!(read.abort_on_fail && read.fail_on_no_data);
        assert_eq!(read.delay_abort_eval, Duration::from_secs(5));
        for wrong in ["p(95)<5", "http_reqs: p(95)<5", "checks: rate>1, soon", "checks: rate"] {
            assert!(threshold(wrong).is_err(), "{wrong}");
        }
    }
}

//! What makes a run degraded or invalid, with which words.

mod fixture;

use fixture::{events, facts, measure};
use tallyho::metrics::{
    Collector, Exchange, Measured, Recorder, Seconds, Snapshot, Stalls, Strain, Threshold,
};
use tallyho::report::{Facts, Report, Severity, State, Warning};
use tallyho_replay::{Failure, Name};

/// 20 seconds of 2000 requests; in `late` of them, all are sent `lag_us` after they were due.
fn run(late: std::ops::Range<u64>, lag_us: u64, change: impl Fn(&mut Exchange)) -> Measured {
    let mut recorder = Recorder::new();
    let scenario = recorder.scenario("default");
    let mut collector = Collector::new(2);
    let mut quiet = Recorder::new();
    for second in 0..20 {
        let lag = if late.contains(&second) { lag_us } else { 100 };
        for _ in 0..2_000 {
            let due_us = second * 1_000_000;
            let mut exchange = Exchange {
                due_us,
                sent_us: due_us + lag,
                completed_us: due_us + lag + 5_000,
                waited_us: 0,
                blocked_us: 0,
                connecting_us: 0,
                tls_us: 0,
                sending_us: 0,
                waiting_us: 5_000,
                receiving_us: 0,
                status: 200,
                expected: true,
                failure: None,
                bytes_sent: 1,
                bytes_received: 1,
            };
            change(&mut exchange);
            let series = recorder.series(scenario, &Name::Static("GET /"));
            recorder.exchange(series, &exchange);
        }
        recorder.due(scenario, 2_000);
        collector.add(0, second, &mut recorder.swap(Snapshot::default()));
        collector.add(1, second, &mut quiet.swap(Snapshot::default()));
    }
    collector.finish()
}

fn judged(measured: Measured, change: impl Fn(&mut Facts)) -> Report {
    let mut facts = facts(0);
    facts.task.notices.clear();
    facts.trace = None;
    change(&mut facts);
    Report::new(facts, measured, &[])
}

#[test]
fn a_run_in_time_is_ok_without_warnings() {
    let report = judged(run(0..0, 0, |_| {}), |_| {});
    assert_eq!(report.verdict.state, State::Ok);
    assert_eq!(report.warnings, []);
}

#[test]
fn one_late_second_degrades_the_run_and_is_named_with_its_worker() {
    let report = judged(run(12..13, 41_000, |_| {}), |_| {});
    assert_eq!(report.verdict.state, State::Degraded);
    assert_eq!(
        report.verdict.evidence,
        ["the generator, not the target, was the limit from 00:12 to 00:13 (schedule lag p99 \
             41ms, worst on worker 0/0)"]
    );
    assert_eq!(report.warnings[0].window(), Some((12, 13)));
}

#[test]
fn a_generator_that_was_late_for_long_makes_the_run_invalid() {
    let report = judged(run(3..6, 41_000, |_| {}), |_| {});
    assert_eq!(report.verdict.state, State::Invalid);
    assert!(report.is_invalid());
    let short_of_late = judged(run(3..6, 9_000, |_| {}), |_| {});
    assert_eq!(short_of_late.verdict.state, State::Ok);
}

#[test]
fn dropped_iterations_above_one_in_a_thousand_make_the_run_invalid() {
    for (dropped, state) in [(40, State::Degraded), (41, State::Invalid)] {
        let mut measured = run(0..0, 0, |_| {});
        let scenario = measured.totals.scenarios.get_mut("default").unwrap();
        scenario.dropped = dropped;
        measured.timeline.rows[4].dropped = dropped;
        let report = judged(measured, |_| {});
        assert_eq!(report.verdict.state, state, "{dropped} of 40000");
        assert_eq!(report.warnings[0].window(), Some((4, 5)));
    }
}

#[test]
fn failures_on_the_generators_side_are_told_apart_from_the_targets() {
    let fail = |failure| {
        move |exchange: &mut Exchange| {
            exchange.failure = Some(failure);
            exchange.expected = false;
            exchange.status = 0;
        }
    };
    let refused = judged(run(0..0, 0, fail(Failure::Refused)), |_| {});
    assert_eq!(refused.verdict.state, State::Ok);
    let no_ports = judged(run(0..0, 0, fail(Failure::PortsExhausted)), |_| {});
    assert_eq!(no_ports.verdict.state, State::Invalid);
    assert!(no_ports.verdict.evidence[0].contains("on the generator's side"));
}

#[test]
fn notes_do_not_come_before_what_degrades_the_run() {
    let report = judged(run(0..0, 0, |_| {}), |facts| {
        facts.run.tasks_expected = 2;
        facts.task.health.files_open_max = facts.task.files_limit;
    });
    let severities: Vec<Severity> = report.warnings.iter().map(Warning::severity).collect();
    assert_eq!(severities, [Severity::Degrades, Severity::Note]);
    assert!(report.warnings.iter().all(|warning| !warning.advice().is_empty()));
}

#[test]
fn a_throttled_container_degrades_the_run() {
    let report = judged(run(0..0, 0, |_| {}), |facts| {
        facts.task.health.cpu_periods = 200;
        facts.task.health.cpu_periods_throttled = 11;
        facts.task.health.cpu_throttled_us = 220_000;
    });
    assert_eq!(report.verdict.state, State::Degraded);
    assert_eq!(
        report.warnings[0].to_string(),
        "task 0 was stopped by its CPU limit in 11 of 200 periods, for 220ms in all"
    );
}

#[test]
fn stolen_time_degrades_the_run_and_few_ports_are_noted() {
    let report = judged(run(0..0, 0, |_| {}), |facts| {
        facts.task.health.cpu_stolen_us = 1_500_000;
        facts.task.health.cpu_machine_us = 50_000_000;
        facts.task.health.sockets_max = 26_000;
    });
    assert_eq!(report.verdict.state, State::Degraded);
    assert_eq!(report.verdict.since_second, None, "nobody knows when it was stolen");
    let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings[0], "3.00% of the CPU time of task 0's machine went to other machines");
    let ports =
        "task 0's machine had 26000 TCP sockets, and 28232 ports for each pair of addresses";
    assert!(warnings.iter().any(|warning| warning == ports), "{warnings:?}");
}

#[test]
fn a_threshold_on_a_percentile_of_few_samples_is_warned_about() {
    let measured = measure(&events(3, 4), 1, 1, || 0).remove(0);
    let thresholds = [
        Threshold::parse("http_req_duration", "p(99)<90000").unwrap(),
        Threshold::parse("http_req_duration", "max<90000000").unwrap(),
    ];
    let report = Report::new(facts(0), measured, &thresholds);
    let few = |warning: &&Warning| matches!(warning, Warning::ThresholdOfFewSamples { .. });
    let warnings: Vec<String> =
        report.warnings.iter().filter(few).map(ToString::to_string).collect();
    assert_eq!(warnings, ["threshold 'p(99)<90000' of http_req_duration rests on 48 samples"]);
}

/// Twenty seconds of a run without lag, in some of which something kept the generator from running.
fn strained(seconds: std::ops::Range<usize>, strain: Strain) -> Report {
    let mut measured = run(0..0, 0, |_| {});
    for row in &mut measured.timeline.rows[seconds] {
        row.strain = strain;
    }
    measured.workers[1].stalls =
        Stalls { total_us: strain.stalled_us, ..measured.workers[1].stalls };
    let timeline = &mut measured.workers[1].timeline;
    (timeline.stalled_us[4], timeline.cpu_wait_us[4]) = (strain.stalled_us, strain.cpu_wait_us);
    timeline.cpu_us[4] = strain.cpu_us;
    judged(measured, |facts| facts.duration = std::time::Duration::from_secs(20))
}

#[test]
fn a_worker_that_stood_still_degrades_the_run_and_for_long_makes_it_invalid() {
    // 5 % of the 20 s are one second.
    for (stalled_us, state) in [(900_000, State::Degraded), (1_100_000, State::Invalid)] {
        let report = strained(4..5, Strain { stalled_us, ..Strain::default() });
        assert_eq!(report.verdict.state, state, "{stalled_us}");
        assert_eq!(report.verdict.since_second, Some(4));
        let evidence = &report.verdict.evidence[0];
        assert!(
            evidence.starts_with("worker 0/1 stood still between 00:04 and 00:05"),
            "{evidence}"
        );
    }
}

#[test]
fn a_worker_that_had_no_cpu_or_no_room_left_degrades_the_run() {
    let waited = Strain { cpu_wait_us: 350_000, ..Strain::default() };
    let report = strained(4..6, waited);
    assert_eq!(report.verdict.state, State::Degraded);
    assert_eq!(
        report.verdict.evidence,
        ["worker 0/1 had to wait for a CPU in 2 seconds between 00:04 and 00:06, up to 350ms in \
             a second"]
    );
    let busy = Strain { cpu_us: 990_000, ..Strain::default() };
    assert_eq!(strained(4..5, busy).verdict.state, State::Ok, "one second of twenty");
    let report = strained(4..7, busy);
    assert_eq!(report.verdict.state, State::Degraded);
    assert!(report.verdict.evidence[0].contains("used all of its core in 3 seconds"));
}

#[test]
fn what_the_machine_did_is_told_with_its_seconds() {
    let report = judged(run(0..0, 0, |_| {}), |facts| {
        facts.task.health.cpu_periods = 200;
        facts.task.health.cpu_periods_throttled = 2;
        facts.task.health.cpu_throttled_us = 80_000;
        facts.task.health.cpu_throttled_seconds = Some(Seconds { from: 7, to: 9 });
        facts.task.health.cpu_stolen_seconds = Some(Seconds { from: 3, to: 4 });
    });
    assert_eq!(report.verdict.state, State::Degraded);
    assert_eq!(report.verdict.since_second, Some(3));
    assert!(report.verdict.evidence[0].ends_with(", between 00:07 and 00:09"));
}

//! Measurements add up: in any order, over any split, to the same bytes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixture;

use fixture::{Event, Random, Worker, events, facts, measure, seeds, thresholds};
use tallyho::metrics::{Collector, Measured, Totals};
use tallyho::report::Report;
use tallyho_replay::{Name, Note};

fn bytes(totals: &Totals) -> String {
    serde_json::to_string(totals).unwrap()
}

/// Measurements of the same events by `tasks` processes, each event by one of them.
fn split(seed: u64, tasks: usize, bots: u64) -> Vec<Measured> {
    let mut random = Random(seed ^ 0x5917);
    let events = events(seed, 150);
    measure(&events, tasks, bots, || usize::try_from(random.below(tasks as u64)).unwrap())
}

#[test]
fn totals_added_in_any_order_and_grouping_are_the_same_bytes() {
    for seed in seeds() {
        let mut parts: Vec<Totals> =
            split(seed, 7, 1).into_iter().map(|part| part.totals).collect();
        let mut in_order = Totals::default();
        parts.iter().for_each(|part| in_order.add(part));
        let expected = bytes(&in_order);
        let mut random = Random(seed);
        random.shuffle(&mut parts);
        // Pairs are added until one is left: another grouping for every seed.
        while parts.len() > 1 {
            let part = parts.remove(usize::try_from(random.below(parts.len() as u64)).unwrap());
            let index = usize::try_from(random.below(parts.len() as u64)).unwrap();
            parts[index].add(&part);
        }
        assert_eq!(bytes(&parts[0]), expected, "rerun with SEED={seed}");
    }
}

#[test]
fn a_run_split_over_40_tasks_merges_to_the_bytes_of_the_whole() {
    for seed in seeds().take(3) {
        let whole = measure(&events(seed, 150), 1, 40, || 0).remove(0);
        let whole = Report::new(facts(0), whole, &thresholds());
        let mut parts: Vec<Report> = split(seed, 40, 1)
            .into_iter()
            .zip(0..)
            .map(|(part, task)| Report::new(facts(task), part, &thresholds()))
            .map(|report| Report::from_json(&report.to_json()).unwrap())
            .collect();
        Random(seed).shuffle(&mut parts);
        let merged = Report::merge(parts).unwrap();
        assert_eq!(bytes(&merged.totals), bytes(&whole.totals), "rerun with SEED={seed}");
        assert_eq!(merged.summary, whole.summary, "rerun with SEED={seed}");
        assert_eq!(merged.timeline, whole.timeline, "rerun with SEED={seed}");
        assert_eq!(merged.requests_timeline, whole.requests_timeline, "rerun with SEED={seed}");
        assert_eq!(merged.thresholds, whole.thresholds, "rerun with SEED={seed}");
        assert_eq!(merged.tasks.len(), 40);
        assert_eq!(merged.workers.len(), 40);
    }
}

#[test]
fn merging_reports_in_any_order_is_the_same_report() {
    for seed in seeds().take(5) {
        let parts: Vec<Report> = split(seed, 5, 2)
            .into_iter()
            .zip(0..)
            .map(|(part, task)| Report::new(facts(task), part, &thresholds()))
            .collect();
        let expected = Report::merge(parts.clone()).unwrap().to_json();
        let mut shuffled = parts;
        Random(seed).shuffle(&mut shuffled);
        assert_eq!(Report::merge(shuffled).unwrap().to_json(), expected, "rerun with SEED={seed}");
    }
}

#[test]
fn reports_that_were_merged_in_two_steps_are_those_merged_in_one() {
    let parts: Vec<Report> = split(3, 6, 2)
        .into_iter()
        .zip(0..)
        .map(|(part, task)| {
            let mut facts = facts(task);
            // Facts of one process that the others do not share: those of the first task stay.
            facts.run.directory = Some(format!("/tmp/task-{task}"));
            facts.run.stopped_by = (task > 2).then(|| format!("signal {}", 9 - task));
            Report::new(facts, part, &thresholds())
        })
        .collect();
    let at_once = Report::merge(parts.clone()).unwrap();
    let halves = [[0, 3, 5], [4, 1, 2]]
        .map(|half| Report::merge(half.map(|task: usize| parts[task].clone()).to_vec()).unwrap());
    assert_eq!(Report::merge(halves.to_vec()).unwrap(), at_once);
    let [first, second] = halves;
    assert_eq!(Report::merge(vec![second, first]).unwrap(), at_once);
    assert_eq!(at_once.run.directory.as_deref(), Some("/tmp/task-0"));
}

#[test]
fn a_cleared_snapshot_adds_nothing() {
    let measured_after = |events: &[Event]| {
        let mut worker = Worker::new();
        events.iter().for_each(|event| worker.tell(event));
        // Full, then its first spare, then the full one again after it was cleared.
        worker.swap_alone();
        worker.swap_alone();
        let mut collector = Collector::new(1);
        worker.report(&mut collector, 0, 0, 0);
        collector.finish()
    };
    let mut full: Vec<Event> = events(5, 200).into_iter().flatten().collect();
    let note = Note::Trend { name: Name::Static("negative"), value: -1.0, is_time: false };
    full.push(Event::Note { at_us: 0, note });
    assert_eq!(measured_after(&full), measured_after(&[]));
}

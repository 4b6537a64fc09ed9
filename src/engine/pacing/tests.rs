//! Who runs what, however many workers and tasks share a profile.

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::engine::schedule::{Rate, Spacing, Stage};

const SECOND: Duration = Duration::from_secs(1);
const END: Micros = 1_000_000;

/// The workers of a task, with its bots numbered from where `bots_per_task` says.
fn workers(profile: &Profile, workers: usize, task_index: u32) -> Vec<Pacing> {
    let plan = ScenarioPlan {
        name: "default".to_owned(),
        key: 3,
        bot: Box::new(|| -> Rc<tallyho_replay::BotType> { unreachable!("nobody plays") }),
        profile: profile.clone(),
        start: Duration::ZERO,
        graceful_stop: SECOND,
        begin: None,
    };
    let (control, claimed) = (Arc::<Control>::default(), Arc::<AtomicU64>::default());
    let first_number = u64::from(task_index) * profile.numbers();
    (0..workers)
        .map(|worker| {
            let position =
                Position { worker, workers, task_index, first_number, first_session: 0, seed: 7 };
            Pacing::new(&plan, position, Arc::clone(&control), Arc::clone(&claimed))
        })
        .collect()
}

fn arrivals(bots: u64, on_no_free_bot: OnNoFreeBot, spacing: Spacing) -> Profile {
    Profile::ConstantArrivalRate {
        rate: Rate { count: 1_000, unit: SECOND },
        duration: SECOND,
        iterations: None,
        supply: Supply { prepared: 1, max: bots, on_no_free_bot },
        spacing,
    }
}

/// All sessions of all workers: (number, due), in order.
fn taken(pacings: &[Pacing]) -> Vec<(u64, Micros)> {
    let all = pacings.iter().flat_map(|pacing| {
        let open = pacing.open.as_ref().expect("an open model");
        std::iter::from_fn(|| pacing.take_due(open, END)).map(|a| (a.bot, a.due))
    });
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all
}

#[test]
fn bots_are_the_same_however_many_workers_and_tasks_share_them() {
    let of = |vus, count, task| {
        let profile = Profile::ConstantVus { vus, duration: SECOND };
        let mut bots = Vec::new();
        for pacing in workers(&profile, count, task) {
            for _ in 0..pacing.bots_prepared() {
                let Next::Session(session) = pacing.next(&mut pacing.enrol(), 0) else {
                    panic!("it runs");
                };
                bots.push(session.bot);
            }
        }
        bots.sort_unstable();
        bots
    };
    let whole: Vec<u64> = (0..10).collect();
    for count in 1..=4 {
        assert_eq!(of(10, count, 0), whole);
    }
    assert_eq!([of(5, 2, 0), of(5, 3, 1)].concat(), whole);
}

#[test]
fn arrivals_are_dealt_out_by_number_to_any_workers_and_tasks_and_none_is_lost() {
    for spacing in [Spacing::Even, Spacing::Poisson] {
        for bots in [1, 2, 50] {
            let profile = arrivals(bots, OnNoFreeBot::Wait, spacing);
            let whole = taken(&workers(&profile, 1, 0));
            assert!(whole.len().abs_diff(1_000) < 150);
            for count in 2..=4 {
                let shared = workers(&profile, count, 0);
                assert_eq!(taken(&shared), whole, "{bots} bots, {count} workers");
                assert!(shared.iter().all(|pacing| pacing.unstarted(END) == 0));
                let due: u64 = shared.iter().map(|pacing| pacing.due(END)).sum();
                assert_eq!(due, whole.len() as u64);
            }
            let second = taken(&workers(&profile, 2, 1));
            assert!(whole.last().expect("some").0 < second[0].0, "numbers of tasks overlap");
        }
    }
}

#[test]
fn shared_sessions_are_given_out_once_each_and_the_rest_is_counted_once() {
    let profile = Profile::SharedIterations { vus: 3, iterations: 7, max_duration: SECOND };
    let pacings = workers(&profile, 2, 1);
    let mut paces: Vec<Pace> = pacings.iter().map(Pacing::enrol).collect();
    let mut given = Vec::new();
    for turn in 0..5 {
        let worker = turn % 2;
        if let Next::Session(session) = pacings[worker].next(&mut paces[worker], 0) {
            given.push((session.bot, session.session));
        }
    }
    assert_eq!(given, [(7, 0), (8, 0), (9, 0), (10, 0), (11, 0)]);
    let unstarted = |now| pacings.iter().map(|pacing| pacing.unstarted(now)).sum::<u64>();
    assert_eq!(unstarted(END - 1), 0, "a run that was stopped dropped nothing");
    assert_eq!(unstarted(END), 2);
}

#[test]
fn each_bot_runs_its_own_number_of_sessions() {
    let profile = Profile::PerVuIterations { vus: 1, iterations: 3, max_duration: SECOND };
    let pacing = &workers(&profile, 1, 0)[0];
    let mut pace = pacing.enrol();
    let sessions = std::iter::from_fn(|| match pacing.next(&mut pace, 5) {
        Next::Session(session) => Some((session.session, session.is_continued)),
        _ => None,
    });
    assert_eq!(sessions.collect::<Vec<_>>(), [(0, false), (1, true), (2, true)]);
    let mut pace = pacing.enrol();
    assert!(matches!(pacing.next(&mut pace, 5), Next::Session(_)));
    assert!(matches!(pacing.next(&mut pace, END), Next::End));
    assert_eq!((pacing.left_out(&pace, END), pacing.left_out(&pace, END - 1)), (2, 0));
}

#[test]
fn arrivals_make_bots_up_to_the_most_and_then_drop_or_wait() {
    for on_no_free_bot in [OnNoFreeBot::Drop, OnNoFreeBot::Wait] {
        let profile = arrivals(3, on_no_free_bot, Spacing::Even);
        let pacing = &workers(&profile, 1, 0)[0];
        let slots = Slots::new();
        let _prepared = pacing.enrol();
        // Ten are due by then, and the one bot has not asked for any yet.
        let pumped = pacing.pump(&slots, 9_000, NEVER);
        assert_eq!(pumped.make, 2);
        match on_no_free_bot {
            OnNoFreeBot::Drop => assert_eq!((pumped.dropped, pumped.again), (8, 10_000)),
            OnNoFreeBot::Wait => assert_eq!((pumped.dropped, pumped.again), (0, NEVER)),
        }
    }
}

#[test]
fn a_bot_that_a_ramp_removes_is_cut_off_after_its_grace_and_never_after_the_end_of_all() {
    let stage = |ms, target| Stage { duration: Duration::from_millis(ms), target };
    let profile = Profile::RampingVus {
        start_vus: 2,
        stages: vec![stage(400, 2), stage(0, 1), stage(600, 1)],
        graceful_ramp_down: Duration::from_millis(100),
    };
    let pacing = &workers(&profile, 1, 0)[0];
    let (mut stays, mut goes) = (pacing.enrol(), pacing.enrol());
    let limits = |pace: &mut Pace| match pacing.next(pace, 0) {
        Next::Session(session) => (session.stop_at, session.cut_off),
        _ => panic!("it runs"),
    };
    assert_eq!(limits(&mut stays), (END, END + 1_000_000));
    assert_eq!(limits(&mut goes), (400_000, 500_000));
    assert!(matches!(pacing.next(&mut goes, 400_000), Next::End));
}

#[test]
fn a_scenario_begins_at_its_own_time() {
    let profile = Profile::ConstantVus { vus: 1, duration: SECOND };
    let mut pacing = workers(&profile, 1, 0).remove(0);
    (pacing.start, pacing.end) = (500, END + 500);
    let mut pace = pacing.enrol();
    assert!(matches!(pacing.next(&mut pace, 499), Next::At(500)));
    assert!(matches!(pacing.next(&mut pace, 500), Next::Session(_)));
}

//! The grammar, what each metric and tag selects, and the three outcomes.

use std::time::Duration;

use tallyho_replay::{Failure, Name, Note};

use super::{Outcome, Part, Problem, Threshold, View};
use crate::metrics::{Ended, Exchange, Kind, Recorder, Snapshot, Totals};

fn answered(status: u16, took_us: u64) -> Exchange {
    Exchange {
        due_us: 0,
        sent_us: 0,
        completed_us: took_us,
        waited_us: 0,
        blocked_us: 0,
        connecting_us: 0,
        tls_us: 0,
        sending_us: 0,
        waiting_us: took_us,
        receiving_us: 0,
        status,
        expected: (200..400).contains(&status),
        failure: (status == 0).then_some(Failure::Reset),
        bytes_sent: 10,
        bytes_received: 100,
    }
}

/// Two scenarios: `a` asks "one" in 1 to 100 ms with 200; `b` asks "one" and "two" in 1 s with 503
/// and without an answer.
fn totals() -> Totals {
    let mut recorder = Recorder::new();
    let (a, b) = (recorder.scenario("a"), recorder.scenario("b"));
    let one = recorder.series(a, &Name::Static("one"));
    for ms in 1..=100 {
        recorder.exchange(one, &answered(200, ms * 1000));
        recorder.iteration(a, ms * 1000, Ended::Completed);
    }
    for (name, status) in [("one", 503), ("two", 0)] {
        let series = recorder.series(b, &Name::Static(name));
        recorder.exchange(series, &answered(status, 1_000_000));
        recorder.dropped(b, 1);
    }
    for passed in [true, true, true, false] {
        recorder.note(0, &Note::Check { name: "ok".into(), passed });
    }
    recorder.note(0, &Note::Check { name: "fine".into(), passed: true });
    recorder.note(0, &Note::Counter { name: "sold".into(), by: 30 });
    recorder.note(0, &Note::Gauge { name: "queue".into(), value: 4.0 });
    recorder.note(0, &Note::Rate { name: "hit".into(), hit: true });
    recorder.note(0, &Note::Trend { name: "size".into(), value: 2.5, is_time: false });
    recorder.note(0, &Note::Action { set: "s".into(), name: "buy".into(), took_us: 7_000 });
    let mut totals = Totals::default();
    totals.add_snapshot(&recorder.swap(Snapshot::default()));
    totals
}

fn evaluate(key: &str, expression: &str) -> (Outcome, Option<f64>) {
    let totals = totals();
    let view = View {
        totals: &totals,
        elapsed: Duration::from_secs(10),
        bots_active: Some(3),
        bots_allocated: Some(5),
    };
    let evaluation = Threshold::parse(key, expression).unwrap().evaluate(&view);
    (evaluation.outcome, evaluation.observed)
}

#[test]
fn expressions_of_the_grammar_are_understood() {
    for (key, expression) in [
        ("http_req_duration", "p(95)<500"),
        ("http_req_duration", "  p(99.9)  <=  1e3 "),
        ("http_req_duration", "p( 50 )>=0.5"),
        ("http_req_duration", "avg<200"),
        ("http_req_duration", "med!=3"),
        ("http_req_failed", "rate<0.01"),
        ("http_reqs", "count===10"),
        ("http_reqs", "rate==10"),
        ("vus", "value>-1"),
        (" checks{check:status is 200} ", "rate>0.9"),
        ("http_req_duration{name:GET /items/{id}}", "max<1"),
        ("http_req_duration{ name:\"a,b\", scenario:'x' }", "max<1"),
        ("http_reqs{status:200}", "count>1"),
        ("my_metric", "count>1"),
    ] {
        if let Err(error) = Threshold::parse(key, expression) {
            panic!("{key} {expression}: {error}");
        }
    }
}

#[test]
fn errors_say_what_where_and_what_was_expected() {
    const TREND: Problem =
        Problem::MethodOfKind { kind: Kind::Trend, known: "avg, min, med, max or p(N)" };
    for (key, expression, at, problem) in [
        ("http_req_duration", "foo<1", "foo", Problem::Method),
        ("http_req_duration", "p(95<1", "p(95", Problem::Method),
        ("http_req_duration", "p(101)<1", "p(101)", Problem::Percentile),
        ("http_req_duration", "p(x)<1", "p(x)", Problem::Percentile),
        ("http_req_duration", "p(95)", "", Problem::Operator),
        ("http_req_duration", "p(95)=5", "=5", Problem::Operator),
        ("http_req_duration", "p(95)<", "", Problem::Number),
        ("http_req_duration", "p(95)<abc", "abc", Problem::Number),
        ("http_req_duration", "p(95)<NaN", "NaN", Problem::Number),
        ("http_req_duration", "p(95)<500ms", "500ms", Problem::Number),
        ("http_req_duration", "count>1", "count", TREND),
        ("http_req_duration", "", "", Problem::Method),
        (
            "http_req_duraton",
            "avg<1",
            "http_req_duraton",
            Problem::MetricMisspelt("http_req_duration"),
        ),
        ("", "avg<1", "", Problem::MetricMissing),
        ("{name:x}", "avg<1", "", Problem::MetricMissing),
        ("a-b", "avg<1", "a-b", Problem::MetricName),
        ("9a", "avg<1", "9a", Problem::MetricName),
        ("http_reqs{status:200", "count>1", "{status:200", Problem::Braces),
        ("http_reqs}", "count>1", "}", Problem::Braces),
        ("http_reqs{status}", "count>1", "status", Problem::TagShape),
        (
            "http_reqs{status:ok}",
            "count>1",
            "status:ok",
            Problem::TagValue("a status as 200, or 0 for none"),
        ),
        (
            "http_req_duration{expected_response:yes}",
            "avg<1",
            "expected_response:yes",
            Problem::TagValue("true or false"),
        ),
    ] {
        let error = Threshold::parse(key, expression).unwrap_err();
        assert_eq!(error.problem, problem, "{key} {expression}");
        let text = match error.part {
            Part::Key => key,
            Part::Expression => expression,
        };
        assert_eq!(error.text, text);
        assert_eq!(&error.text[error.span.clone()], at, "{key} {expression}: {error}");
    }
}

#[test]
fn tags_that_are_not_kept_are_refused_with_those_that_are() {
    let error = Threshold::parse("http_req_waiting{status:200}", "avg<1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "threshold 'http_req_waiting{status:200}', at 'status:200': http_req_waiting is kept apart \
         by name, scenario only"
    );
    let error = Threshold::parse("schedule_lag{name:x}", "avg<1").unwrap_err();
    assert!(
        error.to_string().ends_with("is not kept apart by any tag: use it without {}"),
        "{error}"
    );
    let both = Threshold::parse("http_reqs{status:200,expected_response:true}", "count>1");
    assert_eq!(both.unwrap_err().problem, Problem::TagsTogether);
}

#[test]
fn trends_are_aggregated_in_milliseconds() {
    for (expression, observed) in
        [("min<2", 1.0), ("max<2", 1000.0), ("med<2", 51.0), ("p(0)<2", 1.0), ("p(100)<2", 1000.0)]
    {
        let (_, seen) = evaluate("http_req_duration", expression);
        let seen = seen.unwrap();
        assert!((seen - observed).abs() <= observed / 1000.0, "{expression}: {seen}");
    }
    assert_eq!(evaluate("http_req_duration{scenario:a}", "avg==50.5").0, Outcome::Pass);
    assert_eq!(evaluate("action_duration{action:buy}", "max==7").0, Outcome::Pass);
    assert_eq!(evaluate("action_duration{action:s/buy}", "max==7").0, Outcome::Pass);
    assert_eq!(evaluate("size", "max==2.5").0, Outcome::Pass);
}

#[test]
fn every_metric_and_tag_selects_what_it_says() {
    for (key, expression) in [
        ("http_reqs", "count==102"),
        ("http_reqs", "rate==10.2"),
        ("http_reqs{name:one}", "count==101"),
        ("http_reqs{name:one,scenario:b}", "count==1"),
        ("http_reqs{status:200}", "count==100"),
        ("http_reqs{status:503}", "count==1"),
        ("http_reqs{status:0}", "count==1"),
        ("http_reqs{expected_response:false}", "count==2"),
        ("http_req_failed{scenario:b}", "rate==1"),
        ("http_req_failed{scenario:a}", "rate==0"),
        ("http_req_duration{expected_response:true}", "max==100"),
        ("http_req_duration{expected_response:false}", "min==1000"),
        ("response_time{name:two}", "min==1000"),
        ("http_req_waiting{name:two}", "min==1000"),
        ("http_req_blocked", "max==0"),
        ("data_sent", "count==1020"),
        ("data_received{name:two}", "count==100"),
        ("iterations", "count==100"),
        ("iterations{scenario:b}", "count==0"),
        ("dropped_iterations", "count==2"),
        ("dropped_iterations{scenario:a}", "count==0"),
        ("iteration_duration{scenario:a}", "max==100"),
        ("checks", "rate==0.8"),
        ("checks{check:ok}", "rate==0.75"),
        ("vus", "value==3"),
        ("vus_max", "value==5"),
        ("sold", "count==30"),
        ("sold", "rate==3"),
        ("queue", "value==4"),
        ("hit", "rate==1"),
    ] {
        let (outcome, observed) = evaluate(key, expression);
        assert_eq!(outcome, Outcome::Pass, "{key} {expression}: {observed:?}");
    }
}

#[test]
fn comparisons_compare() {
    for (expression, outcome) in [
        ("count<103", Outcome::Pass),
        ("count<102", Outcome::Fail),
        ("count<=102", Outcome::Pass),
        ("count>102", Outcome::Fail),
        ("count>=102", Outcome::Pass),
        ("count!=102", Outcome::Fail),
        ("count!=1", Outcome::Pass),
    ] {
        assert_eq!(evaluate("http_reqs", expression).0, outcome, "{expression}");
    }
}

#[test]
fn what_never_happened_has_no_data_and_neither_passes_nor_fails() {
    for (key, expression) in [
        ("http_req_duration{name:three}", "p(95)<500"),
        ("http_reqs{name:three}", "count<1"),
        ("iterations{scenario:c}", "count<1"),
        ("checks{check:never}", "rate>0.9"),
        ("checks{check:never}", "rate<0.9"),
        ("never_told", "count<1"),
        ("never_told", "p(95)<1"),
        ("sold", "value<1"),
    ] {
        assert_eq!(evaluate(key, expression), (Outcome::NoData, None), "{key} {expression}");
    }
}

#[test]
fn a_built_in_counter_without_tags_is_zero_when_nothing_happened() {
    let totals = Totals::default();
    let elapsed = Duration::from_secs(1);
    let view = View { totals: &totals, elapsed, bots_active: None, bots_allocated: None };
    let outcome =
        |key, expression| Threshold::parse(key, expression).unwrap().evaluate(&view).outcome;
    assert_eq!(outcome("dropped_iterations", "count<1"), Outcome::Pass);
    assert_eq!(outcome("http_reqs", "count>0"), Outcome::Fail);
    assert_eq!(outcome("http_req_duration", "p(95)<500"), Outcome::NoData);
    assert_eq!(outcome("http_req_failed", "rate<0.01"), Outcome::NoData);
    assert_eq!(outcome("vus", "value>0"), Outcome::NoData);
}

#[test]
fn no_data_fails_only_when_the_threshold_says_so() {
    let mut threshold = Threshold::parse("http_req_duration", "p(95)<500").unwrap();
    assert!(!threshold.is_failed_by(Outcome::NoData));
    threshold.fail_on_no_data = true;
    assert!(threshold.is_failed_by(Outcome::NoData));
    assert!(!threshold.is_failed_by(Outcome::Pass));
}

#[test]
fn a_failed_threshold_stops_the_run_only_after_its_delay() {
    let mut threshold = Threshold::parse("http_req_failed", "rate<0.01").unwrap();
    let at = Duration::from_secs;
    assert!(!threshold.aborts(Outcome::Fail, at(60)));
    threshold.abort_on_fail = true;
    threshold.delay_abort_eval = at(10);
    assert!(!threshold.aborts(Outcome::Fail, at(10)));
    assert!(threshold.aborts(Outcome::Fail, at(11)));
    assert!(!threshold.aborts(Outcome::NoData, at(11)));
}

//! What the load of a file means, and what the command line makes of it.

use std::path::Path;
use std::time::Duration;

use super::*;

fn plan_with(text: &str, options: &Options) -> Plan {
    match check_text("test.json", text, Path::new("scenarios"), options) {
        Ok(checked) => checked.plan,
        Err(findings) => panic!("{}", findings.render(Colour::Never)),
    }
}

/// The only load of a file that has these keys.
fn load(keys: &str) -> Load {
    let text = format!(r#"{{{keys}, "steps": [{{"get": "/"}}]}}"#);
    plan_with(&text, &Options::default()).loads.remove(0)
}

const SECOND: Duration = Duration::from_secs(1);

fn stage(seconds: u64, target: u64) -> Stage {
    Stage { duration: Duration::from_secs(seconds), target }
}

#[test]
fn the_shortcuts_are_those_of_k6() {
    let iterations = |vus, iterations, seconds| Profile::SharedIterations {
        vus,
        iterations,
        max_duration: Duration::from_secs(seconds),
    };
    assert_eq!(load(r#""name": "x""#).profile, iterations(1, 1, 600));
    assert_eq!(load(r#""vus": 5"#).profile, iterations(5, 5, 600));
    assert_eq!(load(r#""vus": 5, "iterations": 50"#).profile, iterations(5, 50, 600));
    let limited = r#""vus": 5, "iterations": 50, "duration": "30s""#;
    assert_eq!(load(limited).profile, iterations(5, 50, 30));
    let constant = Profile::ConstantVus { vus: 5, duration: 30 * SECOND };
    assert_eq!(load(r#""vus": 5, "duration": "30s""#).profile, constant);
    let ramp = r#""vus": 3, "stages": [{"duration": "10s", "target": 20}]"#;
    assert_eq!(
        load(ramp).profile,
        Profile::RampingVus {
            start_vus: 3,
            stages: vec![stage(10, 20)],
            graceful_ramp_down: 30 * SECOND
        }
    );
}

#[test]
fn numbers_may_be_texts_as_a_console_sends_them() {
    let text = r#"{"executor": "ramping-vus", "startVus": "1", "vusMax": "200",
        "stages": [{"duration": "1m", "target": "200"}, {"duration": "60000", "target": "0"}],
        "gracefulStop": "5m", "gracefulRampDown": "5m", "setupTimeout": "5m",
        "stack": "load", "events": [], "maxHiddenTournaments": "5"}"#;
    let options = Options {
        registered_bots: vec!["tallyup".into()],
        default_bot: Some("tallyup".into()),
        ..Options::default()
    };
    let plan = plan_with(text, &options);
    assert_eq!(
        plan.loads[0].profile,
        Profile::RampingVus {
            start_vus: 1,
            stages: vec![stage(60, 200), stage(60, 0)],
            graceful_ramp_down: 300 * SECOND
        }
    );
    assert_eq!(plan.loads[0].graceful_stop, 300 * SECOND);
    assert_eq!((plan.bots_per_task(), plan.setup_timeout), (200, 300 * SECOND));
    let BotKind::Registered { bot, config } = &plan.bots[0].kind else { panic!("not in Rust") };
    assert_eq!(bot, "tallyup");
    let config: serde_json::Value = serde_json::from_str(config).expect("JSON");
    assert_eq!(config["stack"], "load");
    assert_eq!(config["events"], serde_json::json!([]));
    // A bot reads its own numbers from texts too; the rest comes from its defaults.
    assert_eq!(config["maxHiddenTournaments"], "5");
    assert_eq!(config["maxActionRetries"], 50);
}

#[test]
fn rates_and_the_bots_for_them() {
    let supply = |bots_prepared, bots_max, on_no_free_bot| Supply {
        bots_prepared,
        bots_max,
        on_no_free_bot,
    };
    let profile = load(r#""rate": "6000/m", "duration": "10s""#).profile;
    assert_eq!(
        profile,
        Profile::ConstantArrivalRate {
            rate: 6000,
            time_unit: 60 * SECOND,
            duration: 10 * SECOND,
            supply: supply(100, 10_000, OnNoFreeBot::Drop)
        }
    );
    let k6 = r#""executor": "ramping-arrival-rate", "timeUnit": "1m", "preAllocatedVUs": 7,
        "stages": [{"duration": "10s", "target": 20}], "onNoFreeBot": "wait""#;
    assert_eq!(
        load(k6).profile,
        Profile::RampingArrivalRate {
            start_rate: 0,
            time_unit: 60 * SECOND,
            stages: vec![stage(10, 20)],
            supply: supply(7, 7, OnNoFreeBot::Wait)
        }
    );
}

#[test]
fn the_command_line_replaces_the_load_of_the_file() {
    let text = r#"{"seed": 1, "target": "http://file", "delayScale": 0.5,
        "scenarios": {
            "a": {"executor": "constant-vus", "duration": "5s", "exec": "one", "env": {"X": "1"}},
            "b": {"executor": "per-vu-iterations", "exec": "two", "startTime": "3s"}
        },
        "bots": {"one": {"steps": [{"get": "/"}]}, "two": {"steps": [{"get": "/"}]}}}"#;
    let plan = plan_with(text, &Options::default());
    let names: Vec<&str> = plan.loads.iter().map(|load| load.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(plan.loads[1].start_time, 3 * SECOND);
    assert_eq!((plan.seed, plan.target.as_deref()), (Some(1), Some("http://file")));
    assert_eq!(plan.bots_per_task(), 2);
    let options = Options {
        target: Some("http://other/".into()),
        seed: Some(2),
        delay_scale_ppm: Some(0),
        load: Overrides { vus: Some(9), duration: Some(7 * SECOND), ..Overrides::default() },
        ..Options::default()
    };
    let plan = plan_with(text, &options);
    assert_eq!(plan.loads.len(), 1);
    let constant = Profile::ConstantVus { vus: 9, duration: 7 * SECOND };
    assert_eq!(plan.loads[0].profile, constant);
    assert_eq!((plan.seed, plan.target.as_deref()), (Some(2), Some("http://other")));
    let BotKind::Declared(definition) = &plan.bots[plan.loads[0].bot].kind else {
        panic!("in Rust")
    };
    assert_eq!((definition.name.as_str(), definition.delay_scale_ppm), ("one", 0));
}

#[test]
fn two_loads_of_one_bot_share_its_definition_unless_their_parameters_differ() {
    let bots = |a: &str, b: &str| {
        let text = format!(
            r#"{{"env": {{"X": "0"}}, "steps": [{{"get": "/${{env.X}}"}}], "scenarios": {{
                "a": {{"executor": "constant-vus", "duration": "5s"{a}}},
                "b": {{"executor": "constant-vus", "duration": "5s"{b}}}}}}}"#
        );
        plan_with(&text, &Options::default()).bots.len()
    };
    assert_eq!(bots("", ""), 1);
    assert_eq!(bots(r#", "env": {"X": "1"}"#, ""), 2);
}

#[test]
fn parameters_come_from_the_command_line_the_environment_and_the_file_in_this_order() {
    let text = r#"{"env": {"A": "file", "B": "file", "C": "file"},
        "steps": [{"get": "/${env.A}/${env.B}/${env.C}"}]}"#;
    let environment = |name: &str| (name != "C").then(|| "environment".to_owned());
    let options = Options {
        parameters: vec![("A".into(), "given".into())],
        environment: Some(environment),
        ..Options::default()
    };
    let BotKind::Declared(definition) = plan_with(text, &options).bots.remove(0).kind else {
        panic!("in Rust")
    };
    let json = serde_json::to_string(&definition.steps).expect("plain data");
    let place = |word: &str| json.find(&format!("'{word}'")).expect("there");
    assert!(place("given") < place("environment") && place("environment") < place("file"));
}

#[test]
fn thresholds_keep_their_place_for_errors() {
    let text = r#"{"thresholds": {"http_reqs": ["count>5",
        {"threshold": "rate>1", "abortOnFail": true, "delayAbortEval": "10s",
        "failOnNoData": true}]},
        "steps": [{"get": "/"}]}"#;
    let thresholds = plan_with(text, &Options::default()).thresholds;
    assert_eq!(&text[thresholds[0].range.clone()], "\"count>5\"");
    assert_eq!(&text[thresholds[1].metric_range.clone()], "\"http_reqs\"");
    assert_eq!(thresholds[0].abort, Abort::Never);
    assert_eq!((thresholds[0].no_data, thresholds[1].no_data), (NoData::Neither, NoData::Fails));
    assert_eq!(thresholds[1].expression, "rate>1");
    assert_eq!(thresholds[1].abort, Abort::After(10 * SECOND));
}

#[test]
fn a_place_inside_a_text_with_escapes_is_found() {
    let text = r#"{"steps": [{"get": "/\u00e4\"\\${nobody}"}]}"#;
    let found = check_text("t", text, Path::new(""), &Options::default()).expect_err("unknown");
    assert_eq!(&text[found.diagnostics[0].range.clone()], "nobody");
}

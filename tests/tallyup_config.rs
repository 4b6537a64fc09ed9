//! Config files of the TallyUp test, as its console and its developers write them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tallyho::config::{self, BotKind, Checked, Colour, Options, Profile, Severity};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tallyup")
}

fn options() -> Options {
    let registered_bots = tallyho::built_in_bots().names().map(str::to_owned).collect();
    let parameters = vec![("TEST_ID".to_owned(), "T1".to_owned())];
    Options { registered_bots, parameters, ..Options::default() }
}

fn check(file: &str, options: &Options) -> Checked {
    let checked = config::check(&folder().join(file), options);
    checked.unwrap_or_else(|findings| panic!("{}", findings.render(Colour::Never)))
}

/// What the bot is given, after the bot itself has read it.
fn given(checked: &Checked) -> serde_json::Value {
    let BotKind::Registered { bot, config } = &checked.plan.bots[0].kind else {
        panic!("the bot is in code")
    };
    assert_eq!(bot, "tallyup");
    let made = tallyho::built_in_bots().bot(bot, config).expect("it is built in");
    made.unwrap_or_else(|error| panic!("{error}: {config}"));
    serde_json::from_str(config).expect("json")
}

#[test]
fn a_file_of_the_console_runs_as_it_is() {
    let checked = check("console.json", &options());
    assert!(checked.findings.diagnostics.is_empty(), "{:?}", checked.findings.diagnostics);
    let plan = &checked.plan;
    assert_eq!(plan.name, "Evening");
    assert_eq!(plan.target.as_deref(), Some("https://load-api.example.com"));
    assert_eq!((plan.bots_per_task(), plan.setup_timeout), (200, Duration::from_secs(300)));
    let load = &plan.loads[0];
    assert_eq!(load.graceful_stop, Duration::from_secs(300), "it really stops gracefully");
    let Profile::RampingVus { start_vus, stages, graceful_ramp_down } = &load.profile else {
        panic!("{:?}", load.profile)
    };
    assert_eq!((*start_vus, *graceful_ramp_down), (1, Duration::from_secs(300)));
    assert_eq!(stages.iter().map(|stage| stage.target).collect::<Vec<_>>(), [200, 200, 0]);
    let config = given(&checked);
    assert_eq!((&config["clientId"], &config["testId"]), (&"abc123".into(), &"T1".into()));
    assert_eq!(config["cognitoUrl"], "https://cognito-idp.us-west-2.amazonaws.com/");
    assert_eq!(config["events"].as_array().map(Vec::len), Some(2));
    // The built-in defaults: settings and playRandom of the home screen.
    assert_eq!(plan.weights.len(), 2);
    assert!(plan.thresholds.is_empty());
}

#[test]
fn another_target_answers_for_cognito_too() {
    let options = Options { target: Some("http://127.0.0.1:9".to_owned()), ..options() };
    let checked = check("console.json", &options);
    assert_eq!(checked.plan.target.as_deref(), Some("http://127.0.0.1:9"));
    assert_eq!(given(&checked).get("cognitoUrl"), None);
}

#[test]
fn a_file_by_hand_has_comments_weights_and_keys_that_nobody_knows() {
    let checked = check("by_hand.json", &options());
    let found = &checked.findings.diagnostics;
    let ours: Vec<_> = found.iter().filter(|one| one.title.contains("do nothing")).collect();
    assert_eq!(ours.len(), 1, "{found:?}");
    assert_eq!(ours[0].severity, Severity::Warning);
    assert_eq!(ours[0].title, "keys that do nothing: regionsOfTheWorld, commentary");
    assert_eq!(checked.plan.target.as_deref(), Some("http://localhost:8080"));
    let weights = &checked.plan.weights;
    let play = weights.iter().find(|weight| weight.action == "playRandom").expect("there");
    assert_eq!((play.set.as_str(), play.weight), ("homeScreen", 73_500));
    assert_eq!(checked.plan.thresholds.len(), 1, "the file's own threshold counts");
    assert_eq!(given(&checked)["logLevels"]["API"], 5);
}

#[test]
fn a_slip_of_the_pen_is_an_error() {
    let findings = config::check(&folder().join("slip.json"), &options()).expect_err("a slip");
    let shown = findings.render(Colour::Never);
    assert!(shown.contains("unknown key `playAsynch`"), "{shown}");
    assert!(shown.contains("did you mean `playAsync`?") && shown.contains(":5:"), "{shown}");
}

#[test]
fn what_is_below_config_is_looked_at_in_the_same_way() {
    let text = |key: &str| {
        format!(
            r#"{{"bot": "tallyup", "stages": [{{"duration": "5s", "target": 1}}],
                "config": {{"playAsync": true, "{key}": 1, "events": [null]}}}}"#
        )
    };
    let check = |key| config::check_text("x.json", &text(key), Path::new("no/folder"), &options());
    let found = check("weather").expect("a warning only").findings.diagnostics;
    let titles: Vec<_> = found.iter().map(|one| one.title.as_str()).collect();
    assert!(titles.contains(&"keys that do nothing: weather"), "{titles:?}");
    let shown = check("minBalanse").expect_err("a slip").render(Colour::Never);
    assert!(shown.contains("did you mean `minBalance`?"), "{shown}");
}

#[test]
fn keys_are_merged_whole_over_defaults_json_beside_the_file() {
    let folder = std::env::temp_dir().join(format!("tallyup-defaults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let defaults = r#"{ // The team's own.
        "logLevels": {"*": "Error", "Main": "Info"},
        "playAsync": true, "minServerVersion": "9.9"}"#;
    std::fs::write(folder.join("defaults.json"), defaults).expect("a file");
    let file = folder.join("config.json");
    let text = r#"{"stack": "local", "stages": [{"duration": "5s", "target": 1}],
        "logLevels": {"API": "Debug"}}"#;
    std::fs::write(&file, text).expect("a file");
    let checked = config::check(&file, &options()).expect("valid");
    let config = given(&checked);
    assert_eq!(config["logLevels"], serde_json::json!({"API": "Debug"}), "the whole key");
    assert_eq!((&config["playAsync"], &config["minServerVersion"]), (&true.into(), &"9.9".into()));
    assert_eq!(config["clientVersion"], "3.9.0", "from the built-in defaults");
    assert_eq!(config.get("events"), None, "events may be absent");
    std::fs::remove_dir_all(folder).expect("it was made above");
}

#[test]
fn the_original_s_threshold_comes_with_the_original_s_way() {
    let text = r#"{"stack": "local", "stages": [{"duration": "5s", "target": 1}],
        "loginThrottles": "abort"}"#;
    let checked = config::check_text("config.json", text, Path::new("no/folder"), &options());
    let plan = checked.expect("valid").plan;
    let threshold = &plan.thresholds[0];
    assert_eq!((&*threshold.metric, &*threshold.expression), ("cognitoThrottles", "count<1"));
    assert_eq!(threshold.abort, config::Abort::After(Duration::ZERO));
}

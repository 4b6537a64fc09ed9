//! Config files of the TallyUp load test, as its console writes them.
//!
//! Such a file is a scenario whose bot is known: it says `"bot": "tallyup"`, or has a `stack` at
//! its top level. Its keys are merged over `defaults.json` beside it and over the built-in
//! defaults, whole keys at a time; keys that nobody knows are one warning, unless they look like a
//! slip of the pen. What the file says about the target is turned into one here, so that
//! everything after this sees a scenario like any other.

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use tallyho_replay::flow::nearest_within;

use super::diagnostic::{Diagnostic, Findings};
use super::format::SCENARIO_FILE;
use super::json::{self, Member, Node, Value};
use super::parameters::{Parameter, Parameters};
use super::plan::{Abort, NoData, Threshold, Weight};

/// The bot's name.
pub(super) const BOT: &str = "tallyup";

/// Keys of the bot and of the files that it was made for.
const KEYS: &[&str] = &[
    "stack",
    "clientStackData",
    "logLevels",
    "enableDelays",
    "heartbeat",
    "clientVersion",
    "minServerVersion",
    "actionWeights",
    "maxActionRetries",
    "maxHiddenTournaments",
    "playAsync",
    "events",
    "testName",
    "testId",
    "taskCount",
    "clientId",
    "cognitoUrl",
    "apiPath",
    "loginsPerSec",
    "loginThrottles",
    "carryLogins",
    "refusals",
    "minBalance",
    "setUpPauseSec",
];

/// What the original's `defaults.json` says, as far as it is known.
const DEFAULTS: &str = r#"{
    "setupTimeout": "5m",
    "logLevels": { "*": "Warn" },
    "enableDelays": false,
    "heartbeat": true,
    "clientVersion": "3.9.0",
    "minServerVersion": "3.10.1",
    "actionWeights": { "homeScreen": { "settings": 2, "playRandom": 73 } },
    "maxActionRetries": 50,
    "maxHiddenTournaments": 5
}"#;

/// Where Cognito is for the stacks of the game.
const COGNITO_URL: &str = "https://cognito-idp.us-west-2.amazonaws.com/";
/// The file beside the scenario that it is merged over.
const DEFAULTS_FILE: &str = "defaults.json";
/// Weights are passed on in thousandths, as the bot writes its own.
const UNIT: f64 = 1_000.0;
/// How far from a known key an unknown one is taken for it.
const SLIP_LETTERS: usize = 2;

/// Whether a file is for this bot.
pub(super) fn is_for(root: &Node, default_bot: Option<&str>, registered: &[String]) -> bool {
    let own = ["steps", "actions", "bots"].iter().any(|key| root.get(key).is_some());
    let named = root.get("bot").and_then(Node::text).or(default_bot.filter(|_| !own));
    let implied = root.get("bot").is_none() && !own && root.get("stack").is_some();
    registered.iter().any(|bot| bot == BOT) && (named == Some(BOT) || implied)
}

/// The file's keys over those of the defaults: the whole value of a key at a time.
pub(super) fn merged(root: &Node, folder: &Path, findings: &mut Findings) -> Node {
    let path = folder.join(DEFAULTS_FILE);
    let beside = std::fs::read_to_string(&path).ok().and_then(|text| match json::parse(&text) {
        Ok(defaults) => Some(defaults),
        Err(error) => {
            let title = format!("{} beside it cannot be read: {}", path.display(), error.title);
            findings.diagnostics.push(Diagnostic::error(root.range.clone(), title));
            None
        }
    });
    let built_in = json::parse(DEFAULTS).expect("a test reads it");
    let mut members = root.members().to_vec();
    for defaults in beside.iter().chain([&built_in]) {
        for member in defaults.members() {
            if !members.iter().any(|known| known.key == member.key) {
                members.push(without_place(member, root));
            }
        }
    }
    Node { range: root.range.clone(), value: Value::Object(members) }
}

/// A member of another file: whatever is wrong with it is said of the whole scenario.
fn without_place(member: &Member, root: &Node) -> Member {
    let mut value = member.value.clone();
    displace(&mut value, root);
    Member { key: member.key.clone(), key_range: root.range.clone(), value }
}

fn displace(node: &mut Node, root: &Node) {
    node.range = root.range.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| displace(item, root)),
        Value::Object(members) => {
            for member in members {
                member.key_range = root.range.clone();
                displace(&mut member.value, root);
            }
        }
        _ => {}
    }
}

/// Reports keys that nobody knows: together in one line, but for those that are nearly known.
pub(super) fn check_keys(root: &Node, found: &mut Vec<Diagnostic>) {
    let of_file = || SCENARIO_FILE.keys.iter().map(|key| key.name).chain(KEYS.iter().copied());
    let mut strays: Vec<&Member> = Vec::new();
    for member in root.members() {
        strays.extend(stray(member, of_file(), found));
    }
    for member in root.get("config").map_or(&[][..], Node::members) {
        strays.extend(stray(member, KEYS.iter().copied(), found));
    }
    let Some(first) = strays.first() else { return };
    let names: Vec<&str> = strays.iter().map(|member| member.key.as_str()).collect();
    let title = format!("keys that do nothing: {}", names.join(", "));
    found.push(Diagnostic::warning(first.key_range.clone(), title).help("remove them"));
}

/// The member, if nobody knows its key; one that is nearly known is reported instead.
fn stray<'a>(
    member: &'a Member,
    known: impl Iterator<Item = &'static str> + Clone,
    found: &mut Vec<Diagnostic>,
) -> Option<&'a Member> {
    let key = member.key.as_str();
    if known.clone().any(|known| known == key) {
        return None;
    }
    let Some(near) = nearest_within(key, known, SLIP_LETTERS) else { return Some(member) };
    found.push(
        Diagnostic::error(member.key_range.clone(), format!("unknown key `{key}`"))
            .label("nothing has this key")
            .help(format!("did you mean `{near}`?")),
    );
    None
}

/// Where requests go, by the file's `stack`.
pub(super) struct Stack {
    /// `https://host`.
    pub(super) target: String,
    api_path: String,
    client_id: Option<String>,
}

/// The stack that the file names, if it names one.
pub(super) fn stack(root: &Node, found: &mut Vec<Diagnostic>) -> Option<Stack> {
    let node = option(root, "stack")?;
    let name = node.text().filter(|name| !name.is_empty())?;
    let entry = option(root, "clientStackData").and_then(|stacks| stacks.get(name));
    let url = entry.and_then(|entry| entry.get("urlBase")).and_then(Node::text);
    let url = match (url, name) {
        (Some(url), _) => url.to_owned(),
        (None, "local") => "http://localhost:8080/api/v1/".to_owned(),
        (None, _) => format!("https://{name}-api.tallyup.com/api/v1/"),
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        let title = format!("the `urlBase` of the stack {name} is no URL");
        let wrong = Diagnostic::error(node.range.clone(), title);
        found.push(wrong.help("write for example \"https://load-api.tallyup.com/api/v1/\""));
        return None;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let client_id = entry.and_then(|entry| entry.get("clientId")).and_then(Node::text);
    Some(Stack {
        target: format!("{scheme}://{host}"),
        api_path: format!("/{}/", path.trim_matches('/')),
        client_id: client_id.map(str::to_owned),
    })
}

/// An option of the bot: at the top of the file, or in its `config`.
fn option<'a>(root: &'a Node, key: &str) -> Option<&'a Node> {
    root.get("config").and_then(|config| config.get(key)).or_else(|| root.get(key))
}

/// Where Cognito is asked: at the target itself, unless that is a stack of the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The file's stack.
    Stack,
    /// Anything else: the stand-in API answers for Cognito too.
    Other,
}

/// What the bot is given: what the file says about it, and what was worked out from the rest.
pub(super) fn config(
    root: &Node,
    (stack, target): (Option<&Stack>, Target),
    parameters: &Parameters,
    (delay_scale_ppm, bots_per_task): (u32, u64),
) -> String {
    let json = |node: &Node| serde_json::from_str::<Json>(&node.to_json()).unwrap_or_default();
    let mut config = Map::new();
    for key in KEYS.iter().filter(|key| !["clientStackData", "actionWeights"].contains(key)) {
        if let Some(node) = option(root, key) {
            config.insert((*key).to_owned(), json(node));
        }
    }
    config.insert("vusMax".to_owned(), bots_per_task.into());
    let scale = f64::from(delay_scale_ppm) / 1e6;
    config.insert("delayScale".to_owned(), json!(scale));
    let mut default = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            config.entry(key).or_insert(value.into());
        }
    };
    if let Some(stack) = stack {
        default("clientId", stack.client_id.clone());
        default("apiPath", Some(stack.api_path.clone()));
    }
    if target == Target::Stack {
        default("cognitoUrl", Some(COGNITO_URL.to_owned()));
    }
    if let Some(Parameter::Plain(test_id)) = parameters.look_up("TEST_ID") {
        default("testId", Some(test_id));
    }
    Json::Object(config).to_string()
}

/// The weights that replace the bot's.
pub(super) fn weights(root: &Node, found: &mut Vec<Diagnostic>) -> Vec<Weight> {
    let mut weights = Vec::new();
    for set in option(root, "actionWeights").map_or(&[][..], Node::members) {
        for action in set.value.members() {
            let number = action.value.scalar().and_then(|text| text.trim().parse::<f64>().ok());
            match number.filter(|number| (0.0..=1e6).contains(number)) {
                Some(number) => weights.push(Weight {
                    set: set.key.clone(),
                    action: action.key.clone(),
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "within 0 to 10^9"
                    )]
                    weight: (number * UNIT).round() as u32,
                }),
                None => found.push(
                    Diagnostic::error(action.value.range.clone(), "not a weight")
                        .label("must be a number from 0 to 1000000"),
                ),
            }
        }
    }
    weights
}

/// The original's own threshold, where logins are handled in the original's way.
pub(super) fn threshold(root: &Node) -> Option<Threshold> {
    let node = option(root, "loginThrottles").filter(|node| node.text() == Some("abort"))?;
    Some(Threshold {
        metric: "cognitoThrottles".to_owned(),
        expression: "count<1".to_owned(),
        abort: Abort::After(std::time::Duration::ZERO),
        no_data: NoData::Neither,
        range: node.range.clone(),
        metric_range: node.range.clone(),
    })
}

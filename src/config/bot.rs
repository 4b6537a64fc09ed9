//! A declared bot out of its part of the file.
//!
//! Reads in the order of a session, since that is the order in which variables get their values:
//! `variables`, what the login sets, `steps`, then `actions` as a loop.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use tallyho_replay::SharedBody;
use tallyho_replay::flow::{
    Action, Assignment, Auth, Cookies, Definition, Delay, Expression, KeepLogin, Limits, Metric,
    Step,
};

use super::data_sources::DataSource;
use super::diagnostic::Diagnostic;
use super::duration::{micros, parse_delay, parse_duration};
use super::guards::{self, ActionPlace};
use super::json::Node;
use super::names::{self, Event, Outside};
use super::parameters::Parameters;
use super::text::{Sight, Texts};

/// What all bots of a file share.
pub(super) struct Shared<'a> {
    pub(super) file: &'a str,
    /// Where body files are looked for.
    pub(super) folder: &'a Path,
    /// Those that were read, by name.
    pub(super) body_files: &'a RefCell<BTreeMap<String, SharedBody>>,
    pub(super) root: &'a Node,
    pub(super) data: &'a [DataSource],
    pub(super) metrics: &'a [Metric],
    pub(super) delay_scale_ppm: u32,
    pub(super) max_redirects: Option<u32>,
    /// Names of set-up's results.
    pub(super) setup: &'a [String],
}

/// Which part of a file becomes a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bot,
    Setup,
    Teardown,
}

/// Reads one bot.
pub(super) struct BotReader<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) texts: Texts<'a>,
    /// Blocks that are being read, outermost first: a block in itself would never end.
    pub(super) open_blocks: Vec<String>,
    /// Blocks that some bot runs.
    pub(super) used_blocks: &'a mut BTreeSet<String>,
    /// Whether there is a login for requests to need; not in the login itself.
    pub(super) has_login: bool,
    /// Steps read so far, blocks counted at every use.
    pub(super) steps_count: usize,
    /// Lists of steps that are being read, one inside the other.
    pub(super) nesting: usize,
}

/// Steps of one bot, blocks counted at every use: more is a mistake, such as blocks that run each
/// other twice.
pub(super) const STEPS_MAX: usize = 20_000;

/// Everything a reader borrows apart from the shared parts.
pub(super) struct Borrowed<'a> {
    pub(super) found: &'a mut Vec<Diagnostic>,
    pub(super) parameters: &'a Parameters,
    pub(super) columns: &'a BTreeMap<String, Vec<String>>,
    pub(super) used_blocks: &'a mut BTreeSet<String>,
}

impl<'a> BotReader<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, borrowed: Borrowed<'a>) -> BotReader<'a> {
        let texts = Texts {
            file: shared.file,
            found: borrowed.found,
            parameters: borrowed.parameters,
            setup: shared.setup,
            data: borrowed.columns,
            events: Vec::new(),
            sites: BTreeMap::new(),
            json_depth: 0,
        };
        let used_blocks = borrowed.used_blocks;
        let (open_blocks, has_login, steps_count, nesting) = (Vec::new(), false, 0, 0);
        BotReader { shared, texts, open_blocks, used_blocks, has_login, steps_count, nesting }
    }

    /// Reads the bot that `node` describes: the file itself, or one of its `bots`.
    pub(super) fn read(mut self, name: &str, node: &Node, part: Part) -> Definition {
        let root = self.shared.root;
        let mut definition = Definition {
            name: name.to_owned(),
            metrics: self.shared.metrics.to_vec(),
            delay_scale_ppm: self.shared.delay_scale_ppm,
            ..Definition::default()
        };
        // The file's variables come first: a bot's own may build on them, or replace them.
        if node.range != root.range {
            definition.variables = self.assignments(root.get("variables"));
        }
        definition.variables.extend(self.assignments(node.get("variables")));
        definition.timeout_us =
            root.get("defaults").and_then(|defaults| self.duration_us(defaults, "timeout"));
        if root.get("cookies").and_then(Node::scalar) == Some("false") {
            definition.cookies = Cookies::Ignored;
        }
        let auth = node.get("auth").or_else(|| root.get("auth"));
        definition.auth = auth.map(|auth| self.auth(auth));
        self.has_login = definition.auth.is_some();
        let steps_key = match part {
            Part::Bot => "steps",
            Part::Setup => "setup",
            Part::Teardown => "teardown",
        };
        definition.steps = self.steps(node.get(steps_key));
        let mut carried = Vec::new();
        let mut wanted = Vec::new();
        match part {
            Part::Bot => {
                definition.keep = self.keep(node.get("keep"));
                carried.clone_from(&definition.keep);
                wanted.clone_from(&definition.keep);
                self.session(node, &mut definition);
            }
            Part::Setup => {
                definition.keep = self.keep(root.get("setupKeep"));
                wanted.clone_from(&definition.keep);
            }
            Part::Teardown => {}
        }
        if definition.auth.as_ref().is_some_and(|auth| auth.keep == KeepLogin::Yes) {
            let keep = login_variables(&definition);
            definition.keep.extend(keep);
            definition.keep.sort();
            definition.keep.dedup();
        }
        definition.data = self.data();
        // The variables and the login of the file belong to its bots; set-up may leave most of them
        // unused.
        let before = self.texts.found.len();
        let outside = Outside { carried: &carried, wanted: &wanted };
        names::check(&self.texts.events, &outside, self.texts.found);
        if part != Part::Bot {
            let mut index = before;
            self.texts.found.retain(|found| {
                index += 1;
                index <= before || found.severity == super::diagnostic::Severity::Error
            });
        }
        definition
    }

    fn session(&mut self, node: &Node, definition: &mut Definition) {
        definition.think = self.delay(node, "think");
        if let Some(limits) = node.get("session") {
            let actions = limits.get("actions").map(|n| self.texts.expression(n, Sight::Nothing));
            let duration_us = self.duration_us(limits, "duration");
            definition.limits = Limits { actions, duration_us };
        }
        self.texts.events.push(Event::LoopBegins);
        let (actions, places) = self.actions(node.get("actions"));
        self.texts.events.push(Event::LoopEnds);
        definition.actions = actions;
        if !places.is_empty() {
            guards::check(definition, &places, self.texts.found);
        }
    }

    fn data(&self) -> Vec<tallyho_replay::flow::Data> {
        self.shared.data.iter().map(|source| source.data.clone()).collect()
    }

    /// Names that must be variables of this bot.
    fn keep(&mut self, node: Option<&Node>) -> Vec<String> {
        let items = node.map_or(&[][..], Node::items);
        let mut names = Vec::new();
        for item in items {
            if let Some(name) = item.text() {
                // Lenient: what is kept may have no value yet.
                self.texts.events.push(Event::used(name, item.range.clone(), true));
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(super) fn assignments(&mut self, node: Option<&Node>) -> Vec<Assignment> {
        let members = node.map_or(&[][..], Node::members);
        let mut assignments = Vec::with_capacity(members.len());
        for member in members {
            let value = self.texts.json(&member.value);
            self.set(&member.key, member.key_range.clone());
            assignments.push(Assignment { variable: member.key.clone(), value });
        }
        assignments
    }

    /// Notes that a variable is set here, and refuses names that cannot be written in an
    /// expression.
    pub(super) fn set(&mut self, name: &str, range: Range<usize>) {
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let title = format!("`{name}` cannot be a variable");
        if !is_word {
            self.texts.found.push(
                Diagnostic::error(range, title)
                    .label("must be letters, digits and `_`, and not begin with a digit"),
            );
        } else if tallyho_replay::flow::RESERVED.contains(&name) {
            self.texts.found.push(
                Diagnostic::error(range, title)
                    .label("this word means something of its own in expressions")
                    .help("choose another name"),
            );
        } else {
            self.texts.events.push(Event::set(name, range));
        }
    }

    fn auth(&mut self, node: &Node) -> Auth {
        // Both may run before any request: what they set is known everywhere, and they may use each
        // other's.
        self.texts.events.push(Event::LoopBegins);
        let login = self.steps(node.get("login"));
        let refresh = self.steps(node.get("refresh"));
        if login.is_empty()
            && let Some(login) = node.get("login")
        {
            let title = "a login without steps";
            let empty = Diagnostic::error(login.range.clone(), title);
            self.texts.found.push(empty.label("must send at least one request"));
        }
        let expires_in =
            node.get("expiresIn").map(|node| self.texts.expression(node, Sight::Nothing));
        let headers = self.texts.templates(node.get("headers"));
        self.header_names(node.get("headers"));
        self.texts.events.push(Event::LoopEnds);
        let margin_us = self.duration_us(node, "margin").unwrap_or(AUTH_MARGIN_US);
        let keep = match node.get("keep").and_then(Node::scalar) {
            Some("true") => KeepLogin::Yes,
            _ => KeepLogin::No,
        };
        Auth { login, refresh, expires_in, margin_us, headers, keep }
    }

    /// A list of actions, and where they stand.
    pub(super) fn actions(&mut self, node: Option<&Node>) -> (Vec<Action>, Vec<ActionPlace>) {
        let items = node.map_or(&[][..], Node::items);
        let mut actions: Vec<Action> = Vec::with_capacity(items.len());
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            let Some(name) = item.get("name") else { continue };
            let text = name.text().unwrap_or("").to_owned();
            if actions.iter().any(|action| action.name == text) {
                self.texts.found.push(
                    Diagnostic::error(name.range.clone(), format!("two actions named `{text}`"))
                        .label("reports could not tell them apart"),
                );
            }
            let when = item.get("when");
            let weight = self.weight(item);
            let condition = when.map(|node| self.texts.expression(node, Sight::Nothing));
            let steps = self.steps(item.get("steps"));
            places.push(ActionPlace {
                action: name.range.clone(),
                when: when.map(|node| node.range.clone()),
                weight: item.get("weight").map_or(item.range.clone(), |node| node.range.clone()),
            });
            actions.push(Action { name: text, weight, when: condition, steps });
        }
        if let Some(node) = node.filter(|node| node.items().is_empty()) {
            let empty = Diagnostic::error(node.range.clone(), "a choice without actions");
            self.texts.found.push(empty.label("needs at least one"));
        }
        guards::check_each(&actions, &places, self.texts.found);
        (actions, places)
    }

    fn weight(&mut self, item: &Node) -> Expression {
        let Some(node) = item.get("weight") else { return Expression::Integer(1) };
        let weight = self.texts.expression(node, Sight::Nothing);
        if let Expression::Integer(n) = weight {
            let wrong = match n {
                n if n < 0 => "must not be negative",
                n if n > i64::from(WEIGHT_MAX) => "must be at most a million",
                _ => return weight,
            };
            let title = format!("the weight {n} is not possible");
            self.texts.found.push(
                Diagnostic::error(node.range.clone(), title)
                    .label(wrong)
                    .help("weights are relative: 3 is chosen three times as often as 1"),
            );
        }
        weight
    }

    pub(super) fn delay(&mut self, node: &Node, key: &str) -> Option<Delay> {
        let node = node.get(key)?;
        let (text, exponential) = match node.get("exponential") {
            Some(mean) => (mean, true),
            None => (node, false),
        };
        let parsed = parse_delay(text.text()?).and_then(|delay| match (delay, exponential) {
            (Delay::Fixed(mean), true) => Ok(Delay::Exponential(mean)),
            (_, true) => Err("must be one duration, the mean".to_owned()),
            (delay, false) => Ok(delay),
        });
        match parsed {
            Ok(delay) => Some(delay),
            Err(problem) => {
                self.not_a_duration(text, problem);
                None
            }
        }
    }

    pub(super) fn duration_us(&mut self, node: &Node, key: &str) -> Option<u64> {
        let node = node.get(key)?;
        match parse_duration(node.text()?) {
            Ok(duration) => Some(micros(duration)),
            Err(problem) => {
                self.not_a_duration(node, problem);
                None
            }
        }
    }

    fn not_a_duration(&mut self, node: &Node, problem: String) {
        self.texts
            .found
            .push(Diagnostic::error(node.range.clone(), "not a duration").label(problem));
    }
}

/// Refresh this long before the login expires, as the container that this replaces does.
const AUTH_MARGIN_US: u64 = 60_000_000;
/// Larger weights say nothing that smaller ones do not, and could overflow their sum.
const WEIGHT_MAX: u32 = 1_000_000;

/// The variables that a login and a refresh set.
fn login_variables(definition: &Definition) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(auth) = &definition.auth {
        for steps in [&auth.login, &auth.refresh] {
            Step::walk(steps, &mut |step| match step {
                Step::Request(request) => {
                    names.extend(request.captures.iter().map(|capture| capture.variable.clone()));
                }
                Step::Set(assignments) => {
                    names.extend(assignments.iter().map(|set| set.variable.clone()));
                }
                _ => {}
            });
        }
    }
    names
}

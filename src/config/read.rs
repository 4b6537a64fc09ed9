//! The plan out of the whole file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tallyho_replay::flow::{Definition, Metric, MetricKind, nearest};

use super::Options;
use super::bot::{Borrowed, BotReader, Part, Shared};
use super::data_sources::{self, DataSource};
use super::diagnostic::{Diagnostic, Findings};
use super::format::SCENARIO_FILE;
use super::json::{Member, Node, Value};
use super::network;
use super::parameters::{Parameter, Parameters};
use super::plan::{Abort, BotKind, BotPlan, Load, Network, NoData, Plan, Threshold};
use super::profile::{GRACEFUL, ProfileReader};
use super::shape::{self, Kind, Strays, ratio_ppm};
use super::tallyup;
use super::text::{Sight, Texts};

/// k6's default of `setupTimeout` and `teardownTimeout`.
const SETUP_TIMEOUT: Duration = Duration::from_secs(60);
/// The bot that the file itself describes.
const DEFAULT_BOT: &str = "default";

/// Reads the plan; what is wrong goes into the findings, and something harmless stands in for it.
pub(super) fn plan(
    text: &str,
    root: &Node,
    folder: &Path,
    options: &Options,
    findings: &mut Findings,
) -> Plan {
    let for_tallyup =
        tallyup::is_for(root, options.default_bot.as_deref(), &options.registered_bots);
    let merged = for_tallyup.then(|| tallyup::merged(root, folder, findings));
    let root = merged.as_ref().unwrap_or(root);
    let registered = root.get("bot").and_then(Node::text).or(options.default_bot.as_deref());
    let own_bots = ["steps", "actions", "bots"].iter().any(|key| root.get(key).is_some());
    let registered = registered.filter(|_| !own_bots || root.get("bot").is_some());
    let registered = if for_tallyup { Some(tallyup::BOT) } else { registered };
    let strays = if registered.is_some() { Strays::Allowed } else { Strays::Reported };
    match root.value {
        Value::Object(_) => shape::object(root, &SCENARIO_FILE, strays, &mut findings.diagnostics),
        _ => shape::check(root, &Kind::Object(&SCENARIO_FILE), &mut findings.diagnostics),
    }
    let parameters = Parameters::new(&options.parameters, options.environment);
    let parameters = parameters.with_defaults(plain_members(root.get("env")));
    let data = data_sources::read(root, folder, findings);
    let shown = findings.sources[0].path.clone();
    let found = &mut findings.diagnostics;
    let run = BTreeSet::new();
    let shown = shown.as_str();
    let mut reader =
        PlanReader { shown, text, folder, root, registered, options, parameters, data, run, found };
    let mut plan = reader.plan();
    reader.bots(&mut plan);
    if for_tallyup {
        reader.tallyup(&mut plan);
    }
    plan.network = network::read(root, folder, reader.found);
    plan
}

struct PlanReader<'a> {
    /// The file's path, as the user gave it.
    shown: &'a str,
    text: &'a str,
    /// Where the files are that it names.
    folder: &'a Path,
    root: &'a Node,
    /// The bot written in Rust that runs instead of declared ones.
    registered: Option<&'a str>,
    options: &'a Options,
    parameters: Parameters,
    data: Vec<DataSource>,
    /// Bots that some load runs.
    run: BTreeSet<String>,
    found: &'a mut Vec<Diagnostic>,
}

/// Names and texts of an object.
fn plain_members(node: Option<&Node>) -> Vec<(String, String)> {
    let members = node.map_or(&[][..], Node::members).iter();
    members
        .filter_map(|member| Some((member.key.clone(), member.value.scalar()?.to_owned())))
        .collect()
}

impl<'a> PlanReader<'a> {
    /// Everything but the bots and the loads.
    fn plan(&mut self) -> Plan {
        let root = self.root;
        let target = self.target();
        let timeout = |reader: &mut Self, key: &str| {
            let mut profile = ProfileReader { node: root, found: reader.found };
            profile.duration(key).unwrap_or(SETUP_TIMEOUT)
        };
        let integer = |key: &str| root.get(key)?.scalar()?.trim().parse::<u64>().ok();
        if self.registered.is_none() && root.get("config").is_some() {
            let range = root.member("config").map_or(0..0, |member| member.key_range.clone());
            let title = "`config` does nothing";
            let wrong = Diagnostic::error(range, title).label("only bots written in Rust have one");
            self.found.push(wrong.help("add \"bot\": \"...\", or remove it"));
        }
        Plan {
            name: self.name(),
            target,
            seed: self.options.seed.or_else(|| integer("seed")),
            loads: Vec::new(),
            bots: Vec::new(),
            setup: None,
            teardown: None,
            setup_timeout: timeout(self, "setupTimeout"),
            teardown_timeout: timeout(self, "teardownTimeout"),
            thresholds: self.thresholds(),
            metrics: self.metrics(),
            network: Network::default(),
            bots_per_task: integer("vusMax").filter(|bots| *bots > 0),
            secrets: self.secrets(),
            weights: Vec::new(),
        }
    }

    /// What is special about a config file of the TallyUp test.
    fn tallyup(&mut self, plan: &mut Plan) {
        tallyup::check_keys(self.root, self.found);
        let stack = tallyup::stack(self.root, self.found);
        let target = match (&plan.target, &stack) {
            (None, Some(stack)) => {
                plan.target = Some(stack.target.clone());
                tallyup::Target::Stack
            }
            _ => tallyup::Target::Other,
        };
        if let Some(name) = self.root.get("testName").and_then(Node::text)
            && self.root.get("name").is_none()
        {
            name.clone_into(&mut plan.name);
        }
        plan.weights = tallyup::weights(self.root, self.found);
        plan.thresholds.extend(tallyup::threshold(self.root));
        let numbers = (self.delay_scale_ppm(), plan.bots_per_task());
        let config =
            tallyup::config(self.root, (stack.as_ref(), target), &self.parameters, numbers);
        for bot in &mut plan.bots {
            if let BotKind::Registered { bot, config: old } = &mut bot.kind
                && bot == tallyup::BOT
            {
                old.clone_from(&config);
            }
        }
    }

    fn delay_scale_ppm(&self) -> u32 {
        let ppm = self.root.get("delayScale").and_then(|node| ratio_ppm(node.scalar()?));
        let ppm = ppm.and_then(|ppm| u32::try_from(ppm).ok());
        self.options.delay_scale_ppm.or(ppm).unwrap_or(Definition::DELAY_SCALE_ONE)
    }

    fn name(&self) -> String {
        let stem = Path::new(self.shown).file_stem().and_then(|stem| stem.to_str());
        let name = self.root.get("name").and_then(Node::text).or(stem);
        name.unwrap_or("scenario").to_owned()
    }

    /// The command line's target, or the file's with its parameters put in.
    fn target(&mut self) -> Option<String> {
        if let Some(target) = &self.options.target {
            return Some(target.trim_end_matches('/').to_owned());
        }
        let node = self.root.get("target")?;
        let columns = BTreeMap::new();
        let mut texts = Texts {
            file: self.text,
            found: self.found,
            parameters: &self.parameters,
            setup: &[],
            data: &columns,
            events: Vec::new(),
            sites: BTreeMap::new(),
            json_depth: 0,
        };
        let template = texts.template(node, Sight::Nothing);
        let mut target = String::new();
        for piece in &template.0 {
            use tallyho_replay::flow::{Expression, Piece};
            match piece {
                Piece::Text(text) | Piece::Hole(Expression::Text(text)) => target.push_str(text),
                // A parameter without a value was reported.
                Piece::Hole(Expression::Parameter(_)) => {}
                Piece::Hole(_) => {
                    let title = "the target cannot change between bots";
                    let wrong = Diagnostic::error(node.range.clone(), title);
                    self.found.push(wrong.label("may only hold `env.NAME`"));
                    return None;
                }
            }
        }
        let lower = target.to_lowercase();
        if !target.is_empty() && !lower.starts_with("http://") && !lower.starts_with("https://") {
            self.found.push(
                Diagnostic::error(node.range.clone(), "not a URL")
                    .label("must begin with http:// or https://")
                    .help(format!("write \"http://{target}\"")),
            );
        }
        Some(target.trim_end_matches('/').to_owned()).filter(|target| !target.is_empty())
    }

    fn thresholds(&mut self) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for member in self.root.get("thresholds").map_or(&[][..], Node::members) {
            let items = match &member.value.value {
                Value::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&member.value),
            };
            for item in items {
                thresholds.extend(self.threshold(member, item));
            }
        }
        thresholds
    }

    fn threshold(&mut self, member: &Member, item: &Node) -> Option<Threshold> {
        let expression = item.get("threshold").unwrap_or(item);
        let mut profile = ProfileReader { node: item, found: self.found };
        let delay = profile.duration("delayAbortEval").unwrap_or(Duration::ZERO);
        let abort = match item.get("abortOnFail").and_then(Node::scalar) {
            Some("true") => Abort::After(delay),
            _ => Abort::Never,
        };
        let no_data = match item.get("failOnNoData").and_then(Node::scalar) {
            Some("true") => NoData::Fails,
            _ => NoData::Neither,
        };
        Some(Threshold {
            metric: member.key.clone(),
            expression: expression.text()?.to_owned(),
            abort,
            no_data,
            range: expression.range.clone(),
            metric_range: member.key_range.clone(),
        })
    }

    fn metrics(&mut self) -> Vec<Metric> {
        let mut metrics = Vec::new();
        for member in self.root.get("metrics").map_or(&[][..], Node::members) {
            let value = &member.value;
            let kind = value.text().or_else(|| value.get("type").and_then(Node::text));
            let is_time = value.get("time").and_then(Node::scalar) == Some("true");
            let kind = match (kind, is_time) {
                (Some("counter"), _) => MetricKind::Counter,
                (Some("rate"), _) => MetricKind::Rate,
                (Some("gauge"), _) => MetricKind::Gauge,
                (Some("trend"), false) => MetricKind::Trend,
                (Some("trend"), true) => MetricKind::TimeTrend,
                _ => continue,
            };
            let word = member.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if member.key.is_empty() || !word || BUILT_IN.contains(&member.key.as_str()) {
                let title = format!("`{}` cannot be a metric of your own", member.key);
                let wrong = Diagnostic::error(member.key_range.clone(), title);
                self.found.push(wrong.label("must be letters, digits and `_`, and new"));
            }
            metrics.push(Metric { name: member.key.clone(), kind });
        }
        metrics
    }

    /// Parameters that a scenario uses and no trace may show.
    fn secrets(&self) -> Vec<(String, String)> {
        let mut names = BTreeSet::new();
        // Looked for in the text: a name that is not there cannot be used.
        for (index, _) in self.text.match_indices("env.") {
            let name: String = self.text[index + 4..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            names.insert(name);
        }
        names
            .into_iter()
            .filter_map(|name| match self.parameters.look_up(&name) {
                Some(Parameter::Secret(value)) => Some((name, value)),
                _ => None,
            })
            .collect()
    }

    /// The loads and the bots they run.
    fn bots(&mut self, plan: &mut Plan) {
        let columns: BTreeMap<String, Vec<String>> = self
            .data
            .iter()
            .map(|source| (source.data.name.clone(), source.data.table.columns.clone()))
            .collect();
        let setup: Vec<String> = self
            .root
            .get("setupKeep")
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(|item| item.text().map(str::to_owned))
            .collect();
        let delay_scale_ppm = self.delay_scale_ppm();
        let data = std::mem::take(&mut self.data);
        let shared = Shared {
            file: self.text,
            folder: self.folder,
            body_files: &RefCell::default(),
            root: self.root,
            data: &data,
            metrics: &plan.metrics.clone(),
            delay_scale_ppm,
            max_redirects: self.options.max_redirects,
            setup: &setup,
        };
        let mut used_blocks = BTreeSet::new();
        let mut bots = Bots { shared: &shared, columns: &columns, used_blocks: &mut used_blocks };
        if self.root.get("setup").is_some() {
            plan.setup = Some(bots.part(Part::Setup, &self.parameters, self.found));
        }
        if self.root.get("teardown").is_some() {
            plan.teardown = Some(bots.part(Part::Teardown, &self.parameters, self.found));
        }
        self.loads(&mut bots, plan);
        plan.secrets.extend(self.parameters.literals());
        for member in self.root.get("blocks").map_or(&[][..], Node::members) {
            if !used_blocks.contains(&member.key) {
                let title = format!("the block `{}` is never run", member.key);
                let unused = Diagnostic::warning(member.key_range.clone(), title);
                self.found.push(unused.help("remove it, or add {\"run\": ...} somewhere"));
            }
        }
    }

    fn loads(&mut self, bots: &mut Bots<'_>, plan: &mut Plan) {
        let root = self.root;
        let scenarios = root.get("scenarios").map_or(&[][..], Node::members);
        let overriding = self.options.load.profile();
        if scenarios.is_empty() || overriding.is_some() {
            let mut reader = ProfileReader { node: root, found: self.found };
            let own = if scenarios.is_empty() { Some(reader.top()) } else { None };
            let profile = overriding.or(own).expect("one of the two is there");
            let exec = self.only_bot(scenarios);
            self.run.insert(exec.clone());
            let parameters = self.parameters.clone();
            let bot = self.bot(&exec, &parameters, bots, plan);
            plan.loads.push(self.load(DEFAULT_BOT, root, profile, bot));
        } else {
            for member in scenarios {
                self.scenario(member, bots, plan);
            }
        }
        for member in root.get("bots").map_or(&[][..], Node::members) {
            if !self.run.contains(&member.key) {
                let title = format!("the bot `{}` is never run", member.key);
                let unused = Diagnostic::warning(member.key_range.clone(), title);
                self.found.push(unused.help(format!(
                    "add a scenario with \"exec\": \"{}\", or remove it",
                    member.key
                )));
                let parameters = self.parameters.clone();
                bots.read(&member.key, &member.value, &parameters, self.found);
            }
        }
    }

    /// The bot that a load of the command line, or the file's own load, runs.
    fn only_bot(&self, scenarios: &[Member]) -> String {
        let exec =
            |member: &Member| member.value.get("exec").and_then(Node::text).map(str::to_owned);
        let bots = self.root.get("bots").map_or(&[][..], Node::members);
        let own = ["steps", "actions"].iter().any(|key| self.root.get(key).is_some());
        match (scenarios.first().and_then(exec), bots) {
            (Some(exec), _) => exec,
            (None, [only]) if !own => only.key.clone(),
            _ => DEFAULT_BOT.to_owned(),
        }
    }

    fn scenario(&mut self, member: &Member, bots: &mut Bots<'_>, plan: &mut Plan) {
        let node = &member.value;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if member.key.is_empty() || !member.key.chars().all(word) {
            let title = format!("`{}` cannot be a scenario's name", member.key);
            let wrong = Diagnostic::error(member.key_range.clone(), title);
            self.found.push(wrong.label("must be letters, digits, `_` and `-`"));
        }
        let profile = ProfileReader { node, found: self.found }.scenario();
        let exec = match node.get("exec").and_then(Node::text) {
            Some(exec) => exec.to_owned(),
            None => self.only_bot(&[]),
        };
        self.run.insert(exec.clone());
        let env = plain_members(node.get("env"));
        let parameters = self.parameters.with_defaults(env);
        let bot = self.bot(&exec, &parameters, bots, plan);
        plan.loads.push(self.load(&member.key, node, profile, bot));
    }

    fn load(&mut self, name: &str, node: &Node, profile: super::plan::Profile, bot: usize) -> Load {
        let mut reader = ProfileReader { node, found: self.found };
        let start_time = reader.duration("startTime").unwrap_or(Duration::ZERO);
        let graceful_stop = reader.duration("gracefulStop").unwrap_or(GRACEFUL);
        Load { name: name.to_owned(), bot, profile, start_time, graceful_stop }
    }

    /// The index of a bot in the plan, which gets it if it is not there.
    fn bot(
        &mut self,
        exec: &str,
        parameters: &Parameters,
        bots: &mut Bots<'_>,
        plan: &mut Plan,
    ) -> usize {
        let kind = match self.find(exec) {
            Found::Declared(node) => {
                BotKind::Declared(Box::new(bots.read(exec, node, parameters, self.found)))
            }
            Found::Registered(bot) => BotKind::Registered { bot, config: self.config() },
            Found::Nothing => {
                let empty = Definition { name: exec.to_owned(), ..Definition::default() };
                BotKind::Declared(Box::new(empty))
            }
        };
        let bot = BotPlan { name: exec.to_owned(), kind };
        if let Some(index) = plan.bots.iter().position(|known| *known == bot) {
            return index;
        }
        plan.bots.push(bot);
        plan.bots.len() - 1
    }

    fn find(&mut self, exec: &str) -> Found<'a> {
        let root = self.root;
        if let Some(node) = root.get("bots").and_then(|bots| bots.get(exec)) {
            return Found::Declared(node);
        }
        let known = &self.options.registered_bots;
        if exec == DEFAULT_BOT {
            if let Some(bot) = self.registered {
                return self.registered(bot);
            }
            if ["steps", "actions"].iter().any(|key| root.get(key).is_some()) {
                return Found::Declared(root);
            }
            self.found.push(
                Diagnostic::error(root.range.clone(), "this scenario has no bot")
                    .label("needs `steps`, `actions`, `bots` or `bot`")
                    .help("add for example \"steps\": [{\"get\": \"/\"}]"),
            );
            return Found::Nothing;
        }
        if known.iter().any(|bot| bot == exec) {
            return Found::Registered(exec.to_owned());
        }
        self.unknown_bot(exec);
        Found::Nothing
    }

    fn registered(&mut self, bot: &str) -> Found<'static> {
        let known = &self.options.registered_bots;
        if !known.iter().any(|name| name == bot) {
            let range = self.root.get("bot").map_or(0..0, |node| node.range.clone());
            let unknown = Diagnostic::error(range, format!("there is no bot `{bot}`"));
            self.found.push(match nearest(bot, known.iter().map(String::as_str)) {
                Some(near) => unknown.help(format!("did you mean `{near}`?")),
                None => unknown.help(format!("there are {}", known.join(", "))),
            });
            return Found::Nothing;
        }
        Found::Registered(bot.to_owned())
    }

    fn unknown_bot(&mut self, exec: &str) {
        let scenarios = self.root.get("scenarios").map_or(&[][..], Node::members).iter();
        let node = scenarios
            .filter_map(|member| member.value.get("exec"))
            .find(|node| node.text() == Some(exec));
        let range = node.map_or(self.root.range.clone(), |node| node.range.clone());
        let bots = self.root.get("bots").map_or(&[][..], Node::members).iter();
        let unknown =
            Diagnostic::error(range, format!("there is no bot `{exec}`")).label("not in `bots`");
        self.found.push(match nearest(exec, bots.map(|member| member.key.as_str())) {
            Some(near) => unknown.help(format!("did you mean `{near}`?")),
            None => unknown.help(format!("add \"bots\": {{\"{exec}\": {{\"steps\": [...]}}}}")),
        });
    }

    /// What a bot written in Rust is given: `config`, and all keys that no scenario has.
    fn config(&self) -> String {
        let known = |key: &str| SCENARIO_FILE.keys.iter().any(|known| known.name == key);
        let mut members: Vec<Member> =
            self.root.members().iter().filter(|member| !known(&member.key)).cloned().collect();
        if let Some(config) = self.root.get("config") {
            members.retain(|member| config.get(&member.key).is_none());
            members.extend(config.members().iter().cloned());
        }
        Node { range: 0..0, value: Value::Object(members) }.to_json()
    }
}

enum Found<'a> {
    Declared(&'a Node),
    Registered(String),
    Nothing,
}

/// What reading a bot needs.
struct Bots<'a> {
    shared: &'a Shared<'a>,
    columns: &'a BTreeMap<String, Vec<String>>,
    used_blocks: &'a mut BTreeSet<String>,
}

impl Bots<'_> {
    fn read(
        &mut self,
        name: &str,
        node: &Node,
        parameters: &Parameters,
        found: &mut Vec<Diagnostic>,
    ) -> Definition {
        self.reader(parameters, found).read(name, node, Part::Bot)
    }

    fn part(
        &mut self,
        part: Part,
        parameters: &Parameters,
        found: &mut Vec<Diagnostic>,
    ) -> Definition {
        let name = if part == Part::Setup { "setup" } else { "teardown" };
        let root = self.shared.root;
        self.reader(parameters, found).read(name, root, part)
    }

    fn reader<'b>(
        &'b mut self,
        parameters: &'b Parameters,
        found: &'b mut Vec<Diagnostic>,
    ) -> BotReader<'b> {
        let used_blocks = &mut *self.used_blocks;
        let borrowed = Borrowed { found, parameters, columns: self.columns, used_blocks };
        BotReader::new(self.shared, borrowed)
    }
}

/// Metrics that every run has.
const BUILT_IN: &[&str] = &[
    "vus",
    "vus_max",
    "iterations",
    "dropped_iterations",
    "iteration_duration",
    "checks",
    "group_duration",
    "data_sent",
    "data_received",
    "http_reqs",
    "http_req_failed",
    "http_req_duration",
    "http_req_blocked",
    "http_req_connecting",
    "http_req_tls_handshaking",
    "http_req_sending",
    "http_req_waiting",
    "http_req_receiving",
    "response_time",
    "schedule_lag",
];

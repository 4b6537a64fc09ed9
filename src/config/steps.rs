//! Steps of a declared bot, all but requests.

use std::ops::Range;

use tallyho_replay::flow::{Expression, Metric, MetricKind, Step, nearest};

use super::bot::{BotReader, STEPS_MAX};
use super::diagnostic::Diagnostic;
use super::format::{METHODS, STEPS_KNOWN};
use super::json::{Member, Node};
use super::names::Event;
use super::shape::shape_of;
use super::text::Sight;

/// Blocks inside blocks; deeper is a mistake.
const BLOCK_DEPTH_MAX: usize = 16;
/// Lists of steps inside each other, for the same reason as `JSON_DEPTH_MAX` in `text.rs`.
const NESTING_MAX: usize = 12;
/// Turns of a `while` that says nothing else: a loop that never ends would hold its bot for ever.
const WHILE_TURNS_DEFAULT: u32 = 1000;

impl BotReader<'_> {
    /// A list of steps.
    pub(super) fn steps(&mut self, node: Option<&Node>) -> Vec<Step> {
        let items = node.map_or(&[][..], Node::items);
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            let range = node.map_or(0..0, |node| node.range.clone());
            self.texts.error(range, format!("steps nested more than {NESTING_MAX} deep"));
            self.nesting -= 1;
            return Vec::new();
        }
        let mut steps = Vec::with_capacity(items.len());
        let mut ended: Option<&str> = None;
        for item in items {
            if let Some(verb) = ended.take() {
                self.texts.found.push(
                    Diagnostic::error(item.range.clone(), "this step is never reached")
                        .label(format!("the `{verb}` before it always leaves"))
                        .help("remove it, or put the step before it under an `if`"),
                );
            }
            self.step(item, &mut steps);
            ended = ["end", "fail", "abort"].into_iter().find(|verb| item.get(verb).is_some());
        }
        self.nesting -= 1;
        steps
    }

    fn step(&mut self, node: &Node, out: &mut Vec<Step>) {
        self.steps_count += 1;
        if self.steps_count > STEPS_MAX {
            if self.steps_count == STEPS_MAX + 1 {
                let title = format!("more than {STEPS_MAX} steps, with the steps of blocks");
                self.texts.error(node.range.clone(), title);
            }
            return;
        }
        // A node that is no step at all was reported by the check of shapes.
        let Some(shape) = shape_of(node, &STEPS_KNOWN) else { return };
        let Some(verb) = shape.verbs.iter().find_map(|verb| node.member(verb)) else { return };
        let step = match verb.key.as_str() {
            method if METHODS.contains(&method) => self.request(method, node),
            "think" => self.delay(node, "think").map(Step::Think),
            "set" => Some(Step::Set(self.assignments(Some(&verb.value)))),
            "if" => Some(self.branch(node, &verb.value)),
            "while" => Some(self.while_loop(node, &verb.value)),
            "repeat" => Some(self.repeat(node, &verb.value)),
            "choose" => self.choose(node),
            "run" => return self.block(&verb.value, out),
            "add" => Some(self.add(&verb.value)),
            "check" => Some(Step::Check(self.checks(Some(&verb.value), Sight::Nothing))),
            "log" => Some(Step::Log(self.texts.template(&verb.value, Sight::Nothing))),
            "countBots" => self.count_bots(verb),
            "auth" => self.login_step(&verb.value),
            "end" => match verb.value.text() {
                Some("action") => Some(Step::Leave),
                Some("session") => Some(Step::End),
                Some("bot") => Some(Step::StopBot),
                _ => None,
            },
            "fail" => verb.value.text().map(|reason| Step::Fail(reason.to_owned())),
            "abort" => verb.value.text().map(|reason| Step::Abort(reason.to_owned())),
            _ => None,
        };
        out.extend(step);
    }

    fn branch(&mut self, node: &Node, condition: &Node) -> Step {
        let expression = self.texts.expression(condition, Sight::Nothing);
        if let Some(holds) = super::guards::constant(&expression) {
            let never = if holds { "`else` is never taken" } else { "`then` is never taken" };
            self.texts.found.push(
                Diagnostic::warning(condition.range.clone(), "this condition never changes")
                    .label(never),
            );
        }
        let then = self.steps(node.get("then"));
        let otherwise = self.steps(node.get("else"));
        Step::If { condition: expression, then, otherwise }
    }

    fn while_loop(&mut self, node: &Node, condition: &Node) -> Step {
        self.texts.events.push(Event::LoopBegins);
        let expression = self.texts.expression(condition, Sight::Nothing);
        if super::guards::constant(&expression) == Some(false) {
            self.texts.found.push(
                Diagnostic::error(condition.range.clone(), "this loop never runs")
                    .label("can never hold"),
            );
        }
        let steps = self.steps(node.get("steps"));
        self.texts.events.push(Event::LoopEnds);
        let max = node.get("max").and_then(Node::scalar).and_then(|text| text.trim().parse().ok());
        Step::While { condition: expression, max: max.unwrap_or(WHILE_TURNS_DEFAULT), steps }
    }

    fn repeat(&mut self, node: &Node, times: &Node) -> Step {
        let expression = self.texts.expression(times, Sight::Nothing);
        if let Expression::Integer(n) = expression
            && n < 1
        {
            let wrong = Diagnostic::error(times.range.clone(), "this loop never runs");
            self.texts.found.push(wrong.label("must be at least 1"));
        }
        self.texts.events.push(Event::LoopBegins);
        let steps = self.steps(node.get("steps"));
        self.texts.events.push(Event::LoopEnds);
        Step::Repeat { times: expression, steps }
    }

    fn choose(&mut self, node: &Node) -> Option<Step> {
        let site = node.get("name")?.text()?.to_owned();
        let (actions, places) = self.actions(node.get("choose"));
        if !actions.is_empty() && actions.iter().all(super::guards::is_never) {
            let range = places[0].action.clone();
            self.texts.error(range, "none of these actions can ever be chosen");
        }
        Some(Step::Choose { site, actions })
    }

    /// Puts the steps of a block in its place.
    fn block(&mut self, node: &Node, out: &mut Vec<Step>) {
        let Some(name) = node.text() else { return };
        let blocks = self.shared.root.get("blocks");
        let Some(block) = blocks.and_then(|blocks| blocks.get(name)) else {
            let unknown = Diagnostic::error(node.range.clone(), format!("unknown block `{name}`"))
                .label("not in `blocks`");
            let known = blocks.map_or(&[][..], Node::members).iter().map(|m| m.key.as_str());
            self.texts.found.push(match nearest(name, known) {
                Some(near) => unknown.help(format!("did you mean `{near}`?")),
                None => unknown.help(format!("add \"blocks\": {{\"{name}\": [...]}}")),
            });
            return;
        };
        self.used_blocks.insert(name.to_owned());
        if self.open_blocks.iter().any(|open| open == name) {
            let mut path = self.open_blocks.clone();
            path.push(name.to_owned());
            self.texts.found.push(
                Diagnostic::error(node.range.clone(), format!("the block `{name}` runs itself"))
                    .label(path.join(" -> "))
                    .help("use `while` or `repeat` for loops"),
            );
            return;
        }
        if self.open_blocks.len() == BLOCK_DEPTH_MAX {
            let title = format!("blocks inside blocks more than {BLOCK_DEPTH_MAX} deep");
            return self.texts.error(node.range.clone(), title);
        }
        self.open_blocks.push(name.to_owned());
        let steps = self.steps(Some(block));
        self.open_blocks.pop();
        out.extend(steps);
    }

    fn add(&mut self, node: &Node) -> Step {
        let mut values = Vec::new();
        for member in node.members() {
            let value = self.texts.expression(&member.value, Sight::Nothing);
            match self.metric(&member.key, member.key_range.clone()) {
                Some(MetricKind::Counter) if matches!(value, Expression::Integer(n) if n < 0) => {
                    self.texts.error(member.value.range.clone(), "a counter cannot go down");
                }
                _ => {}
            }
            values.push((member.key.clone(), value));
        }
        Step::Add(values)
    }

    fn metric(&mut self, name: &str, range: Range<usize>) -> Option<MetricKind> {
        let metrics: &[Metric] = self.shared.metrics;
        if let Some(metric) = metrics.iter().find(|metric| metric.name == name) {
            return Some(metric.kind);
        }
        let unknown =
            Diagnostic::error(range, format!("unknown metric `{name}`")).label("not in `metrics`");
        let known = metrics.iter().map(|metric| metric.name.as_str());
        self.texts.found.push(match nearest(name, known) {
            Some(near) => unknown.help(format!("did you mean `{near}`?")),
            None => unknown.help(format!("add \"metrics\": {{\"{name}\": \"counter\"}}")),
        });
        None
    }

    /// Named conditions.
    pub(super) fn checks(
        &mut self,
        node: Option<&Node>,
        sight: Sight,
    ) -> Vec<(String, Expression)> {
        let members = node.map_or(&[][..], Node::members);
        let mut checks = Vec::with_capacity(members.len());
        for member in members {
            let condition = self.texts.expression(&member.value, sight);
            if let Some(holds) = super::guards::constant(&condition) {
                let word = if holds { "always" } else { "never" };
                self.texts.found.push(
                    Diagnostic::warning(member.value.range.clone(), "this check says nothing")
                        .label(format!("{word} holds")),
                );
            }
            checks.push((member.key.clone(), condition));
        }
        checks
    }

    fn count_bots(&mut self, verb: &Member) -> Option<Step> {
        let name = verb.value.text()?;
        self.set(name, verb.value.range.clone());
        Some(Step::CountBots(name.to_owned()))
    }

    fn login_step(&mut self, node: &Node) -> Option<Step> {
        let step = match node.text()? {
            "login" => Step::Login,
            "logout" => Step::Logout,
            _ => return None,
        };
        if !self.has_login {
            let nothing = Diagnostic::error(node.range.clone(), "there is no login here");
            self.texts.found.push(nothing.help("add an `auth` block to the bot"));
            return None;
        }
        Some(step)
    }
}

//! Templates and expressions of a scenario, with what they name.
//!
//! Every name is noted with its place while the file is read; `names.rs` decides afterwards which
//! of them exist, so that a variable may be set anywhere in the file.

use std::collections::BTreeMap;
use std::ops::Range;

use tallyho_replay::flow::{
    Expression, Fact, Function, JsonTemplate, Parsed, Piece, Read, SyntaxError, Template,
    parse_expression, parse_template,
};

use super::diagnostic::Diagnostic;
use super::json::{Node, Value, inside};
use super::names::Event;
use super::parameters::{Parameter, Parameters, looks_secret, scheme_and_secret};

/// Whether the response itself can be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A request's checks and its `until`.
    Response,
    /// Anywhere else: only its status and time are left.
    Nothing,
}

/// Reads texts of one bot, and notes what they name.
pub(super) struct Texts<'a> {
    /// The scenario file.
    pub(super) file: &'a str,
    pub(super) found: &'a mut Vec<Diagnostic>,
    pub(super) parameters: &'a Parameters,
    /// Names of set-up's results.
    pub(super) setup: &'a [String],
    /// Data sources and their columns.
    pub(super) data: &'a BTreeMap<String, Vec<String>>,
    /// What was named and set, in the order of a session.
    pub(super) events: Vec<Event>,
    /// Sites of draws, to find two that mean different things.
    pub(super) sites: BTreeMap<String, Expression>,
    /// Of the JSON that is being read.
    pub(super) json_depth: usize,
}

/// Lists and objects inside each other in one value: a definition is kept as JSON, which is read
/// back only to a depth of 128.
const JSON_DEPTH_MAX: usize = 16;

impl Texts<'_> {
    pub(super) fn error(&mut self, range: Range<usize>, title: impl Into<String>) {
        self.found.push(Diagnostic::error(range, title));
    }

    /// A text with holes. What is not a text counts as its text: `"x": 5`.
    pub(super) fn template(&mut self, node: &Node, sight: Sight) -> Template {
        let Some(text) = node.scalar() else { return Template::default() };
        match parse_template(text) {
            Ok(parsed) => {
                let Parsed { value: Template(pieces), names } = parsed;
                let mut out = Vec::with_capacity(pieces.len());
                for piece in pieces {
                    out.push(match piece {
                        Piece::Text(text) => Piece::Text(text),
                        Piece::Hole(expression) => Piece::Hole(self.resolved(expression)),
                    });
                }
                let template = Template(out);
                self.names(node, &names, &lenient_names(template.holes()), sight);
                template
            }
            Err(error) => {
                self.syntax(node, &error);
                Template::default()
            }
        }
    }

    /// An expression; numbers and truth values are themselves. A text may also be a template with
    /// one hole.
    pub(super) fn expression(&mut self, node: &Node, sight: Sight) -> Expression {
        let Some(text) = node.scalar() else { return Expression::Null };
        let trimmed = text.trim();
        let parsed = if trimmed.starts_with("${") && trimmed.ends_with('}') {
            parse_template(text).map(|parsed| Parsed {
                value: parsed.value.as_hole().cloned().unwrap_or(Expression::Null),
                names: parsed.names,
            })
        } else {
            parse_expression(text)
        };
        match parsed {
            Ok(parsed) => {
                let value = self.resolved(parsed.value);
                self.names(node, &parsed.names, &lenient_names(std::iter::once(&value)), sight);
                value
            }
            Err(error) => {
                self.syntax(node, &error);
                UNREADABLE
            }
        }
    }

    /// Any JSON, with holes in its texts.
    pub(super) fn json(&mut self, node: &Node) -> JsonTemplate {
        if self.json_depth > JSON_DEPTH_MAX {
            self.error(node.range.clone(), format!("nested more than {JSON_DEPTH_MAX} deep"));
            return JsonTemplate::Null;
        }
        self.json_depth += 1;
        let template = self.json_value(node);
        self.json_depth -= 1;
        template
    }

    fn json_value(&mut self, node: &Node) -> JsonTemplate {
        match &node.value {
            Value::Null => JsonTemplate::Null,
            Value::Bool(b) => JsonTemplate::Bool(*b),
            Value::Number(number) => JsonTemplate::Number(number.clone()),
            Value::Text(_) => JsonTemplate::Text(self.template(node, Sight::Nothing)),
            Value::List(items) => {
                JsonTemplate::List(items.iter().map(|item| self.json(item)).collect())
            }
            Value::Object(members) => {
                let mut out = Vec::with_capacity(members.len());
                for member in members {
                    let key = Node {
                        range: member.key_range.clone(),
                        value: Value::Text(member.key.clone()),
                    };
                    let value = match self.json(&member.value) {
                        JsonTemplate::Text(text) => {
                            JsonTemplate::Text(self.hidden(&member.key, text))
                        }
                        other => other,
                    };
                    out.push((self.template(&key, Sight::Nothing), value));
                }
                JsonTemplate::Object(out)
            }
        }
    }

    /// Names and templates of an object.
    pub(super) fn templates(&mut self, node: Option<&Node>) -> Vec<(String, Template)> {
        let members = node.map_or(&[][..], Node::members);
        let mut out = Vec::with_capacity(members.len());
        for member in members {
            let template = self.template(&member.value, Sight::Nothing);
            out.push((member.key.clone(), self.hidden(&member.key, template)));
        }
        out
    }

    /// A text that the file itself gives to something with a secret's name, as a secret. Of
    /// `Bearer abc` the first word is none.
    fn hidden(&self, name: &str, template: Template) -> Template {
        let Some(text) = template.as_plain().filter(|text| !text.is_empty()) else {
            return template;
        };
        if !looks_secret(name) {
            return template;
        }
        let (scheme, secret) = scheme_and_secret(text);
        let secret = Piece::Hole(Expression::Parameter(self.parameters.hide(secret)));
        let mut pieces = Template::plain(scheme).0;
        pieces.push(secret);
        Template(pieces)
    }

    fn syntax(&mut self, node: &Node, error: &SyntaxError) {
        let range = inside(self.file, &node.range, &error.range);
        let title = "this expression cannot be read";
        self.found.push(Diagnostic::error(range, title).label(error.problem.to_string()));
    }

    /// Puts the values of parameters into an expression; secret ones stay references.
    fn resolved(&mut self, mut expression: Expression) -> Expression {
        let parameters = self.parameters;
        expression.walk_mut(&mut |part| {
            if let Expression::Parameter(name) = part
                && let Some(Parameter::Plain(value)) = parameters.look_up(name)
            {
                *part = Expression::Text(value);
            }
        });
        expression
    }

    fn names(
        &mut self,
        node: &Node,
        names: &[(Expression, Range<usize>)],
        lenient: &[String],
        sight: Sight,
    ) {
        for (name, range) in names {
            let range = inside(self.file, &node.range, range);
            match name {
                Expression::Variable(variable) => {
                    let lenient = lenient.contains(variable);
                    self.events.push(Event::used(variable, range, lenient));
                }
                Expression::Read(read) if !read.outlives_response() && sight == Sight::Nothing => {
                    self.out_of_sight(read, range);
                }
                Expression::Read(Read::BodyMatches(pattern)) => self.pattern(pattern, range),
                Expression::Parameter(name) => self.parameter(name, range),
                Expression::Setup(name) => self.setup_result(name, range),
                Expression::Data { source, column } => self.data(source, column.as_deref(), range),
                Expression::Draw { site, .. } => self.site(site, name, range),
                _ => {}
            }
        }
    }

    fn out_of_sight(&mut self, read: &Read, range: Range<usize>) {
        let word = match read {
            Read::Header(_) => "header",
            Read::Json(_) => "json",
            _ => "body",
        };
        self.found.push(
            Diagnostic::error(range, format!("there is no response to take `{word}` from here"))
                .label("only a request's `check` and `until` can look into its response")
                .help("capture the value into a variable, and use that"),
        );
    }

    /// A pattern that does not compile, or would need too much memory.
    pub(super) fn pattern(&mut self, pattern: &str, range: Range<usize>) {
        if let Err(problem) = tallyho_replay::flow::check_pattern(pattern) {
            self.found.push(Diagnostic::error(range, "not a pattern").label(problem));
        }
    }

    fn parameter(&mut self, name: &str, range: Range<usize>) {
        if self.parameters.look_up(name).is_none() {
            self.found.push(
                Diagnostic::error(range, format!("`env.{name}` has no value"))
                    .label("neither -e nor the environment nor `env` in the file has it")
                    .help(format!("run with -e {name}=..., or add \"{name}\" to \"env\"")),
            );
        }
    }

    fn setup_result(&mut self, name: &str, range: Range<usize>) {
        if self.setup.iter().any(|known| known == name) {
            return;
        }
        let unknown = Diagnostic::error(range, format!("set-up hands over no `{name}`"))
            .label("not in `setupKeep`");
        let known = self.setup.iter().map(String::as_str);
        self.found.push(match tallyho_replay::flow::nearest(name, known) {
            Some(near) => unknown.help(format!("did you mean `setup.{near}`?")),
            None => unknown.help(format!("add \"setupKeep\": [\"{name}\"]")),
        });
    }

    fn data(&mut self, source: &str, column: Option<&str>, range: Range<usize>) {
        let Some(columns) = self.data.get(source) else {
            let unknown = Diagnostic::error(range, format!("there is no data `{source}`"))
                .label("not in `data`");
            let known = self.data.keys().map(String::as_str);
            self.found.push(match tallyho_replay::flow::nearest(source, known) {
                Some(near) => unknown.help(format!("did you mean `data.{near}`?")),
                None => unknown.help(format!("add \"data\": {{\"{source}\": {{\"file\": ...}}}}")),
            });
            return;
        };
        match column {
            None if columns.is_empty() => {}
            Some(column) if columns.iter().any(|known| known == column) => {}
            None => {
                let title = format!("`data.{source}` has columns: say which");
                let help = format!("write for example `data.{source}.{}`", columns[0]);
                self.found.push(Diagnostic::error(range, title).help(help));
            }
            Some(column) if columns.is_empty() => {
                let title = format!("`data.{source}` is a list of plain values");
                let wrong = Diagnostic::error(range, title);
                self.found.push(wrong.label(format!("has no column `{column}`")));
            }
            Some(column) => {
                let title = format!("`data.{source}` has no column `{column}`");
                let known = columns.iter().map(String::as_str);
                let near = tallyho_replay::flow::nearest(column, known);
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its columns are {}", columns.join(", ")),
                };
                self.found.push(Diagnostic::error(range, title).help(help));
            }
        }
    }

    /// Two different draws under one label would share their random numbers.
    fn site(&mut self, site: &str, draw: &Expression, range: Range<usize>) {
        match self.sites.get(site) {
            Some(known) if known != draw => {
                self.found.push(
                    Diagnostic::error(range, format!("the label `{site}` is used by another draw"))
                        .label("two different draws need two labels")
                        .help("a label keys the random numbers: rename one of the two"),
                );
            }
            Some(_) => {}
            None => {
                self.sites.insert(site.to_owned(), draw.clone());
            }
        }
    }
}

/// Stands for an expression that cannot be read: nothing that follows from its value is reported
/// too.
const UNREADABLE: Expression = Expression::Fact(Fact::Stopping);

/// Variables that an expression copes without: they stand inside `defined`, `default` or
/// `optional`, or are compared with null.
fn lenient_names<'e>(expressions: impl Iterator<Item = &'e Expression>) -> Vec<String> {
    let mut names = Vec::new();
    for expression in expressions {
        expression.walk(&mut |part| {
            if let Expression::Call(
                Function::Defined | Function::Default | Function::Optional,
                arguments,
            ) = part
            {
                arguments[0].walk(&mut |inner| {
                    if let Expression::Variable(name) = inner {
                        names.push(name.clone());
                    }
                });
            }
        });
    }
    names
}

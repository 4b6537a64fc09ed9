//! A request step: the request itself, and what is done with its response.

use std::path::Path;

use tallyho_replay::SharedBody;
use tallyho_replay::flow::{
    Absent, Body, Capture, CaptureFrom, Credentials, Delay, OnFailure, Piece, Poll, Request, Retry,
    RetryFailures, Secrecy, Step, Template,
};

use super::bot::BotReader;
use super::diagnostic::Diagnostic;
use super::json::{Member, Node, Value};
use super::parameters::looks_secret;
use super::shape::status_range;
use super::text::Sight;

/// Ranges of expected statuses of one request: what a request carries by value.
const EXPECTED_MAX: usize = 6;
/// Pause between two tries or polls that say nothing else.
const PAUSE_DEFAULT: Delay = Delay::Fixed(1_000_000);
/// The shortest pause between two polls: less would be load that nobody asked for.
const POLL_PAUSE_MIN_US: u64 = 1_000;
/// Statuses that are tried again where a retry says nothing else.
const RETRIED_DEFAULT: (u16, u16) = (500, 599);
/// Headers that say where a message ends or what happens to the connection.
const RESERVED_HEADERS: &[&str] =
    &["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"];

impl BotReader<'_> {
    /// The request of a step whose verb is `method`.
    pub(super) fn request(&mut self, method: &str, node: &Node) -> Option<Step> {
        let url_node = node.get(method)?;
        let url = self.texts.template(url_node, Sight::Nothing);
        self.url(&url, url_node);
        let method = method.to_uppercase();
        let name = match node.get("name").and_then(Node::text) {
            Some(name) => name.to_owned(),
            None => format!("{method} {}", url_node.text().unwrap_or("")),
        };
        let query = self.texts.templates(node.get("query"));
        let headers = self.headers(node);
        let body = self.body(node, &headers);
        let timeout_us = self.duration_us(node, "timeout");
        // From here on there is a response: what is captured can be checked, and polled for.
        let captures = self.captures(node.get("capture"));
        let checks = self.checks(node.get("check"), Sight::Response);
        let poll = node.get("poll").map(|poll| self.poll(poll));
        let credentials = match node.get("auth").and_then(Node::scalar) {
            Some("false") => Credentials::None,
            _ if !self.has_login => Credentials::None,
            _ => Credentials::Needed,
        };
        if !self.has_login && node.get("auth").and_then(Node::scalar) == Some("true") {
            let range = node.get("auth").map_or(0..0, |node| node.range.clone());
            let nothing = Diagnostic::error(range, "there is no login here");
            self.texts.found.push(nothing.help("add an `auth` block to the bot"));
        }
        let expect = self.expected(node);
        let redirects_max = node.get("maxRedirects").or(self.shared.root.get("maxRedirects"));
        let redirects_max = redirects_max.and_then(Node::scalar);
        let redirects_max = redirects_max.and_then(|number| number.trim().parse().ok());
        let retry = node.get("retry").or_else(|| self.default("retry")).cloned();
        let retry = retry.map(|retry| self.retry(&retry));
        let on_failure = self.on_failure(node);
        Some(Step::Request(Box::new(Request {
            name,
            method,
            url,
            query,
            headers,
            body,
            timeout_us,
            expect,
            redirects_max: self.shared.max_redirects.or(redirects_max),
            captures,
            checks,
            retry,
            poll,
            credentials,
            on_failure,
        })))
    }

    fn default(&self, key: &str) -> Option<&Node> {
        self.shared.root.get("defaults")?.get(key)
    }

    fn url(&mut self, url: &Template, node: &Node) {
        let Some(Piece::Text(text)) = url.0.first() else {
            if url.0.is_empty() && node.text() == Some("") {
                self.texts.error(node.range.clone(), "a request needs a path");
            }
            return;
        };
        let lower = text.to_lowercase();
        if text.starts_with('/') || lower.starts_with("http://") || lower.starts_with("https://") {
            return;
        }
        self.texts.found.push(
            Diagnostic::error(node.range.clone(), "not a path or a URL")
                .label("must begin with `/`, `http://`, `https://` or a variable")
                .help(format!("write \"/{text}\" for a path of the target")),
        );
    }

    /// The request's own headers, and those of `defaults` and `userAgent` that it does not replace.
    fn headers(&mut self, node: &Node) -> Vec<(String, Template)> {
        self.header_names(node.get("headers"));
        let mut headers = self.texts.templates(node.get("headers"));
        let defaults = self.default("headers").cloned();
        for (name, value) in self.texts.templates(defaults.as_ref()) {
            if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                headers.push((name, value));
            }
        }
        let agent = self.shared.root.get("userAgent").cloned();
        if let Some(agent) = agent
            && !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case("user-agent"))
        {
            headers.push(("User-Agent".into(), self.texts.template(&agent, Sight::Nothing)));
        }
        headers
    }

    pub(super) fn header_names(&mut self, node: Option<&Node>) {
        for member in node.map_or(&[][..], Node::members) {
            let name = member.key.as_str();
            let token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(token) {
                let title = format!("`{name}` cannot be a header's name");
                let wrong = Diagnostic::error(member.key_range.clone(), title);
                self.texts.found.push(wrong.label("letters, digits and `-` are safe"));
            } else if RESERVED_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) {
                let title = format!("`{name}` is written by the generator itself");
                let wrong = Diagnostic::error(member.key_range.clone(), title);
                self.texts.found.push(wrong.label("a bot cannot set it").help("remove it"));
            }
        }
    }

    fn body(&mut self, node: &Node, headers: &[(String, Template)]) -> Body {
        let kinds: Vec<&Member> = ["json", "text", "form", "bodyFile"]
            .iter()
            .filter_map(|kind| node.member(kind))
            .collect();
        if let [first, second, ..] = kinds.as_slice() {
            let title = format!("both `{}` and `{}`", first.key, second.key);
            self.texts.found.push(
                Diagnostic::error(second.key_range.clone(), title).label("a request has one body"),
            );
        }
        let Some(body) = kinds.first() else { return Body::None };
        match body.key.as_str() {
            "json" => Body::Json(self.texts.json(&body.value)),
            "form" => Body::Form(self.texts.templates(Some(&body.value))),
            "bodyFile" => self.body_file(&body.value),
            _ => {
                let template = self.texts.template(&body.value, Sight::Nothing);
                let is_json = headers.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("content-type")
                        && value.as_plain().is_some_and(|value| value.contains("json"))
                });
                if is_json {
                    self.json_text(&template, &body.value);
                }
                Body::Text(template)
            }
        }
    }

    /// A file that several requests send is read once.
    fn body_file(&mut self, node: &Node) -> Body {
        let Some(name) = node.text() else { return Body::None };
        if let Some(known) = self.shared.body_files.borrow().get(name) {
            return Body::File(known.clone());
        }
        match read_body(&self.shared.folder.join(name)) {
            Ok(bytes) => {
                let body = SharedBody::new(name, bytes);
                self.shared.body_files.borrow_mut().insert(name.to_owned(), body.clone());
                Body::File(body)
            }
            Err(problem) => {
                let title = format!("the body file `{name}` cannot be used");
                let wrong = Diagnostic::error(node.range.clone(), title).label(problem);
                self.texts.found.push(wrong.help("paths are relative to the scenario file"));
                Body::None
            }
        }
    }

    /// A text that is sent as JSON must be JSON, whatever its holes give.
    fn json_text(&mut self, template: &Template, node: &Node) {
        let text: String = template
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Hole(_) => "0",
            })
            .collect();
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            let problem = error.to_string();
            let problem = problem.split(" at line").next().unwrap_or("").to_owned();
            self.texts.found.push(
                Diagnostic::error(node.range.clone(), "this body is not JSON").label(problem).help(
                    "write the body as \"json\": {...}, which escapes values where they land",
                ),
            );
        }
    }

    fn captures(&mut self, node: Option<&Node>) -> Vec<Capture> {
        let members = node.map_or(&[][..], Node::members);
        let mut captures = Vec::with_capacity(members.len());
        for member in members {
            let value = &member.value;
            let from = match value.text() {
                Some(pointer) => self.pointer(pointer, value),
                None => self.capture_source(value),
            };
            self.set(&member.key, member.key_range.clone());
            let Some(from) = from else { continue };
            let secret_header = matches!(&from, CaptureFrom::Header(name) if looks_secret(name));
            let secrecy = match value.get("secret").and_then(Node::scalar) {
                Some("true") => Secrecy::Secret,
                Some(_) => Secrecy::Plain,
                None if secret_header || looks_secret(&member.key) => Secrecy::Secret,
                None => Secrecy::Plain,
            };
            let absent = match (value.get("default"), value.get("optional")) {
                (Some(default), _) => Absent::Default(self.texts.json(default)),
                (None, Some(optional)) if optional.scalar() == Some("true") => Absent::Unset,
                _ => Absent::Fails,
            };
            captures.push(Capture { variable: member.key.clone(), from, absent, secrecy });
        }
        captures
    }

    fn pointer(&mut self, pointer: &str, node: &Node) -> Option<CaptureFrom> {
        if pointer.is_empty() || pointer.starts_with('/') {
            return Some(CaptureFrom::Json(pointer.to_owned()));
        }
        let path = pointer.trim_start_matches("$.").replace(['.', '['], "/").replace(']', "");
        self.texts.found.push(
            Diagnostic::error(node.range.clone(), "not a JSON pointer")
                .label("must begin with `/`, or be empty for the whole body")
                .help(format!("write \"/{}\"", path.trim_start_matches('/'))),
        );
        None
    }

    fn capture_source(&mut self, node: &Node) -> Option<CaptureFrom> {
        let kinds: Vec<&Member> = ["json", "header", "cookie", "regex"]
            .iter()
            .filter_map(|kind| node.member(kind))
            .collect();
        let [kind] = kinds.as_slice() else {
            let title = match kinds.len() {
                0 => "this capture says not where the value is",
                _ => "this capture says twice where the value is",
            };
            let wrong = Diagnostic::error(node.range.clone(), title);
            self.texts.found.push(wrong.label("needs one of json, header, cookie and regex"));
            return None;
        };
        let text = kind.value.text()?;
        match kind.key.as_str() {
            "json" => self.pointer(text, &kind.value),
            "header" => Some(CaptureFrom::Header(text.to_owned())),
            "cookie" => Some(CaptureFrom::Cookie(text.to_owned())),
            _ => {
                self.texts.pattern(text, kind.value.range.clone());
                Some(CaptureFrom::Pattern(text.to_owned(), self.group(node, text)))
            }
        }
    }

    fn group(&mut self, node: &Node, pattern: &str) -> u32 {
        let groups = tallyho_replay::flow::pattern_groups(pattern);
        let Some(wanted) = node.get("group") else { return groups.min(1) };
        let group = wanted.scalar().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if group > groups {
            let title = format!("the pattern has no group {group}");
            let wrong = Diagnostic::error(wanted.range.clone(), title);
            self.texts.found.push(wrong.label(format!("it has {groups}")));
            return 0;
        }
        group
    }

    fn expected(&mut self, node: &Node) -> Vec<(u16, u16)> {
        let Some(node) = node.get("expect").or_else(|| self.default("expect")) else {
            return Vec::new();
        };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let ranges = items.iter().filter_map(|item| status_range(item.scalar()?));
        let ranges = merged(ranges.collect());
        if ranges.len() > EXPECTED_MAX {
            let title = format!("more than {EXPECTED_MAX} ranges of statuses");
            let range = node.range.clone();
            self.texts.found.push(Diagnostic::error(range, title).help("join some, as in \"2xx\""));
            return Vec::new();
        }
        ranges
    }

    fn retry(&mut self, node: &Node) -> Retry {
        let integer = |key: &str| node.get(key)?.scalar()?.trim().parse::<u32>().ok();
        let mut statuses = Vec::new();
        let mut failures = RetryFailures::No;
        let list = node.get("on");
        let items = match list.map(|node| (&node.value, node)) {
            Some((Value::List(items), _)) => items.as_slice(),
            Some((_, node)) => std::slice::from_ref(node),
            None => {
                statuses.push(RETRIED_DEFAULT);
                failures = RetryFailures::Yes;
                &[]
            }
        };
        for item in items {
            match item.scalar() {
                Some("failure") => failures = RetryFailures::Yes,
                Some(text) => match status_range(text) {
                    Some(range) => statuses.push(range),
                    None => {
                        let title = format!("`{text}` is nothing to try again on");
                        let wrong = Diagnostic::error(item.range.clone(), title);
                        let label = "must be a status, \"5xx\", \"500..599\" or \"failure\"";
                        self.texts.found.push(wrong.label(label));
                    }
                },
                None => {}
            }
        }
        Retry {
            tries: integer("tries").unwrap_or(1),
            statuses: merged(statuses),
            failures,
            wait: self.delay(node, "wait").unwrap_or(PAUSE_DEFAULT),
            multiplier: integer("multiplier").unwrap_or(1),
        }
    }

    fn poll(&mut self, node: &Node) -> Poll {
        let until = match node.get("until") {
            Some(until) => self.texts.expression(until, Sight::Response),
            None => tallyho_replay::flow::Expression::Null,
        };
        if let (Some(holds), Some(node)) = (super::guards::constant(&until), node.get("until")) {
            let label = if holds { "holds at once" } else { "can never hold" };
            self.texts.found.push(
                Diagnostic::error(node.range.clone(), "this poll waits for nothing").label(label),
            );
        }
        let every = self.delay(node, "every").unwrap_or(PAUSE_DEFAULT);
        if let (Delay::Fixed(us) | Delay::Between(us, _), Some(node)) = (every, node.get("every"))
            && us < POLL_PAUSE_MIN_US
        {
            let short = Diagnostic::error(node.range.clone(), "this poll never pauses");
            self.texts.found.push(short.label("must be at least 1ms"));
        }
        let within_us = self.duration_us(node, "within").unwrap_or(0);
        if within_us == 0
            && let Some(node) = node.get("within")
        {
            let zero = Diagnostic::error(node.range.clone(), "this poll gives up at once");
            self.texts.found.push(zero.label("must be longer than zero"));
        }
        Poll { until, every, within_us }
    }

    fn on_failure(&mut self, node: &Node) -> OnFailure {
        let word = node.get("onFailure").or_else(|| self.default("onFailure"));
        match word.and_then(Node::text) {
            Some("continue") => OnFailure::Continue,
            Some("end") => OnFailure::End,
            Some("stopBot") => OnFailure::StopBot,
            Some("abort") => OnFailure::Abort,
            _ => OnFailure::Leave,
        }
    }
}

/// More than this is read in no reasonable time, and sent in none.
const BODY_FILE_BYTES_MAX: u64 = 1 << 30;

fn read_body(path: &Path) -> Result<Vec<u8>, String> {
    let reason = |error: std::io::Error| super::data::reason(&error);
    let metadata = std::fs::metadata(path).map_err(reason)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > BODY_FILE_BYTES_MAX {
        return Err("is larger than 1 GiB".to_owned());
    }
    std::fs::read(path).map_err(reason)
}

/// The same statuses in as few ranges as possible, sorted.
fn merged(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(known) if first <= known.1.saturating_add(1) => known.1 = known.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

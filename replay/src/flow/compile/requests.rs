//! Requests: where each value lands decides how it is written.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::super::definition::{
    Absent, Body, Capture, CaptureFrom, Credentials, Poll, Request, Retry,
};
use super::super::expression::{Expression, Read};
use super::super::program::{
    AbsentPlan, BodyRead, CapturePlan, Encoding, Form, Id, Pause, Piece, PollPlan, RequestPlan,
    RetryPlan, Source, Template,
};
use super::super::template;
use super::templates::Pieces;
use super::{Compile, CompileError, Compiler, id_of};
use crate::{Expected, Method, Name};

impl Compiler<'_> {
    /// The number of a request in the program.
    pub(super) fn request(&mut self, request: &Request) -> Compile<Id> {
        let method: Method =
            request.method.parse().map_err(|_| CompileError::Malformed(request.method.clone()))?;
        let url = self.url(request)?;
        let headers = self.headers(request)?;
        let body = self.body(&request.body)?;
        let captures = request.captures.iter().map(|capture| self.capture(capture, request));
        let captures = captures.collect::<Compile<Vec<_>>>()?;
        let mut checks = Vec::with_capacity(request.checks.len());
        for (name, condition) in &request.checks {
            checks.push((Name::from(name.clone()), self.resolve(condition)?));
        }
        let poll = request.poll.as_ref().map(|poll| self.poll(poll, request)).transpose()?;
        let changes = [Some(&url), body.as_ref()]
            .into_iter()
            .flatten()
            .chain(headers.iter().map(|(_, value)| value))
            .any(|template| !is_fixed(template));
        let form = if changes { Form::Changing } else { Form::Fixed(RefCell::new(None)) };
        let timeout = request.timeout_us.or(self.definition.timeout_us);
        let retry = request.retry.as_ref().map(|retry| self.retry(retry, &request.name));
        self.program.requests.push(RequestPlan {
            name: Name::from(request.name.clone()),
            method,
            form,
            url,
            headers,
            body,
            shared_body: match &request.body {
                Body::File(shared) => Some(shared.clone()),
                _ => None,
            },
            timeout: timeout.map(Duration::from_micros),
            expected: expected(&request.expect)?,
            redirects_max: request.redirects_max,
            body_read: body_read(request),
            captures,
            checks,
            retry,
            poll,
            credentials: request.credentials,
            on_failure: request.on_failure,
            leave: self.leave,
        });
        if request.credentials == Credentials::Needed && self.program.auth.is_none() {
            return Err(CompileError::Unknown("auth".into()));
        }
        Ok(id_of(self.program.requests.len() - 1))
    }

    /// The URL with its query. A hole at the very beginning holds the origin and is not encoded.
    fn url(&mut self, request: &Request) -> Compile<Template> {
        let mut pieces = Pieces::default();
        let mut rest = request.url.clone();
        if let Some(template::Piece::Hole(_)) = rest.0.first() {
            let first = template::Template(vec![rest.0.remove(0)]);
            self.pieces(&first, Encoding::Plain, &mut pieces)?;
        }
        self.pieces(&rest, Encoding::Url, &mut pieces)?;
        let has_query = request
            .url
            .0
            .iter()
            .any(|piece| matches!(piece, template::Piece::Text(text) if text.contains('?')));
        for (index, (name, value)) in request.query.iter().enumerate() {
            pieces.text.push(if index == 0 && !has_query { '?' } else { '&' });
            percent_encode(name, &mut pieces.text);
            pieces.text.push('=');
            self.query_value(value, &mut pieces)?;
        }
        Ok(pieces.finish())
    }

    /// A value of a query or a form: its plain parts are encoded too.
    fn query_value(&mut self, value: &template::Template, pieces: &mut Pieces) -> Compile<()> {
        for piece in &value.0 {
            match piece {
                template::Piece::Text(text) => percent_encode(text, &mut pieces.text),
                hole @ template::Piece::Hole(_) => {
                    let one = template::Template(vec![hole.clone()]);
                    self.pieces(&one, Encoding::Url, pieces)?;
                }
            }
        }
        Ok(())
    }

    fn headers(&mut self, request: &Request) -> Compile<Vec<(Rc<str>, Template)>> {
        let mut headers: Vec<(String, template::Template)> = request.headers.clone();
        if request.credentials == Credentials::Needed
            && let Some(auth) = &self.definition.auth
        {
            for (name, value) in &auth.headers {
                // What the request itself says wins; over `defaults`, which it holds too, the login
                // does not.
                if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    headers.push((name.clone(), value.clone()));
                }
            }
        }
        let content_type = match request.body {
            Body::Json(_) => Some("application/json"),
            Body::Form(_) => Some("application/x-www-form-urlencoded"),
            Body::None | Body::Text(_) | Body::File(_) => None,
        };
        if let Some(content_type) = content_type
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("Content-Type".into(), template::Template::plain(content_type)));
        }
        let mut out = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            out.push((Rc::from(name), self.template(&value, Encoding::Header)?));
        }
        Ok(out)
    }

    fn body(&mut self, body: &Body) -> Compile<Option<Template>> {
        Ok(match body {
            Body::None | Body::File(_) => None,
            Body::Json(json) => Some(self.json(json)?),
            Body::Text(text) => Some(self.template(text, Encoding::Plain)?),
            Body::Form(fields) => {
                let mut pieces = Pieces::default();
                for (index, (name, value)) in fields.iter().enumerate() {
                    pieces.text.push_str(if index > 0 { "&" } else { "" });
                    percent_encode(name, &mut pieces.text);
                    pieces.text.push('=');
                    self.query_value(value, &mut pieces)?;
                }
                Some(pieces.finish())
            }
        })
    }

    fn capture(&mut self, capture: &Capture, request: &Request) -> Compile<CapturePlan> {
        let from = match &capture.from {
            CaptureFrom::Json(pointer) => Source::Json(Rc::from(pointer.as_str())),
            CaptureFrom::Header(name) => Source::Header(Rc::from(name.as_str())),
            CaptureFrom::Cookie(name) => Source::Cookie(Rc::from(name.as_str())),
            CaptureFrom::Pattern(pattern, group) => {
                Source::Pattern(self.pattern(pattern)?, *group as usize)
            }
        };
        let absent = match &capture.absent {
            Absent::Fails => AbsentPlan::Fails,
            Absent::Unset => AbsentPlan::Unset,
            Absent::Default(value) => AbsentPlan::Default(self.value(value)?),
        };
        Ok(CapturePlan {
            slot: self.known_slot(&capture.variable)?,
            from,
            absent,
            secrecy: capture.secrecy,
            check: Name::from(format!("{} gives {}", request.name, capture.variable)),
        })
    }

    fn retry(&mut self, retry: &Retry, name: &str) -> RetryPlan {
        let site = self.site(&format!("retry.{name}"));
        RetryPlan {
            tries: retry.tries,
            statuses: retry.statuses.clone(),
            failures: retry.failures,
            wait: Pause { delay: retry.wait, site },
            multiplier: retry.multiplier,
        }
    }

    fn poll(&mut self, poll: &Poll, request: &Request) -> Compile<PollPlan> {
        let site = self.site(&format!("poll.{}", request.name));
        Ok(PollPlan {
            until: self.resolve(&poll.until)?,
            every: Pause { delay: poll.every, site },
            within_us: poll.within_us,
            check: Name::from(format!("{} in time", request.name)),
        })
    }
}

fn expected(ranges: &[(u16, u16)]) -> Compile<Expected> {
    if ranges.is_empty() {
        return Ok(Expected::default());
    }
    Expected::new(ranges.iter().map(|(first, last)| *first..=*last))
        .map_err(|_| CompileError::TooMany("ranges of statuses"))
}

/// Whether captures, checks or a poll look into the body: if not, it is never kept.
fn body_read(request: &Request) -> BodyRead {
    let mut reads = request
        .captures
        .iter()
        .any(|capture| !matches!(capture.from, CaptureFrom::Header(_) | CaptureFrom::Cookie(_)));
    let conditions = request.checks.iter().map(|(_, condition)| condition);
    for condition in conditions.chain(request.poll.as_ref().map(|poll| &poll.until)) {
        condition.walk(&mut |part| {
            reads |= matches!(
                part,
                Expression::Read(Read::Json(_) | Read::BodyContains(_) | Read::BodyMatches(_))
            );
        });
    }
    if reads { BodyRead::Yes } else { BodyRead::No }
}

fn is_fixed(template: &Template) -> bool {
    template.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
}

/// Appends text as it stands in a query or a form (RFC 3986, 2.3).
pub(in super::super) fn percent_encode(text: &str, out: &mut String) {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(keeps) {
        return out.push_str(text);
    }
    for byte in text.bytes() {
        crate::request::push_percent_encoded(out, byte, keeps);
    }
}

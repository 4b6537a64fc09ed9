//! A request of a declared bot, from building it to what its response changes.

use std::cell::RefCell;
use std::time::Duration;

use super::{Flow, Next, pause_us};
use crate::bot::Context;
use crate::flow::definition::{Credentials, OnFailure, RetryFailures, Secrecy};
use crate::flow::evaluate::{Missing, read_body, secret_value};
use crate::flow::program::{
    AbsentPlan, BodyRead, CapturePlan, Form, Id, PollPlan, RequestPlan, RetryPlan, Source,
};
use crate::flow::value::Value;
use crate::observe::{Level, ReadError, Response};
use crate::session::Outcome;
use crate::{BodyUse, Failure, Prepared, Secret};

/// How an exchange went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    Well,
    /// No response, an unexpected status, or a value that is not there.
    Badly,
}

/// Where a poll is.
struct Polling {
    began_us: u64,
    turns: u32,
}

impl Flow {
    /// Sends a request as often as it wants to be sent, and does everything with its responses.
    pub(super) async fn request(&mut self, ctx: &mut Context, id: Id) -> Next {
        let program = self.program.clone();
        let plan = &program.requests[id as usize];
        if plan.credentials == Credentials::Needed
            && let Some(login) = self.ensure_login(ctx, self.position - 1)
        {
            return login;
        }
        let mut polling = Polling { began_us: ctx.state.now_us.get(), turns: 0 };
        let mut tries = 0;
        loop {
            tries += 1;
            let result = match self.send(ctx, plan).await {
                Ok(result) => result,
                Err(missing) => {
                    let reason = format!("{} has a value", missing.0);
                    ctx.log(Level::Error, format!("{}: {} has no value", plan.name, missing.0));
                    ctx.check(reason, false);
                    // Nothing was sent: without a pause a loop of this would never end.
                    ctx.sleep(Duration::ZERO).await;
                    return self.failed(plan);
                }
            };
            if let Some(retry) = &plan.retry
                && tries < retry.tries
                && again(retry, &result)
                && !ctx.stopping()
            {
                let wait = retry_wait(ctx, retry, tries);
                drop(result);
                ctx.sleep(wait).await;
                continue;
            }
            let went = self.read(ctx, plan, result.as_ref().ok());
            let Some(poll) = &plan.poll else {
                self.checks(ctx, plan, result.as_ref().ok());
                return if went == Went::Well { Next::Go } else { self.failed(plan) };
            };
            let held =
                went == Went::Well && self.scope(ctx, result.as_ref().ok()).holds(&poll.until);
            polling.turns += 1;
            if held || went == Went::Badly || self.late(ctx, poll, &polling) {
                self.checks(ctx, plan, result.as_ref().ok());
                ctx.check(poll.check.clone(), held);
                return if held { Next::Go } else { self.failed(plan) };
            }
            drop(result);
            let pause = pause_us(ctx, poll.every);
            ctx.sleep(Duration::from_micros(pause)).await;
            if ctx.stopping() {
                return Next::End(Outcome::Done);
            }
            tries = 0;
        }
    }

    fn late(&self, ctx: &Context, poll: &PollPlan, polling: &Polling) -> bool {
        ctx.state.now_us.get().saturating_sub(polling.began_us) >= poll.within_us
    }

    async fn send(
        &mut self,
        ctx: &mut Context,
        plan: &RequestPlan,
    ) -> Result<Result<Response, Failure>, Missing> {
        let sent_us = ctx.state.now_us.get();
        let result = match &plan.form {
            Form::Fixed(built) => match prepared(ctx, plan, built) {
                Some(prepared) => ctx.send_prepared(&prepared).await,
                None => self.send_built(ctx, plan).await?,
            },
            Form::Changing => self.send_built(ctx, plan).await?,
        };
        self.time_us = ctx.state.now_us.get().saturating_sub(sent_us);
        self.status = result.as_ref().map_or(0, Response::status);
        Ok(result)
    }

    /// Writes the request into the program's buffers, and from there into the worker's scratch.
    async fn send_built(
        &self,
        ctx: &mut Context,
        plan: &RequestPlan,
    ) -> Result<Result<Response, Failure>, Missing> {
        let mut buffers = self.program.buffers.take();
        buffers.url.clear();
        buffers.body.clear();
        let written = self.scope(ctx, None).write(&plan.url, &mut buffers.url);
        let written = match (&plan.body, written) {
            (Some(body), Ok(())) => self.scope(ctx, None).write(body, &mut buffers.body),
            (_, written) => written,
        };
        let built = written.and_then(|()| {
            // Header by header: the builder borrows the context, which the templates need.
            buffers.headers_text.clear();
            buffers.header_ends.clear();
            for (_, value) in &plan.headers {
                self.scope(ctx, None).write(value, &mut buffers.headers_text)?;
                buffers.header_ends.push(buffers.headers_text.len());
            }
            Ok(())
        });
        if let Err(missing) = built {
            self.program.buffers.replace(buffers);
            return Err(missing);
        }
        let mut request = ctx.request(plan.method, &buffers.url).name(plan.name.clone());
        let mut start = 0;
        for ((name, _), end) in plan.headers.iter().zip(&buffers.header_ends) {
            request = request.header(name, &buffers.headers_text[start..*end]);
            start = *end;
        }
        if plan.body.is_some() {
            request = request.body(buffers.body.as_bytes());
        }
        if let Some(body) = &plan.shared_body {
            request = request.shared_body(body);
        }
        if let Some(timeout) = plan.timeout {
            request = request.timeout(timeout);
        }
        if plan.body_read == BodyRead::No {
            request = request.discard_body();
        }
        if let Some(redirects_max) = plan.redirects_max {
            request = request.redirects(redirects_max);
        }
        request = request.expect(plan.expected);
        self.program.buffers.replace(buffers);
        Ok(request.send().await)
    }

    /// Reads what is captured. A bad response gives nothing.
    fn read(&mut self, ctx: &Context, plan: &RequestPlan, response: Option<&Response>) -> Went {
        let Some(response) = response else { return Went::Badly };
        if !plan.expected.contains(response.status()) {
            return Went::Badly;
        }
        let mut went = Went::Well;
        for capture in &plan.captures {
            let mut value = self.capture(ctx, capture, response);
            if value.is_null() {
                match &capture.absent {
                    AbsentPlan::Unset => {}
                    // While polling, what is not there yet may come.
                    AbsentPlan::Fails if plan.poll.is_some() => {}
                    AbsentPlan::Fails => {
                        ctx.check(capture.check.clone(), false);
                        went = Went::Badly;
                    }
                    AbsentPlan::Default(id) => {
                        value = self.scope(ctx, None).value(&self.program.values[*id as usize]);
                    }
                }
            }
            self.slots[usize::from(capture.slot)] = value;
        }
        went
    }

    fn capture(&self, ctx: &Context, capture: &CapturePlan, response: &Response) -> Value {
        match (&capture.from, capture.secrecy) {
            (Source::Json(pointer), Secrecy::Plain) => {
                response.pointer(pointer).unwrap_or_default()
            }
            (Source::Json(pointer), Secrecy::Secret) => secret_value(response.pointer(pointer)),
            (Source::Header(name), Secrecy::Plain) => {
                response.header(name).map_or(Value::Null, |text| Value::Text(text.into()))
            }
            (Source::Header(name), Secrecy::Secret) => {
                let secret = response.secret_header(name);
                secret.map_or(Value::Null, |secret| Value::Text(secret.to_string().into()))
            }
            (Source::Cookie(name), _) => {
                let secret = ctx.cookie(name);
                secret.map_or(Value::Null, |secret| Value::Text(secret.to_string().into()))
            }
            (Source::Pattern(pattern, group), secrecy) => {
                let pattern = &self.program.patterns[*pattern as usize];
                let find = |body: &[u8]| -> Result<String, ReadError> {
                    let found = pattern.captures(body).and_then(|groups| groups.get(*group));
                    let found = found.ok_or(ReadError::Missing)?.as_bytes();
                    Ok(String::from_utf8_lossy(found).into_owned())
                };
                match secrecy {
                    Secrecy::Plain => read_body(ctx, find)
                        .map_or(Value::Null, |text: String| Value::Text(text.into())),
                    Secrecy::Secret => secret_value(read_body(ctx, |body| {
                        Secret::take_in(&find(body)?).ok_or(ReadError::TooLarge)
                    })),
                }
            }
        }
    }

    fn checks(&self, ctx: &Context, plan: &RequestPlan, response: Option<&Response>) {
        for (name, condition) in &plan.checks {
            let passed = self.scope(ctx, response).holds(condition);
            ctx.check(name.clone(), passed);
        }
    }

    fn failed(&mut self, plan: &RequestPlan) -> Next {
        self.failed.clone_from(&plan.name);
        match plan.on_failure {
            OnFailure::Continue => Next::Go,
            OnFailure::Leave => Next::Jump(plan.leave),
            OnFailure::End => Next::End(Outcome::Failed(plan.name.clone())),
            OnFailure::StopBot => Next::End(Outcome::StopBot),
            OnFailure::Abort => Next::End(Outcome::AbortRun(plan.name.clone())),
        }
    }
}

/// The request as it is built once; none when it cannot be sent, which the ordinary way reports.
fn prepared(
    ctx: &Context,
    plan: &RequestPlan,
    built: &RefCell<Option<Prepared>>,
) -> Option<Prepared> {
    if let Some(prepared) = &*built.borrow() {
        return Some(prepared.clone());
    }
    let text = |template: &crate::flow::program::Template| -> String {
        let pieces = template.0.iter().filter_map(|piece| match piece {
            crate::flow::program::Piece::Text(text) => Some(&**text),
            _ => None,
        });
        pieces.collect()
    };
    let body_use = match plan.body_read {
        BodyRead::Yes => BodyUse::Keep,
        BodyRead::No => BodyUse::Discard,
    };
    let mut request = Prepared::builder(plan.method, ctx.target(), &text(&plan.url))
        .name(plan.name.clone())
        .expected(plan.expected)
        .body_use(body_use);
    for (name, value) in &plan.headers {
        request = request.header(name, &text(value));
    }
    if let Some(body) = &plan.body {
        request = request.body(text(body));
    }
    if let Some(body) = &plan.shared_body {
        request = request.shared_body(body.clone());
    }
    if let Some(timeout) = plan.timeout {
        request = request.timeout(timeout);
    }
    if let Some(redirects_max) = plan.redirects_max {
        request = request.redirects(redirects_max);
    }
    let prepared = request.build().ok()?;
    built.replace(Some(prepared.clone()));
    Some(prepared)
}

fn again(retry: &RetryPlan, result: &Result<Response, Failure>) -> bool {
    match result {
        Ok(response) => {
            let status = response.status();
            retry.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status))
        }
        Err(failure) => {
            retry.failures == RetryFailures::Yes
                && !matches!(failure, Failure::InvalidRequest | Failure::Interrupted)
        }
    }
}

fn retry_wait(ctx: &Context, retry: &RetryPlan, tries: u32) -> Duration {
    let pause = pause_us(ctx, retry.wait);
    let factor = u64::from(retry.multiplier).saturating_pow(tries - 1);
    Duration::from_micros(pause.saturating_mul(factor).min(RETRY_WAIT_MAX_US))
}

/// A pause that doubles ten times is longer than any run.
const RETRY_WAIT_MAX_US: u64 = 3_600_000_000;

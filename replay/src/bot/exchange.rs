//! Requests in the making, and the wait for their response.
//!
//! A redirect is followed in here: each hop is a command and an input of its own, so it is
//! measured, recorded and replayed as any request, and the bot sees the last response only.

use std::cell::RefMut;
use std::fmt;
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;

use super::context::{Context, Wait};
use crate::observe::{Level, Note, Response, keep_cookies, read_location};
use crate::request::{
    BodyUse, Expected, Method, Prepared, REDIRECTS_MAX_DEFAULT, Request, RequestError, SharedBody,
    is_redirect,
};
use crate::session::{Arrived, Command, FaultKind};
use crate::state::State;
use crate::{Failure, Name};

/// A request in the making.
#[must_use = "a request is only sent by `send().await`"]
pub struct RequestBuilder<'a> {
    context: &'a mut Context,
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(context: &'a mut Context, method: Method, url: &str) -> Self {
        let base = context.state.run.target.as_deref();
        context.state.request().start(method, base, url);
        Self { context }
    }

    /// What it is called in metrics and records; at first its URL, which costs an allocation and
    /// a metric for each.
    pub fn name(self, name: impl Into<Name>) -> Self {
        self.context.state.request().name = name.into();
        self
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.context.state.request().header(name, value);
        self
    }

    /// Sets the body to JSON, and the content type with it.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        let mut request = self.context.state.request();
        request.header("Content-Type", "application/json");
        if serde_json::to_writer(request.body_buffer(), body).is_err() {
            request.fail(RequestError::BadBody);
        }
        drop(request);
        self
    }

    /// Sets the body to a text. Adds no content type.
    pub fn text(self, body: impl fmt::Display) -> Self {
        let mut request = self.context.state.request();
        if write!(request.body_buffer(), "{body}").is_err() {
            request.fail(RequestError::BadBody);
        }
        drop(request);
        self
    }

    /// Sets the body to these bytes. Adds no content type.
    pub fn body(self, body: &[u8]) -> Self {
        self.context.state.request().body_buffer().extend_from_slice(body);
        self
    }

    /// Sets the body to one that many requests share. Placeholders in it are not replaced.
    pub fn shared_body(self, body: &SharedBody) -> Self {
        self.context.state.request().set_shared_body(body.clone());
        self
    }

    /// Its own limit instead of the run's.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.context.state.request().timeout = Some(timeout);
        self
    }

    /// Only this status is no failure.
    pub fn expect_status(self, status: u16) -> Self {
        self.expect(Expected::status(status))
    }

    /// Which statuses are no failure; at first 200 to 399.
    pub fn expect(self, expected: Expected) -> Self {
        self.context.state.request().expected = expected;
        self
    }

    /// The body of the response is not wanted, only its size.
    pub fn discard_body(self) -> Self {
        self.context.state.request().body_use = BodyUse::Discard;
        self
    }

    /// How many redirects are followed; at first 10. With 0 the bot gets the redirect itself.
    pub fn redirects(self, redirects_max: u32) -> Self {
        self.context.state.request().redirects_max = Some(redirects_max);
        self
    }

    /// Sends it and waits for the response.
    ///
    /// # Errors
    /// Why there was no response; `InvalidRequest` if the URL, a header or the body is wrong, in
    /// which case nothing is sent and the bot's log says what it is.
    pub async fn send(self) -> Result<Response, Failure> {
        Exchange { state: &self.context.state, prepared: None, stage: Wait::NotYet }.await
    }
}

/// Puts `Send` out at its first poll, and is ready when the response is there.
pub(super) struct Exchange<'a> {
    pub(super) state: &'a Rc<State>,
    pub(super) prepared: Option<&'a Prepared>,
    pub(super) stage: Wait,
}

impl Future for Exchange<'_> {
    type Output = Result<Response, Failure>;

    fn poll(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        if self.stage == Wait::NotYet {
            self.stage = self.start();
            return Poll::Pending;
        }
        let result = match self.state.arrived.take() {
            Some(Arrived::Response(status)) => match self.responded(status) {
                Some(stage) => {
                    self.stage = stage;
                    return Poll::Pending;
                }
                None => Ok(Response::new(self.state, status)),
            },
            Some(Arrived::Failed(failure)) => Err(failure),
            Some(Arrived::Woke) if self.stage == Wait::Refused => Err(Failure::InvalidRequest),
            Some(other) => unreachable!("the session lets in only responses, not {other:?}"),
            None => return Poll::Pending,
        };
        self.state.give_request_back();
        Poll::Ready(result)
    }
}

impl Exchange<'_> {
    fn start(&self) -> Wait {
        let mut request = self.state.request();
        if let Some(prepared) = self.prepared {
            request.start_prepared(prepared);
        }
        if request.name.as_str().is_empty() {
            request.name = Name::from(request.url().to_owned());
        }
        self.send(request)
    }

    /// Puts the request out, if it can be sent.
    fn send(&self, mut request: RefMut<'_, Request>) -> Wait {
        if let Some(error) = request.error() {
            let name = request.name.clone();
            drop(request);
            return self.refuse(name, error);
        }
        let mut own = self.state.own.borrow_mut();
        if let Some(jar) = &own.jar {
            request.add_cookies(jar, self.state.now_us.get());
        }
        own.sent.0.clone_from(&request.name);
        own.sent.1 = request.expected;
        self.state.command.set(Some(Command::Send));
        Wait::Out
    }

    /// Does with a response what a client does by itself; nothing if it is for the bot.
    fn responded(&self, status: u16) -> Option<Wait> {
        keep_cookies(self.state);
        self.next_hop(status)
    }

    /// Follows a redirect; nothing if the response is for the bot.
    fn next_hop(&self, status: u16) -> Option<Wait> {
        if !is_redirect(status) {
            return None;
        }
        let (follows, is_beyond_default) = {
            let request = self.state.request();
            (request.follows(status), request.is_beyond_default())
        };
        if is_beyond_default {
            let text = format!(
                "{}: stopped after {REDIRECTS_MAX_DEFAULT} redirects, as maxRedirects does not \
                 say otherwise; the bot gets the redirect",
                self.state.request().name
            );
            self.state.note(Note::Log { level: Level::Warn, text });
        }
        if !follows {
            return None;
        }
        let Some(location) = read_location(self.state) else {
            // Without a place to go to it is a response like any other.
            self.state.judge_status(status);
            return None;
        };
        let mut request = self.state.request();
        if request.redirects == 0 {
            request.name = self.state.redirected_name(&request.name);
        }
        request.redirect(status, &location);
        Some(self.send(request))
    }

    /// A request that cannot be sent fails after a pause of no length: failing at once, a bot
    /// that tries again and again would never give its worker back.
    fn refuse(&self, name: Name, error: RequestError) -> Wait {
        let text = format!("request {name} cannot be sent: {error}");
        self.state.note(Note::Log { level: Level::Error, text });
        let failure = Failure::InvalidRequest;
        self.state.fault(FaultKind::Transport { request: name, failure });
        self.state.command.set(Some(Command::Sleep(Duration::ZERO)));
        Wait::Refused
    }
}

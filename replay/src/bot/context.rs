//! All that bot code may do.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exchange::{Exchange, RequestBuilder};
use crate::cookies::CookieUse;
use crate::draw::{Draw, Site};
use crate::observe::{Level, Note, ReadError, Response};
use crate::request::{Method, Prepared};
use crate::session::{Arrived, Command, FaultKind, Question, Who};
use crate::state::State;
use crate::trace::record::Asked;
use crate::{Failure, Name, Secret};

/// The longest line of a bot's log; more is cut off.
const LOG_BYTES_MAX: usize = 16 * 1024;

/// All that bot code may do: what it knows, draws, notes, and what it can wait for.
///
/// What it waits for takes `&mut self`: a bot waits for one thing at a time.
pub struct Context {
    pub(crate) state: Rc<State>,
}

impl Context {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state }
    }

    /// The instant of the latest input, as time since the run's start. Stands still while the
    /// bot thinks.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.state.now_us.get())
    }

    /// Whether the run is stopping, as of the latest input: the bot should come to an end.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.state.stopping.get()
    }

    /// Whose session it is.
    #[must_use]
    pub fn who(&self) -> Who {
        self.state.who.get()
    }

    /// The run's number, new in every run.
    #[must_use]
    pub fn run_id(&self) -> u64 {
        self.state.run.run_id
    }

    /// The run's seed, for [`permuted`](crate::permuted).
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.state.run.seed
    }

    /// Which of the run's tasks this is, from 0: for set-up that only one of them does.
    #[must_use]
    pub fn task_index(&self) -> u32 {
        self.state.run.task_index
    }

    /// What paths without a host are put behind.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.state.run.target.as_deref()
    }

    /// The next draw at a site. The context counts how often each site has drawn.
    #[must_use]
    pub fn draw(&self, site: Site) -> Draw {
        self.state.draw(site)
    }

    /// The next draw at a site that is different in every run, even with the same seed: for
    /// names that the target must not have seen before.
    #[must_use]
    pub fn draw_new(&self, site: Site) -> Draw {
        self.state.draw_new(site)
    }

    /// Waits. Ends early if the run stops.
    pub async fn sleep(&mut self, duration: Duration) {
        let arrived = self.wait(Command::Sleep(duration)).await;
        debug_assert_eq!(arrived, Arrived::Woke);
    }

    /// Asks about the run.
    pub async fn ask(&mut self, question: Question) -> u64 {
        match self.wait(Command::Ask(question)).await {
            Arrived::Answer(answer) => answer,
            other => unreachable!("the session lets in only answers to a question, not {other:?}"),
        }
    }

    /// A `GET` in the making. The URL is absolute, or a path behind the run's target.
    pub fn get(&mut self, url: &str) -> RequestBuilder<'_> {
        self.request(Method::Get, url)
    }

    /// A `POST` in the making. The URL is absolute, or a path behind the run's target.
    pub fn post(&mut self, url: &str) -> RequestBuilder<'_> {
        self.request(Method::Post, url)
    }

    /// A request in the making. The URL is absolute, or a path behind the run's target.
    pub fn request(&mut self, method: Method, url: &str) -> RequestBuilder<'_> {
        RequestBuilder::new(self, method, url)
    }

    /// Sends a request that was built before.
    ///
    /// # Errors
    /// Why there was no response.
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<Response, Failure> {
        Exchange { state: &self.state, prepared: Some(prepared), stage: Wait::NotYet }.await
    }

    /// Notes whether something is as it should be, and gives that back.
    pub fn check(&self, name: impl Into<Name>, passed: bool) -> bool {
        let name = name.into();
        if !passed {
            self.state.fault(FaultKind::Check(name.clone()));
        }
        self.state.note(Note::Check { name, passed });
        passed
    }

    /// Counts.
    pub fn counter(&self, name: impl Into<Name>, by: u64) {
        self.state.note(Note::Counter { name: name.into(), by });
    }

    /// One more case of a rate.
    pub fn rate(&self, name: impl Into<Name>, hit: bool) {
        self.state.note(Note::Rate { name: name.into(), hit });
    }

    /// Sets a gauge.
    pub fn gauge(&self, name: impl Into<Name>, value: f64) {
        self.state.note(Note::Gauge { name: name.into(), value });
    }

    /// One more value of a trend.
    pub fn trend(&self, name: impl Into<Name>, value: f64) {
        self.state.note(Note::Trend { name: name.into(), value, is_time: false });
    }

    /// One more duration of a trend of times.
    pub fn trend_time(&self, name: impl Into<Name>, time: Duration) {
        let value = time.as_secs_f64() * 1e3;
        self.state.note(Note::Trend { name: name.into(), value, is_time: true });
    }

    /// Writes a line into the bot's log.
    pub fn log(&self, level: Level, text: impl fmt::Display) {
        let mut text = text.to_string();
        text.truncate(text.floor_char_boundary(LOG_BYTES_MAX));
        self.state.note(Note::Log { level, text });
    }

    /// What set-up handed to all bots.
    ///
    /// # Errors
    /// If it handed over nothing, or something of another shape.
    pub fn setup<T: Serialize + DeserializeOwned>(&self) -> Result<T, ReadError> {
        // Recorded with the session's start, so it is not recorded again.
        let setup = self.state.own.borrow().setup.clone();
        match setup.as_deref() {
            None | Some([]) => Err(ReadError::NoSetup),
            Some(json) => serde_json::from_slice(json).map_err(|_| ReadError::WrongShape),
        }
    }

    /// The scenario's secret of that name.
    ///
    /// # Errors
    /// If the scenario has none of that name.
    pub fn secret(&self, name: &str) -> Result<Secret, ReadError> {
        self.state.read(Asked::Secret, || {
            let value = self.state.run.secrets.value(name).ok_or(ReadError::NoSecret)?;
            Secret::take_in(value).ok_or(ReadError::TooLarge)
        })
    }

    /// The value of the cookie of that name that a server set last in this session.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<Secret> {
        let mut own = self.state.own.borrow_mut();
        let secret = own.jar.as_ref()?.value(name, self.state.now_us.get())?;
        own.vault.pin_cookie(secret);
        Some(secret)
    }

    /// Forgets all cookies, as at the start of a session.
    pub fn clear_cookies(&self) {
        let mut own = self.state.own.borrow_mut();
        own.jar = None;
        own.vault.retain_cookies(|_| false);
    }

    /// Forgets all cookies, and keeps and sends none for the rest of the session.
    pub fn ignore_cookies(&self) {
        self.clear_cookies();
        self.state.own.borrow_mut().cookie_use = CookieUse::Ignored;
    }

    /// A secret made from others: a signature, a base64 form. `make` sees the real values, is run
    /// only live, and must depend on nothing else.
    ///
    /// # Errors
    /// If the bot does not hold one of the secrets, or the new one is too long.
    pub fn derive(
        &self,
        secrets: &[Secret],
        make: impl FnOnce(&[&str]) -> String,
    ) -> Result<Secret, ReadError> {
        self.state.read(Asked::Derive, || {
            let value = Secret::with_values(secrets, make).ok_or(ReadError::NoSecret)?;
            Secret::take_in(&value).ok_or(ReadError::TooLarge)
        })
    }

    /// Something about a secret that is none itself: when a token expires. `read` sees the real
    /// value and is run only live; what it gives is recorded in the open.
    ///
    /// # Errors
    /// If the bot does not hold the secret, or the value cannot be recorded.
    pub fn reveal<T: Serialize + DeserializeOwned>(
        &self,
        secret: Secret,
        read: impl FnOnce(&str) -> T,
    ) -> Result<T, ReadError> {
        self.state.read(Asked::Reveal, || {
            Secret::with_values(&[secret], |values| read(values[0])).ok_or(ReadError::NoSecret)
        })
    }

    fn wait(&mut self, command: Command) -> Waiting<'_> {
        Waiting { state: &self.state, command: Some(command) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.who())
    }
}

/// How far a wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing was commanded: dropped now, it does nothing.
    NotYet,
    /// The command is out.
    Out,
    /// A pause is out in place of a request that cannot be sent.
    Refused,
}

/// Puts a command out at its first poll, and is ready when the input is there.
struct Waiting<'a> {
    state: &'a State,
    command: Option<Command>,
}

impl Future for Waiting<'_> {
    type Output = Arrived;

    fn poll(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Arrived> {
        if let Some(command) = self.command.take() {
            self.state.command.set(Some(command));
            return Poll::Pending;
        }
        match self.state.arrived.take() {
            Some(arrived) => Poll::Ready(arrived),
            None => Poll::Pending,
        }
    }
}

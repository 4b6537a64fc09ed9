//! What a bot is, and the registry of bots by name.
//!
//! A bot is an `async fn` over a [`Context`], the only thing it may await or ask. The trait cannot
//! be an object (its future's type is its own), so [`BotType`] erases it: a name, and a function
//! that makes the boxed slot for the bot's future, once per session object.

mod context;
mod exchange;

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::session::{Outcome, Who};
use crate::state::State;

pub use context::Context;
pub use exchange::RequestBuilder;

/// A seeded state machine that acts as one user.
///
/// All its randomness and all it knows of the world come from the [`Context`]. It must not
/// implement `Drop`: a panic while unwinding would end the process.
#[expect(async_fn_in_trait, reason = "a bot runs on one thread, so its future need not be Send")]
pub trait Bot: Sized + 'static {
    /// What scenarios call it.
    const NAME: &'static str;
    /// To be raised when it decides differently, so that old traces say why they differ.
    const VERSION: u32 = 1;
    /// The name of the bot whose one session runs before all others, with the same configuration.
    /// What it carries is what [`Context::setup`] gives to all.
    const SET_UP: Option<&'static str> = None;
    /// The name of the bot that plays beside the others from the first to the last, with the same
    /// configuration: to look at the target's health. It counts as none of the run's bots.
    const HEARTBEAT: Option<&'static str> = None;
    /// What a scenario says about it; the same for all bots of the scenario.
    type Config: DeserializeOwned + 'static;
    /// What a session leaves to the same bot's next one.
    type Carry: Serialize + DeserializeOwned + Default;

    /// Fresh for every session.
    fn new(config: Rc<Self::Config>, who: Who, carry: Self::Carry) -> Self;

    /// One session from start to end.
    async fn session(&mut self, ctx: &mut Context) -> Outcome;

    /// What its next session starts with. Not asked after a panic: that one starts with the
    /// default.
    fn carry(self) -> Self::Carry;
}

/// A kind of bot with its configuration, its type erased.
pub struct BotType {
    name: &'static str,
    version: u32,
    make: Box<MakeRunner>,
}

/// Makes the slot for the futures of one session object.
type MakeRunner = dyn Fn(&Rc<State>) -> Box<dyn Runner>;

impl BotType {
    /// Bots of this type and configuration.
    #[must_use]
    pub fn new<B: Bot>(config: Rc<B::Config>) -> Self {
        let make = move |state: &Rc<State>| {
            let (config, state) = (Rc::clone(&config), Rc::clone(state));
            slot(move || run_session::<B>(Rc::clone(&config), Rc::clone(&state)))
        };
        Self { name: B::NAME, version: B::VERSION, make: Box::new(make) }
    }

    /// As [`BotType::new`], with the configuration as JSON.
    ///
    /// # Errors
    /// If the JSON is not a configuration of this bot.
    pub fn from_json<B: Bot>(config: &str) -> Result<Self, ConfigError> {
        let config = serde_json::from_str(config);
        let config = config.map_err(|error| ConfigError { message: error.to_string() })?;
        Ok(Self::new::<B>(Rc::new(config)))
    }

    /// What scenarios call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version of its behaviour.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn runner(&self, state: &Rc<State>) -> Box<dyn Runner> {
        (self.make)(state)
    }
}

impl fmt::Debug for BotType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BotType({} {})", self.name, self.version)
    }
}

/// A configuration that does not fit its bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong and where in the JSON.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Kinds of bots by name. Plain functions only, so workers can share it.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    kinds: Vec<Kind>,
}

/// A kind of bot.
#[derive(Clone, Debug)]
struct Kind {
    name: &'static str,
    make: FromJson,
    companions: Companions,
}

/// The names of the bots that one kind of bot needs besides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Companions {
    /// [`Bot::SET_UP`].
    pub set_up: Option<&'static str>,
    /// [`Bot::HEARTBEAT`].
    pub heartbeat: Option<&'static str>,
}

/// Makes a kind of bot from its configuration.
type FromJson = fn(&str) -> Result<BotType, ConfigError>;

impl Registry {
    /// Adds a kind.
    ///
    /// # Panics
    /// If there is one of that name: two bots of one name are a mistake in the program.
    pub fn register<B: Bot>(&mut self) {
        assert!(!self.names().any(|name| name == B::NAME), "two kinds of bots named {}", B::NAME);
        let companions = Companions { set_up: B::SET_UP, heartbeat: B::HEARTBEAT };
        self.kinds.push(Kind { name: B::NAME, make: BotType::from_json::<B>, companions });
    }

    /// The kind of that name with a configuration as JSON; `None` if there is no such kind.
    #[must_use]
    pub fn bot(&self, name: &str, config: &str) -> Option<Result<BotType, ConfigError>> {
        Some((self.kind(name)?.make)(config))
    }

    /// The bots that the kind of that name needs besides itself.
    #[must_use]
    pub fn companions(&self, name: &str) -> Companions {
        self.kind(name).map(|kind| kind.companions).unwrap_or_default()
    }

    fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// All names, in the order of registration.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().map(|kind| kind.name)
    }
}

/// A bot's future in its slot, its type erased.
pub(crate) trait Runner {
    /// Puts a fresh session into the slot. Runs none of the bot's code.
    fn start(&mut self);
    /// Polls the session in the slot.
    fn poll(&mut self) -> Poll<Outcome>;
    /// Drops the session in the slot, if any.
    fn clear(&mut self);
    /// Where the session lies, and how many bytes it has.
    fn memory(&self) -> (usize, usize);
}

struct Slot<F, M> {
    future: Pin<Box<Option<F>>>,
    make: M,
}

fn slot<F, M>(make: M) -> Box<dyn Runner>
where
    F: Future<Output = Outcome> + 'static,
    M: Fn() -> F + 'static,
{
    Box::new(Slot { future: Box::pin(None), make })
}

impl<F: Future<Output = Outcome>, M: Fn() -> F> Runner for Slot<F, M> {
    fn start(&mut self) {
        self.future.set(Some((self.make)()));
    }

    fn poll(&mut self) -> Poll<Outcome> {
        let future =
            self.future.as_mut().as_pin_mut().expect("a session is polled after its start");
        future.poll(&mut std::task::Context::from_waker(Waker::noop()))
    }

    fn clear(&mut self) {
        self.future.set(None);
    }

    fn memory(&self) -> (usize, usize) {
        ((&raw const *self.future).addr(), size_of::<Option<F>>())
    }
}

/// One session with all of the bot's code inside, so that one `catch_unwind` holds all of it.
async fn run_session<B: Bot>(config: Rc<B::Config>, state: Rc<State>) -> Outcome {
    let carry = decode_carry::<B>(&state);
    let mut bot = B::new(config, state.who.get(), carry);
    let mut context = Context::new(Rc::clone(&state));
    let outcome = bot.session(&mut context).await;
    let carry = bot.carry();
    let mut json = std::mem::take(&mut state.own.borrow_mut().carry);
    json.clear();
    let written = serde_json::to_writer(&mut json, &carry);
    written.unwrap_or_else(|error| panic!("the carried state cannot be written as json: {error}"));
    state.own.borrow_mut().carry = json;
    outcome
}

fn decode_carry<B: Bot>(state: &State) -> B::Carry {
    let json = std::mem::take(&mut state.own.borrow_mut().carry);
    let carry = match json.as_slice() {
        b"" | b"null" => B::Carry::default(),
        json => serde_json::from_slice(json)
            .unwrap_or_else(|error| panic!("the carried state is not this bot's: {error}")),
    };
    state.own.borrow_mut().carry = json;
    carry
}

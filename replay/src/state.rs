//! What a session and its bot's [`Context`](crate::Context) share, and what all sessions of a
//! worker share.
//!
//! The context is owned by the bot's future and the session owns the future, so both hold an `Rc`
//! of [`State`]; no lifetime shows in bot code. Only one step runs at a time on a worker, so
//! whatever lives for one step (response, notes, the step's transcript) lies in the worker's
//! [`Scratch`], a request is lent from there until its response is in, and an idle bot keeps only
//! what is its own.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;

use crate::Name;
use crate::cookies::{CookieUse, Jar};
use crate::draw::{Draw, SAMPLER_VERSION, SessionKey, Site};
use crate::observe::{Decoded, Note, ResponseParts};
use crate::replayer::Recorded;
use crate::request::{Expected, Request};
use crate::run::RunFacts;
use crate::secret::{SecretKey, Vault};
use crate::session::{Arrived, Command, Fault, FaultKind, Who};
use crate::trace::record::Recorder;
use crate::transcript::Transcript;

/// How many places one session may draw at. A hand-written bot has tens; ten thousands are labels
/// made from data, and would grow a session's memory without end.
pub const SITES_MAX: usize = 10_000;

/// A request whose buffers have grown beyond this is given back to the system, not to the worker.
const SPARE_BYTES_MAX: usize = 64 * 1024;
/// Requests that wait for use: more than a burst needs. When a run starts, every bot has one.
const SPARE_REQUESTS_MAX: usize = 1024;

/// What the sessions of one worker share: everything that lives for one step only.
#[derive(Default)]
pub struct Scratch {
    /// Requests that no exchange needs, for their buffers.
    #[expect(clippy::vec_box, reason = "lent as they are: a bot without one keeps a pointer")]
    spare_requests: RefCell<Vec<Box<Request>>>,
    /// What requests are called that a redirect led to.
    redirected: RefCell<BTreeMap<String, Name>>,
    pub(crate) response: RefCell<Option<ResponseParts>>,
    /// The response's body, if it came encoded and somebody read it.
    pub(crate) decoded: RefCell<Decoded>,
    pub(crate) notes: RefCell<Vec<Note>>,
    /// Of the step under way.
    pub(crate) transcript: RefCell<Transcript>,
    /// A value as JSON between a response and the record.
    pub(crate) value: Cell<Vec<u8>>,
    /// The weights of the choice under way.
    pub(crate) weights: Cell<Vec<u32>>,
    /// The secrets that set-up handed to all bots.
    pub(crate) shared: RefCell<Option<Rc<Vault>>>,
    /// Counts the steps of all sessions, so that a session knows whether the latest was its own.
    pub(crate) turn: Cell<u64>,
}

impl Scratch {
    /// One for each worker.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Gives the sessions that start from now on the secrets that set-up read: its result names
    /// them by placeholder, and the key is the run's. The values are [`Vault::values`] of the
    /// set-up session.
    pub fn share_secrets<'a>(&self, key: SecretKey, values: impl Iterator<Item = &'a str>) {
        let mut vault = Vault::new(key);
        for value in values {
            vault.insert(value);
        }
        *self.shared.borrow_mut() = (!vault.is_empty()).then(|| Rc::new(vault));
    }
}

/// Whether a session is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It is.
    On,
    /// It is not, and no chain is computed.
    Off,
}

/// What a session and its context share.
pub(crate) struct State {
    pub(crate) scratch: Rc<Scratch>,
    pub(crate) run: Rc<RunFacts>,
    pub(crate) who: Cell<Who>,
    pub(crate) now_us: Cell<u64>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) recording: Cell<bool>,
    /// The version that the record names: in a replay, the recorded one.
    pub(crate) sampler_version: Cell<u16>,
    /// Counts the inputs of this session; the start is 0.
    pub(crate) step: Cell<u32>,
    /// Set while the bot's code runs: what it does when it is dropped does not count.
    pub(crate) running: Cell<bool>,
    pub(crate) arrived: Cell<Option<Arrived>>,
    pub(crate) command: Cell<Option<Command>>,
    pub(crate) key: Cell<SessionKey>,
    /// The request that is being built or under way.
    request: RefCell<Option<Box<Request>>>,
    pub(crate) own: RefCell<Own>,
}

/// The part of [`State`] that is not a plain value.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) chain: u64,
    /// How often each site has drawn, sorted by the site's key.
    sites: Vec<(u64, u32)>,
    pub(crate) vault: Vault,
    pub(crate) recorder: Recorder,
    pub(crate) fault: Option<Fault>,
    /// The action under way: set and name.
    pub(crate) action: Option<(Name, Name)>,
    /// What was sent: a response is judged when the request is long overwritten.
    pub(crate) sent: (Name, Expected),
    /// None as long as no server has set a cookie.
    pub(crate) jar: Option<Box<Jar>>,
    pub(crate) cookie_use: CookieUse,
    pub(crate) carry: Vec<u8>,
    pub(crate) setup: Option<Rc<[u8]>>,
    /// How many forced actions are done.
    pub(crate) forced_done: usize,
    /// In a replay: what the bot read, and where it went.
    pub(crate) replay: Option<Box<Recorded>>,
}

impl State {
    pub(crate) fn new(run: &Rc<RunFacts>, scratch: &Rc<Scratch>) -> Self {
        Self {
            scratch: Rc::clone(scratch),
            run: Rc::clone(run),
            who: Cell::default(),
            now_us: Cell::default(),
            stopping: Cell::default(),
            recording: Cell::new(true),
            sampler_version: Cell::new(SAMPLER_VERSION),
            step: Cell::default(),
            running: Cell::default(),
            arrived: Cell::default(),
            command: Cell::default(),
            key: Cell::new(SessionKey::new(0, 0, 0, 0)),
            request: RefCell::default(),
            own: RefCell::new(Own { vault: Vault::new(run.secret_key), ..Own::default() }),
        }
    }

    /// The bot's request; lent from the worker until [`State::give_request_back`].
    pub(crate) fn request(&self) -> RefMut<'_, Request> {
        RefMut::map(self.request.borrow_mut(), |request| {
            &mut **request.get_or_insert_with(|| {
                self.scratch.spare_requests.borrow_mut().pop().unwrap_or_default()
            })
        })
    }

    /// The exchange is over, or was given up.
    pub(crate) fn give_request_back(&self) {
        if let Some(request) = self.request.take()
            && request.capacity() <= SPARE_BYTES_MAX
        {
            let mut spare = self.scratch.spare_requests.borrow_mut();
            if spare.len() < SPARE_REQUESTS_MAX {
                spare.push(request);
            }
        }
    }

    /// What a request of this name is called when a redirect led to it.
    pub(crate) fn redirected_name(&self, name: &Name) -> Name {
        let mut names = self.scratch.redirected.borrow_mut();
        if let Some(known) = names.get(name.as_str()) {
            return known.clone();
        }
        let redirected = Name::from(format!("{name} (redirect)"));
        if names.len() < REDIRECTED_MAX {
            names.insert(name.to_string(), redirected.clone());
        }
        redirected
    }

    pub(crate) fn draw(&self, site: Site) -> Draw {
        let n = self.count(site.key());
        self.noted(site, self.key.get().draw(site, n))
    }

    pub(crate) fn draw_new(&self, site: Site) -> Draw {
        // Counted apart from `draw` at the same site, so that neither moves the other.
        let n = self.count(!site.key());
        let who = self.who.get();
        let run_id = self.run.run_id;
        let key = SessionKey::new_each_run(run_id, who.scenario, who.bot, who.session);
        self.noted(site, key.draw(site, n))
    }

    /// In a replay, what comes out of the draw is a part of the trail.
    fn noted(&self, site: Site, draw: Draw) -> Draw {
        match &mut self.own.borrow_mut().replay {
            Some(replay) => draw.noted_in(&replay.trail_draw(site)),
            None => draw,
        }
    }

    fn count(&self, key: u64) -> u32 {
        let sites = &mut self.own.borrow_mut().sites;
        let index = match sites.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => index,
            Err(index) => {
                assert!(sites.len() < SITES_MAX, "a session draws at more than {SITES_MAX} sites");
                sites.insert(index, (key, 0));
                index
            }
        };
        let n = sites[index].1;
        sites[index].1 = n.checked_add(1).expect("fewer than 2^32 draws at a site");
        n
    }

    /// Takes a note, and lets the chain cover it.
    pub(crate) fn note(&self, note: Note) {
        if !self.running.get() {
            return;
        }
        if self.recording.get() {
            note.transcribe(&mut self.scratch.transcript.borrow_mut());
        }
        self.scratch.notes.borrow_mut().push(note);
    }

    /// Keeps the first reason why this session counts as failing.
    pub(crate) fn fault(&self, kind: FaultKind) {
        let step = self.step.get();
        let mut own = self.own.borrow_mut();
        if own.fault.is_none() {
            let action = own.action.clone();
            own.fault = Some(Fault { step, action, kind });
        }
    }

    /// Whether a response's status alone makes the session count as failing.
    pub(crate) fn judge_status(&self, status: u16) {
        let own = self.own.borrow();
        let (request, expected) = &own.sent;
        if !expected.contains(status) {
            let kind = FaultKind::Status { request: request.clone(), status };
            drop(own);
            self.fault(kind);
        }
    }

    /// Ends the bot at once: a replay cannot give it what the record does not hold.
    pub(crate) fn stop_replay(&self) -> ! {
        resume_unwind(Box::new(ReplayStopped))
    }

    pub(crate) fn transcribe(&self, entry: &[u8]) {
        if self.recording.get() {
            self.scratch.transcript.borrow_mut().push(entry);
        }
    }
}

impl Own {
    /// Forgets the previous session; buffers and the vault stay.
    pub(crate) fn clear(&mut self) {
        self.chain = 0;
        self.sites.clear();
        self.recorder.clear();
        self.fault = None;
        self.action = None;
        self.sent = (Name::default(), Expected::default());
        self.forced_done = 0;
        self.jar = None;
        self.cookie_use = CookieUse::Kept;
    }
}

/// A scenario has tens of names; beyond thousands they hold an id and are not worth keeping.
const REDIRECTED_MAX: usize = 4096;

/// What a replayed bot is stopped with; no panic hook sees it.
pub(crate) struct ReplayStopped;

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

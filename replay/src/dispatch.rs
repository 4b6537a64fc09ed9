//! Weighted action sets: what does the bot do next?
//!
//! A choice is one draw among the actions that are enabled and weigh something, at a site of the
//! set's own, so it moves no other draw. The [`dispatch!`](crate::dispatch!) macro evaluates
//! weights and guards, chooses, and runs the chosen arm inline, with the bot, the context and
//! local variables in reach; closures could not share them. An arm whose result says that it did
//! nothing is followed by another choice at once, a bounded number of times; a set in which
//! nothing is enabled says so instead of turning round for ever.
//!
//! From the run come weights that replace the bot's by name, and a list of forced actions for
//! debugging. Both are part of what a trace's header says about the run.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::bot::Context;
use crate::draw::Site;
use crate::observe::Note;
use crate::state::State;
use crate::{Name, RunFacts};

/// How many choices may do nothing before the set gives up.
const RETRIES_MAX: u32 = 50;

/// A set of actions that one is chosen from, and what must be remembered between choices.
#[derive(Clone, Debug)]
pub struct ActionSet {
    name: Name,
    key: u64,
    retries_max: u32,
    repeats: Repeats,
    last: Option<Name>,
}

/// Whether an action may follow itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    Allowed,
    Excluded,
}

impl ActionSet {
    /// A set of this name. The name is what overrides and forced actions refer to, and the key of
    /// its draws.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        let name = name.into();
        let key = xxh3_64(name.as_str().as_bytes());
        Self { name, key, retries_max: RETRIES_MAX, repeats: Repeats::Allowed, last: None }
    }

    /// The same action is never done twice in a row.
    #[must_use]
    pub fn no_repeat(mut self) -> Self {
        self.repeats = Repeats::Excluded;
        self
    }

    /// How many choices may do nothing before the set gives up; at first 50.
    #[must_use]
    pub fn retries(mut self, retries_max: u32) -> Self {
        self.retries_max = retries_max;
        self
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How many choices may do nothing before the set gives up.
    #[must_use]
    pub fn retries_max(&self) -> u32 {
        self.retries_max
    }

    /// Makes one choice; nothing if no action can be chosen. What [`dispatch!`](crate::dispatch!)
    /// is made of, and what interprets declared bots.
    ///
    /// # Panics
    /// If the arms' slices differ in length.
    pub fn choose(&mut self, ctx: &Context, arms: Arms<'_>) -> Option<Choice> {
        assert!(
            arms.names.len() == arms.weights.len() && arms.names.len() == arms.enabled.len(),
            "each action has a name, a weight and a guard"
        );
        let state = &ctx.state;
        let forced = self.forced(state, arms.names);
        let index = forced.or_else(|| self.draw(state, arms))?;
        let name = arms.names[index].clone();
        if let Some(replay) = &mut state.own.borrow_mut().replay {
            let among = if forced.is_none() { weighed(state, arms.names) } else { Vec::new() };
            replay.trail_pick(self.site(), (&self.name, &name), among);
        }
        let previous = self.last.replace(name.clone());
        let action = (self.name.clone(), name.clone());
        let outer = state.own.borrow_mut().action.replace(action);
        Some(Choice {
            index,
            name,
            set: self.name.clone(),
            previous,
            outer,
            began_us: state.now_us.get(),
            is_skipped: false,
            state: Rc::clone(state),
        })
    }

    /// Ends a choice whose arm ran to its end, and says whether it was skipped. A skipped one is
    /// neither noted nor remembered.
    pub fn settle<R: ActionResult>(&mut self, mut choice: Choice, result: &R) -> bool {
        let is_skipped = result.is_skipped();
        if is_skipped {
            choice.is_skipped = true;
            self.last = choice.previous.take();
        }
        is_skipped
    }

    /// The next forced action, if it is one of this set's.
    fn forced(&self, state: &State, names: &[Name]) -> Option<usize> {
        let mut own = state.own.borrow_mut();
        while let Some(forced) = state.run.forced.get(own.forced_done) {
            if forced.set == self.name.as_str() {
                own.forced_done += 1;
                return names.iter().position(|name| name.as_str() == forced.action);
            }
            if forced.when == When::Next {
                return None;
            }
            own.forced_done += 1;
        }
        None
    }

    fn draw(&self, state: &State, arms: Arms<'_>) -> Option<usize> {
        let mut weights = state.scratch.weights.take();
        weights.clear();
        for ((name, weight), enabled) in arms.names.iter().zip(arms.weights).zip(arms.enabled) {
            let is_repeat = self.repeats == Repeats::Excluded && self.last.as_ref() == Some(name);
            weights.push(match *enabled && !is_repeat {
                true => self.overridden(&state.run, name, *weight),
                false => 0,
            });
        }
        let can_choose = weights.iter().any(|weight| *weight > 0);
        let index = if can_choose { state.draw(self.site()).weighted(&weights) } else { None };
        state.scratch.weights.set(weights);
        index
    }

    fn site(&self) -> Site {
        Site::from_key(self.key ^ SET_SITES)
    }

    fn overridden(&self, run: &RunFacts, name: &Name, weight: u32) -> u32 {
        if run.weights.is_empty() {
            return weight;
        }
        run.weights.find(self.key, name.as_str()).unwrap_or(weight)
    }
}

/// What the latest draw of an action was among.
fn weighed(state: &State, names: &[Name]) -> Vec<(Name, u32)> {
    let weights = state.scratch.weights.take();
    let weighed = names.iter().zip(&weights).filter(|(_, weight)| **weight > 0);
    let weighed = weighed.map(|(name, weight)| (name.clone(), *weight)).collect();
    state.scratch.weights.set(weights);
    weighed
}

/// Keeps a set's draws apart from those at a site that a bot labels like the set.
const SET_SITES: u64 = 0x6163_7469_6F6E_7321;

/// The actions that a choice is among: three slices of one length.
#[derive(Clone, Copy, Debug)]
pub struct Arms<'a> {
    /// What they are called.
    pub names: &'a [Name],
    /// How likely each is, against the others that are enabled.
    pub weights: &'a [u32],
    /// Whether each may be chosen now.
    pub enabled: &'a [bool],
}

/// A choice under way. Its end is noted however the arm is left, also by `return` or `?`.
pub struct Choice {
    index: usize,
    name: Name,
    set: Name,
    previous: Option<Name>,
    /// The action that this one is a part of.
    outer: Option<(Name, Name)>,
    began_us: u64,
    /// Then its end is not noted.
    is_skipped: bool,
    state: Rc<State>,
}

impl Choice {
    /// Which action it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the action is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it is the arm that `next` counts; counts on. For the macro.
    #[doc(hidden)]
    #[must_use]
    pub fn is_arm(&self, next: &mut usize) -> bool {
        let arm = *next;
        *next += 1;
        self.index == arm
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Choice({}.{})", self.set, self.name)
    }
}

impl Drop for Choice {
    fn drop(&mut self) {
        let state = &self.state;
        state.own.borrow_mut().action = self.outer.take();
        if !self.is_skipped {
            let took_us = state.now_us.get() - self.began_us;
            let (set, name) = (self.set.clone(), self.name.clone());
            state.note(Note::Action { set, name, took_us });
        }
    }
}

/// What an action's body gives.
pub trait ActionResult {
    /// Whether it did nothing, so that another choice is made at once.
    fn is_skipped(&self) -> bool;
}

/// An action that always does something.
impl ActionResult for () {
    fn is_skipped(&self) -> bool {
        false
    }
}

/// An action that failed did something.
impl<T: ActionResult, E> ActionResult for Result<T, E> {
    fn is_skipped(&self) -> bool {
        self.as_ref().is_ok_and(T::is_skipped)
    }
}

/// What became of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Dispatched<R> {
    /// An action was done.
    Acted(R),
    /// Action after action did nothing; the last one's result.
    Skipped(R),
    /// No action could be chosen: nothing is enabled, or all weights are 0.
    Nothing,
}

impl<R> Dispatched<R> {
    /// The result of the action that was done.
    #[must_use]
    pub fn acted(self) -> Option<R> {
        match self {
            Self::Acted(result) => Some(result),
            Self::Skipped(_) | Self::Nothing => None,
        }
    }
}

/// Chooses among named actions by weight and guard, and runs the chosen one's body inline.
///
/// `dispatch!(ctx, set, { "name": weight, if guard => body, … })`, the guard being optional. The
/// weight is a `u32`, the body's value an [`ActionResult`], the whole a [`Dispatched`]. Weights and
/// guards are evaluated once per choice. In a body, `return` and `?` leave the function around.
///
/// ```
/// use tallyho_replay::dispatch::ActionSet;
/// use tallyho_replay::{Context, dispatch, site};
///
/// async fn menu(ctx: &mut Context, menu: &mut ActionSet, coins: u64) {
///     let _ = dispatch!(ctx, menu, {
///         "look": 3 => { let _ = ctx.get("/items").name("items").send().await; },
///         "buy": 1, if coins > 0 => {
///             let item = ctx.draw(site!("menu.item")).below(10);
///             let _ = ctx.post("/buy").name("buy").json(&item).send().await;
///         },
///     });
/// }
/// ```
#[macro_export]
macro_rules! dispatch {
    ($ctx:expr, $set:expr, {
        $($name:literal: $weight:expr $(, if $guard:expr)? => $body:expr),+ $(,)?
    }) => {{
        const NAMES: &[$crate::Name] = &[$($crate::Name::Static($name)),+];
        let mut skipped = 0_u32;
        loop {
            let arms = $crate::dispatch::Arms {
                names: NAMES,
                weights: &[$($weight),+],
                enabled: &[$(true $(&& $guard)?),+],
            };
            let Some(choice) = $set.choose(&$ctx, arms) else {
                break $crate::dispatch::Dispatched::Nothing;
            };
            #[allow(unreachable_code, reason = "an arm may end in `return`")]
            let result = 'arms: {
                let mut next = 0_usize;
                $(if choice.is_arm(&mut next) {
                    break 'arms $body;
                })+
                unreachable!("a choice is one of the arms")
            };
            if !$set.settle(choice, &result) {
                break $crate::dispatch::Dispatched::Acted(result);
            }
            if skipped == $set.retries_max() {
                break $crate::dispatch::Dispatched::Skipped(result);
            }
            skipped += 1;
        }
    }};
}

/// Weights that replace those of the bot, by set and action. Names that no bot has do nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightOverrides {
    /// Sorted by the key of set and action.
    weights: Vec<(u64, u32)>,
}

impl WeightOverrides {
    /// Replaces one action's weight.
    pub fn insert(&mut self, set: &str, action: &str, weight: u32) {
        let key = Self::key(xxh3_64(set.as_bytes()), action);
        match self.weights.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => self.weights[index].1 = weight,
            Err(index) => self.weights.insert(index, (key, weight)),
        }
    }

    /// Whether nothing is replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// What is replaced, as a trace's header keeps it: the key of set and action, and the weight.
    pub fn by_key(&self) -> impl Iterator<Item = (u64, u32)> {
        self.weights.iter().copied()
    }

    /// Replaces the weights that [`by_key`](Self::by_key) gave.
    #[must_use]
    pub fn from_keys(keys: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let mut weights: Vec<_> = keys.into_iter().collect();
        weights.sort_unstable();
        weights.dedup_by_key(|(key, _)| *key);
        Self { weights }
    }

    fn find(&self, set: u64, action: &str) -> Option<u32> {
        let key = Self::key(set, action);
        let index = self.weights.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.weights[index].1)
    }

    fn key(set: u64, action: &str) -> u64 {
        let words = [set, xxh3_64(action.as_bytes())];
        xxh3_64(words.map(u64::to_le_bytes).as_flattened())
    }
}

/// An action that every session does, in the order of the list, before it chooses for itself:
/// `set.action` waits until that set is asked; `set?.action` is passed over if another set is
/// asked first. Weights and guards do not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ForcedAction {
    set: String,
    action: String,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Later actions wait for it.
    Next,
    /// Only if its set is the next one asked.
    IfAsked,
}

/// A forced action that is not written `set.action` or `set?.action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForcedActionError;

impl fmt::Display for ForcedActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a forced action is written \"set.action\" or \"set?.action\"")
    }
}

impl std::error::Error for ForcedActionError {}

impl fmt::Display for ForcedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.when {
            When::Next => "",
            When::IfAsked => "?",
        };
        write!(f, "{}{mark}.{}", self.set, self.action)
    }
}

impl FromStr for ForcedAction {
    type Err = ForcedActionError;

    fn from_str(text: &str) -> Result<Self, ForcedActionError> {
        let (set, action) = text.split_once('.').ok_or(ForcedActionError)?;
        let (set, when) = match set.strip_suffix('?') {
            Some(set) => (set, When::IfAsked),
            None => (set, When::Next),
        };
        if set.is_empty() || action.is_empty() {
            return Err(ForcedActionError);
        }
        Ok(Self { set: set.to_owned(), action: action.to_owned(), when })
    }
}

impl TryFrom<String> for ForcedAction {
    type Error = ForcedActionError;

    fn try_from(text: String) -> Result<Self, ForcedActionError> {
        text.parse()
    }
}

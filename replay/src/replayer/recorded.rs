//! What a replayed bot reads, and where its latest step led it.

use crate::Name;
use crate::draw::{Drawn, Site};
use crate::observe::{Found, ReadError};
use crate::trace::record::{Asked, Content};

use super::difference::Trail;

/// How much of a step's trail is kept: the last part, which led to the difference.
const TRAIL_MAX: usize = 64;

/// What a replayed bot reads in the step under way, and what it did there.
#[derive(Default)]
pub(crate) struct Recorded {
    json: Vec<u8>,
    values: Vec<(Asked, Stored)>,
    next: usize,
    problem: Option<Problem>,
    trail: Vec<Trail>,
}

#[derive(Clone, Copy)]
enum Stored {
    Json { start: usize, end: usize },
    Error(ReadError),
    Panicked,
}

/// Why a bot cannot be given what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// When recorded, it read no more in this step.
    NoValue(Asked),
    /// When recorded, it read something else here.
    OtherValue { recorded: Asked, replayed: Asked },
    /// What was recorded does not fit its view any more.
    View(Asked),
}

impl Recorded {
    pub(super) fn begin_step(&mut self) {
        self.json.clear();
        self.values.clear();
        self.next = 0;
        self.problem = None;
        self.trail.clear();
    }

    pub(super) fn push(&mut self, asked: Asked, content: Content<'_>) {
        let stored = match content {
            Content::Json(json) => {
                let start = self.json.len();
                self.json.extend_from_slice(json);
                Stored::Json { start, end: self.json.len() }
            }
            Content::Error(error) => Stored::Error(error),
            Content::Panicked => Stored::Panicked,
        };
        self.values.push((asked, stored));
    }

    /// The next value, its JSON appended to `json`. Nothing if the record does not go on with
    /// such a value; the bot is then to be stopped.
    pub(crate) fn next_value(&mut self, asked: Asked, json: &mut Vec<u8>) -> Option<Found> {
        let problem = match self.values.get(self.next) {
            Some((recorded, stored)) if *recorded == asked => {
                self.next += 1;
                return Some(match *stored {
                    Stored::Json { start, end } => {
                        json.extend_from_slice(&self.json[start..end]);
                        Found::Json
                    }
                    Stored::Error(error) => Found::Error(error),
                    Stored::Panicked => Found::Panicked,
                });
            }
            Some((recorded, _)) => Problem::OtherValue { recorded: *recorded, replayed: asked },
            None => Problem::NoValue(asked),
        };
        self.problem.get_or_insert(problem);
        None
    }

    /// Whether the record goes on with such a value.
    pub(crate) fn next_is(&self, asked: Asked) -> bool {
        self.unread() == Some(asked)
    }

    /// The value just read does not fit the bot's view.
    pub(crate) fn view_changed(&mut self, asked: Asked) {
        self.problem.get_or_insert(Problem::View(asked));
    }

    /// Whether the bot was given all it asked for, and asked for all there is.
    pub(super) fn is_all_read(&self) -> bool {
        self.problem.is_none() && self.next == self.values.len()
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// The first value that the bot did not ask for.
    pub(super) fn unread(&self) -> Option<Asked> {
        self.values.get(self.next).map(|(asked, _)| *asked)
    }

    pub(super) fn trail(&self) -> &[Trail] {
        &self.trail
    }

    pub(crate) fn trail_draw(&mut self, site: Site) -> Drawn {
        let drawn = Drawn::default();
        self.leave(Trail::Draw { site, drawn: drawn.clone() });
        drawn
    }

    /// An action was chosen; the draw that chose it says nothing more.
    pub(crate) fn trail_pick(
        &mut self,
        site: Site,
        (set, action): (&Name, &Name),
        among: Vec<(Name, u32)>,
    ) {
        let is_its_draw =
            |last: &mut Trail| matches!(last, Trail::Draw { site: s, .. } if *s == site);
        self.trail.pop_if(is_its_draw);
        self.leave(Trail::Pick { set: set.to_string(), action: action.to_string(), among });
    }

    fn leave(&mut self, trail: Trail) {
        if self.trail.len() == TRAIL_MAX {
            self.trail.remove(0);
        }
        self.trail.push(trail);
    }
}

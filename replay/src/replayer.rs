//! A recorded session against a bot.

use crate::draw::Site;
use crate::observe::Found;
use crate::trace::record::Asked;

/// What a replayed bot reads.
pub(crate) struct Recorded;

impl Recorded {
    pub(crate) fn trail_draw(&mut self, _site: Site) {}
    pub(crate) fn next_value(&mut self, _asked: Asked, _json: &mut Vec<u8>) -> Option<Found> {
        None
    }
    pub(crate) fn view_changed(&mut self) {}
}

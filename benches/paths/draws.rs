//! Draws and samplers.

use std::hint::black_box;
use std::time::Duration;

use tallyho_replay::{Draw, SessionKey, permuted, site};

use super::Path;

/// A sampler at work on one draw.
fn sampler<R: 'static>(name: &str, mut sample: impl FnMut(&mut Draw) -> R + 'static) -> Path {
    let mut draw = SessionKey::new(1, 2, 3, 4).draw(site!("sampler"), 0);
    Path::new(format!("sampler/{name}"), move || sample(black_box(&mut draw)))
}

pub(crate) fn all() -> Vec<Path> {
    let key = SessionKey::new(1, 2, 3, 4);
    let (mut n, mut index) = (0, 0);
    let mut cards: Vec<u32> = (0..10).collect();
    let second = Duration::from_secs(1);
    vec![
        Path::new("draw/key of a session", || SessionKey::new(black_box(1), 2, 3, 4)),
        Path::new("draw/first value of a draw", move || {
            n += 1;
            key.draw(site!("place"), n).bits()
        }),
        sampler("below", |draw| draw.below(1_000)),
        sampler("between", |draw| draw.between(1..=6)),
        sampler("chance", |draw| draw.chance(1, 3)),
        sampler("weighted, 10 weights", |draw| draw.weighted(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])),
        sampler("pick", |draw| draw.pick(&["a", "b", "c"]).copied()),
        sampler("duration", move |draw| draw.duration(second..=2 * second)),
        sampler("exponential", move |draw| draw.exponential(second)),
        sampler("shuffle, 10 items", move |draw| draw.shuffle(&mut cards)),
        Path::new("sampler/permuted", move || {
            index = (index + 1) % 1_000_000;
            permuted(1, site!("accounts"), 1_000_000, index)
        }),
    ]
}

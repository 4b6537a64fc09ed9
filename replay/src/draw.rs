//! Keyed randomness and the samplers.
//!
//! A draw is a function of *where* it is made, not of how many draws were made before it: run
//! seed, scenario, bot, session, site and how often that site has drawn in this session. So a
//! failed request, or a draw added at one site, moves no draw of another, and behaviour does not
//! depend on cores, tasks or machines. Each key is hashed to 128 bits (xxh3) that seed one
//! `Pcg64` on one fixed stream: streams chosen by number correlate (measured), hashed states on
//! one stream do not.
//!
//! Samplers are ours, integer-only and numbered by [`SAMPLER_VERSION`], because a library may
//! change its algorithms in a minor version and a float may differ in its last bit between
//! platforms. `tests/golden/draws.txt` holds their values. Knows nothing of sessions.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;
use xxhash_rust::const_xxh3;
use xxhash_rust::xxh3;

/// Raised whenever a sampler gives other values for the same key; part of every record.
pub const SAMPLER_VERSION: u16 = 1;

/// The one stream all draws use. The value is PCG's own default and means nothing.
const STREAM: u128 = 0x0a02_bdbf_7bb3_c0a7_ac28_fa16_a64a_bf96;

/// Where in the code or scenario a draw is made: the hash of a label, and the label for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    key: u64,
    label: &'static str,
}

/// A draw site named by a literal, hashed when the program is compiled.
#[macro_export]
macro_rules! site {
    ($label:expr) => {
        const { $crate::draw::site($label) }
    };
}

/// A draw site named by a label. Outside of a constant it is hashed at every call, which costs
/// several draws: bots write `site!("label")`.
#[must_use]
pub const fn site(label: &'static str) -> Site {
    Site { key: const_xxh3::xxh3_64(label.as_bytes()), label }
}

impl Site {
    /// The site of a label that is only known at run time; equal in its draws to [`site()`].
    #[must_use]
    pub fn of(label: &str) -> Self {
        Self { key: xxh3::xxh3_64(label.as_bytes()), label: "" }
    }

    /// A site that has a key but no label of its own.
    pub(crate) const fn from_key(key: u64) -> Self {
        Self { key, label: "" }
    }

    /// The label's hash: all that enters a draw.
    #[must_use]
    pub const fn key(self) -> u64 {
        self.key
    }

    /// The label, or nothing for a site made at run time.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.label
    }
}

/// The part of a draw's key that is the same for a whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey(u128);

impl SessionKey {
    /// The key of one session.
    #[must_use]
    pub fn new(run_seed: u64, scenario: u64, bot: u64, session: u64) -> Self {
        Self(hash_words(&[run_seed, scenario, bot, session]))
    }

    /// The key for what must be new in every run, even with the same seed. The fifth word keeps
    /// it apart from [`SessionKey::new`] with equal numbers.
    #[must_use]
    pub fn new_each_run(run_id: u64, scenario: u64, bot: u64, session: u64) -> Self {
        Self(hash_words(&[run_id, scenario, bot, session, 1]))
    }

    /// The `n`-th draw at a site in this session.
    #[must_use]
    pub fn draw(self, site: Site, n: u32) -> Draw {
        let mut bytes = [0; 28];
        bytes[..16].copy_from_slice(&self.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&site.key.to_le_bytes());
        bytes[24..].copy_from_slice(&n.to_le_bytes());
        Draw { rng: Pcg64::new(xxh3::xxh3_128(&bytes), STREAM), drawn: None }
    }
}

fn hash_words<const N: usize>(words: &[u64; N]) -> u128 {
    let mut bytes = [[0; 8]; N];
    for (bytes, word) in bytes.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    xxh3::xxh3_128(bytes.as_flattened())
}

/// One draw. A sampler may take several values from it; nothing else does.
///
/// A sampler asked for something impossible (a value below 0, an empty range) panics: that is a
/// mistake in the bot, and ends its session as `Panicked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    rng: Pcg64,
    /// In a replay: where what comes out is noted.
    drawn: Option<Drawn>,
}

impl Draw {
    /// 64 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let bits = self.next();
        self.noted(bits)
    }

    /// Uniform in `0..n`, exactly: Lemire's multiplication with rejection.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let value = self.next_below(n);
        self.noted(value)
    }

    /// Uniform over a range, both ends included.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        assert!(first <= last, "a draw from an empty range, {first}..={last}");
        let value = self.next_between(first, last);
        self.noted(value)
    }

    /// True in `numerator` of `denominator` cases.
    ///
    /// # Panics
    /// If the denominator is 0.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        let is_so = self.next_below(denominator) < numerator;
        self.noted(is_so)
    }

    /// An index, each in proportion to its weight; nothing if all weights are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> Option<usize> {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        if total == 0 {
            return None;
        }
        let mut rest = self.next_below(total);
        for (index, weight) in weights.iter().enumerate() {
            match rest.checked_sub(u64::from(*weight)) {
                Some(less) => rest = less,
                None => return Some(self.noted(index)),
            }
        }
        unreachable!("the rest is below the sum of the weights")
    }

    /// One of the items, each equally likely; nothing if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            return None;
        }
        let index = usize::try_from(self.next_below(items.len() as u64)).expect("below a usize");
        Some(&items[self.noted(index)])
    }

    /// Uniform over a range of durations in whole microseconds, both ends included.
    ///
    /// # Panics
    /// If the range is empty, or longer than `u64::MAX` microseconds.
    pub fn duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let (shortest, longest) = range.into_inner();
        let (first, last) = (whole_micros(shortest), whole_micros(longest));
        assert!(first <= last, "a draw from an empty range, {shortest:?}..={longest:?}");
        let micros = self.next_between(first, last);
        self.noted(Duration::from_micros(micros))
    }

    /// Exponentially distributed with the given mean, in whole microseconds, at most 44.4 means.
    ///
    /// # Panics
    /// If the mean is longer than `u64::MAX` microseconds.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        let factor = minus_ln_q32(self.next());
        let micros = (u128::from(whole_micros(mean)) * u128::from(factor)) >> 32;
        self.noted(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Puts the items into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.next_below(last as u64 + 1)).expect("below a usize");
            items.swap(last, other);
        }
        if self.drawn.is_some() {
            self.noted(format_args!("an order of {}", items.len()));
        }
    }

    /// Has what comes out noted there.
    pub(crate) fn noted_in(mut self, drawn: &Drawn) -> Self {
        self.drawn = Some(drawn.clone());
        self
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.rng.next_u64()
    }

    #[inline]
    fn next_below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw below 0 is impossible");
        let (mut high, mut low) = multiply(self.next(), n);
        if low < n {
            let threshold = n.wrapping_neg() % n;
            while low < threshold {
                (high, low) = multiply(self.next(), n);
            }
        }
        high
    }

    fn next_between(&mut self, first: u64, last: u64) -> u64 {
        match (last - first).checked_add(1) {
            Some(size) => first + self.next_below(size),
            None => self.next(),
        }
    }

    #[inline]
    fn noted<T: fmt::Debug>(&self, value: T) -> T {
        if let Some(drawn) = &self.drawn {
            drawn.push(&value);
        }
        value
    }
}

/// What came out of a draw, as text for people: kept in replays only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn(Rc<RefCell<Vec<String>>>);

/// Values of one draw that are kept.
const DRAWN_MAX: usize = 8;

impl Drawn {
    fn push(&self, value: &dyn fmt::Debug) {
        let mut values = self.0.borrow_mut();
        if values.len() < DRAWN_MAX {
            values.push(format!("{value:?}"));
        }
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.borrow().join(", "))
    }
}

/// The high and low half of a product.
fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "splits a product into its halves")]
    let halves = ((product >> 64) as u64, product as u64);
    halves
}

fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("a duration of at most u64::MAX microseconds")
}

/// A seeded bijection of `0..size`: which place `index` has in an order that is random but the
/// same everywhere, so that tasks can share out rows or accounts without talking.
///
/// Eight Feistel rounds over the next even power of two, walked until the value is inside. Four
/// leave pairs of a small domain visibly uneven (measured); six do not.
///
/// # Panics
/// If `index` is not below `size`.
#[must_use]
pub fn permuted(seed: u64, site: Site, size: u64, index: u64) -> u64 {
    assert!(index < size, "index {index} is outside 0..{size}");
    let half_bits = (64 - (size - 1).leading_zeros()).div_ceil(2);
    let mask = if half_bits == 0 { 0 } else { u64::MAX >> (64 - half_bits) };
    let mut value = index;
    loop {
        let (mut left, mut right) = ((value >> half_bits) & mask, value & mask);
        for round in 0..8_u64 {
            let mixed =
                xxh3::xxh3_64([seed, site.key, round, right].map(u64::to_le_bytes).as_flattened());
            (left, right) = (right, left ^ (mixed & mask));
        }
        value = (left << half_bits) | right;
        if value < size {
            return value;
        }
    }
}

/// `-ln(u)` in Q32 for `u = bits / 2^64`, by the leading zeros and a table of `ln` over [1, 2).
///
/// Linear between 257 knots: off by at most 2^-19 of a mean. 0 counts as 2^-64.
fn minus_ln_q32(bits: u64) -> u64 {
    let bits = bits.max(1);
    let zeros = bits.leading_zeros();
    let mantissa = (bits << zeros) << 1; // The 64 bits after the leading one, which is implied.
    let knot = usize::try_from(mantissa >> 56).expect("8 bits");
    let fraction = (mantissa >> 24) & 0xFFFF_FFFF;
    let step = LN_Q32[knot + 1] - LN_Q32[knot];
    let ln_mantissa = LN_Q32[knot] + ((step * fraction) >> 32);
    (u64::from(zeros) + 1) * LN_Q32[256] - ln_mantissa
}

/// `ln(1 + i/256)` in Q32; the last is `ln 2`. Computed when compiling, with integers only.
const LN_Q32: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i <= 256 {
        table[i] = ln_q32(256 + i as u64);
        i += 1;
    }
    table
};

/// `ln(x / 256)` in Q32, rounded: `2 atanh((x - 256) / (x + 256))`, whose argument is at most 1/3,
/// so each term adds a factor 9; 24 terms reach 2^-76, below the Q60 used inside.
const fn ln_q32(x: u64) -> u64 {
    const ONE: u128 = 1 << 60;
    let ratio = ONE * (x as u128 - 256) / (x as u128 + 256);
    let mut power = ratio;
    let mut sum = 0;
    let mut n = 1;
    while n < 48 {
        sum += power / n;
        power = power * ratio / ONE * ratio / ONE;
        n += 2;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most ln 2 in Q32")]
    let rounded = ((2 * sum + (1 << 27)) >> 28) as u64;
    rounded
}

//! The stand-in API's chance: every draw is computed from (seed, site, n), never from a stream.
//!
//! So a fault added or left out moves no other draw, and request n meets the same fate in every
//! run with the same seed.

/// Where a draw is made. The numbers are part of what a seed means: add, never renumber.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(super) enum Site {
    Token = 0,
    FaultStatus = 1,
    FaultReset = 2,
    FaultSlow = 3,
    FaultBadJson = 4,
    Spin = 5,
    Opponent = 6,
    ComputerDelay = 7,
    ComputerMove = 8,
    GameType = 9,
    Tie = 10,
}

impl Site {
    /// How many there are.
    pub(super) const COUNT: usize = 11;
}

/// 64 even bits for draw `n` of a site.
pub(super) fn bits(seed: u64, site: Site, n: u64) -> u64 {
    mix(mix(mix(seed) ^ site as u64) ^ n)
}

/// A number below `bound`, which must not be 0, from 64 even bits.
///
/// Multiply and shift without rejection: the bias is below `bound / 2^64`, which no count of
/// requests can show.
pub(super) fn below(bits: u64, bound: u64) -> u64 {
    debug_assert!(bound > 0);
    let high = (u128::from(bits) * u128::from(bound)) >> 64;
    u64::try_from(high).expect("a product shifted by 64 bits fits in 64")
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014), over the golden-ratio increment.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_by_seed_site_and_number_only() {
        let draw = bits(7, Site::Spin, 3);
        assert_eq!(draw, bits(7, Site::Spin, 3));
        assert_ne!(draw, bits(8, Site::Spin, 3));
        assert_ne!(draw, bits(7, Site::Token, 3));
        assert_ne!(draw, bits(7, Site::Spin, 4));
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_every_value() {
        let mut seen = [0_u32; 6];
        for n in 0..6_000 {
            let value = below(bits(1, Site::Spin, n), 6);
            seen[usize::try_from(value).unwrap()] += 1;
        }
        // 1,000 expected each, standard deviation 29: five of them.
        assert!(seen.iter().all(|count| count.abs_diff(1_000) < 145), "{seen:?}");
    }
}

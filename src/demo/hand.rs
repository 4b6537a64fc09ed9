//! The rules of the games: what a player may play in a round, and which of two plays wins.
//!
//! Simple stand-ins for the real games that keep their shape: limited water, three crystals,
//! buttons that can be pressed once.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::demo::{draws, users::GameType};

/// Who wins this many rounds first wins the game.
pub(super) const WINS_NEEDED: u32 = 2;
/// After this many rounds the one with more wins has won; chance decides between equals.
pub(super) const ROUNDS_MAX: u32 = 3;

const WATER: u32 = 100;
const CRYSTALS: u32 = 3;
const BUTTONS: usize = 5;

/// What a player has left to play with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// To be spent over all rounds.
    Water(u32),
    /// One of three, every round.
    Crystals,
    /// Which buttons can still be pressed; button `i` is worth `i + 1`.
    Buttons([bool; BUTTONS]),
}

impl Hand {
    pub(super) const fn new(game: GameType) -> Self {
        match game {
            GameType::ShootingGallery => Self::Water(WATER),
            GameType::CrystalCave => Self::Crystals,
            GameType::Magnet | GameType::Asteroid => Self::Buttons([true; BUTTONS]),
        }
    }

    /// Plays a value, if it may be played: the hand is then without it.
    pub(super) fn play(&mut self, value: u32) -> bool {
        match self {
            Self::Water(left) => match left.checked_sub(value) {
                Some(rest) => *left = rest,
                None => return false,
            },
            Self::Crystals => return (1..=CRYSTALS).contains(&value),
            Self::Buttons(active) => {
                let button = value.checked_sub(1).and_then(|place| active.get_mut(place as usize));
                match button {
                    Some(button) if *button => *button = false,
                    _ => return false,
                }
            }
        }
        true
    }

    /// A value that may be played, by chance.
    pub(super) fn choose(self, bits: u64) -> u32 {
        let below = |bound: u32| {
            u32::try_from(draws::below(bits, bound.into())).expect("it is below a u32")
        };
        match self {
            Self::Water(left) => below(left + 1),
            Self::Crystals => 1 + below(CRYSTALS),
            Self::Buttons(active) => {
                let count = active.iter().map(|&active| u32::from(active)).sum();
                let values = (1..).zip(active).filter(|&(_, active)| active);
                let drawn = values.map(|(value, _)| value).nth(below(count) as usize);
                drawn.expect("there are more buttons than rounds")
            }
        }
    }
}

impl Serialize for Hand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Button {
            value: u32,
            is_active: bool,
        }
        let mut state = serializer.serialize_struct("PlayerState", 1)?;
        match self {
            Self::Water(left) => state.serialize_field("water", left)?,
            Self::Crystals => {}
            Self::Buttons(active) => {
                let buttons = (1..).zip(active);
                let buttons = buttons.map(|(value, &is_active)| Button { value, is_active });
                state.serialize_field("buttons", &buttons.collect::<Vec<_>>())?;
            }
        }
        state.end()
    }
}

/// The seat that wins a round, if one does. Not to play loses against any play.
pub(super) fn round_winner(game: GameType, plays: [Option<u32>; 2]) -> Option<usize> {
    let (first, second) = match plays {
        [Some(first), Some(second)] => (first, second),
        [Some(_), None] => return Some(0),
        [None, Some(_)] => return Some(1),
        [None, None] => return None,
    };
    if first == second {
        return None;
    }
    let first_wins = match game {
        // As paper beats rock: every crystal beats the one before it.
        GameType::CrystalCave => first == second % CRYSTALS + 1,
        _ => first > second,
    };
    Some(usize::from(!first_wins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_is_spent_and_buttons_are_pressed_once() {
        let mut water = Hand::new(GameType::ShootingGallery);
        assert!(water.play(60) && water.play(40) && water.play(0) && !water.play(1));
        let mut buttons = Hand::new(GameType::Magnet);
        assert!(buttons.play(5) && !buttons.play(5) && !buttons.play(0) && !buttons.play(6));
        let mut crystals = Hand::new(GameType::CrystalCave);
        assert!(crystals.play(3) && crystals.play(3) && !crystals.play(4) && !crystals.play(0));
    }

    #[test]
    fn what_chance_chooses_may_be_played_in_every_round() {
        for game in GameType::ALL {
            for seed in 0..1_000 {
                let mut hand = Hand::new(game);
                for round in 0..ROUNDS_MAX {
                    let value =
                        hand.choose(draws::bits(seed, draws::Site::ComputerMove, round.into()));
                    assert!(hand.play(value), "{game:?} {value} rerun with SEED={seed}");
                }
            }
        }
    }

    #[test]
    fn a_round_has_the_same_winner_from_both_sides() {
        for game in GameType::ALL {
            for first in 1..=3 {
                for second in 1..=3 {
                    let one = round_winner(game, [Some(first), Some(second)]);
                    let other = round_winner(game, [Some(second), Some(first)]);
                    assert_eq!(one.map(|seat| 1 - seat), other);
                    assert_eq!(one.is_none(), first == second);
                }
            }
            assert_eq!(round_winner(game, [None, Some(1)]), Some(1));
        }
    }
}

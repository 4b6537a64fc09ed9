//! Who a bot is: everything follows from its number.

use std::fmt;

/// Numbers end here: phone numbers have room for no more.
pub(super) const NUMBER_MAX: u64 = 99_999;
/// Why a run ends that has more bots than that.
pub(super) const NONE_LEFT: &str =
    "bot numbers above 99999 have no phone number: fewer bots, or fewer tasks";

/// One account of the load test, by its number among all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(pub(super) u32);

impl Identity {
    /// The account of a bot's number; none beyond [`NUMBER_MAX`].
    pub(super) fn of(bot: u64) -> Option<Self> {
        u32::try_from(bot).ok().filter(|_| bot <= NUMBER_MAX).map(Self)
    }

    /// `+1` + three digits + `5550` + `100` to `199`: numbers that nobody has.
    pub(super) fn phone(self) -> String {
        format!("+1{:03}5550{}", self.0 / 100, 100 + self.0 % 100)
    }

    /// `load_00017`.
    pub(super) fn username(self) -> String {
        self.to_string()
    }

    /// `00000000-0000-0000-0000-000000000017`.
    pub(super) fn device_id(self) -> String {
        format!("00000000-0000-0000-0000-{:012}", self.0)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load_{:05}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_name_and_device_follow_from_the_number() {
        let identity = Identity::of(12_345).expect("in range");
        assert_eq!(identity.phone(), "+11235550145");
        assert_eq!(identity.username(), "load_12345");
        assert_eq!(identity.device_id(), "00000000-0000-0000-0000-000000012345");
        assert_eq!(Identity(0).phone(), "+10005550100");
        assert_eq!(Identity(99_999).phone(), "+19995550199");
    }

    #[test]
    fn every_number_has_a_phone_of_its_own_and_there_are_no_more() {
        let phones: std::collections::BTreeSet<_> = (0..=NUMBER_MAX)
            .map(|number| Identity::of(number).expect("in range").phone())
            .collect();
        assert_eq!(phones.len(), 100_000);
        assert_eq!(Identity::of(100_000), None);
    }
}

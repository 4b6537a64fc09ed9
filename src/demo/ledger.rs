//! Where all money is.
//!
//! Money only moves: from a pocket to another, never into one from nowhere. Users' wallets are
//! with the users; all else is in the pockets here, and for each currency everything adds up to
//! zero at any time, with the mint below zero by what it has given out. [`State::audit`] checks it.

use serde::Deserialize;

use crate::demo::{
    reply::{Kind, Refusal},
    state::{AccountIndex, State},
};

/// The most that one request can give to a user: far from where sums of them could overflow.
pub(super) const AMOUNT_MAX: u64 = 1_000_000_000;

/// The two kinds of money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Currency {
    #[default]
    Primary,
    Secondary,
}

impl Currency {
    pub(super) const ALL: [Self; 2] = [Self::Primary, Self::Secondary];
}

/// Where money is when no user has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pocket {
    /// Gives money out (awards, balances set for a test) and takes it back. The only one below 0
    /// by intent; the computer's too may be, when it has lost more than it won.
    Mint,
    /// The computer opponents'.
    Computer,
    /// Held for games that are not decided.
    Stakes,
    /// Held for events that have not ended, and for prizes not claimed.
    Prizes,
    /// Paid out to users, for good.
    CashedOut,
    /// Given to charity, for good.
    Charity,
}

impl Pocket {
    const ALL: [Self; 6] =
        [Self::Mint, Self::Computer, Self::Stakes, Self::Prizes, Self::CashedOut, Self::Charity];

    const fn may_be_negative(self) -> bool {
        matches!(self, Self::Mint | Self::Computer)
    }
}

/// The money of one user, by currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wallet([u64; 2]);

impl Wallet {
    pub(super) const fn holds(self, currency: Currency) -> u64 {
        self.0[currency as usize]
    }
}

/// All pockets, by currency.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger([[i64; 6]; 2]);

impl Ledger {
    pub(super) const fn holds(&self, currency: Currency, pocket: Pocket) -> i64 {
        self.0[currency as usize][pocket as usize]
    }

    /// Moves money between pockets.
    pub(super) fn shift(&mut self, currency: Currency, amount: u64, from: Pocket, to: Pocket) {
        let amount = i64::try_from(amount).expect("amounts are limited to AMOUNT_MAX each");
        let pockets = &mut self.0[currency as usize];
        pockets[from as usize] -= amount;
        pockets[to as usize] += amount;
    }
}

impl State {
    /// Moves money from a pocket to a user.
    pub(super) fn pay(
        &mut self,
        account: AccountIndex,
        currency: Currency,
        amount: u64,
        from: Pocket,
    ) -> Result<(), Refusal> {
        let user = self.user_mut(account)?;
        user.wallet.0[currency as usize] += amount;
        user.highest_balance = user.highest_balance.max(user.wallet.holds(Currency::Primary));
        let amount = i64::try_from(amount).expect("amounts are limited to AMOUNT_MAX each");
        self.ledger.0[currency as usize][from as usize] -= amount;
        Ok(())
    }

    /// Moves money from a user to a pocket, if the user has it.
    pub(super) fn charge(
        &mut self,
        account: AccountIndex,
        currency: Currency,
        amount: u64,
        to: Pocket,
    ) -> Result<(), Refusal> {
        let user = self.user_mut(account)?;
        let held = user.wallet.holds(currency);
        let Some(left) = held.checked_sub(amount) else {
            let message = format!("this costs {amount}, and the balance is {held}");
            return Err(Refusal::new(Kind::NotEnoughMoney, message));
        };
        user.wallet.0[currency as usize] = left;
        let amount = i64::try_from(amount).expect("a wallet holds far less than an i64");
        self.ledger.0[currency as usize][to as usize] += amount;
        Ok(())
    }

    /// Checks that no money came from nothing and none was lost, and that users and games agree
    /// on who plays.
    ///
    /// Walks over all users, so it is for `/_stats` and for tests.
    ///
    /// # Errors
    /// What does not add up, and by how much.
    pub fn audit(&self) -> Result<(), String> {
        self.audit_money()?;
        self.audit_stakes()?;
        self.audit_sessions()
    }

    fn audit_money(&self) -> Result<(), String> {
        for currency in Currency::ALL {
            let wallets: i128 =
                self.users().map(|(_, user)| i128::from(user.wallet.holds(currency))).sum();
            let pockets: i128 = Pocket::ALL
                .iter()
                .map(|&pocket| i128::from(self.ledger.holds(currency, pocket)))
                .sum();
            if wallets + pockets != 0 {
                return Err(format!(
                    "{currency:?}: wallets hold {wallets} and pockets {pockets}, which is not 0"
                ));
            }
            for pocket in Pocket::ALL {
                let held = self.ledger.holds(currency, pocket);
                if held < 0 && !pocket.may_be_negative() {
                    return Err(format!("{currency:?}: {pocket:?} holds {held}"));
                }
            }
            let prizes = self.prizes_held(currency);
            if self.ledger.holds(currency, Pocket::Prizes) != prizes {
                return Err(format!(
                    "{currency:?}: events hold {prizes} and the pocket for them {}",
                    self.ledger.holds(currency, Pocket::Prizes)
                ));
            }
        }
        Ok(())
    }

    fn audit_stakes(&self) -> Result<(), String> {
        let staked: u64 = self.games.values().map(|game| game.held).sum();
        let pocket = self.ledger.holds(Currency::Primary, Pocket::Stakes);
        if i128::from(staked) != i128::from(pocket) {
            return Err(format!("games hold {staked} and the pocket for them {pocket}"));
        }
        Ok(())
    }

    fn audit_sessions(&self) -> Result<(), String> {
        let mut listed = 0;
        for (account, user) in self.users() {
            for index in &user.sessions {
                let game = self.games.get(index);
                if game.is_none_or(|game| game.seat_of(account).is_none()) {
                    return Err(format!("{} lists a game that is not its own", user.username));
                }
                listed += 1;
            }
        }
        let seats = self.games.values().flat_map(|game| game.seats.iter().flatten());
        let seated = seats.filter(|seat| seat.is_listed).count();
        if seated != listed {
            return Err(format!("users list {listed} sessions and games {seated}"));
        }
        Ok(())
    }
}

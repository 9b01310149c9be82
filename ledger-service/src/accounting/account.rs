//! What an account holds, and how amounts come and go.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ClientId, Currency, Units, message::MOST_LEASES};

use super::Rotation;

/// One client's account in one currency: units of one never pay in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey {
    /// Whose account.
    pub client: ClientId,
    /// In which currency.
    pub currency: Currency,
}

/// What an account holds. None of the amounts is ever negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What can be spent.
    pub available: Units,
    /// What is held: for requests whose price is not known yet, and for refunds under way.
    pub pending: Units,
    /// What refunds and disputes took beyond the balance; settled by the next credit.
    pub debt: Units,
    /// Whether it is neither deducted from nor topped up.
    pub frozen: bool,
    /// How much of what is held is out on leases: it may come back at any moment.
    pub leased: Units,
    /// How many leases are out.
    pub leases: u8,
    /// Whether they are called back: none is given until all are settled.
    pub recalled: bool,
    /// Which of its client's ids may spend it; the same in every currency.
    pub rotation: Rotation,
}

/// An amount that would exceed the largest that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Account {
    /// With `amount` credited: debt is settled first.
    ///
    /// # Errors
    /// [`TooLarge`] if the balance would exceed the largest amount.
    pub fn credited(self, amount: Units) -> Result<Self, TooLarge> {
        let settled = amount.min(self.debt);
        let debt = self.debt.checked_sub(settled).ok_or(TooLarge)?;
        let rest = amount.checked_sub(settled).ok_or(TooLarge)?;
        let available = self.available.checked_add(rest).ok_or(TooLarge)?;
        Ok(Self { available, debt, ..self })
    }

    /// With `amount` taken, if it is there.
    #[must_use]
    pub fn debited(self, amount: Units) -> Option<Self> {
        let available = self.available.checked_sub(amount)?;
        Some(Self { available, ..self })
    }

    /// With `amount` given: it can be spent, and settles no debt.
    ///
    /// # Errors
    /// [`TooLarge`] if the balance would exceed the largest amount.
    pub fn given(self, amount: Units) -> Result<Self, TooLarge> {
        let available = self.available.checked_add(amount).ok_or(TooLarge)?;
        Ok(Self { available, ..self })
    }

    /// With `amount` taken, of what was paid for, whether it is there or not: what is missing becomes debt.
    ///
    /// # Errors
    /// [`TooLarge`] if the debt would exceed the largest amount.
    pub fn forced(self, amount: Units, paid: Units) -> Result<Self, TooLarge> {
        let taken = amount.min(self.available).min(paid);
        let missing = amount.checked_sub(taken).ok_or(TooLarge)?;
        let available = self.available.checked_sub(taken).ok_or(TooLarge)?;
        let debt = self.debt.checked_add(missing).ok_or(TooLarge)?;
        Ok(Self { available, debt, ..self })
    }

    /// With `amount` held back, if it is there.
    #[must_use]
    pub fn held(self, amount: Units) -> Option<Self> {
        let pending = self.pending.checked_add(amount)?;
        Some(Self { pending, ..self.debited(amount)? })
    }

    /// With `amount` of what was held gone for good.
    #[must_use]
    pub fn captured(self, amount: Units) -> Option<Self> {
        let pending = self.pending.checked_sub(amount)?;
        Some(Self { pending, ..self })
    }

    /// With a hold of `held` settled: `captured` of it is gone for good, and the rest is credited. An
    /// account at the largest amount, which cannot take its own units back, keeps what it has. `None` if
    /// less is held, or captured more than is held.
    #[must_use]
    pub fn settled(self, held: Units, captured: Units) -> Option<Self> {
        let rest = held.checked_sub(captured)?;
        let without = self.captured(held)?;
        Some(without.credited(rest).unwrap_or(without))
    }

    /// With `amount` held back as a lease: at most `percent` of what is available, and not while
    /// [`MOST_LEASES`] are out or leases are called back; never one of nothing.
    #[must_use]
    pub fn lent(self, amount: Units, percent: u8) -> Option<Self> {
        let share = i128::from(self.available.get()).checked_mul(i128::from(percent.min(100)))?;
        let wanted = i128::from(amount.get()).checked_mul(100)?;
        if amount.is_zero() || self.recalled || self.leases >= MOST_LEASES || wanted > share {
            return None;
        }
        let leased = self.leased.checked_add(amount)?;
        let leases = self.leases.checked_add(1)?;
        Some(Self { leased, leases, ..self.held(amount)? })
    }

    /// With one lease of `amount` back. What is done to what it held is [`Account::settled`].
    #[must_use]
    pub fn returned(self, amount: Units) -> Option<Self> {
        let leased = self.leased.checked_sub(amount)?;
        let leases = self.leases.checked_sub(1)?;
        Some(Self { leased, leases, recalled: self.recalled && leases > 0, ..self })
    }

    /// What can be spent once all leases are back, if nothing was paid from them: debt is settled first.
    #[must_use]
    pub fn with_leases(self) -> Units {
        self.credited(self.leased).map_or(Units::MAX, |after| after.available)
    }

    /// Whether leases that are out may bring back what is missing for `amount`.
    #[must_use]
    pub fn is_leased(self, amount: Units) -> bool {
        self.leases > 0 && self.with_leases() >= amount
    }

    /// What the account's movements and deductions must sum up to: it can be negative.
    #[must_use]
    pub const fn net(self) -> i64 {
        // Each is at most 2^53 − 1, so nothing can saturate.
        let held = self.available.get().saturating_add(self.pending.get());
        held.saturating_sub(self.debt.get())
    }
}

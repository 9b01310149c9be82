//! What cards were charged, held against what the caller allows.

use std::fmt;

use serde::Serialize;
use stripe402_protocol::{Currency, Units};

use crate::{Known, Pending, Policy, Purse, purse::EFFECT_WITHIN};

/// One of the caller's two budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// 24 hours, ending now.
    Day,
    /// As long as the purse is kept.
    Total,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "per day",
            Self::Total => "in total",
        })
    }
}

/// A budget that a charge would overdraw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdrawn {
    /// Which one.
    pub budget: Budget,
    /// What is left of it.
    pub left: Units,
}

/// A day, in seconds.
const DAY: u64 = 24 * 3600;

impl Purse {
    /// What cards were charged in the 24 hours before `now` (Unix seconds), and may be by charges
    /// whose outcome is not known.
    #[must_use]
    pub fn spent_today(&self, currency: Currency, now: u64) -> Units {
        let since = now.saturating_sub(DAY);
        let recent = self.charges.iter().filter(|charge| charge.at > since);
        let known = recent.filter(|charge| charge.currency == currency).map(|charge| charge.amount);
        // A charge that is open may have taken effect today though it was begun earlier.
        let begun = since.saturating_sub(EFFECT_WITHIN);
        let open = self.open(currency, now).filter(|open| open.at > begun).map(|open| open.amount);
        total(known.chain(open).chain([self.unconfirmed(currency, now)]))
    }

    /// What cards were charged since this purse was begun, and may be by charges whose outcome is
    /// not known. `now` is in Unix seconds.
    #[must_use]
    pub fn spent(&self, currency: Currency, now: u64) -> Units {
        let open = self.open(currency, now).map(|open| open.amount);
        total([self.charged(currency), self.unconfirmed(currency, now)].into_iter().chain(open))
    }

    /// What cards were charged since this purse was begun.
    #[must_use]
    pub fn charged(&self, currency: Currency) -> Units {
        let known = self.charges.iter().filter(|charge| charge.currency == currency);
        let earlier = self.earlier.get(currency.as_str()).copied();
        total(known.map(|charge| charge.amount).chain(earlier))
    }

    /// What cards would be charged if their holders confirmed all that was replaced meanwhile. `now` is in
    /// Unix seconds.
    #[must_use]
    pub fn unconfirmed(&self, currency: Currency, now: u64) -> Units {
        let all = self.origins.values().flat_map(|known| &known.unconfirmed);
        let these = all.filter(|open| !open.has_expired(now) && open.currency == currency);
        total(these.map(|open| open.amount))
    }

    /// Charges of unknown outcome, and those that may still be confirmed.
    fn open(&self, currency: Currency, now: u64) -> impl Iterator<Item = &Pending> {
        let open = self.origins.values().filter_map(|known| known.pending.as_ref());
        let open = open.filter(move |open| !open.has_expired(now));
        open.filter(move |pending| pending.currency == currency)
    }

    /// Whether `amount` more may be charged.
    pub(crate) fn affords(
        &self,
        policy: &Policy,
        amount: Units,
        now: u64,
    ) -> Result<(), Overdrawn> {
        self.affords_beside(policy, amount, Units::ZERO, now)
    }

    /// Whether `amount` may be charged that is counted as spent already: the budget may be smaller than it
    /// was when the charge was begun.
    pub(crate) fn affords_open(
        &self,
        policy: &Policy,
        amount: Units,
        now: u64,
    ) -> Result<(), Overdrawn> {
        self.affords_beside(policy, amount, amount, now)
    }

    fn affords_beside(
        &self,
        policy: &Policy,
        amount: Units,
        counted: Units,
        now: u64,
    ) -> Result<(), Overdrawn> {
        let budgets = [
            (Budget::Total, policy.budget_total, self.spent(policy.currency, now)),
            (Budget::Day, policy.budget_per_day, self.spent_today(policy.currency, now)),
        ];
        for (budget, limit, spent) in budgets {
            let Some(limit) = limit else { continue };
            let others = spent.checked_sub(counted).unwrap_or(Units::ZERO);
            let left = limit.checked_sub(others).unwrap_or(Units::ZERO);
            if amount > left {
                return Err(Overdrawn { budget, left });
            }
        }
        Ok(())
    }

    /// Charges older than any budget's window become a sum: the purse does not grow for ever.
    pub(crate) fn fold(&mut self, now: u64) {
        let since = now.saturating_sub(DAY.saturating_mul(2));
        let (old, recent) = self.charges.drain(..).partition(|charge| charge.at <= since);
        self.charges = recent;
        let forget = |known: &mut Known| known.unconfirmed.retain(|open| !open.has_expired(now));
        self.origins.values_mut().for_each(forget);
        let old: Vec<crate::CardCharge> = old;
        for charge in old {
            let sum = self.earlier.entry(charge.currency.as_str().to_owned()).or_default();
            *sum = total([*sum, charge.amount].into_iter());
        }
    }
}

/// The sum; beyond every amount there is, the largest: no budget has that left, so nothing is charged.
pub(crate) fn total(amounts: impl Iterator<Item = Units>) -> Units {
    amounts.fold(Units::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(Units::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CardCharge;

    fn purse(charges: &[(u64, u32)]) -> Purse {
        let charge = |(at, amount): &(u64, u32)| CardCharge {
            at: *at,
            amount: Units::from_u32(*amount),
            currency: Currency::USD,
        };
        Purse { charges: charges.iter().map(charge).collect(), ..Purse::default() }
    }

    #[test]
    fn a_day_is_the_last_24_hours_and_the_total_is_for_ever() {
        let mut purse = purse(&[(1_000, 5), (100_000, 7), (200_000, 11)]);
        let now = 200_000;
        assert_eq!(purse.spent_today(Currency::USD, now), Units::from_u32(11));
        assert_eq!(purse.spent(Currency::USD, now), Units::from_u32(23));
        assert_eq!(purse.spent("eur".parse().unwrap(), now), Units::ZERO);
        purse.fold(now);
        assert_eq!(purse.charges.len(), 2);
        assert_eq!(purse.spent(Currency::USD, now), Units::from_u32(23), "folded, not forgotten");
        let policy = Policy { budget_per_day: Some(Units::from_u32(15)), ..Policy::default() };
        assert_eq!(purse.affords(&policy, Units::from_u32(4), now), Ok(()));
        let overdrawn = Overdrawn { budget: Budget::Day, left: Units::from_u32(4) };
        assert_eq!(purse.affords(&policy, Units::from_u32(5), now), Err(overdrawn));
        let policy = Policy { budget_total: Some(Units::from_u32(23)), ..Policy::default() };
        let overdrawn = Overdrawn { budget: Budget::Total, left: Units::ZERO };
        assert_eq!(purse.affords(&policy, Units::from_u32(1), now), Err(overdrawn));
    }
}

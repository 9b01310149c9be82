//! A key that tops its owner's balance up by itself: what the owner's card has agreed to, and what came of it.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{PaymentMethodId, Units, message::AutoTopUpOff};

use super::{
    super::{NewTopUp, ShownCard, TopUp, TopUpId},
    Key, KeyHash, Spell, month_of,
};
use crate::accounting::AccountKey;

/// How a top-up is named that a key made. No client can name one so: there is a character that is not ASCII.
const NAME: &str = "auto\u{2192}";

/// What a card has agreed to, for one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoTopUp {
    /// When the owner's balance is below that.
    pub below: Units,
    /// What the card is charged then: an amount that Stripe can charge.
    pub amount: Units,
    /// How much in a month, UTC.
    pub monthly_most: Units,
    /// The card that has agreed to it.
    pub card: PaymentMethodId,
    /// What people know that card by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<ShownCard>,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// What was begun in the month, less what was not charged.
    pub month: Spell,
    /// The top-up that was begun, and is counted; the next one is begun when its end is known.
    pub begun: Option<TopUpId>,
    /// Why it does so no more, if it does not.
    pub off: Option<Off>,
}

/// Why a key tops up no more, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// Why.
    pub reason: AutoTopUpOff,
    /// Unix milliseconds.
    pub at_ms: u64,
}

impl AutoTopUp {
    /// What a card agrees to now, counted on from what was agreed to before. A top-up that was begun is carried
    /// out if it is still the same one; else it stays counted, as nobody here knows whether it was charged.
    #[must_use]
    pub fn agreed(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let is_same = before.amount == self.amount && before.card == self.card;
        Self { month: before.month, begun: before.begun.filter(|_| is_same), ..self }
    }

    /// What counts in this month.
    #[must_use]
    pub fn charged_in_month(&self, now_ms: u64) -> Units {
        self.month.at(month_of(now_ms)).spent
    }

    /// Why it begins no top-up now, if it does not: it is off, or the month has no room for one. One that was begun
    /// goes on.
    #[must_use]
    pub fn stopped_by(&self, now_ms: u64) -> Option<AutoTopUpOff> {
        let number = month_of(now_ms);
        let goes_on = self.begun.is_some() && self.month.number >= number;
        let is_full = !goes_on && self.month.with(number, self.amount).spent > self.monthly_most;
        let off = self.off.map(|off| off.reason);
        off.or_else(|| is_full.then_some(AutoTopUpOff::MonthlyMost))
    }

    /// The same, switched off. What is off already stays so.
    #[must_use]
    pub fn switched_off(self, reason: AutoTopUpOff, at_ms: u64) -> Self {
        Self { off: self.off.or(Some(Off { reason, at_ms })), ..self }
    }
}

impl Key {
    /// Below which balance of its owner's it tops up, if it may now.
    #[must_use]
    pub fn tops_up_below(&self, now_ms: u64) -> Option<Units> {
        let auto = self.auto_top_up.as_ref()?;
        self.begun_as(TopUpId(uuid::Uuid::nil()), now_ms).map(|_| auto.below)
    }

    /// After the beginning of a top-up, and its id: `fresh`, or that of the one that was begun before and whose
    /// end is not known. `None` if it may not: it was revoked, is over or switched off, or the month's most would be
    /// exceeded. One that is carried out in a later month than it was begun in is counted in both.
    #[must_use]
    pub fn begun_as(&self, fresh: TopUpId, now_ms: u64) -> Option<(TopUpId, Self)> {
        let auto = self.auto_top_up.as_ref().filter(|auto| auto.stopped_by(now_ms).is_none())?;
        let is_over = self.expires_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if self.revoked_ms.is_some() || is_over {
            return None;
        }
        let number = month_of(now_ms);
        if let Some(begun) = auto.begun.filter(|_| auto.month.number >= number) {
            return Some((begun, self.clone()));
        }
        let month = auto.month.with(number, auto.amount);
        let id = auto.begun.unwrap_or(fresh);
        let auto = AutoTopUp { month, begun: Some(id), ..auto.clone() };
        Some((id, Self { auto_top_up: Some(auto), ..self.clone() }))
    }

    /// After the end of this top-up: what was not charged does not count.
    #[must_use]
    pub fn topped_up(self, id: TopUpId, charged: bool) -> Self {
        let Some(auto) = self.auto_top_up.clone().filter(|auto| auto.begun == Some(id)) else {
            return self;
        };
        let AutoTopUp { month, amount, .. } = auto;
        let month = if charged { month } else { month.without(month.number, amount) };
        Self { auto_top_up: Some(AutoTopUp { month, begun: None, ..auto }), ..self }
    }

    /// Switched off, if it tops up at all.
    #[must_use]
    pub fn tops_up_no_more(self, reason: AutoTopUpOff, at_ms: u64) -> Self {
        let auto_top_up = self.auto_top_up.map(|auto| auto.switched_off(reason, at_ms));
        Self { auto_top_up, ..self }
    }

    /// The top-up that it has begun under this id.
    #[must_use]
    pub fn wanted(&self, hash: KeyHash, id: TopUpId, now_ms: u64) -> Option<NewTopUp> {
        let auto = self.auto_top_up.as_ref()?;
        Some(NewTopUp {
            id,
            account: AccountKey { client: self.owner, currency: self.currency },
            amount: auto.amount,
            needed: auto.below,
            payment_method: auto.card.clone().into(),
            card: auto.shown.clone(),
            idempotency_key: Some(format!("{NAME}{} {id}", hash.id())),
            now_ms,
        })
    }
}

impl TopUp {
    /// The id of the key that made it by itself, if one did: then its cardholder is not there.
    #[must_use]
    pub fn by_key(&self) -> Option<&str> {
        let rest = self.idempotency_key.as_deref()?.strip_prefix(NAME)?;
        rest.split(' ').next()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

    use stripe402_protocol::{ClientId, Currency, is_idempotency_key};

    use super::*;

    /// 2026-11-30T23:59:50Z.
    const NOW: u64 = 1_796_083_190_000;

    fn key() -> Key {
        let auto = AutoTopUp {
            below: Units::from_u32(1_000),
            amount: Units::from_u32(50_000),
            monthly_most: Units::from_u32(100_000),
            card: "pm_1".parse().unwrap(),
            shown: None,
            since_ms: 1,
            month: Spell::default(),
            begun: None,
            off: None,
        };
        let owner = ClientId::derive(b"s", "fp");
        Key { auto_top_up: Some(auto), ..Key::new(owner, "k".to_owned(), Currency::USD, 1) }
    }

    fn id(number: u128) -> TopUpId {
        TopUpId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn one_at_a_time_and_no_more_than_the_most_of_a_month() {
        let (first, after) = key().begun_as(id(1), NOW).unwrap();
        assert_eq!(first, id(1));
        // Whoever comes next goes on with the same.
        assert_eq!(after.begun_as(id(2), NOW), Some((id(1), after.clone())));
        let (second, after) = after.topped_up(id(1), true).begun_as(id(2), NOW).unwrap();
        assert_eq!(second, id(2));
        let full = after.clone().topped_up(id(2), true);
        assert_eq!((full.begun_as(id(3), NOW), full.tops_up_below(NOW)), (None, None));
        let stopped = |key: &Key, now_ms| key.auto_top_up.as_ref().unwrap().stopped_by(now_ms);
        assert_eq!(stopped(&full, NOW), Some(AutoTopUpOff::MonthlyMost));
        assert_eq!((stopped(&full, NOW + 10_000), stopped(&after, NOW)), (None, None));
        // What was not charged does not count; what ended before changes nothing.
        let declined = after.clone().topped_up(id(2), false);
        assert!(declined.begun_as(id(3), NOW).is_some());
        assert_eq!(after.clone().topped_up(id(1), false), after);
        // Another month.
        assert!(full.begun_as(id(3), NOW + 10_000).is_some());
        let (same, counted) = after.begun_as(id(3), NOW + 10_000).unwrap();
        assert_eq!((same, counted.auto_top_up.unwrap().month.spent.get()), (id(2), 50_000));
    }

    /// Else a key would stand at its month's most for what nobody was charged.
    #[test]
    fn what_is_begun_goes_on_under_the_same_terms() {
        let (_, begun) = key().begun_as(id(1), NOW).unwrap();
        let before = begun.auto_top_up.unwrap();
        let fresh = key().auto_top_up.unwrap();
        let same = fresh.clone().agreed(Some(before.clone()));
        assert_eq!((same.begun, same.month), (Some(id(1)), before.month));
        let other = AutoTopUp { amount: Units::from_u32(60_000), ..fresh };
        let other = other.agreed(Some(before.clone()));
        assert_eq!((other.begun, other.month), (None, before.month));
    }

    #[test]
    fn a_key_that_is_over_or_switched_off_tops_up_nothing() {
        let revoked = Key { revoked_ms: Some(1), ..key() };
        let expired = Key { expires_ms: Some(NOW), ..key() };
        let off = key().tops_up_no_more(AutoTopUpOff::Declined, 5);
        for key in [revoked, expired, off.clone()] {
            assert_eq!(key.begun_as(id(1), NOW), None, "{key:?}");
        }
        // The first reason stays.
        let again = off.clone().tops_up_no_more(AutoTopUpOff::Operator, 6);
        assert_eq!(again, off);
    }

    #[test]
    fn no_client_can_name_a_top_up_as_a_keys() {
        let wanted = key().wanted(KeyHash([7; 32]), id(1), NOW).unwrap();
        let name = wanted.idempotency_key.unwrap();
        assert!(!is_idempotency_key(&name), "{name}");
        let top_up = TopUp {
            id: id(1),
            account: wanted.account,
            amount: wanted.amount,
            payment_method: wanted.payment_method,
            card: wanted.card,
            idempotency_key: Some(name),
            created_ms: NOW,
            state: crate::accounting::State::opened(),
        };
        assert_eq!(top_up.by_key(), Some("0707070707070707"));
    }
}

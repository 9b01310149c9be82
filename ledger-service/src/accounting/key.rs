//! Keys: aliases of a client that may be lost, since each spends within limits of its own.
//!
//! The books know a key by its SHA-256 alone. What it spends is deducted from its owner's balance; the key
//! says how much of that it may, and remembers how much it has. Both change in one transaction.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Deduction, KeyRefusal},
};
use time::OffsetDateTime;

pub use self::{
    apply::{apply_by_key, change_key, has_taken_effect, is_lease, refused},
    auto::{AutoTopUp, Off},
};
use super::DeductionRecord;

mod apply;
mod auto;

/// Holds of one key that may be open at a time.
pub const MOST_OPEN: usize = 1_000;

/// A key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Of a key as a client sends it.
    #[must_use]
    pub fn of(key: &ClientId) -> Self {
        Self(key.digest())
    }

    /// 64 digits, as stores keep it.
    #[must_use]
    pub fn to_hex(self) -> String {
        stripe402_protocol::hex::to_string(&self.0)
    }

    /// What people call the key by: the subject of the client that it looks like.
    #[must_use]
    pub fn id(self) -> String {
        self.to_hex().chars().take(16).collect()
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyHash({})", self.id())
    }
}

/// How much a key may spend; without a limit, all that its owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Ever.
    pub total: Option<Units>,
    /// In a day, UTC.
    pub per_day: Option<Units>,
    /// In a month, UTC.
    pub per_month: Option<Units>,
}

/// What was spent in a day or month. A day counts the deductions minted in it, and those of the day before
/// that come late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// Which, counted from 1970.
    pub number: u64,
    /// How much.
    pub spent: Units,
}

impl Spell {
    /// As of this day or month.
    fn at(self, number: u64) -> Self {
        if number > self.number { Self { number, spent: Units::ZERO } } else { self }
    }

    fn with(self, number: u64, amount: Units) -> Self {
        let now = self.at(number);
        Self { spent: now.spent.checked_add(amount).unwrap_or(Units::MAX), ..now }
    }

    /// With what comes back of a deduction of that day or month.
    fn without(self, number: u64, amount: Units) -> Self {
        if number != self.number {
            return self;
        }
        Self { spent: self.spent.checked_sub(amount).unwrap_or(Units::ZERO), ..self }
    }
}

/// A hold by a key that nobody has settled, as far as the key knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUse {
    /// The hold.
    pub id: DeductionId,
    /// How much.
    pub amount: Units,
    /// When it ends, Unix milliseconds.
    pub ends_ms: u64,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose balance it spends.
    pub owner: ClientId,
    /// What its owner calls it.
    pub label: String,
    /// What it may spend, and in which currency.
    pub currency: Currency,
    /// How much.
    pub budget: Budget,
    /// Until when, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// For which routes: names, or beginnings of names with a `*` behind; all if there are none.
    pub routes: Vec<String>,
    /// Whether it may manage its owner's keys.
    pub manage: bool,
    /// The generation of its owner's own id that it is, rather than a key: it spends as its owner, without
    /// limits, and counts nothing. See [`super::Rotation`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Since when, Unix milliseconds.
    pub created_ms: u64,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<u64>,
    /// When the deduction was minted that it made last, Unix milliseconds.
    pub used_ms: Option<u64>,
    /// How much it has spent, with what its open holds may come to.
    pub spent: Units,
    /// Of that, on the day it was used last.
    pub day: Spell,
    /// Of that, in the month it was used last.
    pub month: Spell,
    /// Its holds that are not settled.
    pub open: Vec<OpenUse>,
    /// What its owner's card has agreed to be charged by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<AutoTopUp>,
    /// How often it was changed; 1 when it is made.
    pub revision: u64,
}

impl Key {
    /// A new key, without limits.
    #[must_use]
    pub const fn new(owner: ClientId, label: String, currency: Currency, now_ms: u64) -> Self {
        const NONE: Spell = Spell { number: 0, spent: Units::ZERO };
        Self {
            owner,
            label,
            currency,
            budget: Budget { total: None, per_day: None, per_month: None },
            expires_ms: None,
            routes: Vec::new(),
            manage: false,
            generation: None,
            created_ms: now_ms,
            revoked_ms: None,
            used_ms: None,
            spent: Units::ZERO,
            day: NONE,
            month: NONE,
            open: Vec::new(),
            auto_top_up: None,
            revision: 1,
        }
    }

    /// Whether it may spend this now. Refusals in order of precedence: revoked, expired, route, budget.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn allow(&self, deduction: &Deduction, now_ms: u64) -> Result<(), KeyRefusal> {
        let is_revoked = self.revoked_ms.is_some() && !stripe402_mutant::mutant!("revoked_spends");
        if is_revoked {
            return Err(KeyRefusal::Revoked);
        }
        if self.expires_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(KeyRefusal::Expired);
        }
        if !self.routes.is_empty() && !self.routes.iter().any(|of| covers(of, &deduction.route)) {
            return Err(KeyRefusal::Route);
        }
        let is_short = deduction.currency != self.currency
            || self.left(deduction.id.minted_ms()) < Some(deduction.amount)
                && self.left(deduction.id.minted_ms()).is_some();
        if is_short && !stripe402_mutant::mutant!("over_budget") {
            return Err(KeyRefusal::Budget);
        }
        if deduction.hold.is_some() && self.open.len() >= MOST_OPEN {
            return Err(KeyRefusal::Budget);
        }
        Ok(())
    }

    /// How much of its budget is left for what is minted then; `None` if it has no limit.
    #[must_use]
    pub fn left(&self, minted_ms: u64) -> Option<Units> {
        let Budget { total, per_day, per_month } = self.budget;
        let spent = [
            (total, self.spent),
            (per_day, self.day.at(day_of(minted_ms)).spent),
            (per_month, self.month.at(month_of(minted_ms)).spent),
        ];
        let left = |(limit, spent): (Option<Units>, Units)| {
            limit.map(|limit| limit.checked_sub(spent).unwrap_or(Units::ZERO))
        };
        spent.into_iter().filter_map(left).min()
    }

    /// After a deduction or hold that took effect.
    #[must_use]
    pub fn with(mut self, deduction: &Deduction) -> Self {
        let (minted_ms, amount) = (deduction.id.minted_ms(), deduction.amount);
        self.spent = self.spent.checked_add(amount).unwrap_or(Units::MAX);
        self.day = self.day.with(day_of(minted_ms), amount);
        self.month = self.month.with(month_of(minted_ms), amount);
        self.used_ms = self.used_ms.max(Some(minted_ms));
        if let Some(terms) = deduction.hold {
            self.open.push(OpenUse { id: deduction.id, amount, ends_ms: terms.ends_ms });
        }
        self
    }

    /// After this much of a deduction came back.
    #[must_use]
    pub fn without(mut self, id: &DeductionId, amount: Units) -> Self {
        if stripe402_mutant::mutant!("key_keeps_voids") {
            return self;
        }
        self.spent = self.spent.checked_sub(amount).unwrap_or(Units::ZERO);
        self.day = self.day.without(day_of(id.minted_ms()), amount);
        self.month = self.month.without(month_of(id.minted_ms()), amount);
        self
    }

    /// What is held under this id.
    #[must_use]
    pub fn held(&self, id: &DeductionId) -> Option<Units> {
        self.open.iter().find(|open| open.id == *id).map(|open| open.amount)
    }

    /// After this hold was settled: so much of it was taken.
    #[must_use]
    pub fn settled(mut self, id: &DeductionId, taken: Units) -> Self {
        let Some(held) = self.held(id) else { return self };
        self.open.retain(|open| open.id != *id);
        self.without(id, held.checked_sub(taken).unwrap_or(Units::ZERO))
    }

    /// The next version of it.
    #[must_use]
    pub fn changed(self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self }
    }
}

/// How much of what a record says was taken from its account, or is held there.
#[must_use]
pub fn standing(record: &DeductionRecord) -> Units {
    match record {
        DeductionRecord::Deducted { amount, .. } | DeductionRecord::Held { amount, .. } => *amount,
        DeductionRecord::Captured { captured, .. } => *captured,
        DeductionRecord::Voided { .. }
        | DeductionRecord::RefusedInAdvance
        | DeductionRecord::CapturedInAdvance { .. } => Units::ZERO,
    }
}

fn covers(pattern: &str, route: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => route.starts_with(beginning),
        None => pattern == route,
    }
}

/// Days since 1970, UTC.
fn day_of(unix_ms: u64) -> u64 {
    unix_ms / 86_400_000
}

/// Months since 1970, UTC.
fn month_of(unix_ms: u64) -> u64 {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).map(OffsetDateTime::date);
    let date = date.unwrap_or(time::Date::MAX);
    let years = u64::try_from(date.year()).unwrap_or(0).saturating_sub(1970);
    years.saturating_mul(12).saturating_add(u64::from(u8::from(date.month()))).saturating_sub(1)
}

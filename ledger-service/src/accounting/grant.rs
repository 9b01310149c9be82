//! Credit that was given and not paid for: it is spent first, may expire, and is never paid out to a card.
//!
//! An account's balance is one number, so that a deduction stays one step. How much of it was granted is
//! reckoned when somebody must know: what was deducted since the last time was taken from the grants first.

use serde::{Deserialize, Serialize};
use stripe402_protocol::Units;

use super::{Account, AccountKey, Book, Kind, PostRefusal, Posted, Posting, post};

/// Grants that one account may have a rest of at a time.
pub const MOST_GRANTS: usize = 100;

/// After how long, in milliseconds, an expired grant is looked at again that holds may still spend.
pub const LOOK_AGAIN_MS: u64 = 10_000;

/// For how long, in milliseconds, a grant that is spent is kept: deductions from it may be voided.
pub const SPENT_KEPT_MS: u64 = 24 * 3_600_000;

/// One grant, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The grant's reference.
    pub reference: String,
    /// How much it was, without what has expired.
    pub granted: Units,
    /// How much of it is not spent.
    pub left: Units,
    /// When that expires, Unix milliseconds; never without.
    pub expires_ms: Option<u64>,
    /// When nothing was left, Unix milliseconds.
    pub spent_ms: Option<u64>,
}

impl Lot {
    /// The order in which lots are spent: what expires soonest comes first.
    fn place(&self) -> (u64, &str) {
        (self.expires_ms.unwrap_or(u64::MAX), &self.reference)
    }

    /// When somebody has to look at it for expiry.
    fn due_ms(&self) -> Option<u64> {
        let expires_ms = self.expires_ms?;
        let spent_ms = self.spent_ms.filter(|spent_ms| *spent_ms >= expires_ms);
        Some(spent_ms.map_or(expires_ms, |spent_ms| spent_ms.saturating_add(SPENT_KEPT_MS)))
    }

    /// Whether its expired units go under this name.
    fn is_named(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.reference.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(REST))
    }
}

/// What stands between a grant's reference and how much was left, where more of it expires than once.
const REST: &str = " (of the last ";

/// The name of what expires of a grant after the first part of it.
fn rest_name(lot: &Lot) -> String {
    format!("{}{REST}{})", lot.reference, lot.left)
}

/// An account's grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// In the order in which they are spent; those that are spent for a while, too.
    lots: Vec<Lot>,
    /// The account's [`Account::net`] when this was reckoned.
    net: i64,
    /// What was spent beyond the grants since the first of these: what comes back was paid for, up to that.
    beyond: Units,
    /// When the first of these was made, Unix milliseconds.
    born_ms: u64,
    /// What came back, since this was reckoned, of deductions from before that: it was paid for.
    early: Units,
    /// Not to be looked at for expiry before, Unix milliseconds.
    not_before_ms: u64,
}

impl Grants {
    /// These, the one that is spent next first, reckoned as of this account.
    #[must_use]
    pub fn of(lots: Vec<Lot>, account: &Account) -> Self {
        Self { lots, ..Self::default() }.at(account)
    }

    /// Whether nothing has to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lots.is_empty()
    }

    /// What is left of each, the one that is spent next first.
    #[must_use]
    pub fn lots(&self) -> Vec<Lot> {
        let left = self.lots.iter().filter(|lot| !lot.left.is_zero()).cloned();
        left.map(|lot| Lot { spent_ms: None, ..lot }).collect()
    }

    /// What is left of all.
    #[must_use]
    pub fn total(&self) -> Units {
        let sum = self.lots.iter().try_fold(Units::ZERO, |sum, lot| sum.checked_add(lot.left));
        sum.unwrap_or(Units::MAX)
    }

    /// When somebody has to look whether one has expired, Unix milliseconds.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        let soonest = self.lots.iter().filter_map(Lot::due_ms).min()?;
        Some(soonest.max(self.not_before_ms))
    }

    /// How much of what is available was paid for, and can go back to a card. What is held for requests
    /// counts as paid.
    #[must_use]
    pub fn paid(&self, account: &Account) -> Units {
        account.available.checked_sub(self.total()).unwrap_or(Units::ZERO)
    }

    /// With what came back of a deduction that was minted then: from before these grants, it was paid for.
    /// `None` if it makes no difference.
    #[must_use]
    pub fn with_void(mut self, minted_ms: u64, amount: Units) -> Option<Self> {
        if self.is_empty() || minted_ms >= self.born_ms {
            return None;
        }
        self.early = self.early.checked_add(amount).unwrap_or(Units::MAX);
        Some(self)
    }

    /// With what was deducted since taken from them, and what came back put back: as if what was voided had
    /// never been deducted.
    #[must_use]
    pub fn reckoned(mut self, account: &Account) -> Self {
        let spent = self.net.saturating_sub(account.net()).saturating_add(self.early.get());
        let amount = Units::new(spent.saturating_abs()).unwrap_or(Units::MAX);
        if spent > 0 {
            let beyond = self.spend(amount);
            self.beyond = self.beyond.checked_add(beyond).unwrap_or(Units::MAX);
        } else {
            let paid = amount.min(self.beyond);
            self.beyond = self.beyond.checked_sub(paid).unwrap_or(Units::ZERO);
            self.put_back(amount.checked_sub(paid).unwrap_or(Units::ZERO));
        }
        self.at(account)
    }

    /// Answers what is beyond all of them.
    fn spend(&mut self, mut amount: Units) -> Units {
        for lot in &mut self.lots {
            let taken = lot.left.min(amount);
            lot.left = lot.left.checked_sub(taken).unwrap_or(Units::ZERO);
            amount = amount.checked_sub(taken).unwrap_or(Units::ZERO);
        }
        amount
    }

    fn put_back(&mut self, mut amount: Units) {
        // What was spent last comes back first.
        for lot in self.lots.iter_mut().rev() {
            let room = lot.granted.checked_sub(lot.left).unwrap_or(Units::ZERO);
            let back = room.min(amount);
            lot.left = lot.left.checked_add(back).unwrap_or(lot.left);
            amount = amount.checked_sub(back).unwrap_or(Units::ZERO);
        }
    }

    /// Reckoned as of this account, without anything having been spent. There is never more left than the
    /// account holds.
    fn at(mut self, account: &Account) -> Self {
        let held = account.available.checked_add(account.pending).unwrap_or(Units::MAX);
        if let Some(more) = self.total().checked_sub(held) {
            self.spend(more);
        }
        self.lots.retain(|lot| !lot.granted.is_zero());
        if self.lots.is_empty() {
            return Self::default();
        }
        self.net = account.net();
        self.early = Units::ZERO;
        self
    }

    /// Without what was spent too long ago to come back.
    fn kept(mut self, now_ms: u64) -> Self {
        for lot in &mut self.lots {
            // At its end once more: what comes back later is still its own.
            let has_expired = lot.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms);
            let is_looked_at =
                lot.spent_ms.is_some_and(|spent_ms| lot.expires_ms <= Some(spent_ms));
            let spent_ms = lot.spent_ms.filter(|_| is_looked_at || !has_expired).unwrap_or(now_ms);
            lot.spent_ms = lot.left.is_zero().then_some(spent_ms);
        }
        let is_kept = |lot: &Lot| {
            lot.spent_ms.is_none_or(|spent| spent.saturating_add(SPENT_KEPT_MS) > now_ms)
        };
        self.lots.retain(is_kept);
        while self.lots.len() > MOST_GRANTS.saturating_mul(2) {
            let oldest = self.lots.iter().filter_map(|lot| lot.spent_ms).min();
            let place = self.lots.iter().position(|lot| lot.spent_ms == oldest);
            let Some(place) = place.filter(|_| oldest.is_some()) else { break };
            self.lots.remove(place);
        }
        if self.lots.is_empty() { Self::default() } else { self }
    }

    fn with(mut self, lot: Lot, now_ms: u64) -> Result<Self, PostRefusal> {
        if lot.left.is_zero() {
            return Ok(self);
        }
        if self.lots().len() >= MOST_GRANTS {
            return Err(PostRefusal::TooManyGrants);
        }
        self.total().checked_add(lot.left).ok_or(PostRefusal::TooLarge)?;
        if self.is_empty() {
            self.born_ms = now_ms;
        }
        let place = self.lots.partition_point(|other| other.place() <= lot.place());
        self.lots.insert(place, lot);
        Ok(self)
    }

    fn without(mut self, name: &str, amount: Units) -> Result<Self, PostRefusal> {
        let lot = self.lots.iter_mut().find(|lot| lot.is_named(name) && lot.left >= amount);
        let lot = lot.ok_or(PostRefusal::NoSuchGrant)?;
        lot.left = lot.left.checked_sub(amount).ok_or(PostRefusal::NoSuchGrant)?;
        lot.granted = lot.granted.checked_sub(amount).ok_or(PostRefusal::NoSuchGrant)?;
        Ok(self)
    }

    /// Whether this posting may be made of an account with these grants, which are reckoned.
    pub(super) fn allow(&self, account: &Account, posting: &Posting) -> Result<(), PostRefusal> {
        let is_short = posting.kind == Kind::Hold && posting.amount > self.paid(account);
        if is_short && !stripe402_mutant::mutant!("grant_paid_out") {
            return Err(PostRefusal::Insufficient);
        }
        Ok(())
    }

    /// After a posting that made `after` of the account, of which these were reckoned.
    pub(super) fn moved(
        self,
        after: &Account,
        posting: &Posting,
        expires_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<Self, PostRefusal> {
        let grants = match posting.kind {
            Kind::Grant => {
                let (reference, left) = (posting.reference.clone(), posting.amount);
                let lot = Lot { reference, granted: left, left, expires_ms, spent_ms: None };
                self.with(lot, now_ms)?
            }
            Kind::GrantExpired => self.without(&posting.reference, posting.amount)?,
            // As if it had been spent.
            Kind::AdjustmentDown | Kind::ExternalDown => {
                return Ok(self.reckoned(after).kept(now_ms));
            }
            _ => self,
        };
        Ok(grants.at(after).kept(now_ms))
    }
}

/// What a client has of one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The account.
    pub account: Account,
    /// What is left of its grants.
    pub grants: Grants,
}

/// An account, with its grants reckoned.
///
/// # Errors
/// The store's.
pub fn balance<B: Book>(book: &B, key: &AccountKey) -> Result<Balance, B::Error> {
    let account = book.account(key)?;
    let grants = book.grants(key)?.reckoned(&account);
    Ok(Balance { account, grants })
}

/// What expired of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Whose it was.
    pub account: AccountKey,
    /// The grant's reference.
    pub reference: String,
    /// How much.
    pub amount: Units,
}

/// Takes back what has expired of an account's grants. What holds may still spend waits for them.
///
/// # Errors
/// The store's.
pub fn expire_grants<B: Book>(
    book: &mut B,
    key: &AccountKey,
    now_ms: u64,
) -> Result<Vec<Expired>, B::Error> {
    let mut expired = Vec::new();
    let mut waits = false;
    for lot in balance(book, key)?.grants.expired(now_ms) {
        let amount = lot.left.min(book.account(key)?.available);
        waits |= amount < lot.left;
        if amount.is_zero() {
            continue;
        }
        let kind = Kind::GrantExpired;
        let first = book.movement(key, kind, &lot.reference)?.is_none();
        let reference = if first { lot.reference.clone() } else { rest_name(&lot) };
        let posting = Posting { kind, reference, amount, note: None };
        if let Posted::Done(_) = post(book, key, &posting, now_ms)? {
            expired.push(Expired { account: *key, reference: lot.reference, amount });
        }
    }
    let mut grants = balance(book, key)?.grants.kept(now_ms);
    if !grants.is_empty() {
        grants.not_before_ms = if waits { now_ms.saturating_add(LOOK_AGAIN_MS) } else { 0 };
    }
    book.set_grants(key, &grants)?;
    Ok(expired)
}

/// The names under which what expires of this lot may be posted.
#[must_use]
pub fn expiry_names(lot: &Lot) -> [String; 2] {
    [lot.reference.clone(), rest_name(lot)]
}

impl Grants {
    /// What is left of the lots that have expired by then.
    #[must_use]
    pub fn expired(&self, now_ms: u64) -> Vec<Lot> {
        if stripe402_mutant::mutant!("grant_stays") {
            return Vec::new();
        }
        let is_over = |lot: &Lot| lot.expires_ms.is_some_and(|expires| expires <= now_ms);
        self.lots().into_iter().filter(is_over).collect()
    }
}

/// The same for the accounts where that is due, at most `most`. One whose records are damaged stays as it is.
///
/// # Errors
/// The store's.
pub fn expire_due_grants<B: Book>(
    book: &mut B,
    now_ms: u64,
    most: usize,
) -> Result<Vec<Expired>, B::Error> {
    let mut expired = Vec::new();
    for key in book.due_grants(now_ms, most)? {
        match expire_grants(book, &key, now_ms) {
            Err(error) if B::is_damaged(&error) => {}
            own => expired.extend(own?),
        }
    }
    Ok(expired)
}

#[cfg(test)]
mod tests;

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
pub const LOOK_AGAIN_MS: u64 = 60_000;

/// What is left of one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The grant's reference.
    pub reference: String,
    /// How much it was, after debt was settled.
    pub granted: Units,
    /// How much of it is not spent.
    pub left: Units,
    /// When that expires, Unix milliseconds; never without.
    pub expires_ms: Option<u64>,
}

impl Lot {
    /// The order in which lots are spent: what expires soonest comes first.
    fn place(&self) -> (u64, &str) {
        (self.expires_ms.unwrap_or(u64::MAX), &self.reference)
    }
}

/// What is left of an account's grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// In the order in which they are spent; none is empty.
    lots: Vec<Lot>,
    /// The account's [`Account::net`] when that was reckoned.
    net: i64,
    /// Not to be looked at for expiry before, Unix milliseconds.
    not_before_ms: u64,
}

impl Grants {
    /// These, the one that is spent next first, reckoned as of this account.
    #[must_use]
    pub fn of(lots: Vec<Lot>, account: &Account) -> Self {
        Self { lots, net: 0, not_before_ms: 0 }.at(account)
    }

    /// What is left of each, the one that is spent next first.
    #[must_use]
    pub fn lots(&self) -> &[Lot] {
        &self.lots
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
        let soonest = self.lots.iter().filter_map(|lot| lot.expires_ms).min()?;
        Some(soonest.max(self.not_before_ms))
    }

    /// How much of what is available was paid for, and can go back to a card. What is held for requests
    /// counts as paid.
    #[must_use]
    pub fn paid(&self, account: &Account) -> Units {
        account.available.checked_sub(self.total()).unwrap_or(Units::ZERO)
    }

    /// With what was deducted since taken from them, and what came back put back.
    #[must_use]
    pub fn reckoned(mut self, account: &Account) -> Self {
        let spent = self.net.saturating_sub(account.net());
        let amount = Units::new(spent.saturating_abs()).unwrap_or(Units::MAX);
        if spent > 0 {
            self.spend(amount);
        } else {
            self.put_back(amount);
        }
        self.at(account)
    }

    fn spend(&mut self, mut amount: Units) {
        for lot in &mut self.lots {
            let taken = lot.left.min(amount);
            lot.left = lot.left.checked_sub(taken).unwrap_or(Units::ZERO);
            amount = amount.checked_sub(taken).unwrap_or(Units::ZERO);
        }
    }

    fn put_back(&mut self, mut amount: Units) {
        for lot in &mut self.lots {
            let room = lot.granted.checked_sub(lot.left).unwrap_or(Units::ZERO);
            let back = room.min(amount);
            lot.left = lot.left.checked_add(back).unwrap_or(lot.left);
            amount = amount.checked_sub(back).unwrap_or(Units::ZERO);
        }
    }

    /// Reckoned as of this account, without anything having been spent. There is never more left than the
    /// account holds: what a dispute takes beyond what was paid comes out of the grants.
    fn at(mut self, account: &Account) -> Self {
        let held = account.available.checked_add(account.pending).unwrap_or(Units::MAX);
        if let Some(beyond) = self.total().checked_sub(held) {
            self.spend(beyond);
        }
        self.lots.retain(|lot| !lot.left.is_zero());
        if self.lots.is_empty() {
            return Self::default();
        }
        self.net = account.net();
        self
    }

    fn with(mut self, lot: Lot) -> Result<Self, PostRefusal> {
        if lot.left.is_zero() {
            return Ok(self);
        }
        if self.lots.len() >= MOST_GRANTS {
            return Err(PostRefusal::TooManyGrants);
        }
        self.total().checked_add(lot.left).ok_or(PostRefusal::TooLarge)?;
        let place = self.lots.partition_point(|other| other.place() <= lot.place());
        self.lots.insert(place, lot);
        Ok(self)
    }

    fn without(mut self, reference: &str, amount: Units) -> Result<Self, PostRefusal> {
        let lot = self.lots.iter_mut().find(|lot| lot.reference == reference);
        let lot = lot.ok_or(PostRefusal::NoSuchGrant)?;
        lot.left = lot.left.checked_sub(amount).ok_or(PostRefusal::NoSuchGrant)?;
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

    /// After a posting that made `after` of the account `before`, of which these were reckoned.
    pub(super) fn moved(
        self,
        (before, after): (&Account, &Account),
        posting: &Posting,
        expires_ms: Option<u64>,
    ) -> Result<Self, PostRefusal> {
        let grants = match posting.kind {
            Kind::Grant => {
                let left = after.available.checked_sub(before.available);
                let left = left.ok_or(PostRefusal::TooLarge)?;
                let reference = posting.reference.clone();
                self.with(Lot { reference, granted: left, left, expires_ms })?
            }
            Kind::GrantExpired => self.without(&posting.reference, posting.amount)?,
            // As if it had been spent.
            Kind::AdjustmentDown | Kind::ExternalDown => return Ok(self.reckoned(after)),
            _ => self,
        };
        Ok(grants.at(after))
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
        if lot.left > book.account(key)?.available {
            waits = true;
            continue;
        }
        let Lot { reference, left: amount, .. } = lot;
        let kind = Kind::GrantExpired;
        let posting = Posting { kind, reference: reference.clone(), amount, note: None };
        if let Posted::Done(_) = post(book, key, &posting, now_ms)? {
            expired.push(Expired { account: *key, reference, amount });
        }
    }
    let mut grants = balance(book, key)?.grants;
    grants.not_before_ms = if waits { now_ms.saturating_add(LOOK_AGAIN_MS) } else { 0 };
    book.set_grants(key, &grants)?;
    Ok(expired)
}

impl Grants {
    /// The lots that have expired by then.
    #[must_use]
    pub fn expired(&self, now_ms: u64) -> Vec<Lot> {
        if stripe402_mutant::mutant!("grant_stays") {
            return Vec::new();
        }
        let is_over = |lot: &&Lot| lot.expires_ms.is_some_and(|expires| expires <= now_ms);
        self.lots.iter().filter(is_over).cloned().collect()
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

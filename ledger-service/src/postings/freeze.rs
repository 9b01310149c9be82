//! Who is frozen: all accounts of a client, or none.
//!
//! A client is frozen as long as a dispute about any of its charges is open, or an operator has frozen
//! it. What is disputed has a currency; whoever disputes it has none: the same card would go on
//! spending, and be charged, in another.

use std::collections::BTreeMap;

use stripe402_protocol::{ClientId, Units};

use super::{Counted, FreezeReference, Postings, Unavailable};
use crate::{
    accounting::{
        AccountKey, AuditEntry, Kind, Movement, Order, OrderKind, Outcome, Posted, Posting,
    },
    store::StoreError,
};

/// Accounts of one client, and their movements.
pub(crate) type Accounts = BTreeMap<AccountKey, Vec<Movement>>;

/// Who freezes and thaws, in the audit record.
const ACTOR: &str = "dispute";

impl Postings {
    /// All that the books have of a client.
    pub(crate) async fn accounts_of(&self, client: ClientId) -> Result<Accounts, StoreError> {
        let mut accounts = Accounts::new();
        for key in self.store.accounts(Some(client), None, usize::MAX).await? {
            accounts.insert(key, self.store.movements(key).await?);
        }
        Ok(accounts)
    }

    /// Whether another account of its client is frozen: then this one is as good as frozen.
    pub(crate) async fn is_frozen_elsewhere(&self, key: AccountKey) -> Result<bool, StoreError> {
        for other in self.store.accounts(Some(key.client), None, usize::MAX).await? {
            if other != key && self.store.account(other).await?.frozen {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Freezes an account whose first credit has just come, if the client was frozen meanwhile.
    pub(crate) async fn freeze_like_others(&self, key: AccountKey) -> Result<(), Unavailable> {
        if !self.is_frozen_elsewhere(key).await? {
            return Ok(());
        }
        let accounts = self.accounts_of(key.client).await?;
        for (key, posting) in unlike(&accounts, &FreezeReference::Alike(0)) {
            self.post_freeze(key, posting).await?;
        }
        Ok(())
    }

    /// Freezes or thaws one account, between two entries in the audit record.
    pub(crate) async fn post_freeze(
        &self,
        key: AccountKey,
        posting: Posting,
    ) -> Result<(), Unavailable> {
        let freezes = posting.kind == Kind::Freeze;
        let reason = match (freezes, FreezeReference::from(posting.reference.as_str())) {
            (true, FreezeReference::Alike(_)) => "another account of this client is frozen",
            (true, _) => "a dispute is open",
            (false, _) => "no dispute of this client is open any more",
        };
        let order = Order {
            kind: if freezes { OrderKind::Freeze } else { OrderKind::Unfreeze },
            subject: Some(key.client.subject()),
            currency: Some(key.currency),
            units: None,
            reference: Some(posting.reference.clone()),
            reason: Some(reason.to_owned()),
        };
        let entry = |outcome| AuditEntry {
            at_ms: self.clock.now_ms(),
            action: self.ids.make(),
            actor: ACTOR.to_owned(),
            order: order.clone(),
            outcome,
            detail: None,
        };
        let begun = entry(Outcome::Begun);
        self.store.record_action(begun.clone()).await?;
        let posted = self.store.post(key, posting).await?;
        let outcome = match posted {
            Posted::Done(_) => Outcome::Done,
            Posted::Repeated(_) => Outcome::Repeated,
            Posted::Refused(_) => Outcome::Refused,
        };
        let subject = key.client.subject();
        tracing::info!(subject, currency = %key.currency, freezes, ?outcome, reason);
        let ended = AuditEntry { outcome, at_ms: self.clock.now_ms(), ..begun };
        Ok(self.store.record_action(ended).await?)
    }
}

/// The movements that are missing until all accounts of a client stand as they should, named by
/// this and counted: two ledgers that look at once come to the same names.
pub(crate) fn unlike(
    accounts: &Accounts,
    first: &FreezeReference<'_>,
) -> Vec<(AccountKey, Posting)> {
    let should = accounts.values().any(|movements| should_be_frozen(movements));
    let wrong = accounts.iter().filter(|(_, movements)| is_frozen(movements) != should);
    wrong
        .map(|(key, movements)| {
            let own = movements.iter().map(|movement| &movement.posting).filter(|of| {
                matches!(of.kind, Kind::Freeze | Kind::Unfreeze)
                    && FreezeReference::from(of.reference.as_str()).counted(0) == *first
            });
            let reference = first.clone().counted(own.count()).to_string();
            let kind = if should { Kind::Freeze } else { Kind::Unfreeze };
            (*key, Posting { kind, reference, amount: Units::ZERO, note: None })
        })
        .collect()
}

/// Whether a movement says how far a dispute is.
pub(crate) const fn is_phase(kind: Kind) -> bool {
    matches!(kind, Kind::DisputeOpened | Kind::DisputeWon | Kind::DisputeLost)
}

/// The disputes that these movements are about.
pub(crate) fn known(movements: &[Movement]) -> impl Iterator<Item = &str> {
    let of = movements.iter().filter(|movement| is_phase(movement.posting.kind));
    of.map(|movement| Counted::from(movement.posting.reference.as_str()).id)
}

/// Whether a dispute is open, or an operator's last word was to freeze.
fn should_be_frozen(movements: &[Movement]) -> bool {
    if stripe402_mutant::mutant!("thaw_with_the_first") {
        let newest_first = movements.iter().rev().map(|movement| movement.posting.kind);
        return newest_first.into_iter().find(|kind| is_phase(*kind)) == Some(Kind::DisputeOpened);
    }
    is_disputed(movements) || operators_word(movements) == Some(true)
}

/// Whether a dispute is open, by the books.
#[must_use]
pub fn is_disputed(movements: &[Movement]) -> bool {
    let phase_of = |id: &str| {
        let newest_first = movements.iter().rev().map(|movement| &movement.posting);
        let is_own = |of: &&Posting| Counted::from(of.reference.as_str()).id == id;
        let mut own = newest_first.filter(|of| is_phase(of.kind)).filter(is_own);
        own.next().map(|posting| posting.kind)
    };
    known(movements).any(|id| phase_of(id) == Some(Kind::DisputeOpened))
}

/// Whether the operators' last word was to freeze; `None` if there was none.
#[must_use]
pub fn operators_word(movements: &[Movement]) -> Option<bool> {
    let newest_first = movements.iter().rev().map(|movement| &movement.posting);
    let mut words = newest_first.filter(|posting| {
        let by = FreezeReference::from(posting.reference.as_str());
        matches!(posting.kind, Kind::Freeze | Kind::Unfreeze)
            && matches!(by, FreezeReference::Operator(_))
    });
    words.next().map(|posting| posting.kind == Kind::Freeze)
}

fn is_frozen(movements: &[Movement]) -> bool {
    let kinds = movements.iter().rev().map(|movement| movement.posting.kind);
    let mut words = kinds.filter(|kind| matches!(kind, Kind::Freeze | Kind::Unfreeze));
    words.next() == Some(Kind::Freeze)
}

//! What happens to money outside of deductions, posted to the books: once under each name.

mod freeze;
mod leases;
mod reference;

use std::sync::Arc;

use stripe402_protocol::Units;

pub use self::freeze::{is_disputed, operators_word};
pub(crate) use self::{
    freeze::{Accounts, is_phase, known, unlike},
    leases::{LEASES_COME_BACK, without_leases},
    reference::{Counted, FreezeReference},
};
use crate::{
    accounting::{AccountKey, Kind, Movement, Posted, Posting},
    clock::{Clock, Ids},
    store::{Store, StoreError},
    stripe::Failure,
};

/// The outcome is not known, or the store or Stripe cannot be reached: 503. Retry later; what was begun
/// is finished then, and nothing is done twice.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stripe gave no answer, or none that is definite.
    #[error(transparent)]
    Stripe(Failure),
    /// Something else: what, in words.
    #[error("{0}")]
    Other(String),
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        if let Failure::Account(cause) = &failure {
            // The operator's to mend, whoever asked.
            tracing::error!(cause, "Stripe refuses STRIPE_SECRET_KEY or its account");
        }
        Self::Stripe(failure)
    }
}

/// Posts movements, and freezes.
pub struct Postings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Postings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Postings")
    }
}

impl Postings {
    pub(crate) async fn post(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
        amount: Units,
    ) -> Result<(), Unavailable> {
        let posting = Posting { kind, reference: reference.to_owned(), amount, note: None };
        self.post_noted(key, posting).await
    }

    pub(crate) async fn post_noted(
        &self,
        key: AccountKey,
        posting: Posting,
    ) -> Result<(), Unavailable> {
        let (kind, reference) = (posting.kind, posting.reference.clone());
        match self.store.post(key, posting).await? {
            Posted::Done(_) => {
                tracing::info!(subject = key.client.subject(), ?kind, reference, "movement posted");
            }
            Posted::Repeated(_) => {}
            Posted::Refused(refusal) => {
                // Nothing that telling again would mend: reconcile by hand.
                tracing::error!(
                    subject = key.client.subject(),
                    ?kind,
                    reference,
                    ?refusal,
                    "movement refused by the books; run reconcile"
                );
            }
        }
        Ok(())
    }

    pub(crate) async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, Unavailable> {
        Ok(self.store.movements(key).await?)
    }
}

/// An amount of Stripe's in units of this account. One of another currency is never posted: it stays a
/// difference, for an operator to decide.
pub(crate) fn units(key: AccountKey, of: &str, currency: &str, minor: i64) -> Option<Units> {
    if currency != key.currency.as_str() {
        let subject = key.client.subject();
        tracing::error!(of, currency, account = %key.currency, subject, "not posted: another currency than the account's; reconcile lists it");
        return None;
    }
    key.currency.units(minor)
}

pub(crate) fn has(movements: &[Movement], kind: Kind, reference: &str) -> bool {
    movement_of(movements, kind, reference).is_some()
}

pub(crate) fn movement_of<'m>(
    movements: &'m [Movement],
    kind: Kind,
    reference: &str,
) -> Option<&'m Movement> {
    movements.iter().find(|m| m.posting.kind == kind && m.posting.reference == reference)
}

/// Whether a hold was captured for this very refund.
pub(crate) fn captured_for(movements: &[Movement], refund: &str) -> bool {
    movements
        .iter()
        .any(|m| m.posting.kind == Kind::Capture && m.posting.note.as_deref() == Some(refund))
}

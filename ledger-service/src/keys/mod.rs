//! Spending by key: a key is turned into its owner, within the key's limits.
//!
//! Here is all that is specific to keys; a store only compares and writes. Whatever a key does is one
//! transaction on its owner's account and the key: if the key has changed since it was read, it is read again.

mod batch;
mod manage;
mod turns;

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome},
};

pub use self::manage::{Changes, KeyError, Made, Terms};
use self::turns::Turns;
use crate::{
    accounting::{AccountKey, DeductionRecord, Key, KeyHash, KeyStep, KeyStepOutcome, standing},
    clock::{Clock, Ids},
    options::PaymentOptions,
    store::{Store, StoreError},
};

/// How often a key is read again that others have changed meanwhile.
const TRIES: u32 = 100;

/// Spends by key, and manages keys.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    secrets: Arc<[SecretString]>,
    options: Arc<PaymentOptions>,
    turns: Turns,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Keys in these books.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        secrets: Arc<[SecretString]>,
        options: Arc<PaymentOptions>,
    ) -> Self {
        Self { store, clock, ids, secrets, options, turns: Turns::default() }
    }

    /// The key that a client id is, if it is one.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, client: &ClientId) -> Result<Option<(KeyHash, Key)>, StoreError> {
        if !client.may_be_key() {
            return Ok(None);
        }
        let hash = KeyHash::of(client);
        Ok(self.store.key(hash).await?.map(|key| (hash, key)))
    }

    /// What a key may still spend; `None` if the client id is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn left(
        &self,
        client: &ClientId,
        currency: Currency,
    ) -> Result<Option<Units>, StoreError> {
        let Some((_, key)) = self.of(client).await? else { return Ok(None) };
        let now_ms = self.clock.now_ms();
        let is_over = key.expires_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if key.revoked_ms.is_some() || is_over || key.currency != currency {
            return Ok(Some(Units::ZERO));
        }
        let account = self.store.account(AccountKey { client: key.owner, currency }).await?;
        let left = key.left(now_ms).unwrap_or(Units::MAX);
        Ok(Some(account.with_leases().min(left)))
    }

    /// A deduction or hold by a key.
    async fn deduct(
        &self,
        hash: KeyHash,
        deduction: &Deduction,
    ) -> Result<DeductionOutcome, StoreError> {
        for tried in 0..TRIES {
            let key = self.read_again(hash, tried).await?;
            let deduction = Deduction { client_id: key.owner, ..deduction.clone() };
            if deduction.hold.is_some_and(|terms| terms.lease.is_some()) {
                return Ok(DeductionOutcome::LeaseRefused);
            }
            let key = self.refreshed(key).await?;
            if let Err(refusal) = key.allow(&deduction, self.clock.now_ms()) {
                // One that took effect is answered as it was, whatever became of the key.
                if self.store.deduction(key.owner, deduction.id).await?.is_none() {
                    let reason = refusal.reason().as_str();
                    metrics::counter!("stripe402_key_refusals_total", "reason" => reason)
                        .increment(1);
                    return Ok(DeductionOutcome::KeyRefused(refusal));
                }
            }
            let after = key.with(&deduction).changed();
            let left = after.left(deduction.id.minted_ms()).unwrap_or(Units::MAX);
            let step = KeyStep::Deduct(deduction);
            match self.store.step_by_key(hash, after, step).await? {
                Some(KeyStepOutcome::Deducted(DeductionOutcome::Deducted(balance))) => {
                    return Ok(DeductionOutcome::Deducted(balance.min(left)));
                }
                // What its owner owes is its owner's business.
                Some(KeyStepOutcome::Deducted(DeductionOutcome::InDebt(_))) => {
                    return Ok(DeductionOutcome::Insufficient);
                }
                Some(KeyStepOutcome::Deducted(outcome)) => return Ok(outcome),
                _ => {}
            }
        }
        Err(busy())
    }

    /// Settles a hold of a key's.
    async fn capture(
        &self,
        hash: KeyHash,
        capture: &Capture,
    ) -> Result<CaptureOutcome, StoreError> {
        for tried in 0..TRIES {
            let key = self.read_again(hash, tried).await?;
            let capture = Capture { client_id: key.owner, ..*capture };
            let taken = key.held(&capture.id).map_or(Units::ZERO, |held| held.min(capture.amount));
            let after = key.settled(&capture.id, taken).changed();
            let left = after.left(capture.id.minted_ms()).unwrap_or(Units::MAX);
            let step = KeyStep::Capture(capture, taken);
            match self.store.step_by_key(hash, after, step).await? {
                Some(KeyStepOutcome::Captured(CaptureOutcome::Captured {
                    captured,
                    left: balance,
                })) => {
                    return Ok(CaptureOutcome::Captured { captured, left: balance.min(left) });
                }
                Some(KeyStepOutcome::Captured(outcome)) => return Ok(outcome),
                _ => {}
            }
        }
        Err(busy())
    }

    /// Gives back what a key has spent.
    async fn void(&self, hash: KeyHash, id: DeductionId) -> Result<VoidOutcome, StoreError> {
        for tried in 0..TRIES {
            let key = self.read_again(hash, tried).await?;
            let owner = key.owner;
            // Read after the key: what is deducted later changes the key, and is read again.
            let known = self.store.deduction(owner, id).await?;
            let after = match (key.held(&id), &known) {
                (Some(_), _) => key.settled(&id, Units::ZERO),
                (None, Some(record)) => key.without(&id, standing(record)),
                (None, None) => key,
            };
            let step = KeyStep::Void(Void { id, client_id: Some(owner) });
            match self.store.step_by_key(hash, after.changed(), step).await? {
                Some(KeyStepOutcome::Voided(outcome)) => return Ok(outcome),
                _ => continue,
            }
        }
        Err(busy())
    }

    /// The key as it is now.
    async fn read_again(&self, hash: KeyHash, tried: u32) -> Result<Key, StoreError> {
        if tried > 1 {
            tokio::time::sleep(Duration::from_millis(u64::from(tried.min(20)))).await;
        }
        let gone = || StoreError::Damaged("a key is gone".to_owned());
        self.store.key(hash).await?.ok_or_else(gone)
    }

    /// The key with what became of its holds that have ended: nobody told it.
    async fn refreshed(&self, mut key: Key) -> Result<Key, StoreError> {
        let now_ms = self.clock.now_ms();
        for ended in key.open.clone().into_iter().filter(|open| open.ends_ms <= now_ms) {
            let taken = match self.store.deduction(key.owner, ended.id).await? {
                Some(DeductionRecord::Held { .. }) => continue,
                Some(record) => standing(&record),
                // Nobody remembers: as if it was all taken.
                None => ended.amount,
            };
            key = key.settled(&ended.id, taken);
        }
        Ok(key)
    }
}

fn busy() -> StoreError {
    StoreError::Unavailable("others keep changing the same key".to_owned())
}

#[cfg(test)]
mod tests;

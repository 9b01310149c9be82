//! Spending by key: a key is turned into its owner, within the key's limits.
//!
//! Here keys are told from clients, made and changed; what one may spend is decided in the accounting, in the
//! transaction that deducts it.

mod batch;
mod manage;
mod turns;

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use stripe402_protocol::{ClientId, Currency, Units};
use tokio::sync::Semaphore;

pub use self::manage::{AutoTerms, Changes, KeyError, Made, Terms};
use self::turns::Turns;
use crate::{
    accounting::{AccountKey, Key, KeyHash},
    clock::{Clock, Ids},
    options::PaymentOptions,
    store::{Store, StoreError},
};

/// How often a key is read again that others have changed meanwhile.
const TRIES: u32 = 100;

/// Who is told that the owner of a key which tops up by itself may be short.
pub trait RunsLow: Send + Sync {
    /// Answers at once: a batch waits for it.
    fn runs_low(self: Arc<Self>, key: KeyHash);
}

/// Spends by key, and manages keys.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    secrets: Arc<[SecretString]>,
    options: Arc<PaymentOptions>,
    low: Option<Arc<dyn RunsLow>>,
    turns: Turns,
    /// For those that deduct.
    places: Semaphore,
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
        let places = Semaphore::new(batch::PLACES);
        Self { store, clock, ids, secrets, options, low: None, turns: Turns::default(), places }
    }

    /// The same, of which keys can top up by themselves.
    #[must_use]
    pub fn topped_up_by(self, low: Arc<dyn RunsLow>) -> Self {
        Self { low: Some(low), ..self }
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
}

/// Changes a key, however many others do so at the same time; answers it as it is then. Nothing is written of one
/// that stays as it is.
///
/// # Errors
/// The store's.
pub(crate) async fn edited(
    store: &dyn Store,
    hash: KeyHash,
    edit: impl Fn(Key) -> Key + Send,
) -> Result<Key, StoreError> {
    for tried in 0..TRIES {
        if tried > 1 {
            tokio::time::sleep(Duration::from_millis(u64::from(tried.min(20)))).await;
        }
        let gone = || StoreError::Damaged("a key is gone".to_owned());
        let before = store.key(hash).await?.ok_or_else(gone)?;
        let after = edit(before.clone());
        if after == before {
            return Ok(before);
        }
        let after = after.changed();
        if store.change_key(hash, after.clone()).await? {
            return Ok(after);
        }
    }
    Err(busy())
}

fn busy() -> StoreError {
    StoreError::Unavailable("others keep changing the same key".to_owned())
}

#[cfg(test)]
mod tests;

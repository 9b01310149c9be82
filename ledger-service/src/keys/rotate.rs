//! Rotation: another client id for a card, in place of one that may have leaked.
//!
//! The generation's number is in the client's accounts, with what spends; its id is derived from the card, so that
//! it is told to whoever has that, and kept nowhere.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use stripe402_protocol::{ClientId, Currency};

use super::{KeyError, Keys};
use crate::{
    accounting::{AuditEntry, Key, KeyHash, Order, OrderKind, Outcome, Rotation},
    store::{Store, StoreError},
};

/// Who acts, in the audit record.
const ACTOR: &str = "card";
/// For so long ids may go on spending after there is another one: 30 days.
const LONGEST_GRACE: Duration = Duration::from_secs(2_592_000);
/// Numbers up to there are exact in Lua, as a text of 16 digits.
const NAME_BITS: u64 = (1 << 53) - 1;

/// What a rotation has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// What spends now.
    pub rotation: Rotation,
    /// Whether it had been done before, under the same name.
    pub repeated: bool,
}

impl Keys {
    /// Rotates a client's id; those so far spend for `grace`. Asked for again under the name of the last rotation,
    /// nothing is done. Of two that are asked for at once, one is done.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rotate(
        &self,
        owner: ClientId,
        grace: Duration,
        name: Option<&str>,
    ) -> Result<Rotated, KeyError> {
        if grace > LONGEST_GRACE {
            let most = LONGEST_GRACE.as_secs();
            return Err(KeyError::Invalid(format!("graceSeconds: must be from 0 to {most}")));
        }
        let name = name.map_or(0, hash_of);
        let now_ms = self.clock.now_ms();
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let before = self.rotation(owner).await?.ok_or(KeyError::NoAccount)?;
        if name != 0 && before.name == name {
            return Ok(Rotated { rotation: before, repeated: true });
        }
        let after = before.next(grace_ms, now_ms, name);
        let after = after.ok_or(KeyError::Meanwhile)?;
        if self.store.rotate(owner, before, after).await? {
            return Ok(Rotated { rotation: after, repeated: false });
        }
        match self.rotation(owner).await? {
            Some(now) if name != 0 && now.name == name => {
                Ok(Rotated { rotation: now, repeated: true })
            }
            _ => Err(KeyError::Meanwhile),
        }
    }

    /// [`Keys::rotate`] as the card's holder asks for it, between two entries in the audit record.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rotate_on_record(
        &self,
        owner: ClientId,
        grace: Duration,
        name: Option<&str>,
    ) -> Result<Rotated, KeyError> {
        let begun = AuditEntry {
            at_ms: self.clock.now_ms(),
            action: self.ids.make(),
            actor: ACTOR.to_owned(),
            order: order(&owner, format!("spends for {} seconds more", grace.as_secs())),
            outcome: Outcome::Begun,
            detail: None,
        };
        self.store.record_action(begun.clone()).await?;
        let done = self.rotate(owner, grace, name).await;
        let outcome = match &done {
            Ok(Rotated { repeated: false, .. }) => Outcome::Done,
            Ok(_) => Outcome::Repeated,
            Err(KeyError::Store(_)) => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        };
        let detail =
            done.as_ref().ok().map(|done| format!("generation {}", done.rotation.generation));
        let ended = AuditEntry { at_ms: self.clock.now_ms(), outcome, detail, ..begun };
        tracing::info!(subject = owner.subject(), ?outcome, "a card's client id is rotated");
        self.store.record_action(ended).await?;
        done
    }

    /// Which of a client's ids spend; `None` if it has no account.
    ///
    /// # Errors
    /// The store's.
    pub async fn rotation(&self, owner: ClientId) -> Result<Option<Rotation>, StoreError> {
        let Some(key) = self.store.accounts(Some(owner), None, 1).await?.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(self.store.account(key).await?.rotation))
    }

    /// [`own_id`] of a card.
    ///
    /// # Errors
    /// The store's.
    pub async fn own_id(
        &self,
        owner: ClientId,
        fingerprint: &str,
        rotation: Rotation,
    ) -> Result<ClientId, StoreError> {
        let now_ms = self.clock.now_ms();
        own_id(&*self.store, &self.secrets, (owner, fingerprint), rotation, now_ms).await
    }
}

/// The id that a card spends with now: by whichever secret its client knows it, else by the first one, which it
/// then knows.
///
/// # Errors
/// The store's.
pub async fn own_id(
    store: &dyn Store,
    secrets: &[SecretString],
    (owner, fingerprint): (ClientId, &str),
    Rotation { generation, .. }: Rotation,
    now_ms: u64,
) -> Result<ClientId, StoreError> {
    if generation == 0 {
        return Ok(owner);
    }
    let derived = secrets.iter().map(|secret| {
        ClientId::generation(secret.expose_secret().as_bytes(), fingerprint, generation)
    });
    let derived: Vec<ClientId> = derived.collect();
    for id in &derived {
        let known = store.key(KeyHash::of(id)).await?;
        if known.is_some_and(|key| key.owner == owner && key.generation == Some(generation)) {
            return Ok(*id);
        }
    }
    let none = || StoreError::Unavailable("no server secret".to_owned());
    let id = derived.into_iter().next().ok_or_else(none)?;
    let label = format!("generation {generation}");
    let key = Key { generation: Some(generation), ..Key::new(owner, label, Currency::USD, now_ms) };
    // If another ledger has just added it, it is the same.
    store.change_key(KeyHash::of(&id), key).await?;
    Ok(id)
}

/// A rotation, for the audit record.
#[must_use]
pub fn order(owner: &ClientId, reason: String) -> Order {
    Order {
        kind: OrderKind::Rotate,
        subject: Some(owner.subject()),
        currency: None,
        units: None,
        reference: None,
        reason: Some(reason),
    }
}

/// Never 0, which is no name.
fn hash_of(name: &str) -> u64 {
    let digest = Sha256::digest(name);
    let number = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (number & NAME_BITS).max(1)
}

#[cfg(test)]
mod tests;

//! Making, changing and revoking keys, and listing them.

use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use stripe402_protocol::{ClientId, Currency, Units, message::is_route_name};

use super::{Keys, TRIES, busy};
use crate::{
    accounting::{Budget, Key, KeyHash},
    store::StoreError,
};

/// Characters of a label at the most.
const LONGEST_LABEL: usize = 64;
/// Routes, or beginnings of routes, of one key at the most.
const MOST_ROUTES: usize = 32;
/// Beyond that a number of JSON's and of Lua's is not exact.
const LAST_MS: u64 = (1 << 53) - 1;

/// What a new key shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What its owner calls it.
    pub label: String,
    /// What it may spend.
    pub currency: Currency,
    /// How much.
    pub budget: Budget,
    /// Until when, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// For which routes; see [`Key::routes`].
    pub routes: Vec<String>,
    /// Whether it may manage its owner's keys.
    pub manage: bool,
}

/// What shall be other than it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The label.
    pub label: Option<String>,
    /// The budget, as a whole.
    pub budget: Option<Budget>,
    /// The end; `Some(None)` for never.
    pub expires_ms: Option<Option<u64>>,
    /// The routes, as a whole.
    pub routes: Option<Vec<String>>,
}

/// A key that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The key itself, which is kept nowhere.
    pub secret: ClientId,
    /// What is kept of it.
    pub hash: KeyHash,
    /// As it is in the books.
    pub key: Key,
    /// Whether it had been made before, under the same name.
    pub repeated: bool,
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// What was asked for cannot be: a field, and what it must be.
    #[error("{0}")]
    Invalid(String),
    /// It would have expired already.
    #[error("expires: must be in the future, in Unix milliseconds")]
    Expired,
    /// The client has no such key.
    #[error("there is no such key")]
    Unknown,
    /// The client has as many keys as it may have.
    #[error("this client has {0} keys that are not revoked, and may not have more: revoke one")]
    TooMany(usize),
    /// The client has no account: nothing spends.
    #[error("this card has paid nothing here yet, and has no client id to rotate")]
    NoAccount,
    /// The id was rotated by somebody else at the same moment.
    #[error("another rotation came first: pay with the card to learn its new client id")]
    Meanwhile,
    /// The name was used for a key with other terms.
    #[error("this idempotencyKey was used for a key with other terms")]
    Mismatch,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// Makes a key. Asked for again under the same `name`, it is the same key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn make(
        &self,
        owner: ClientId,
        terms: Terms,
        name: Option<&str>,
    ) -> Result<Made, KeyError> {
        let now_ms = self.clock.now_ms();
        check_label(&terms.label)?;
        check_budget(&terms.budget)?;
        check_end(terms.expires_ms, now_ms)?;
        check_routes(&terms.routes)?;
        let known = self.store.keys_of(owner).await?;
        if let Some(name) = name {
            for secret in self.secrets.iter() {
                let secret = named(secret.expose_secret().as_bytes(), &owner, name);
                let hash = KeyHash::of(&secret);
                if let Some((_, key)) = known.iter().find(|(of, _)| *of == hash) {
                    return repeated(secret, hash, key.clone(), &terms);
                }
            }
        }
        let counts = |key: &Key| key.revoked_ms.is_none() && key.generation.is_none();
        let spending = known.iter().filter(|(_, key)| counts(key)).count();
        if spending >= self.options.most_keys {
            return Err(KeyError::TooMany(spending));
        }
        let secret = match (name, self.secrets.first()) {
            (Some(name), Some(secret)) => named(secret.expose_secret().as_bytes(), &owner, name),
            _ => self.random(),
        };
        let hash = KeyHash::of(&secret);
        let key = of_terms(owner, terms.clone(), now_ms);
        if self.store.change_key(hash, key.clone()).await? {
            return Ok(Made { secret, hash, key, repeated: false });
        }
        // Another ledger was asked at the same time, or the answer to the first try was lost.
        let known = self.store.key(hash).await?.ok_or_else(busy)?;
        let made = repeated(secret, hash, known, &terms)?;
        Ok(Made { repeated: name.is_some(), ..made })
    }

    /// A client's keys, the first one first, with the generations of its own id.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let mut keys = self.store.keys_of(owner).await?;
        keys.sort_by_key(|(hash, key)| (key.created_ms, *hash));
        Ok(keys)
    }

    /// Changes a key, by its id.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn change(
        &self,
        owner: ClientId,
        id: &str,
        changes: Changes,
    ) -> Result<(KeyHash, Key), KeyError> {
        changes.label.as_deref().map_or(Ok(()), check_label)?;
        changes.budget.as_ref().map_or(Ok(()), check_budget)?;
        changes.expires_ms.map_or(Ok(()), |end| check_end(end, self.clock.now_ms()))?;
        changes.routes.as_deref().map_or(Ok(()), check_routes)?;
        self.edit(owner, id, |key| Key {
            label: changes.label.clone().unwrap_or(key.label),
            budget: changes.budget.unwrap_or(key.budget),
            expires_ms: changes.expires_ms.unwrap_or(key.expires_ms),
            routes: changes.routes.clone().unwrap_or(key.routes),
            ..key
        })
        .await
    }

    /// Revokes a key, for good. What it holds is settled as if it were not.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn revoke(&self, owner: ClientId, id: &str) -> Result<(KeyHash, Key), KeyError> {
        let now_ms = self.clock.now_ms();
        self.edit(owner, id, |key| Key { revoked_ms: key.revoked_ms.or(Some(now_ms)), ..key }).await
    }

    async fn edit(
        &self,
        owner: ClientId,
        id: &str,
        edit: impl Fn(Key) -> Key,
    ) -> Result<(KeyHash, Key), KeyError> {
        let known = self.store.keys_of(owner).await?;
        let found =
            known.into_iter().find(|(hash, key)| hash.id() == id && key.generation.is_none());
        let (hash, _) = found.ok_or(KeyError::Unknown)?;
        let _turn = self.turns.of(hash).await;
        for tried in 0..TRIES {
            let before = self.read_again(hash, tried).await?;
            let after = edit(before.clone());
            if after == before {
                return Ok((hash, before));
            }
            let after = after.changed();
            if self.store.change_key(hash, after.clone()).await? {
                return Ok((hash, after));
            }
        }
        Err(busy().into())
    }

    fn random(&self) -> ClientId {
        let mut bytes = Sha256::new();
        // 244 bits of chance.
        bytes.update(self.ids.make().as_bytes());
        bytes.update(self.ids.make().as_bytes());
        ClientId::key(head(bytes.finalize().into()))
    }
}

/// The key of this name: the same one whenever it is asked for, and known to nobody without the secret.
fn named(secret: &[u8], owner: &ClientId, name: &str) -> ClientId {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    mac.update(b"stripe402 key\0");
    mac.update(owner.as_bytes());
    mac.update(name.as_bytes());
    ClientId::key(head(mac.finalize().into_bytes().into()))
}

fn head(bytes: [u8; 32]) -> [u8; 26] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn of_terms(owner: ClientId, terms: Terms, now_ms: u64) -> Key {
    let Terms { label, currency, budget, expires_ms, routes, manage } = terms;
    let key = Key::new(owner, label, currency, now_ms);
    Key { budget, expires_ms, routes, manage, ..key }
}

/// A key that was made before, if it was made with these terms; it may have been changed since.
fn repeated(secret: ClientId, hash: KeyHash, key: Key, terms: &Terms) -> Result<Made, KeyError> {
    let is_same = key.currency == terms.currency
        && key.manage == terms.manage
        && (key.revision > 1
            || (&key.label, key.budget, key.expires_ms, &key.routes)
                == (&terms.label, terms.budget, terms.expires_ms, &terms.routes));
    if is_same { Ok(Made { secret, hash, key, repeated: true }) } else { Err(KeyError::Mismatch) }
}

fn check_label(label: &str) -> Result<(), KeyError> {
    let is_wrong = label.trim().is_empty()
        || label.chars().count() > LONGEST_LABEL
        || label.chars().any(|of| of.is_control() || turns_text(of));
    if is_wrong {
        let text =
            format!("label: must be 1 to {LONGEST_LABEL} characters of plain text on one line");
        return Err(KeyError::Invalid(text));
    }
    Ok(())
}

/// What makes the text after it run the other way, and look like another (Unicode, UAX #9).
fn turns_text(of: char) -> bool {
    matches!(of, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn check_budget(budget: &Budget) -> Result<(), KeyError> {
    let Budget { total, per_day, per_month } = *budget;
    if [total, per_day, per_month].into_iter().flatten().any(Units::is_zero) {
        let text = "budget: each limit must be from 1 to 9007199254740991 units";
        return Err(KeyError::Invalid(text.to_owned()));
    }
    Ok(())
}

fn check_end(expires_ms: Option<u64>, now_ms: u64) -> Result<(), KeyError> {
    match expires_ms {
        Some(at_ms) if at_ms > LAST_MS => {
            Err(KeyError::Invalid("expires: must be at most 2^53 - 1".to_owned()))
        }
        Some(at_ms) if at_ms <= now_ms => Err(KeyError::Expired),
        _ => Ok(()),
    }
}

fn check_routes(routes: &[String]) -> Result<(), KeyError> {
    let is_pattern = |route: &String| {
        let name = route.strip_suffix('*').unwrap_or(route);
        !route.is_empty() && is_route_name(name) && !name.contains('*')
    };
    if routes.len() > MOST_ROUTES || !routes.iter().all(is_pattern) {
        let text = format!(
            "routes: must be at most {MOST_ROUTES} names of routes, or beginnings of names with a * behind"
        );
        return Err(KeyError::Invalid(text));
    }
    Ok(())
}

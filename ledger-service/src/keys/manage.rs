//! Making, changing and revoking keys, and listing them.

use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use stripe402_protocol::{
    ClientId, Currency, PaymentMethodId, Units,
    message::{AutoTopUpOff, is_route_name},
};

use super::{Keys, busy, edited};
use crate::{
    accounting::{AutoTopUp, Budget, Key, KeyHash, ShownCard, Spell},
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
    /// What the card agrees to that asks for it.
    pub auto_top_up: Option<AutoTerms>,
}

/// What a card agrees to be charged by a key, in units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoTerms {
    /// When its owner's balance is below that.
    pub below: Units,
    /// How much then.
    pub amount: Units,
    /// How much in a month, UTC.
    pub monthly_most: Units,
    /// The card, which has been proven.
    pub card: PaymentMethodId,
    /// What people know it by.
    pub shown: Option<ShownCard>,
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
    /// What the card agrees to; `Some(None)` for no more.
    pub auto_top_up: Option<Option<AutoTerms>>,
    /// Whether a card asks for all this, or an operator: no key may change what a card has agreed to.
    pub by_card: bool,
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
    /// A key tops up by itself, and no card asks.
    #[error("this key charges a card: it is managed with the paymentMethodId of a card")]
    NeedsCard,
    /// The client has no account: nothing spends.
    #[error("this card has paid nothing here yet, and has no client id to rotate")]
    NoAccount,
    /// The id was rotated by somebody else at the same moment.
    #[error(
        "another rotation came first: pay with the card to learn its new client id, and rotate again to end the ids before it at once"
    )]
    Meanwhile,
    /// The name was used for a key with other terms.
    #[error("this idempotencyKey was used for a key with other terms")]
    Mismatch,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// Makes a key. Asked for again under the same `name`, it is the same key; one that charges a card is shown again
    /// only where a card asks.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn make(
        &self,
        owner: ClientId,
        terms: Terms,
        (name, by_card): (Option<&str>, bool),
    ) -> Result<Made, KeyError> {
        let now_ms = self.clock.now_ms();
        check_label(&terms.label)?;
        check_budget(&terms.budget)?;
        check_end(terms.expires_ms, now_ms)?;
        check_routes(&terms.routes)?;
        let auto = terms.auto_top_up.as_ref();
        let auto = auto.map(|auto| checked(auto, terms.currency, now_ms)).transpose()?;
        let known = self.store.keys_of(owner).await?;
        if let Some(name) = name {
            for secret in self.secrets.iter() {
                let secret = named(secret.expose_secret().as_bytes(), &owner, name);
                let hash = KeyHash::of(&secret);
                if let Some((_, key)) = known.iter().find(|(of, _)| *of == hash) {
                    if key.auto_top_up.is_some() && !by_card {
                        return Err(KeyError::NeedsCard);
                    }
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
        let key = Key { auto_top_up: auto, ..of_terms(owner, terms.clone(), now_ms) };
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
        let (hash, known) = self.known(owner, id).await?;
        if known.auto_top_up.is_some() && !changes.by_card {
            return Err(KeyError::NeedsCard);
        }
        let now_ms = self.clock.now_ms();
        let auto = changes.auto_top_up.as_ref().map(|auto| {
            auto.as_ref().map(|auto| checked(auto, known.currency, now_ms)).transpose()
        });
        let auto = auto.transpose()?;
        self.edit(hash, |key| {
            let auto_top_up = match &auto {
                None => key.auto_top_up,
                Some(None) => {
                    key.auto_top_up.map(|of| of.switched_off(AutoTopUpOff::Owner, now_ms))
                }
                Some(Some(agreed)) => Some(agreed.clone().agreed(key.auto_top_up)),
            };
            Key {
                label: changes.label.clone().unwrap_or(key.label),
                budget: changes.budget.unwrap_or(key.budget),
                expires_ms: changes.expires_ms.unwrap_or(key.expires_ms),
                routes: changes.routes.clone().unwrap_or(key.routes),
                auto_top_up,
                ..key
            }
        })
        .await
    }

    /// Revokes a key, for good. What it holds is settled as if it were not.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn revoke(&self, owner: ClientId, id: &str) -> Result<(KeyHash, Key), KeyError> {
        let now_ms = self.clock.now_ms();
        let (hash, _) = self.known(owner, id).await?;
        self.edit(hash, |key| Key { revoked_ms: key.revoked_ms.or(Some(now_ms)), ..key }).await
    }

    /// Lets a key charge its card no more, as an operator wants. What is under way is carried out.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn stop_auto_top_up(
        &self,
        owner: ClientId,
        id: &str,
    ) -> Result<(KeyHash, Key), KeyError> {
        let now_ms = self.clock.now_ms();
        let (hash, _) = self.known(owner, id).await?;
        self.edit(hash, |key| key.tops_up_no_more(AutoTopUpOff::Operator, now_ms)).await
    }

    async fn known(&self, owner: ClientId, id: &str) -> Result<(KeyHash, Key), KeyError> {
        let known = self.store.keys_of(owner).await?;
        let found =
            known.into_iter().find(|(hash, key)| hash.id() == id && key.generation.is_none());
        found.ok_or(KeyError::Unknown)
    }

    async fn edit(
        &self,
        hash: KeyHash,
        edit: impl Fn(Key) -> Key + Send,
    ) -> Result<(KeyHash, Key), KeyError> {
        let _turn = self.turns.of(hash).await;
        Ok((hash, edited(&*self.store, hash, edit).await?))
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
    let Terms { label, currency, budget, expires_ms, routes, manage, auto_top_up: _ } = terms;
    let key = Key::new(owner, label, currency, now_ms);
    Key { budget, expires_ms, routes, manage, ..key }
}

/// A key that was made before, if it was made with these terms; it may have been changed since.
fn repeated(secret: ClientId, hash: KeyHash, key: Key, terms: &Terms) -> Result<Made, KeyError> {
    let agreed = |of: &AutoTopUp| (of.below, of.amount, of.monthly_most);
    let wanted = |of: &AutoTerms| {
        (of.below, key.currency.chargeable(of.amount).unwrap_or(of.amount), of.monthly_most)
    };
    let is_same = key.currency == terms.currency
        && key.manage == terms.manage
        && (key.revision > 1
            || (&key.label, key.budget, key.expires_ms, &key.routes)
                == (&terms.label, terms.budget, terms.expires_ms, &terms.routes)
                && key.auto_top_up.as_ref().map(agreed) == terms.auto_top_up.as_ref().map(wanted));
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

/// What a card agrees to, if it can be: its amount rounded up to what Stripe can charge.
fn checked(wanted: &AutoTerms, currency: Currency, now_ms: u64) -> Result<AutoTopUp, KeyError> {
    let invalid = |text: String| Err(KeyError::Invalid(text));
    if wanted.below.is_zero() {
        return invalid("autoTopUp.below: must be from 1 to 9007199254740991 units".to_owned());
    }
    let least = currency.least_charge().unwrap_or(Units::from_u32(1));
    let most = currency.most_charge();
    let amount = currency.chargeable(wanted.amount).filter(|of| (least..=most).contains(of));
    let Some(amount) = amount.filter(|_| wanted.amount >= least) else {
        return invalid(format!(
            "autoTopUp.amount: must be from {least} to {most} units: what Stripe charges in {currency}"
        ));
    };
    if wanted.monthly_most < amount {
        return invalid(format!(
            "autoTopUp.monthlyMost: must be at least the amount of one top-up, {amount} units"
        ));
    }
    let AutoTerms { below, monthly_most, .. } = *wanted;
    Ok(AutoTopUp {
        below,
        amount,
        monthly_most,
        card: wanted.card.clone(),
        shown: wanted.shown.clone(),
        since_ms: now_ms,
        month: Spell::default(),
        begun: None,
        off: None,
    })
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

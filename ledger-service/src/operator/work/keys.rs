//! Keys of a client's.

use std::{sync::Arc, time::Duration};

use super::{
    Actor, Operations, OperatorError,
    act::{LONGEST_REASON, said},
    find::UNKNOWN,
    record::Deed,
    view,
};
use crate::{
    accounting::{Key, KeyHash, Order, OrderKind, Spender},
    keys::{self, KeyError, Terms},
};

/// A key to be made, and why.
#[derive(Clone, Debug)]
pub struct KeyOrder {
    /// What it shall be.
    pub terms: Terms,
    /// Why.
    pub reason: String,
}

/// What a key does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnd {
    /// It spends no more, for good.
    Revoke,
    /// It charges its card no more.
    StopAutoTopUp,
}

impl KeyEnd {
    /// How addresses name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::StopAutoTopUp => "stop-auto-top-up",
        }
    }
}

impl Operations {
    /// A client's keys, the first one first, and the generations of its own id after the first.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn keys_of(&self, client: &str) -> Result<view::Keys, OperatorError> {
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let now_ms = self.clock.now_ms();
        let keys = self.keys.list(client).await?;
        let rotation = self.keys.rotation(client).await?.unwrap_or_default();
        let shown = |(hash, key): &(KeyHash, Key)| {
            let mut shown = view::Key::of(*hash, key, now_ms);
            let generation = key.generation.map(Spender::Generation);
            if generation.is_some_and(|of| rotation.is_over(of, now_ms)) {
                shown.state = view::KeyState::Expired;
            }
            shown
        };
        let keys = keys.iter().map(shown).collect();
        Ok(view::Keys { subject: client.subject(), keys })
    }

    /// Makes a key; it is shown once.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn make_key(
        &self,
        actor: &Actor,
        client: &str,
        wanted: KeyOrder,
    ) -> Result<view::MadeKey, OperatorError> {
        said("reason", &wanted.reason, LONGEST_REASON)?;
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let KeyOrder { terms, reason } = wanted;
        let order = Order {
            kind: OrderKind::MakeKey,
            subject: Some(client.subject()),
            currency: Some(terms.currency),
            units: terms.budget.total.map(stripe402_protocol::Units::get),
            reference: None,
            reason: Some(reason),
        };
        let keys = Arc::clone(&self.keys);
        let work = async {
            let made = keys.make(client, terms, (None, false)).await?;
            let key = view::Key::of(made.hash, &made.key, made.key.created_ms);
            let detail = Some(format!("key {}", key.id));
            let made = view::MadeKey { key: made.secret.to_hex(), details: key };
            Ok(Deed { detail, ..Deed::done(made) })
        };
        self.on_record(actor, order, work).await
    }

    /// Ends a key, or what it charges by itself, on record. What is under way is carried out.
    ///
    /// # Errors
    /// [`OperatorError`]; a key that does not top up by itself cannot be stopped from it.
    pub async fn end_key(
        &self,
        actor: &Actor,
        client: &str,
        id: &str,
        (end, reason): (KeyEnd, &str),
    ) -> Result<view::Key, OperatorError> {
        said("reason", reason, LONGEST_REASON)?;
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let known = self.keys.list(client).await?;
        let (hash, before) =
            known.into_iter().find(|(hash, _)| hash.id() == id).ok_or(NO_SUCH_KEY)?;
        let stops = end == KeyEnd::StopAutoTopUp;
        if stops && before.auto_top_up.is_none() {
            let text = "this key does not top up by itself".to_owned();
            return Err(OperatorError::Refused { code: "no_auto_top_up", text });
        }
        let order = Order {
            kind: if stops { OrderKind::StopAutoTopUp } else { OrderKind::RevokeKey },
            subject: Some(client.subject()),
            currency: None,
            units: None,
            reference: Some(hash.id()),
            reason: Some(reason.to_owned()),
        };
        let work = async {
            let (hash, key) = match stops {
                true => self.keys.stop_auto_top_up(client, id).await?,
                false => self.keys.revoke(client, id).await?,
            };
            let shown = view::Key::of(hash, &key, self.clock.now_ms());
            let again = match stops {
                true => before.auto_top_up.is_some_and(|auto| auto.off.is_some()),
                false => before.revoked_ms.is_some(),
            };
            Ok(if again { Deed::repeated(shown) } else { Deed::done(shown) })
        };
        self.on_record(actor, order, work).await
    }
}

impl Operations {
    /// Rotates a client's id: its ids so far spend nothing more, and its card learns the new one when it pays next.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn rotate(
        &self,
        actor: &Actor,
        client: &str,
        reason: &str,
    ) -> Result<view::Rotated, OperatorError> {
        said("reason", reason, LONGEST_REASON)?;
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let order = keys::order(&client, reason.to_owned());
        let work = async {
            let rotation = self.keys.rotate(client, Duration::ZERO, None).await?.rotation;
            let (subject, generation) = (client.subject(), rotation.generation);
            let detail = Some(format!("generation {generation}"));
            Ok(Deed { detail, ..Deed::done(view::Rotated { subject, generation }) })
        };
        self.on_record(actor, order, work).await
    }
}

const NO_SUCH_KEY: OperatorError = OperatorError::NotFound("the client has no such key");

impl From<KeyError> for OperatorError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Invalid(text) => Self::Invalid(text),
            KeyError::Expired => Self::Refused { code: "expired", text: error.to_string() },
            KeyError::Unknown => NO_SUCH_KEY,
            KeyError::TooMany(_) => {
                Self::Refused { code: "too_many_keys", text: error.to_string() }
            }
            KeyError::NoAccount => UNKNOWN,
            KeyError::Meanwhile => {
                Self::Refused { code: "rotated_meanwhile", text: error.to_string() }
            }
            KeyError::Mismatch => Self::Refused { code: "conflict", text: error.to_string() },
            // An operator's keys charge no card, and operators only switch that off.
            KeyError::NeedsCard => Self::Invalid(error.to_string()),
            KeyError::Store(error) => Self::Store(error),
        }
    }
}

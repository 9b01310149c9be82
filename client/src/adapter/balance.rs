//! What is left at an origin, as its gateway says.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use stripe402_protocol::{Currency, PAYMENT, Payment, Units, VERSION, encode};

use super::{Wallet, WalletError};
use crate::{Error, is_private};

/// Where gateways tell it: design, "Public surface".
const PATH: &str = "/.well-known/stripe402/balance";

/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A balance is a few dozen bytes.
const MOST: usize = 65_536;

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// Units.
    pub credits_remaining: Units,
    /// Of the amount.
    pub currency: Currency,
    /// Whether the gateway said so now; else its last receipt did, and others may have spent since.
    pub now: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    credits_remaining: Units,
    currency: Currency,
}

impl Wallet {
    /// Asks the gateway at the URL's origin what is left; where it does not tell, the last receipt
    /// does. `None` if nothing was ever bought there.
    ///
    /// # Errors
    /// [`Error::NotEncrypted`] where asking would show the client id to others; the storage's.
    pub async fn ask_balance(&self, url: &Url) -> Result<Option<Balance>, WalletError> {
        self.ask_balance_within(url, PATIENCE).await
    }

    /// The same; a gateway that is silent for so long does not tell. [`Wallet::ask_balance`] waits 30 seconds.
    ///
    /// # Errors
    /// As [`Wallet::ask_balance`].
    pub async fn ask_balance_within(
        &self,
        url: &Url,
        limit: Duration,
    ) -> Result<Option<Balance>, WalletError> {
        let origin = url.origin().ascii_serialization();
        let purse = self.purse()?;
        let known = purse.known(&origin);
        // An id of the policy's is shown where the policy names the origin, or where it has paid.
        let named = self.policy.origins.as_deref().unwrap_or_default();
        let is_named = named.iter().any(|name| name.trim_end_matches('/') == origin);
        let given = self.policy.client_id.filter(|id| {
            is_named || purse.bound.get(id.to_hex().as_str()).is_some_and(|to| *to == origin)
        });
        let Some(client) = known.and_then(|known| known.client_id).or(given) else {
            return Ok(None);
        };
        if !self.policy.allow_http && !is_private(&origin) {
            return Err(Error::NotEncrypted { origin }.into());
        }
        if let Some(told) = self.asked(url, client.to_hex(), limit).await {
            return Ok(Some(Balance {
                credits_remaining: told.credits_remaining,
                currency: told.currency,
                now: true,
            }));
        }
        let last = self.balance(&origin)?;
        Ok(last.map(|left| Balance {
            credits_remaining: left,
            currency: self.policy.currency,
            now: false,
        }))
    }

    /// `None` if the gateway does not tell, for whatever reason.
    async fn asked(&self, url: &Url, client_id: String, limit: Duration) -> Option<Told> {
        let payment = Payment {
            stripe402_version: VERSION,
            client_id: Some(client_id),
            ..Payment::default()
        };
        // A client id goes to this origin only: this client follows no redirect.
        let client = self.settled.network()?;
        let request = client.get(url.join(PATH).ok()?).header(PAYMENT, encode(&payment));
        let mut answer = request.timeout(limit).send().await.ok()?;
        if answer.status().as_u16() != 200 {
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            if body.len().saturating_add(chunk.len()) > MOST {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).ok()
    }
}

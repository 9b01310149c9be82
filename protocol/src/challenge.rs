//! `payment-required`: what a resource costs and how to pay for it.

use alloc::{borrow::ToOwned, string::String, vec, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{Currency, EXTENSIONS, Pricing, Reason, Units, VERSION, X402_VERSION};

/// The challenge: the `payment-required` header of a 402, and its body.
///
/// `price` and `min_top_up` stand at the top as well as in the offer, because two spellings of
/// version 1 are in the field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Always 1.
    pub stripe402_version: u8,
    /// 2: the version of x402 (extension). x402 has a header of the same name; its clients then say that they do not
    /// have the scheme `stripe`. Who speaks stripe402 looks at `stripe402_version` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x402_version: Option<u8>,
    /// What one request costs.
    pub price: Units,
    /// The least that a card is charged.
    pub min_top_up: Units,
    /// What is being sold.
    pub resource: Resource,
    /// Ways to pay; version 1 has exactly one.
    pub accepts: Vec<Offer>,
    /// `insufficient_credits` where a client id could not pay; absent on a first challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `debt` where the client owes something, which the next top-up settles first (extension). One that
    /// this version does not know reads as none.
    #[serde(
        default,
        deserialize_with = "Reason::deserialize_known",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason: Option<Reason>,
    /// What the client owes, in units, with `debt` (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_owed: Option<Units>,
    /// How the price is known, where it is known only after the request was served (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    /// What a card that never paid here gets without a charge (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// How many requests an address has without a payment (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<Anonymous>,
    /// Which extensions of `payment` this server understands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

/// Credit that a card which never paid here gets once: it is verified, and not charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// How much, in units.
    pub units: Units,
}

/// Requests that pass without a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anonymous {
    /// How many an address has in a day of UTC.
    pub requests: u32,
}

/// The resource that a challenge is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The path, without its query.
    pub url: String,
    /// For people and agents that choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The media type of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Always `stripe`.
    pub scheme: String,
    /// The currency of every amount in this challenge.
    pub currency: Currency,
    /// The price again.
    pub amount: Units,
    /// The least top-up again.
    pub min_top_up: Units,
    /// The key with which a browser makes a PaymentMethod.
    pub publishable_key: String,
    /// The description again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Challenge {
    /// The challenge of one priced resource, announcing our extensions.
    #[must_use]
    pub fn new(
        resource: Resource,
        price: Units,
        min_top_up: Units,
        currency: Currency,
        publishable_key: &str,
    ) -> Self {
        let offer = Offer {
            scheme: "stripe".to_owned(),
            currency,
            amount: price,
            min_top_up,
            publishable_key: publishable_key.to_owned(),
            description: resource.description.clone(),
        };
        Self {
            stripe402_version: VERSION,
            x402_version: Some(X402_VERSION),
            price,
            min_top_up,
            resource,
            accepts: vec![offer],
            error: None,
            reason: None,
            amount_owed: None,
            pricing: None,
            trial: None,
            anonymous: None,
            extensions: EXTENSIONS.map(ToOwned::to_owned).to_vec(),
        }
    }

    /// The same challenge to a client whose credits do not suffice. It says nothing of a trial, nor of
    /// requests without a payment: who has a client id has most likely had both.
    #[must_use]
    pub fn insufficient_credits(self) -> Self {
        let error = Some(crate::Code::InsufficientCredits.as_str().to_owned());
        Self { error, trial: None, anonymous: None, ..self }
    }

    /// The same challenge to a key whose limits do not allow the request.
    #[must_use]
    pub fn refused_to_key(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self.insufficient_credits() }
    }

    /// The same challenge to a client that owes so much besides.
    #[must_use]
    pub fn in_debt(self, owed: Units) -> Self {
        let (reason, amount_owed) = (Some(Reason::Debt), Some(owed));
        Self { reason, amount_owed, ..self.insufficient_credits() }
    }
}

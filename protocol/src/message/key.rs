//! A client manages its keys.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{DeductionId, HeaderError, Units, header};

/// `POST /v1/keys`: what came to a gateway's address for keys. Since version 6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRequest {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Names the request.
    pub id: DeductionId,
    /// What is to be done.
    pub action: KeyAction,
    /// The id of the key that it is done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The `payment` header, as it came: see [`KeyPayment`].
    pub payment: String,
    /// Where the request came from, as the gateway sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether the publishable key in the gateway's challenges is one for real money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
}

/// What is to be done with keys, by the method of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAction {
    /// GET: all are listed.
    List,
    /// POST: one is made.
    Make,
    /// PATCH: one is changed.
    Change,
    /// DELETE: one is revoked.
    Revoke,
    /// POST to `rotate`: the card gets another client id.
    Rotate,
}

/// The answer, with status 200: what the client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAnswer {
    /// The status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
    /// Seconds after which a retry makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// The `payment` header of a request for keys: who asks, and for what (extension). A field that nobody knows is a
/// mistake: a budget in the wrong place would make a key without limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyPayment {
    /// 1, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe402_version: Option<u8>,
    /// A card of the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// Or a key of its that may manage keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Names the key that is made: asked for again, it is the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What the key shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyTerms>,
    /// For how long the card's client ids so far go on spending after it has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
}

impl KeyPayment {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HeaderError`] if it is not base64 of such an object.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        header::decode(bytes)
    }
}

/// What a key shall be. What is absent has no limit, or stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyTerms {
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it may spend; dollars if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<KeyBudget>,
    /// Until when, Unix milliseconds; 0 for ever, where that is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// For which routes: names, or beginnings of names with a `*` behind; all if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// What it may besides spending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<KeyRight>,
    /// What the card agrees to be charged by it; `below` 0 for no more, where that is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<KeyAutoTopUp>,
}

/// When a key tops up its owner's balance by itself, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyAutoTopUp {
    /// When the balance is below that.
    pub below: Units,
    /// What the card is charged then.
    #[serde(default)]
    pub amount: Units,
    /// How much in a month, UTC.
    #[serde(default)]
    pub monthly_most: Units,
}

/// Why a key tops up no more. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoTopUpOff {
    /// The card was declined.
    Declined,
    /// Its bank wanted the cardholder, who was not there.
    AuthenticationRequired,
    /// The client was frozen, by a dispute or an operator.
    Frozen,
    /// An operator switched it off.
    Operator,
    /// The owner did.
    Owner,
    /// It is not off: the month's most does not allow another top-up. It goes on in the next month.
    MonthlyMost,
}

/// How much a key may spend, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyBudget {
    /// Ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Units>,
    /// In a day, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Units>,
    /// In a month, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Units>,
}

/// What a key may besides spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRight {
    /// Manage its owner's keys.
    Manage,
}

/// The client id that a card has after it was rotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotatedId {
    /// The id, which spends what the one before did.
    pub client_id: String,
    /// How often the card's id was rotated.
    pub generation: u32,
    /// Until when the ids before it spend, Unix milliseconds.
    pub old_until: u64,
}

/// A key as its owner is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownKey {
    /// Its name: a hash of it, which spends nothing.
    pub id: String,
    /// The key itself: a client id for whoever shall spend. It is shown once, when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What its owner calls it.
    pub label: String,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// What it may spend.
    pub currency: String,
    /// How much.
    pub budget: KeyBudget,
    /// What it has spent, with what its open holds may come to.
    pub spent: Units,
    /// What is left of its budget now; absent without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Units>,
    /// For which routes; all if there are none.
    pub routes: Vec<String>,
    /// What it may besides spending.
    pub rights: Vec<KeyRight>,
    /// Since when, Unix milliseconds, as are all times here.
    pub created: u64,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
    /// When it last paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
    /// How it tops up by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<ShownAutoTopUp>,
}

/// How a key tops up by itself, as its owner is shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownAutoTopUp {
    /// What the card has agreed to.
    #[serde(flatten)]
    pub terms: KeyAutoTopUp,
    /// How much was charged in this month, or is about to be.
    pub this_month: Units,
    /// Why it does so no more, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<ShownOff>,
}

/// Why a key tops up no more, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownOff {
    /// Why.
    pub reason: AutoTopUpOff,
    /// Unix milliseconds.
    pub at: u64,
}

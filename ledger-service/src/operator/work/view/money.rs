//! Money: movements, what was earned, card charges.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{Currency, Units};
use utoipa::ToSchema;

use crate::accounting::{self, AccountKey, Kind, ShownCard, State};

/// A movement of money
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Movement {
    /// When it was posted
    pub at_ms: u64,
    /// Whose it is
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// As in docs/ledger.md
    #[schema(value_type = String)]
    pub kind: Kind,
    /// How much; 0 where nothing moves
    #[schema(value_type = i64, minimum = 0)]
    pub amount: Units,
    /// What it is about, e.g. a PaymentIntent
    pub reference: String,
    /// Why
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Movement {
    pub(crate) fn of(key: &AccountKey, movement: accounting::Movement) -> Self {
        let posting = movement.posting;
        Self {
            at_ms: movement.at_ms,
            subject: key.client.subject(),
            currency: key.currency,
            kind: posting.kind,
            amount: posting.amount,
            reference: posting.reference,
            note: posting.note,
        }
    }
}

/// Some movements, newest first
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Movements {
    /// Newest first
    pub movements: Vec<Movement>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How deductions are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SumBy {
    /// A line for each priced route.
    Route,
    /// A line for each day, UTC.
    Day,
    /// A line for each hour, UTC.
    Hour,
}

/// A sum of deductions
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevenueLine {
    /// When the hour or the day began; absent in sums by route
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<u64>,
    /// Absent in sums by time
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// How many, less voids
    pub requests: i64,
    /// How much, less voids
    pub units: i64,
}

/// Sums of deductions
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revenue {
    /// By time or by route, then by currency
    pub lines: Vec<RevenueLine>,
}

/// What a month brought, and what clients still have
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// The month, UTC, such as 2026-11
    pub month: String,
    /// One for each currency that any client has
    pub currencies: Vec<StatementOf>,
}

/// The statement of one currency: `opening`, the lines, less `used`, make `closing`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementOf {
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// Credit of all clients when the month began, less what they owed
    pub opening: i64,
    /// What moved in the month, a line for each kind; holds and freezes move nothing
    pub lines: Vec<StatementLine>,
    /// Requests that were paid for, less voids
    pub requests: i64,
    /// What they cost
    pub used: i64,
    /// Credit of all clients when the month ended, less what they owe: what you owe them
    pub closing: i64,
}

/// Movements of one kind
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementLine {
    /// The kind of movement
    #[schema(value_type = String)]
    pub kind: Kind,
    /// How many
    pub count: i64,
    /// What they added to the clients' credit; negative if they took
    pub units: i64,
}

/// How far card charges are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Stripe's answer or the cardholder's is awaited
    InFlight,
    /// The card was charged
    Credited,
    /// Nothing was taken
    Refused,
}

impl Stage {
    /// As an address names them.
    pub(crate) const NAMES: [&str; 3] = ["in_flight", "credited", "refused"];
}

/// A card charge
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopUp {
    /// As in Stripe's metadata
    pub id: String,
    /// Whose it is
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// How much was wanted
    #[schema(value_type = i64)]
    pub amount: Units,
    /// The card's brand and its last four digits, where Stripe showed them
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub card: Option<ShownCard>,
    /// When it was opened
    pub created_ms: u64,
    /// charging, requires_action, credited, refused, or lapsed (Stripe failed; nothing was taken)
    #[schema(value_type = String)]
    pub state: &'static str,
    /// Stripe's record of it, once there is one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// Why it was refused, as the client was told
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same, for people
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl From<&accounting::TopUp> for TopUp {
    fn from(of: &accounting::TopUp) -> Self {
        let (state, payment_intent, refusal) = match &of.state {
            State::Charging(_) => ("charging", None, None),
            State::Lapsed => ("lapsed", None, None),
            State::RequiresAction { payment_intent } => {
                ("requires_action", Some(payment_intent.clone()), None)
            }
            State::Credited { payment_intent, .. } => {
                ("credited", Some(payment_intent.clone()), None)
            }
            State::Refused { refusal } => ("refused", None, Some(refusal)),
        };
        Self {
            id: of.id.to_string(),
            subject: of.account.client.subject(),
            currency: of.account.currency,
            amount: of.amount,
            card: of.card.clone(),
            created_ms: of.created_ms,
            state,
            payment_intent,
            code: refusal.map(|refusal| refusal.error_code.as_str().to_owned()),
            message: refusal.map(|refusal| refusal.error.clone()),
        }
    }
}

/// Card charges, newest first
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopUps {
    /// Newest first
    pub top_ups: Vec<TopUp>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

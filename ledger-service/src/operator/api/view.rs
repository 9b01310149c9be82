//! The operator API's objects. Amounts are units, times are Unix milliseconds.
//!
//! No client id, PaymentMethod or other credential is among them: clients go by their subjects.

use serde::Serialize;
use stripe402_protocol::Units;
use utoipa::ToSchema;

use crate::{
    accounting::{self, AccountKey, AuditEntry},
    operator::work::spelt,
    store::StoredDeduction,
};

/// What went wrong
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetails,
}

/// For programs, and for people
#[derive(Serialize, ToSchema)]
struct ErrorDetails {
    /// Stable
    code: String,
    /// What is wrong, and how to mend it
    message: String,
}

/// What an account holds
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    /// ISO 4217, lowercase
    #[schema(pattern = "^[a-z]{3}$")]
    currency: String,
    /// What can be spent
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    available: i64,
    /// What is held back, for a refund that is under way
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pending: i64,
    /// What refunds and disputes took beyond the balance
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    debt: i64,
    /// Neither deducted from nor topped up
    frozen: bool,
}

impl Account {
    pub(super) fn of(key: &AccountKey, account: &accounting::Account) -> Self {
        Self {
            currency: key.currency.to_string(),
            available: account.available.get(),
            pending: account.pending.get(),
            debt: account.debt.get(),
            frozen: account.frozen,
        }
    }
}

/// A client
#[derive(Serialize, ToSchema)]
pub(super) struct Client {
    /// Its name for people: a hash of its id, which spends nothing
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) subject: String,
    pub(super) accounts: Vec<Account>,
}

/// Some clients
#[derive(Serialize, ToSchema)]
pub(super) struct Clients {
    pub(super) clients: Vec<Client>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A client in full
#[derive(Serialize, ToSchema)]
pub(super) struct ClientDetails {
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) subject: String,
    /// Its customer at Stripe
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<String>,
    pub(super) accounts: Vec<AccountDetails>,
}

/// An account, and what it was used for
#[derive(Serialize, ToSchema)]
pub(super) struct AccountDetails {
    #[serde(flatten)]
    pub(super) account: Account,
    /// Deductions, less those that were given back
    pub(super) requests: i64,
    /// What they took
    pub(super) spent: i64,
    /// The latest deductions
    pub(super) recent: Vec<Deduction>,
}

/// A deduction that is still kept one by one
#[derive(Serialize, ToSchema)]
pub(super) struct Deduction {
    /// As in the gateway's access log
    charge: String,
    at_ms: u64,
    route: String,
    amount: i64,
}

impl From<StoredDeduction> for Deduction {
    fn from(kept: StoredDeduction) -> Self {
        let (charge, at_ms) = (kept.id.to_string(), kept.id.minted_ms());
        Self { charge, at_ms, route: kept.route, amount: kept.amount.get() }
    }
}

/// A movement of money
#[derive(Serialize, ToSchema)]
pub(super) struct Movement {
    at_ms: u64,
    #[schema(pattern = "^[0-9a-f]{16}$")]
    subject: String,
    #[schema(pattern = "^[a-z]{3}$")]
    currency: String,
    /// As in docs/ledger.md
    kind: String,
    #[schema(minimum = 0)]
    amount: i64,
    /// What it is about, e.g. a PaymentIntent
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Movement {
    pub(super) fn of(key: &AccountKey, movement: accounting::Movement) -> Self {
        let posting = movement.posting;
        Self {
            at_ms: movement.at_ms,
            subject: key.client.subject(),
            currency: key.currency.to_string(),
            kind: posting.kind.as_str().to_owned(),
            amount: posting.amount.get(),
            reference: posting.reference,
            note: posting.note,
        }
    }
}

/// Some movements, newest first
#[derive(Serialize, ToSchema)]
pub(super) struct Movements {
    pub(super) movements: Vec<Movement>,
    /// The `cursor` of the next ones; absent after the last, and where there is no cursor
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A sum of deductions
#[derive(Serialize, ToSchema)]
pub(super) struct RevenueLine {
    /// When the hour or the day began; absent in sums by route
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from_ms: Option<u64>,
    /// Absent in sums by time
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<String>,
    #[schema(pattern = "^[a-z]{3}$")]
    pub(super) currency: String,
    pub(super) requests: i64,
    pub(super) units: i64,
}

/// Sums of deductions
#[derive(Serialize, ToSchema)]
pub(super) struct Revenue {
    pub(super) lines: Vec<RevenueLine>,
}

/// A card charge
#[derive(Serialize, ToSchema)]
pub(super) struct TopUp {
    /// As in Stripe's metadata
    id: String,
    #[schema(pattern = "^[0-9a-f]{16}$")]
    subject: String,
    #[schema(pattern = "^[a-z]{3}$")]
    currency: String,
    amount: i64,
    created_ms: u64,
    /// charging, requires_action, credited or refused
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<String>,
    /// Why it was refused, as the client was told
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same, for people
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl From<&accounting::TopUp> for TopUp {
    fn from(of: &accounting::TopUp) -> Self {
        let (state, payment_intent, refusal) = match &of.state {
            accounting::State::Charging(_) => ("charging", None, None),
            accounting::State::Lapsed => ("lapsed", None, None),
            accounting::State::RequiresAction { payment_intent } => {
                ("requires_action", Some(payment_intent.clone()), None)
            }
            accounting::State::Credited { payment_intent, .. } => {
                ("credited", Some(payment_intent.clone()), None)
            }
            accounting::State::Refused { refusal } => ("refused", None, Some(refusal)),
        };
        Self {
            id: of.id.to_string(),
            subject: of.account.client.subject(),
            currency: of.account.currency.to_string(),
            amount: of.amount.get(),
            created_ms: of.created_ms,
            state: state.to_owned(),
            payment_intent,
            code: refusal.map(|refusal| refusal.error_code.as_str().to_owned()),
            message: refusal.map(|refusal| refusal.error.clone()),
        }
    }
}

/// Card charges, newest first
#[derive(Serialize, ToSchema)]
pub(super) struct TopUps {
    pub(super) top_ups: Vec<TopUp>,
}

/// An entry of the audit record
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    at_ms: u64,
    /// Entries of one action share it: one before it, one when its outcome is known
    action: String,
    /// The token's name, or cli
    actor: String,
    /// freeze, unfreeze, adjust, refund, repair or import
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// Below zero for a debit
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// begun, done, repeated, refused or unknown
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        let order = entry.order;
        Self {
            at_ms: entry.at_ms,
            action: entry.action.to_string(),
            actor: entry.actor,
            kind: spelt(&order.kind),
            subject: order.subject,
            currency: order.currency.map(|currency| currency.to_string()),
            units: order.units,
            reference: order.reference,
            reason: order.reason,
            outcome: spelt(&entry.outcome),
            detail: entry.detail,
        }
    }
}

/// Some entries of the audit record, newest first
#[derive(Serialize, ToSchema)]
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// What went back to the cards
#[derive(Serialize, ToSchema)]
pub(super) struct Refunded {
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) subject: String,
    /// All that went back under this reference
    pub(super) refunded: i64,
    /// Whether it is less than was asked for
    pub(super) short: bool,
    pub(super) parts: Vec<RefundedPart>,
    pub(super) account: Account,
}

/// What went back to one card charge
#[derive(Serialize, ToSchema)]
pub(super) struct RefundedPart {
    pub(super) payment_intent: String,
    pub(super) amount: i64,
}

impl RefundedPart {
    pub(super) fn of(payment_intent: String, amount: Units) -> Self {
        Self { payment_intent, amount: amount.get() }
    }
}

/// What a correction left
#[derive(Serialize, ToSchema)]
pub(super) struct Adjusted {
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) subject: String,
    /// Whether it had been made before, under the same reference
    pub(super) repeated: bool,
    pub(super) account: Account,
}

/// Whether what the ledger depends on answers
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    pub(super) store: Part,
    pub(super) stripe: Part,
}

/// One part
#[derive(Serialize, ToSchema)]
pub(super) struct Part {
    pub(super) good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

impl From<Result<(), String>> for Part {
    fn from(state: Result<(), String>) -> Self {
        Self { good: state.is_ok(), problem: state.err() }
    }
}

//! What operators did.

use serde::Serialize;
use stripe402_protocol::Currency;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounting::{AuditEntry, OrderKind, Outcome};

/// An entry of the audit record
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// When
    pub at_ms: u64,
    /// Entries of one action share it: one before it, one when its outcome is known
    #[schema(value_type = String)]
    pub action: Uuid,
    /// The token's name, or cli
    pub actor: String,
    /// freeze, unfreeze, adjust, grant, refund, repair or import
    #[schema(value_type = String)]
    pub kind: OrderKind,
    /// On whom
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// In which currency
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Below zero for a debit
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<i64>,
    /// The operator's name for it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// begun, done, repeated, refused or unknown
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why it was refused or has no outcome, or how much it did
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        let order = entry.order;
        Self {
            at_ms: entry.at_ms,
            action: entry.action,
            actor: entry.actor,
            kind: order.kind,
            subject: order.subject,
            currency: order.currency,
            units: order.units,
            reference: order.reference,
            reason: order.reason,
            outcome: entry.outcome,
            detail: entry.detail,
        }
    }
}

/// Some entries of the audit record, newest first
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entries {
    /// Newest first
    pub entries: Vec<Entry>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

//! What operators did to the books: who, when, what, to whom, why, and what came of it.
//!
//! An action leaves two entries: one before anything happens, one when its outcome is known. An
//! action that was cut off is thus known to have begun. Entries are never changed or forgotten.

use serde::{Deserialize, Serialize};
use stripe402_protocol::Currency;
use uuid::Uuid;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, Unix milliseconds by the clock of whoever acted.
    pub at_ms: u64,
    /// Names the action; its entries share it.
    pub action: Uuid,
    /// The token's name, or `cli`.
    pub actor: String,
    /// What was done, as it was asked for.
    #[serde(flatten)]
    pub order: Order,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused or has no outcome, or how often it did something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What.
    pub kind: OrderKind,
    /// On whom; never the client's id, which is a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// In which currency, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// How much, in units; below zero for a debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<i64>,
    /// The operator's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What operators can do to the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// No more deductions and card charges.
    Freeze,
    /// Deductions and card charges again.
    Unfreeze,
    /// A correction by hand.
    Adjust,
    /// Credit given.
    Grant,
    /// Unused credits back to the card.
    Refund,
    /// A key made.
    MakeKey,
    /// A key revoked.
    RevokeKey,
    /// A key that tops up by itself, stopped.
    StopAutoTopUp,
    /// Another client id in place of the one so far.
    Rotate,
    /// What Stripe knows and the books did not, posted.
    Repair,
    /// Clients of another store brought over.
    Import,
}

impl OrderKind {
    /// Every kind there is.
    pub const ALL: [Self; 11] = [
        Self::Freeze,
        Self::Unfreeze,
        Self::Adjust,
        Self::Grant,
        Self::Refund,
        Self::MakeKey,
        Self::RevokeKey,
        Self::StopAutoTopUp,
        Self::Rotate,
        Self::Repair,
        Self::Import,
    ];
}

/// How far an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to happen. Without a later entry it was cut off: look at the account.
    Begun,
    /// It is in the books.
    Done,
    /// It was in the books already, by the same reference; nothing happened.
    Repeated,
    /// It was refused; nothing happened.
    Refused,
    /// Unknown: Stripe or the store gave no answer. It can be asked for again.
    Unknown,
}

/// The place of an entry in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditKey {
    /// When.
    pub at_ms: u64,
    /// Of which action.
    pub action: Uuid,
    /// Whether it is the action's second one.
    pub ended: bool,
}

impl AuditEntry {
    /// Its place.
    #[must_use]
    pub fn key(&self) -> AuditKey {
        let ended = self.outcome != Outcome::Begun;
        AuditKey { at_ms: self.at_ms, action: self.action, ended }
    }
}

impl std::fmt::Display for AuditKey {
    /// Texts sort as keys do.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:015}.{}.{}", self.at_ms, self.action.simple(), u8::from(self.ended))
    }
}

/// Not the place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `next` of an earlier answer")]
pub struct ParseAuditKeyError;

impl std::str::FromStr for AuditKey {
    type Err = ParseAuditKeyError;

    fn from_str(text: &str) -> Result<Self, ParseAuditKeyError> {
        let mut parts = text.split('.');
        let (Some(at_ms), Some(action), Some(ended), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseAuditKeyError);
        };
        let ended = match ended {
            "0" => false,
            "1" => true,
            _ => return Err(ParseAuditKeyError),
        };
        let is_decimal = !at_ms.is_empty() && at_ms.bytes().all(|byte| byte.is_ascii_digit());
        let at_ms = at_ms.parse().ok().filter(|_| is_decimal).ok_or(ParseAuditKeyError)?;
        let action = action.parse().map_err(|_| ParseAuditKeyError)?;
        Ok(Self { at_ms, action, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_there_and_back_and_sort_as_their_texts() {
        let key = |at_ms, action, ended| AuditKey { at_ms, action: Uuid::from_u128(action), ended };
        let sorted = [
            key(9, 7, true),
            key(10, 1, false),
            key(10, 1, true),
            key(10, 2, false),
            key(1_795_000_000_123, 0, false),
        ];
        for pair in sorted.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string(), "{pair:?}");
        }
        for key in sorted {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for wrong in ["", "1", "1.2.0", "+1.00000000000000000000000000000000.0", "a.b.c.d"] {
            assert_eq!(wrong.parse::<AuditKey>(), Err(ParseAuditKeyError), "{wrong}");
        }
    }

    #[test]
    fn an_entry_is_one_flat_object() {
        let entry = AuditEntry {
            at_ms: 1,
            action: Uuid::nil(),
            actor: "cli".into(),
            order: Order {
                kind: OrderKind::Adjust,
                subject: Some("0123456789abcdef".into()),
                currency: Some(Currency::USD),
                units: Some(-5),
                reference: None,
                reason: Some("why".into()),
            },
            outcome: Outcome::Begun,
            detail: None,
        };
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!((&json["kind"], &json["units"]), (&"adjust".into(), &(-5).into()));
        assert_eq!(serde_json::from_value::<AuditEntry>(json).unwrap(), entry);
    }
}

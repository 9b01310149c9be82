//! What comparing the books with themselves and with Stripe found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stripe402_protocol::Currency;
use utoipa::ToSchema;

use crate::{accounting::AccountKey, store, sync};

/// Whether the records explain every account
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// How many accounts were looked at
    pub accounts: usize,
    /// Accounts that hold something else than their records come to
    pub differ: Vec<Unexplained>,
    /// Records that cannot be read
    pub damaged: Vec<String>,
}

/// An account that holds something else than its records come to
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unexplained {
    /// Whose it is
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// Available and pending units, less debt
    pub holds: i64,
    /// The same, by the records
    pub explained: i64,
    /// Pending units
    pub pending: i64,
    /// The same, by the records
    pub pending_explained: i64,
    /// Units out on leases
    pub leased: i64,
    /// The same, by the records
    pub leased_explained: i64,
    /// Leases
    pub leases: u8,
    /// The same, by the records
    pub leases_explained: u8,
}

impl Unexplained {
    pub(crate) fn of(key: &AccountKey, found: &store::Difference) -> Self {
        let store::Difference { held, explained } = found;
        Self {
            subject: key.client.subject(),
            currency: key.currency,
            holds: held.net,
            explained: explained.net,
            pending: held.pending,
            pending_explained: explained.pending,
            leased: held.leased,
            leased_explained: explained.leased,
            leases: held.leases,
            leases_explained: explained.leases,
        }
    }
}

/// Whether the books agree with Stripe
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reconciled {
    /// What differs now
    pub differences: Vec<Difference>,
    /// What differed before it was repaired
    pub repaired: Vec<Difference>,
    /// What could not be repaired, and why
    pub failures: Vec<String>,
    /// Other books' names, each with how many charges of these clients' cards are theirs
    pub other_books: BTreeMap<String, u64>,
}

/// One thing on which the books and Stripe do not agree
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// not_credited, wrong_amount, not_charged, refund_not_posted, failed_refund_not_posted, dispute_not_posted or refund_unfinished
    #[schema(value_type = String)]
    pub problem: sync::DifferenceKind,
    /// What it is about at Stripe: a PaymentIntent, a refund or a dispute
    pub reference: String,
    /// The PaymentIntent behind it
    pub payment_intent: String,
    /// Whose it is, if the books know
    pub subject: Option<String>,
    /// ISO 4217, lowercase
    pub currency: String,
    /// Units, by Stripe's account
    pub at_stripe: i64,
    /// Units, by the books
    pub in_books: i64,
}

impl From<sync::Difference> for Difference {
    fn from(found: sync::Difference) -> Self {
        Self {
            problem: found.problem,
            reference: found.reference,
            payment_intent: found.payment_intent,
            subject: found.subject,
            currency: found.currency,
            at_stripe: found.at_stripe,
            in_books: found.in_books,
        }
    }
}

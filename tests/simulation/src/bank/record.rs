//! What Stripe keeps, one record each, and what the ledger is shown of it.

use stripe402_ledger::stripe::{Dispute, DisputePhase, Intent, IntentStatus, Refund};

use crate::plan;

/// A PaymentMethod.
#[derive(Clone, Debug)]
pub struct Method {
    /// Of the card number.
    pub fingerprint: String,
    /// Whom it is attached to.
    pub customer: Option<String>,
    /// How its bank answers.
    pub bank: plan::Bank,
}

/// A PaymentIntent.
#[derive(Clone, Debug)]
pub struct Paid {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: IntentStatus,
    /// How much it is about.
    pub amount_minor: i64,
    /// In which currency.
    pub currency: String,
    /// With which PaymentMethod.
    pub card: String,
    /// For which customer.
    pub customer: Option<String>,
    /// Metadata: the top-up, as far as anybody left it there.
    pub top_up: Option<String>,
    /// Metadata: the books.
    pub books: Option<String>,
    /// Metadata: the account.
    pub subject: Option<String>,
    /// The top-up that it was really made for, whatever the metadata says.
    pub really_for: Option<String>,
    /// When.
    pub created_ms: u64,
    /// When an event last told of it.
    pub changed_ms: u64,
}

impl Paid {
    /// As the API shows it.
    #[must_use]
    pub fn shown(&self) -> Intent {
        let paid = self.status == IntentStatus::Succeeded;
        Intent {
            id: self.id.clone(),
            status: self.status,
            amount_minor: self.amount_minor,
            received_minor: if paid { self.amount_minor } else { 0 },
            currency: self.currency.clone(),
            card: Some(self.card.clone()),
            client_secret: Some(format!("{}_secret", self.id)),
            top_up: self.top_up.clone(),
            books: self.books.clone(),
            customer: self.customer.clone(),
            subject: self.subject.clone(),
            declined: self.status == IntentStatus::RequiresPaymentMethod,
        }
    }
}

/// A refund.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// Its id.
    pub id: String,
    /// Of which PaymentIntent.
    pub intent: String,
    /// Metadata: our hold.
    pub hold: Option<String>,
    /// How much.
    pub amount_minor: i64,
    /// Whether the money came back to us.
    pub failed: bool,
    /// When.
    pub created_ms: u64,
    /// When an event last told of it.
    pub changed_ms: u64,
}

impl Refunded {
    /// As the API shows it.
    #[must_use]
    pub fn shown(&self) -> Refund {
        Refund {
            id: self.id.clone(),
            intent: Some(self.intent.clone()),
            hold: self.hold.clone(),
            amount_minor: self.amount_minor,
            currency: "usd".to_owned(),
            failed: self.failed,
        }
    }
}

/// A dispute.
#[derive(Clone, Debug)]
pub struct Disputed {
    /// Its id.
    pub id: String,
    /// Of which PaymentIntent.
    pub intent: String,
    /// How much.
    pub amount_minor: i64,
    /// How far it is.
    pub phase: DisputePhase,
    /// When it was opened.
    pub created_ms: u64,
    /// When an event last told of it.
    pub changed_ms: u64,
}

impl Disputed {
    /// As the API shows it.
    #[must_use]
    pub fn shown(&self) -> Dispute {
        Dispute {
            id: self.id.clone(),
            intent: Some(self.intent.clone()),
            amount_minor: self.amount_minor,
            currency: "usd".to_owned(),
            phase: self.phase,
        }
    }
}

/// An event: where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A PaymentIntent ended.
    Intent(String),
    /// Something happened to the refunds of a PaymentIntent.
    Refunds(String),
    /// Something happened to a dispute.
    Dispute(String),
}

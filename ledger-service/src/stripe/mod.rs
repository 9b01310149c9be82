//! The payment provider: what the ledger asks of Stripe, and Stripe behind it.

mod again;
mod changes;
mod client;
mod failure;
mod preview;
mod sorted;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use stripe402_protocol::{Currency, GrantedTokenId, Instrument, PaymentIntentId, PaymentMethodId};

use crate::accounting::ShownCard;

pub(crate) use again::{jittered, patiently};
pub use client::{Stripe, StripeOptions};
pub use failure::{Decline, Failure};

/// What the ledger asks of its payment provider. Every write carries an idempotency key.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The card behind a PaymentMethod.
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure>;

    /// What a Shared Payment Token shows. Providers that have none know no such token.
    async fn granted_token(&self, _id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        Err(Failure::Invalid("resource_missing".to_owned()))
    }

    /// Makes a customer for the account that is known to people as `subject`.
    async fn create_customer(&self, subject: &str, key: &str) -> Result<String, Failure>;

    /// Whether there still is such a customer.
    async fn has_customer(&self, customer: &str) -> Result<bool, Failure>;

    /// Charges a card: creates and confirms a PaymentIntent, and attaches the card to the
    /// customer if it succeeds.
    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure>;

    /// Reads a PaymentIntent.
    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure>;

    /// A customer's PaymentIntents that were made since then (Unix ms), newest first. By listing, which
    /// sees what has just been written; Stripe's search lags behind.
    async fn intents_of(&self, customer: &str, since_ms: u64) -> Result<Vec<Intent>, Failure>;

    /// Gives money back to the card that a PaymentIntent charged.
    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure>;

    /// Every PaymentIntent that was made since then (Unix ms), newest first.
    async fn intents_since(&self, since_ms: u64) -> Result<Vec<Intent>, Failure>;

    /// Every refund that was made since then (Unix ms).
    async fn refunds_since(&self, since_ms: u64) -> Result<Vec<Refund>, Failure>;

    /// Every dispute that was opened since then (Unix ms).
    async fn disputes_since(&self, since_ms: u64) -> Result<Vec<Dispute>, Failure>;

    /// What changed since then (Unix ms), whenever it was made: a refund fails weeks later, a cardholder
    /// confirms the next day. By Stripe's events, which it keeps for 30 days
    /// (<https://docs.stripe.com/api/events>).
    async fn changed_since(&self, since_ms: u64) -> Result<Changed, Failure>;

    /// Every refund of a PaymentIntent.
    async fn refunds(&self, intent: &PaymentIntentId) -> Result<Vec<Refund>, Failure>;

    /// Reads a dispute.
    async fn dispute(&self, id: &str) -> Result<Dispute, Failure>;

    /// Cancels a PaymentIntent that has taken nothing.
    async fn cancel(&self, id: &PaymentIntentId, key: &str) -> Result<Intent, Failure>;

    /// Verifies a card without charging it: a confirmed SetupIntent, which attaches it.
    async fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure>;
}

/// A card that somebody offers.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its PaymentMethod, or the token that stands for it.
    pub id: Instrument,
    /// Stripe's name for the card number, the same for every PaymentMethod of it.
    pub fingerprint: String,
    /// The customer it is attached to. Only our own verified payments attach.
    pub customer: Option<String>,
    /// What people know it by, where Stripe shows it.
    pub shown: Option<ShownCard>,
    /// What Stripe shows of the token, if it is one.
    pub token: Option<GrantedToken>,
}

/// A Shared Payment Token, as far as Stripe shows it.
#[derive(Clone, Debug, Default)]
pub struct GrantedToken {
    /// The card's fingerprint, if it is a card's and shown.
    pub fingerprint: Option<String>,
    /// What people know the card by, if that is shown.
    pub shown: Option<ShownCard>,
    /// The Stripe profile of the account that made it.
    pub agent: Option<String>,
    /// Whether it was consumed or revoked, or has expired.
    pub deactivated: bool,
    /// How much it may be charged, where Stripe says so.
    pub limits: Option<TokenLimits>,
}

/// How much a Shared Payment Token may be charged.
#[derive(Clone, Debug)]
pub struct TokenLimits {
    /// The only currency.
    pub currency: String,
    /// What is left, in Stripe's minor units.
    pub left_minor: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

impl GrantedToken {
    /// Whether so much can be charged now (Unix seconds), as far as Stripe says.
    #[must_use]
    pub fn covers(&self, amount_minor: i64, currency: Currency, now: i64) -> bool {
        let within = |limits: &TokenLimits| {
            limits.currency == currency.as_str()
                && limits.left_minor >= amount_minor
                && limits.expires_at > now
        };
        !self.deactivated && self.limits.as_ref().is_none_or(within)
    }
}

/// One charge of one card.
#[derive(Clone, Debug)]
pub struct CardCharge {
    /// Names the top-up in Stripe's metadata, and is the idempotency key.
    pub top_up: String,
    /// Names the account to people, in the metadata.
    pub subject: String,
    /// Names the books in the metadata: ledgers that share an account are told apart.
    pub books: String,
    /// The client's customer.
    pub customer: String,
    /// What is charged.
    pub card: Instrument,
    /// In Stripe's minor units.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// Whether the cardholder is not there, and has agreed to it: the card is the customer's already.
    pub off_session: bool,
}

/// A PaymentIntent, as far as the ledger cares.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: IntentStatus,
    /// How much it is about, in Stripe's minor units.
    pub amount_minor: i64,
    /// How much of that was taken.
    pub received_minor: i64,
    /// In which currency.
    pub currency: String,
    /// The card it was confirmed with.
    pub card: Option<String>,
    /// What Stripe.js confirms it with.
    pub client_secret: Option<String>,
    /// The top-up that it was made for, as the metadata says: others can write that.
    pub top_up: Option<String>,
    /// The books that it was made for, as the metadata says.
    pub books: Option<String>,
    /// The customer it was made for.
    pub customer: Option<String>,
    /// The account, as people see it, from the metadata: it tells ledgers of one Stripe account
    /// apart, since each derives it with a secret of its own.
    pub subject: Option<String>,
    /// Whether an attempt to pay it failed. Source: `last_payment_error` of docs.stripe.com/api/payment_intents/object,
    /// which stays when it is cancelled.
    pub declined: bool,
}

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// The PaymentIntent whose card gets it.
    pub intent: PaymentIntentId,
    /// Stripe's minor units.
    pub amount_minor: i64,
    /// The hold that it settles: in the metadata, and in the idempotency key.
    pub hold: String,
    /// How many keys before this one have a failure stored under them: part of the key.
    pub attempt: u32,
    /// Names the account to people, in the metadata.
    pub subject: String,
}

impl NewRefund {
    /// Its idempotency key. Another attempt has another one only where the key before it has a failure
    /// of Stripe's stored: nothing that was sent with that one is under way any more.
    #[must_use]
    pub fn key(&self) -> String {
        match self.attempt {
            0 => format!("stripe402-refund-{}", self.hold),
            attempt => format!("stripe402-refund-{}-{attempt}", self.hold),
        }
    }
}

/// Money that Stripe gave back to a card, or meant to.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Its id.
    pub id: String,
    /// The PaymentIntent that took it.
    pub intent: Option<String>,
    /// The hold that it settles, if an operator asked for it here.
    pub hold: Option<String>,
    /// Stripe's minor units.
    pub amount_minor: i64,
    /// The currency, in small letters.
    pub currency: String,
    /// Whether it failed: the money is with us again.
    pub failed: bool,
}

/// A cardholder's dispute of a charge.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Its id.
    pub id: String,
    /// The PaymentIntent whose charge is disputed.
    pub intent: Option<String>,
    /// Stripe's minor units.
    pub amount_minor: i64,
    /// The currency, in small letters.
    pub currency: String,
    /// How far it is.
    pub phase: DisputePhase,
}

/// What changed at Stripe since some moment: where to look, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// PaymentIntents that succeeded.
    pub intents: BTreeSet<String>,
    /// PaymentIntents of whose refunds one failed or went another way, with those refunds.
    pub refunds: BTreeMap<String, BTreeSet<String>>,
    /// Disputes.
    pub disputes: BTreeSet<String>,
}

/// How far a dispute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputePhase {
    /// An inquiry, or prevented: no money has moved.
    Inquiry,
    /// The money is gone for now.
    Open,
    /// The money is back.
    Won,
    /// The money is gone for good.
    Lost,
}

/// How far a PaymentIntent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    /// The card was charged.
    Succeeded,
    /// The cardholder must confirm.
    RequiresAction,
    /// The card was refused, or the confirmation failed; nothing was taken.
    RequiresPaymentMethod,
    /// Cancelled; nothing was taken, nothing ever will be.
    Canceled,
    /// Anything else: the outcome is not known yet.
    Open,
}

/// What became of a verification.
#[derive(Clone, Debug)]
pub enum Verification {
    /// The card is good, and attached to the customer now.
    Verified,
    /// The cardholder must confirm with this client secret first.
    RequiresAction(Option<String>),
    /// The card is not good.
    Failed,
}

/// The metadata field that names the top-up on a PaymentIntent.
pub(crate) const TOP_UP_FIELD: &str = "stripe402_top_up";
/// The metadata field that names the hold which a refund settles.
pub(crate) const HOLD_FIELD: &str = "stripe402_hold";
/// The metadata field that names the books.
pub(crate) const BOOKS_FIELD: &str = "stripe402_books";
/// The metadata field that names the account to people.
pub(crate) const SUBJECT_FIELD: &str = "stripe402_subject";

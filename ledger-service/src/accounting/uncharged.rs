//! What a card leaves that was never charged: for how long it is kept.
//!
//! Anybody can try cards, and each try leaves a top-up, its idempotency key, a customer at Stripe and the
//! names of both. If nothing comes of it all of that goes, so that nobody fills the books with cards
//! that do not pay.

use std::time::Duration;

use stripe402_protocol::ClientId;

/// For so long a top-up is kept after it ended without a charge: refused, abandoned or lapsed. Until then
/// money that turns out to have been taken is credited by itself. Stripe tells of it for three days
/// (docs.stripe.com/webhooks); later than this, `reconcile` lists it.
///
/// What goes with it: its idempotency key; whose the PaymentIntent is that waited for its cardholder; and,
/// if its client has no account and no other top-up, the client's customer and names.
pub const UNCHARGED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A Stripe customer's name among the ids that are agreed on: no card's, whatever the secret.
#[must_use]
pub fn name_of_customer(customer: &str) -> ClientId {
    ClientId::derive(b"stripe402 customer", customer)
}

/// The name under which the books know that a buyer's account has paid with a card: a token of that account
/// was charged for the client that they agree on.
#[must_use]
pub fn name_of_buyer(agent: &str, fingerprint: &str) -> ClientId {
    ClientId::derive(b"stripe402 buyer", &format!("{agent} {fingerprint}"))
}

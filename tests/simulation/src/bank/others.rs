//! What others do on the same Stripe account: metadata that goes, payments of another product.

use stripe402_ledger::stripe::IntentStatus;

use super::{Bank, Paid};

impl Bank {
    /// Somebody removes the metadata of what was made for a top-up.
    pub fn strip(&self, top_up: &str) {
        self.with(|state| {
            let made = state.intents.values_mut();
            for intent in made.filter(|intent| intent.really_for.as_deref() == Some(top_up)) {
                (intent.top_up, intent.subject, intent.books) = (None, None, None);
            }
        });
    }

    /// Somebody removes the metadata of what was refunded for a hold.
    pub fn strip_refunds(&self, hold: &str) {
        self.with(|state| {
            let made = state.refunds.values_mut();
            for refund in made.filter(|refund| refund.hold.as_deref() == Some(hold)) {
                refund.hold = None;
            }
        });
    }

    /// A payment of another product, whose metadata somebody copied from one of ours.
    pub fn strangers_payment(&self, copied: &str, now_ms: u64) -> Option<String> {
        self.with(|state| {
            let ours = state.intents.get(copied)?.clone();
            let id = state.name("pi");
            let customer = Some(state.name("cus"));
            let intent = Paid {
                id: id.clone(),
                status: IntentStatus::Succeeded,
                customer,
                card: "pm_of_a_stranger".to_owned(),
                really_for: None,
                created_ms: now_ms,
                changed_ms: now_ms,
                ..ours
            };
            state.tell_of_intent(&intent);
            state.intents.insert(id.clone(), intent);
            Some(id)
        })
    }
}

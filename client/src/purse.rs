//! What is remembered between calls: credentials per origin, and what cards were charged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, PaymentIntentId, PaymentMethodId, Units,
};

use crate::{OpenHold, Secret, Terms, answer::GoodReceipt};

/// Everything that is kept. Its JSON is the same in every adapter, so that a file can be shared.
/// It holds bearer credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Purse {
    /// By origin, such as `https://api.example`.
    pub origins: BTreeMap<String, Known>,
    /// Which card or client id, given by the caller, was first used at which origin.
    pub bound: BTreeMap<Secret, String>,
    /// Card charges of the last two days.
    pub charges: Vec<CardCharge>,
    /// The sum of older ones, by currency.
    pub earlier: BTreeMap<String, Units>,
}

/// What is known of one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Known {
    /// Who we are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// A client id that the server did not know any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<ClientId>,
    /// The card to pay with there, where the caller names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<PaymentMethodId>,
    /// What the last receipt said was left, by currency; others may have spent since.
    pub balances: BTreeMap<String, Units>,
    /// How many receipts of card payments came: told apart, a failed attempt to spend before one
    /// and after it.
    pub top_ups: u64,
    /// Whether the server takes no more than `maxPrice` says.
    pub knows_max_price: bool,
    /// Whether the server takes nothing in another currency than the payment names.
    pub knows_currency: bool,
    /// What requests cost when last asked, by method and path.
    pub routes: BTreeMap<String, Terms>,
    /// A card charge whose outcome is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Card charges that wait for their cardholder, and were replaced by others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<Pending>,
    /// Holds of requests whose cost is not known yet. `balances` leaves them out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<DeductionId, OpenHold>,
}

/// A card charge that was begun: what a repetition must say to be the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Its idempotency key.
    pub key: String,
    /// The card.
    pub payment_method: PaymentMethodId,
    /// Units of credit.
    pub amount: Units,
    /// Of the amount.
    pub currency: Currency,
    /// When it was begun, in Unix seconds.
    pub at: u64,
    /// What the cardholder confirms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<PaymentIntentId>,
    /// Since when the server says that the cardholder must confirm, in Unix seconds. Nothing while it is asked
    /// for again and there is no answer yet: it may have been confirmed meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<u64>,
}

impl Pending {
    /// Whether it waited for its cardholder, as the server said last, for so long that it is cancelled by now.
    pub(crate) fn has_expired(&self, now: u64) -> bool {
        self.waits_since.is_some_and(|since| since.saturating_add(CONFIRMED_WITHIN) <= now)
    }
}

/// What a card was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardCharge {
    /// When at the latest, in Unix seconds.
    pub at: u64,
    /// Units of credit.
    pub amount: Units,
    /// Of the amount.
    pub currency: Currency,
}

/// For so long, in seconds, a charge that waits for its cardholder may still take effect, and counts. A
/// gateway cancels one that was replaced, or has waited too long.
pub(crate) const CONFIRMED_WITHIN: u64 = 24 * 3600;

/// For so long, in seconds, a charge may take effect after it was begun: it is repeated for 23 hours, and a ledger
/// goes on with one that it began for as long.
pub(crate) const EFFECT_WITHIN: u64 = 2 * 24 * 3600;

/// How many prices are remembered per origin; paths with ids in them have no end.
const MOST_ROUTES: usize = 64;

impl Purse {
    /// What is known of an origin.
    #[must_use]
    pub fn known(&self, origin: &str) -> Option<&Known> {
        self.origins.get(origin)
    }

    pub(crate) fn known_mut(&mut self, origin: &str) -> &mut Known {
        self.origins.entry(origin.to_owned()).or_default()
    }

    pub(crate) fn learn(&mut self, origin: &str, route: &str, terms: &Terms) {
        let known = self.known_mut(origin);
        known.knows_max_price = terms.knows_max_price;
        known.knows_currency = terms.knows_currency;
        if known.routes.len() >= MOST_ROUTES && !known.routes.contains_key(route) {
            known.routes.pop_first();
        }
        // What a metered price is made of is read by people, who ask for it anew.
        known.routes.insert(route.to_owned(), Terms { pricing: None, ..terms.clone() });
    }

    /// Whom the receipt names pays from now on; `used` is who was asked to.
    pub(crate) fn receipt(
        &mut self,
        origin: &str,
        receipt: &GoodReceipt,
        currency: Currency,
        by_card: bool,
        used: Option<ClientId>,
        now: u64,
    ) {
        let known = self.known_mut(origin);
        if used != Some(receipt.client_id) {
            known.stale = used;
        }
        known.client_id = Some(receipt.client_id);
        known.balances.insert(currency.as_str().to_owned(), receipt.left);
        if by_card {
            known.top_ups = known.top_ups.saturating_add(1);
        }
        if let Some(hold) = receipt.held(origin, currency) {
            self.hold(&hold);
        }
        if let Some(charge_id) = &receipt.charge_id {
            self.confirmed(origin, charge_id, now);
        }
    }

    /// A client id could not pay these terms: so much is known of its balance.
    pub(crate) fn short(&mut self, origin: &str, terms: &Terms) {
        let below = terms.price.checked_sub(Units::from_u32(1)).unwrap_or_default();
        let balances = &mut self.known_mut(origin).balances;
        let left = balances.entry(terms.currency.as_str().to_owned()).or_insert(below);
        *left = below.min(*left);
    }

    /// Writes down that a card is about to be charged. One that was open before counts as charged, unless it
    /// waits for its cardholder: see [`CONFIRMED_WITHIN`].
    pub(crate) fn reserve(&mut self, origin: &str, pending: Pending) {
        let known = self.known_mut(origin);
        match known.pending.take_if(|open| open.waits_since.is_some()) {
            Some(open) => known.unconfirmed.push(open),
            None => self.settle(origin, true, pending.at),
        }
        self.known_mut(origin).pending = Some(pending);
    }

    /// A receipt names a PaymentIntent: one that waited for its cardholder was charged after all.
    fn confirmed(&mut self, origin: &str, charge_id: &str, now: u64) {
        let of = |open: &Pending| {
            open.payment_intent.as_ref().is_some_and(|id| id.as_str() == charge_id)
        };
        let unconfirmed = &mut self.known_mut(origin).unconfirmed;
        if let Some(at) = unconfirmed.iter().position(of) {
            let Pending { amount, currency, .. } = unconfirmed.remove(at);
            self.charges.push(CardCharge { at: now, amount, currency });
        }
    }

    /// Budgets count from now on: what cards were charged is forgotten. A charge whose outcome is not known
    /// stays, so that it is not made again.
    pub fn forget_charges(&mut self) {
        self.charges.clear();
        self.earlier.clear();
        self.origins.values_mut().for_each(|known| known.unconfirmed.clear());
    }

    /// The outcome of the open charge is known; or it is counted, to be on the safe side, with the latest time at
    /// which it may have taken effect.
    pub(crate) fn settle(&mut self, origin: &str, charged: bool, now: u64) {
        let Some(pending) = self.known_mut(origin).pending.take() else { return };
        if charged {
            let Pending { amount, currency, .. } = pending;
            let at = now.min(pending.at.saturating_add(EFFECT_WITHIN));
            self.charges.push(CardCharge { at, amount, currency });
        }
        self.fold(now);
    }
}

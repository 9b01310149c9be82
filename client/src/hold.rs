//! Units that are held for a request whose price is known only after its answer.
//!
//! Budgets count card charges. A card is charged for a whole hold where the balance does not
//! suffice, and what the hold releases comes back as credit, not to the card: so a settlement never
//! lowers a budget. It corrects the remembered balance, once, and until then the whole hold is
//! missing from it.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{
    Currency, DeductionId, Units,
    message::{Settlement, SettlementState},
};

use crate::{
    Error, Purse,
    answer::{GoodReceipt, read},
    budget::total,
};

/// What a receipt says is held. A value of its own: it can be kept, and settled later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Its id. The API gets the same one.
    pub id: DeductionId,
    /// The most that the request can cost.
    pub amount: Units,
    /// Of the amount.
    pub currency: Currency,
    /// Who holds it, such as `https://api.example`.
    pub origin: String,
}

/// A hold whose request's cost is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHold {
    /// What is held.
    pub amount: Units,
    /// Of the amount.
    pub currency: Currency,
}

/// What an answer about a hold leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// So far it is. Still `held` only if it stayed so for [`Hold::ASKED_FOR`].
    Done(Settlement),
    /// Ask again.
    Again {
        /// After so many milliseconds.
        after: u64,
    },
    /// Asking again does not help now. The hold stays counted whole.
    Fail(Error),
}

/// How many open holds are remembered per origin: the newest. A ledger ends the others by itself.
const MOST_HOLDS: usize = 64;

/// Whether this status may be another one soon.
pub(crate) fn may_change(status: u16) -> bool {
    status == 429 || status >= 500
}

impl Hold {
    /// For how long a hold is asked about that is still open, in milliseconds. A ledger hears what
    /// a request cost within 100 ms of its answer's end.
    pub const ASKED_FOR: u64 = 5_000;

    /// Where its origin tells what became of it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/.well-known/stripe402/receipts/{}", self.id)
    }

    /// Reads what [`Self::path`] answered, a status and a body (`None`: no answer), `waited`
    /// milliseconds after it was asked first. What the purse says afterwards must be kept.
    pub fn heard(&self, purse: &mut Purse, told: Option<(u16, &str)>, waited: u64) -> Settling {
        let again = waited.clamp(100, 1_600);
        let again = Some(again).filter(|after| waited.saturating_add(*after) <= Self::ASKED_FOR);
        let again = again.map(|after| Settling::Again { after });
        let fail = |status| Settling::Fail(Error::Unsettled { status });
        match told {
            Some((200, body)) => match self.read(body) {
                Some(settlement) => {
                    purse.settled(self, &settlement);
                    let is_open = settlement.state == SettlementState::Held;
                    again.filter(|_| is_open).unwrap_or(Settling::Done(settlement))
                }
                None => fail(Some(200)),
            },
            Some((status, _)) if !may_change(status) => fail(Some(status)),
            told => again.unwrap_or_else(|| fail(told.map(|(status, _)| status))),
        }
    }

    /// Reads the `payment-response` that came as a trailer of the answer; `None` if it says nothing
    /// of this hold's end. What the purse says afterwards must be kept.
    pub fn trailed(&self, purse: &mut Purse, header: &str) -> Option<Settlement> {
        let receipt = GoodReceipt::read(header)?;
        let told = receipt.hold.filter(|told| told.id == self.id)?;
        let settlement = Settlement {
            id: self.id,
            state: SettlementState::Captured,
            held: Some(self.amount),
            captured: told.captured,
            currency: self.currency,
            credits_remaining: receipt.left,
        };
        let released = self.amount.checked_sub(told.captured?)?;
        purse.release(self, released, receipt.left);
        Some(settlement)
    }

    /// A settlement of this hold that does not contradict it.
    fn read(&self, body: &str) -> Option<Settlement> {
        let told: Settlement = read(serde_json::from_str(body).ok()?)?;
        let is_ours = told.id == self.id && told.currency == self.currency;
        let is_known = match told.state {
            SettlementState::Captured => told.captured.is_some_and(|cost| cost <= self.amount),
            SettlementState::Held | SettlementState::Released => true,
        };
        (is_ours && is_known).then_some(told)
    }
}

impl Purse {
    /// What the open holds of every origin have set aside, each of them whole.
    #[must_use]
    pub fn held(&self, currency: Currency) -> Units {
        let open = self.origins.values().flat_map(|known| known.holds.values());
        total(open.filter(|open| open.currency == currency).map(|open| open.amount))
    }

    /// A request was served under this hold.
    pub(crate) fn hold(&mut self, hold: &Hold) {
        let holds = &mut self.known_mut(&hold.origin).holds;
        holds.insert(hold.id, OpenHold { amount: hold.amount, currency: hold.currency });
        if holds.len() > MOST_HOLDS {
            holds.pop_first();
        }
    }

    /// The ledger's word: what is left now, and whether the hold has ended.
    fn settled(&mut self, hold: &Hold, told: &Settlement) {
        let known = self.known_mut(&hold.origin);
        if told.state != SettlementState::Held {
            known.holds.remove(&hold.id);
        }
        known.balances.insert(hold.currency.as_str().to_owned(), told.credits_remaining);
    }

    /// The gateway's word, from what it knew when the request began: others may have spent since,
    /// so the lower of what it says and what adds up here is remembered.
    fn release(&mut self, hold: &Hold, released: Units, left: Units) {
        let known = self.known_mut(&hold.origin);
        // Once: a hold that is not open was given back already.
        if known.holds.remove(&hold.id).is_none() {
            return;
        }
        let balance = known.balances.entry(hold.currency.as_str().to_owned()).or_default();
        *balance = left.min(balance.checked_add(released).unwrap_or(left));
    }
}

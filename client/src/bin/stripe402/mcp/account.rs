//! What pays, and what each call cost.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use reqwest::Url;
use serde_json::{Value, json};
use stripe402_client::{Paid, Policy, Purse, Settlement, SettlementState, Wallet, money};
use stripe402_protocol::{Currency, Units};

use super::secrets::{Secrets, for_agents};
use crate::{arguments::KeptArgs, exit::Exit};

/// A wallet, and the limits that a person has set. Clones share both.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) wallet: Wallet,
    pub(super) policy: Arc<Policy>,
    /// Credentials of the person's own, which no agent may see either.
    others: Arc<Vec<String>>,
    calls: Arc<Calls>,
}

/// How many calls there were and are, to tell what one of them cost from what others did.
#[derive(Default)]
struct Calls {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A call that may be paid for.
pub(super) struct Begun {
    account: Account,
    before: Purse,
    number: u64,
    /// Whether no other was under way when it began.
    alone: bool,
}

impl Account {
    pub(super) fn open(policy: Policy, kept: &KeptArgs, others: Vec<String>) -> Result<Self, Exit> {
        let wallet = kept.wallet(policy.clone())?.asks_price();
        let (policy, others) = (Arc::new(policy), Arc::new(others));
        Ok(Self { wallet, policy, others, calls: Arc::default() })
    }

    pub(super) fn purse(&self) -> Result<Purse, Exit> {
        self.wallet.purse().map_err(|error| Exit::local(error.to_string()))
    }

    /// What no agent may see.
    pub(super) fn secrets(&self) -> Result<Secrets, Exit> {
        Ok(Secrets::new(&self.policy, &self.purse()?, &self.others))
    }

    pub(super) fn begin(&self) -> Result<Begun, Exit> {
        let before = self.purse()?;
        let number = self.calls.begun.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let alone = self.calls.ended.load(Ordering::Relaxed).saturating_add(1) == number;
        Ok(Begun { account: self.clone(), before, number, alone })
    }
}

impl Begun {
    /// What the call cost, once its answer's body was read: amounts in units, and the same in words.
    /// `path` is that by which its price is remembered.
    pub(super) async fn receipt(
        &self,
        paid: &Paid,
        url: &Url,
        (method, path): (&str, &str),
    ) -> Value {
        let Account { wallet, policy, calls, .. } = &self.account;
        let origin = url.origin().ascii_serialization();
        // Without it, the cost is not known; the answer is there, and so is what the server said is left.
        let after = self.account.purse().unwrap_or_default();
        let known = after.known(&origin);
        let terms = known.and_then(|known| known.routes.get(&format!("{method} {path}")));
        let held = paid.hold.as_ref();
        let currency = held.map(|hold| hold.currency).or(terms.map(|terms| terms.currency));
        let currency = currency.unwrap_or(policy.currency);
        let Some(hold) = held else {
            let alone = self.alone && calls.begun.load(Ordering::Relaxed) == self.number;
            let before = self.before.known(&origin);
            let before = before.and_then(|known| known.balances.get(currency.as_str()).copied());
            let cost = cost(terms.map(|terms| terms.price), before.filter(|_| alone), paid);
            return told(paid, cost, paid.credits_remaining, currency);
        };
        let settled = wallet.settle(hold).await.map_err(Exit::from);
        let (cost, left) = match &settled {
            Ok(Settlement { state: SettlementState::Released, credits_remaining, .. }) => {
                (Some(Units::ZERO), *credits_remaining)
            }
            Ok(settlement) => (settlement.captured, settlement.credits_remaining),
            Err(_) => (None, paid.credits_remaining),
        };
        let mut receipt = told(paid, cost, left, currency);
        if let (Some(fields), Err(exit)) = (receipt.as_object_mut(), settled) {
            fields.insert("settlementError".to_owned(), for_agents(exit.error));
        }
        receipt
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.account.calls.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A receipt does not say the price. It is what the server asked for at this method and path, unless the balance
/// shows something else, and nobody else here has spent of it meanwhile (`before` is known then).
fn cost(price: Option<Units>, before: Option<Units>, paid: &Paid) -> Option<Units> {
    let price = price?;
    let Some(before) = before else { return Some(price) };
    let had = before.checked_add(paid.charged.unwrap_or_default())?;
    had.checked_sub(paid.credits_remaining).filter(|spent| *spent == price)
}

fn told(paid: &Paid, cost: Option<Units>, left: Units, currency: Currency) -> Value {
    let amount = |units| money(units, currency);
    let mut said = match cost {
        Some(cost) => format!("paid {}", amount(cost)),
        None => "paid; the cost is not known".to_owned(),
    };
    said = format!("{said}; {} left", amount(left));
    let mut receipt = json!({"left": left, "currency": currency});
    if let Some(fields) = receipt.as_object_mut() {
        let mut insert = |name: &str, units: Option<Units>| {
            fields.extend(units.map(|units| (name.to_owned(), json!(units))));
        };
        insert("paid", cost);
        insert("charged", paid.charged);
        if let Some(hold) = &paid.hold {
            insert("held", Some(hold.amount));
            insert("captured", cost);
        }
        if let Some(charged) = paid.charged {
            said = format!("{said}; the card was charged {}", amount(charged));
        }
        fields.insert("text".to_owned(), json!(said));
    }
    receipt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_said_where_nothing_speaks_against_it() {
        let most = Units::from_u32;
        let paid = |left, charged: Option<u32>| Paid {
            credits_remaining: most(left),
            client_id: "a".repeat(64).parse().unwrap(),
            charge_id: None,
            charged: charged.map(Units::from_u32),
            hold: None,
        };
        for (price, before, paid, expected) in [
            (Some(500), Some(50_000), paid(49_500, None), Some(500)),
            (Some(500), Some(200), paid(49_700, Some(50_000)), Some(500)),
            // The first call; or others pay at the same time.
            (Some(500), None, paid(49_500, Some(50_000)), Some(500)),
            // The price has changed, or another program has spent.
            (Some(500), Some(50_000), paid(49_400, None), None),
            (Some(500), Some(50_000), paid(50_100, None), None),
            (None, Some(50_000), paid(49_500, None), None),
        ] {
            let cost = cost(price.map(most), before.map(most), &paid);
            assert_eq!(cost, expected.map(most), "{price:?} {before:?} {paid:?}");
        }
    }
}

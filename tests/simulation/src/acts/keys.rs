//! What people do with client ids: keys for others, and another id in place of a card's own.

use std::{rc::Rc, time::Duration};

use stripe402_ledger::{
    accounting::{AccountKey, Budget},
    keys::{AutoTerms, Terms},
};
use stripe402_protocol::Units;

use super::People;
use crate::{key_holder::KeyHolder, plan::Auto, world::pass};

impl People {
    /// An owner makes a key by any ledger, and revokes it by any.
    pub(super) async fn key(
        &self,
        card: usize,
        (budget, auto): (u32, Option<Auto>),
        (calls, revoke_ms): (usize, Option<u64>),
        number: usize,
    ) {
        let Some(owner) = self.account_of(card) else { return };
        let total = Units::from_u32(budget.saturating_mul(self.world.plan.price));
        let budget = Budget { total: Some(total), ..Budget::default() };
        let (label, currency) = (format!("key{number}"), owner.currency);
        let auto_top_up = auto.and_then(|auto| self.agreed(card, owner, auto));
        let (expires_ms, routes, manage) = (None, vec![], false);
        let terms = Terms { label, currency, budget, expires_ms, routes, manage, auto_top_up };
        let Some((ledger, parts)) = self.some_parts() else { return };
        let name = format!("n{number}");
        let making =
            async move { parts.keys.make(owner.client, terms, (Some(&name), true)).await.ok() };
        let Some(Some(made)) = ledger.within(making).await else { return };
        self.tell(format_args!("key {:?} of card {}: {total} units", made.hash, card + 1));
        let holder = Rc::new(KeyHolder::new(&self.world, card, made.secret, &self.gateways));
        let ask = |calls: usize| {
            let tasks = (0..calls).map(|_| {
                let holder = Rc::clone(&holder);
                tokio::task::spawn_local(async move { holder.call().await })
            });
            tasks.collect::<Vec<_>>()
        };
        let first = ask(calls);
        if let Some(revoke_ms) = revoke_ms {
            pass(revoke_ms).await;
            if let Some((ledger, parts)) = self.some_parts() {
                let id = made.hash.id();
                let revoking = async move { parts.keys.revoke(owner.client, &id).await.is_ok() };
                let revoked = ledger.within(revoking).await;
                self.tell(format_args!("key {:?} is revoked: {revoked:?}", made.hash));
            }
        }
        for call in first.into_iter().chain(ask(calls / 2)) {
            let _ = call.await;
        }
    }

    /// What the card's first PaymentMethod agrees to, if it is the client's.
    fn agreed(&self, card: usize, owner: AccountKey, auto: Auto) -> Option<AutoTerms> {
        let method = format!("pm_{card}_0");
        let is_kept = self.world.bank.with(|state| {
            state.methods.get(&method).is_some_and(|method| method.customer.is_some())
        });
        let balance = self.world.books.with_memory(|memory| {
            memory.accounts().get(&owner).copied().unwrap_or_default().available
        });
        Some(AutoTerms {
            below: balance.checked_add(Units::from_u32(auto.above.max(1)))?,
            amount: Units::from_u32(auto.amount),
            monthly_most: Units::from_u32(auto.amount.saturating_mul(auto.times)),
            card: method.parse().ok().filter(|_| is_kept)?,
            shown: None,
        })
    }

    /// A card's holder asks any ledger for another client id. Whose it is has been shown.
    pub(super) async fn rotate(&self, card: usize, name: &str) {
        let (Some(owner), Some((ledger, parts))) = (self.account_of(card), self.some_parts())
        else {
            return;
        };
        let named = name.to_owned();
        let rotating = async move {
            parts.keys.rotate_on_record(owner.client, Duration::ZERO, Some(&named)).await.ok()
        };
        let Some(Some(done)) = ledger.within(rotating).await else { return };
        let generation = done.rotation.generation;
        self.tell(format_args!("card {} has an id of generation {generation}: {name}", card + 1));
        let mut truth = self.world.truth();
        let known = truth.rotated.entry(owner.client).or_default();
        *known = generation.max(*known);
    }
}

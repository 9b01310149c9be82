//! What must hold, whatever happens: after every event, and when everything has come to rest.

mod auto;
mod grants;
mod keys;
mod leases;
mod refunds;
mod trials;

use std::collections::BTreeMap;

use stripe402_ledger::{
    accounting::{AccountKey, DeductionRecord, Kind, NewTopUp, Opened, State, TopUp},
    store::TopUps as _,
    stripe::{CardCharge, DisputePhase, IntentStatus},
};

use stripe402_protocol::{DeductionId, Units};

use crate::{
    agent::fingerprint,
    bank::Paid,
    gateway::random_of,
    plan::{Fault, Outage, Planned},
    world::{End, World},
};

impl World {
    /// Before Stripe is asked to charge a card: the record is durable, and says so.
    pub async fn before_charge(&self, charge: &CardCharge) {
        let Ok(id) = charge.top_up.parse() else { return };
        let record = self.books.top_up(id).await.ok().flatten();
        let durable = record.is_some_and(|top_up| {
            top_up.amount == top_up.account.currency.units(charge.amount_minor).unwrap_or_default()
        });
        if !durable {
            self.violated("durable_before_charge", charge.top_up.clone());
        }
    }

    /// When Stripe charges a card: nobody has given this charge up.
    pub fn at_charge(&self, key: &str) {
        let beyond = |fault: &Planned<Fault>| fault.what == Fault::Stripe(Outage::HangsForLong);
        if self.plan.faults.iter().any(beyond) {
            return;
        }
        let id = key.strip_prefix("stripe402-top-up-").and_then(|id| id.parse().ok());
        let given_up = id.is_some_and(|id| {
            self.books.with_memory(|memory| {
                memory.top_ups().get(&id).is_some_and(|top_up| top_up.state.is_without_charge())
            })
        });
        if given_up {
            self.violated("no_charge_after_giving_up", key.to_owned());
        }
    }

    /// When a top-up is opened: what it leaves pays for what it is needed for.
    pub fn at_opening(&self, wanted: &NewTopUp, opened: &Opened) {
        if !matches!(opened, Opened::New(_)) {
            return;
        }
        let account = self.books.with_memory(|memory| {
            memory.accounts().get(&wanted.account).copied().unwrap_or_default()
        });
        if self.at_automatic(wanted, &account) {
            return;
        }
        if account.is_leased(wanted.needed) {
            self.violated("no_charge_while_leased", format!("{account:?}, {wanted:?}"));
        }
        // A token that is not proven is charged, whatever there is.
        if wanted.payment_method.is_token() && wanted.needed == Units::MAX {
            return;
        }
        let after = account.credited(wanted.amount).unwrap_or(account);
        if after.available < wanted.needed {
            let seen = format!("{} units for {account:?}, {wanted:?}", wanted.amount);
            self.violated("no_charge_into_a_debt", seen);
        }
    }

    /// At every moment: the sums are right, and nothing was credited that Stripe did not take.
    pub fn check_books(&self) {
        let (accounts, movements, tallies, holds) = self.books.with_memory(|memory| {
            (
                memory.accounts().clone(),
                memory.movements().to_vec(),
                memory.tallies().clone(),
                memory.holds().clone(),
            )
        });
        for (key, account) in &accounts {
            let of = |other: &AccountKey| other == key;
            let moved: i64 = movements
                .iter()
                .filter(|(other, _)| of(other))
                .map(|(_, movement)| movement.posting.kind.net(movement.posting.amount))
                .sum();
            let spent: i64 =
                tallies.iter().filter(|(tally, _)| of(&tally.account)).map(|(_, sum)| sum.1).sum();
            let own: Vec<_> = holds.values().filter(|hold| hold.account == *key).collect();
            let leases = own.iter().filter(|hold| hold.terms.lease.is_some());
            let leased: i64 = leases.clone().map(|hold| hold.amount.get()).sum();
            if (leased, leases.count()) != (account.leased.get(), usize::from(account.leases)) {
                let seen = format!("{leased} is not {account:?}");
                self.violated("leases_explain_what_is_leased", seen);
            }
            let open: i64 = own.iter().map(|hold| hold.amount.get()).sum();
            let of_refunds: i64 = movements
                .iter()
                .filter(|(other, _)| of(other))
                .map(|(_, movement)| match movement.posting.kind {
                    Kind::Hold => movement.posting.amount.get(),
                    Kind::Capture | Kind::Release => -movement.posting.amount.get(),
                    _ => 0,
                })
                .sum();
            if open + of_refunds != account.pending.get() {
                let seen = format!("{open} + {of_refunds} is not {account:?}");
                self.violated("holds_explain_what_is_pending", seen);
            }
            if moved - spent != account.net() {
                let seen =
                    format!("{}: {moved} - {spent} is not {account:?}", key.client.subject());
                self.violated("sums_explain_balances", seen);
            }
        }
        self.keys_spend_within_their_budgets();
        self.keys_top_up_within_their_month();
        self.bank.with(|state| {
            for (key, movement) in &movements {
                let posting = &movement.posting;
                if posting.kind != Kind::TopUp {
                    continue;
                }
                let taken = state.intents.get(&posting.reference);
                let taken = taken.filter(|intent| intent.status == IntentStatus::Succeeded);
                let units = taken.and_then(|intent| key.currency.units(intent.amount_minor));
                if units != Some(posting.amount) {
                    self.violated("credited_is_taken", format!("{posting:?}"));
                }
            }
        });
    }

    /// When nothing is under way any more.
    pub fn check_at_rest(&self) {
        self.check_books();
        if self.plan.is_leased() {
            self.served_is_counted();
        } else {
            self.served_is_standing();
            self.captured_is_used();
        }
        self.money_is_in_the_books();
        self.refunds_are_as_ordered();
        self.frozen_is_disputed();
        self.charged_once();
        self.trials_come_first_and_once();
    }

    /// What was used is captured; or all, where nobody said how much until the hold's end. Nothing is held
    /// for ever.
    fn captured_is_used(&self) {
        let truth = self.truth();
        let (records, open) =
            self.books.with_memory(|memory| (memory.deductions().clone(), memory.holds().len()));
        if open > 0 {
            self.violated("nothing_is_held_for_ever", format!("{open} holds"));
        }
        let in_time = self.plan.faults.is_empty();
        for (id, record) in &records {
            let DeductionRecord::Captured { held, captured, .. } = record else { continue };
            let random = random_of(id);
            // Of a card payment's hold it is not known whose request it is.
            if !truth.charges.get(&random).is_some_and(|minted| minted.sure) {
                continue;
            }
            let used = truth.used.get(&random).copied();
            let as_used = used == Some(captured.get());
            if !as_used && (in_time && used.is_some() || captured != held) {
                let seen = format!("{id}: {captured} of {held}, {used:?} used");
                self.violated("captured_is_used", seen);
            }
        }
    }

    fn served_is_standing(&self) {
        let truth = self.truth();
        let (charges, open): (BTreeMap<_, _>, usize) = self.books.with_memory(|memory| {
            let charges = memory.deductions().iter().map(|(id, record)| {
                let mut random = [0; 10];
                random.copy_from_slice(&id.as_bytes()[6..]);
                (random, record.taken().is_some())
            });
            let open = memory.top_ups().values().filter(|top_up| !top_up.state.is_finished());
            (charges.collect(), open.count())
        });
        if open > 0 {
            self.violated("nothing_unfinished", format!("{open} top-ups"));
        }
        let stands = |random: &[u8; 10]| charges.get(random).copied().unwrap_or(false);
        // A request may mint a second charge; what counts is how many of its client's stand.
        let mut served: BTreeMap<usize, (i64, i64, i64)> = BTreeMap::new();
        for (random, minted) in &truth.charges {
            let sums = served.entry(minted.card).or_default();
            let standing = i64::from(stands(random));
            match minted.end {
                End::Served => sums.0 += 1,
                End::Unknown => sums.2 += standing,
                End::Unserved => {
                    if standing > 0 && minted.sure {
                        let id = DeductionId::mint(0, *random);
                        self.violated("no_charge_without_service", format!("{id} {minted:?}"));
                    }
                }
            }
            sums.1 += standing;
        }
        let unserved = |card: usize| {
            let of = truth.charges.iter().filter(|(random, minted)| {
                minted.card == card && minted.end == End::Unserved && stands(random)
            });
            of.map(|(random, _)| DeductionId::mint(0, *random).to_string()).collect::<Vec<_>>()
        };
        for (card, (served, standing, unknown)) in served {
            if standing < served {
                let seen = format!("card {}: {standing} charges for {served} served", card + 1);
                self.violated("no_service_without_charge", seen);
            }
            if standing - unknown > served {
                let seen = format!(
                    "card {}: {standing} charges for {served} served: {:?}",
                    card + 1,
                    unserved(card)
                );
                self.violated("no_charge_without_service", seen);
            }
        }
    }

    /// Money at Stripe is money in the books, for every client.
    fn money_is_in_the_books(&self) {
        let mut at_stripe: BTreeMap<AccountKey, i64> = BTreeMap::new();
        let mut by_top_up: BTreeMap<String, u32> = BTreeMap::new();
        let (owners, moved, taken) = self.books.with_memory(|memory| {
            let owners: BTreeMap<String, AccountKey> = memory
                .top_ups()
                .iter()
                .map(|(id, top_up)| (id.to_string(), top_up.account))
                .collect();
            let mut moved: BTreeMap<AccountKey, i64> = BTreeMap::new();
            let mut taken: BTreeMap<(AccountKey, String), i64> = BTreeMap::new();
            for (key, movement) in memory.movements() {
                if movement.posting.kind == Kind::Refund {
                    let name = (*key, movement.posting.reference.clone());
                    taken.insert(name, movement.posting.amount.get());
                }
                // What is given and what expires of it is no money of Stripe's.
                if matches!(movement.posting.kind, Kind::Grant | Kind::GrantExpired) {
                    continue;
                }
                *moved.entry(*key).or_default() +=
                    movement.posting.kind.net(movement.posting.amount);
            }
            (owners, moved, taken)
        });
        self.bank.with(|state| {
            for intent in state.intents.values() {
                let Some(top_up) = &intent.really_for else { continue };
                let Some(key) = owners.get(top_up) else { continue };
                if intent.status != IntentStatus::Succeeded {
                    continue;
                }
                let times = by_top_up.entry(top_up.clone()).or_default();
                *times += 1;
                let refunds =
                    state.refunds.values().filter(|of| of.intent == intent.id && !of.failed);
                // What a refund did not find in the balance is goodwill.
                let refunds: i64 = refunds
                    .map(|of| {
                        taken.get(&(*key, of.id.clone())).copied().unwrap_or(of.amount_minor * 100)
                    })
                    .sum();
                let disputes = state.disputes.values().filter(|of| {
                    of.intent == intent.id
                        && matches!(of.phase, DisputePhase::Open | DisputePhase::Lost)
                });
                let disputes: i64 = disputes.map(|of| of.amount_minor).sum();
                *at_stripe.entry(*key).or_default() +=
                    (intent.amount_minor - disputes) * 100 - refunds;
            }
        });
        for (top_up, times) in by_top_up.iter().filter(|(_, times)| **times > 1) {
            self.violated("one_charge_for_a_top_up", format!("{top_up}: {times}"));
        }
        let keys = at_stripe
            .keys()
            .chain(moved.keys())
            .copied()
            .collect::<std::collections::BTreeSet<_>>();
        for key in keys {
            let stripe = at_stripe.get(&key).copied().unwrap_or(0);
            let books = moved.get(&key).copied().unwrap_or(0);
            if stripe != books {
                let seen =
                    format!("{}: {stripe} at Stripe, {books} in the books", key.client.subject());
                self.violated("money_is_in_the_books", seen);
            }
        }
    }

    /// A card is charged again only for what was spent: between two charges that stand there must
    /// have been wishes for what the first one paid.
    fn charged_once(&self) {
        let touched = self.truth().touched.clone();
        // A token is charged without need where Stripe does not say whose the one before was, and where
        // another ledger takes a top-up up before it is looked at again.
        let calm = self.plan.faults.iter().all(|fault| fault.what == Fault::Jitter)
            && self.plan.skews.iter().all(|skew| *skew == 0);
        if self.plan.has_tokens() && !calm {
            return;
        }
        let price = i64::from(self.plan.price);
        for card in 0..self.plan.cards.len() {
            if touched.contains(&card) {
                continue;
            }
            let ours = fingerprint(card);
            let mut paid: Vec<Paid> = self.bank.with(|state| {
                let paid = state.intents.values().filter(|intent| {
                    let back =
                        state.refunds.values().filter(|of| of.intent == intent.id && !of.failed);
                    let back: i64 = back.map(|of| of.amount_minor).sum();
                    intent.status == IntentStatus::Succeeded
                        && intent.really_for.is_some()
                        && back < intent.amount_minor
                        && state.methods.get(&intent.card).is_some_and(|of| of.fingerprint == ours)
                });
                paid.cloned().collect()
            });
            // What a key charges is charged before it is needed.
            paid.retain(|intent| !self.top_up_is(intent, auto::is_automatic));
            // The first token of the buyer's is charged, whatever there is: that proves the others.
            if let Some(first) = paid.iter().position(|intent| self.is_by_token(intent)) {
                paid.remove(first);
            }
            let wishes = self.truth().charges.values().filter(|minted| minted.card == card).count();
            let wished = price * i64::try_from(wishes).unwrap_or(i64::MAX);
            let taken: i64 = paid.iter().map(|intent| intent.amount_minor * 100).sum();
            let last = paid.last().map_or(0, |intent| intent.amount_minor * 100);
            // Before the last charge, all that was paid before it was wished for.
            if paid.len() > 1 && taken - last >= wished {
                let seen = format!(
                    "card {} paid {} times, {taken} units, for wishes of {wished}",
                    card + 1,
                    paid.len()
                );
                self.violated("charged_once", seen);
            }
        }
    }

    fn is_by_token(&self, intent: &Paid) -> bool {
        self.top_up_is(intent, |top_up| top_up.payment_method.is_token())
    }

    fn top_up_is(&self, intent: &Paid, like: impl Fn(&TopUp) -> bool) -> bool {
        let id = intent.really_for.as_deref().and_then(|id| id.parse().ok());
        id.is_some_and(|id| {
            self.books.with_memory(|memory| memory.top_ups().get(&id).is_some_and(&like))
        })
    }

    /// Whether something is held for a request.
    #[must_use]
    pub fn has_open_holds(&self) -> bool {
        self.books.with_memory(|memory| !memory.holds().is_empty())
    }

    /// Whether a top-up is open.
    #[must_use]
    pub fn has_open_top_ups(&self) -> bool {
        self.books.with_memory(|memory| {
            memory.top_ups().values().any(|top_up| {
                !matches!(
                    top_up.state,
                    State::Credited { .. } | State::Refused { .. } | State::Lapsed
                )
            })
        })
    }
}

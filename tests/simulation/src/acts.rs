//! What people do: agents ask, operators refund and compare, cardholders dispute, others use the same
//! Stripe account.

mod keys;

use std::{cell::Cell, rc::Rc, sync::Arc};

use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    store::Accounts as _,
    stripe::{DisputePhase, IntentStatus},
    wiring::Parts,
};
use stripe402_protocol::{ClientId, Currency, Units};

use crate::{
    agent::{Agent, fingerprint},
    buyer::Buyer,
    dice::Dice,
    gateway::Gateway,
    ledger::Ledger,
    plan::{Act, Planned},
    world::{BEGINNING_MS, World, pass},
};

/// For how long an agent tries, in milliseconds.
const PATIENCE_MS: u64 = 120_000;

/// Those who act.
pub struct People {
    /// The world.
    pub world: Arc<World>,
    /// All ledgers.
    pub ledgers: Vec<Rc<Ledger>>,
    /// By card and number.
    pub agents: Vec<Vec<Rc<Agent>>>,
    /// All gateways.
    pub gateways: Vec<Rc<Gateway>>,
    /// Of each card the buyer that has it, and the one that knows its number.
    pub buyers: Vec<[Rc<Buyer>; 2]>,
    /// Their own.
    pub dice: Dice,
    /// When books and Stripe were last seen to agree, in Unix milliseconds.
    pub reconciled_ms: Cell<u64>,
}

impl People {
    /// One of them does something, in its time.
    pub async fn act(self: Rc<Self>, number: usize, act: Planned<Act>) {
        pass(act.at_ms).await;
        match act.what {
            Act::Ask { card, agent, calls, named, patience_ms } => {
                let Some(agent) = self.agents.get(card).and_then(|of| of.get(agent)) else {
                    return;
                };
                let calls: Vec<_> = (0..calls)
                    .map(|call| {
                        let agent = Rc::clone(agent);
                        let named = named.then(|| format!("key-{number}-{call}"));
                        tokio::task::spawn_local(async move {
                            agent.call(named, PATIENCE_MS, patience_ms).await
                        })
                    })
                    .collect();
                for call in calls {
                    let _ = call.await;
                }
            }
            Act::Buy { card, calls, thief, patience_ms } => {
                let Some(buyer) = self.buyers.get(card).map(|of| &of[usize::from(thief)]) else {
                    return;
                };
                let calls = (0..calls).map(|_| {
                    let buyer = Rc::clone(buyer);
                    tokio::task::spawn_local(
                        async move { buyer.call(PATIENCE_MS, patience_ms).await },
                    )
                });
                for call in calls.collect::<Vec<_>>() {
                    let _ = call.await;
                }
            }
            Act::Burst { card, agent, at_once, calls } => {
                let Some(agent) = self.agents.get(card).and_then(|of| of.get(agent)) else {
                    return;
                };
                let lanes = (0..at_once).map(|_| {
                    let agent = Rc::clone(agent);
                    tokio::task::spawn_local(async move {
                        for _ in 0..calls {
                            let _ = agent.call(None, PATIENCE_MS, None).await;
                        }
                    })
                });
                for lane in lanes.collect::<Vec<_>>() {
                    let _ = lane.await;
                }
            }
            Act::Refund { card, amount, again_ms, fails } => {
                let name = format!("order{number}");
                let most = amount.map_or(i64::MAX, i64::from);
                self.world.truth().refunds.insert(name.clone(), (card, most));
                self.world.truth().touched.insert(card);
                let again = {
                    let (me, name) = (Rc::clone(&self), name.clone());
                    async move {
                        if let Some(after) = again_ms {
                            pass(after).await;
                            me.refund(card, amount, &name).await;
                        }
                    }
                };
                let again = tokio::task::spawn_local(again);
                self.refund(card, amount, &name).await;
                let _ = again.await;
                if fails {
                    pass(self.dice.span(1_000, 60_000)).await;
                    self.fail_refunds(&name);
                }
            }
            Act::Grant { card, amount, lasts_ms, refund_ms } => {
                self.world.truth().touched.insert(card);
                self.grant(card, amount, lasts_ms, number).await;
                if let Some(refund_ms) = refund_ms {
                    pass(refund_ms).await;
                    let name = format!("order{number}");
                    self.world.truth().refunds.insert(name.clone(), (card, i64::MAX));
                    self.refund(card, None, &name).await;
                }
            }
            Act::Key { card, budget, calls, revoke_ms, auto } => {
                self.key(card, (budget, auto), (calls, revoke_ms), number).await;
            }
            Act::Rotate { card, again_ms } => {
                let name = format!("r{number}");
                self.rotate(card, &name).await;
                if let Some(again_ms) = again_ms {
                    pass(again_ms).await;
                    self.rotate(card, &name).await;
                }
            }
            Act::DashboardRefund { card, fails } => self.dashboard_refund(card, fails).await,
            Act::Dispute { card, won, another } => {
                let Some(id) = self.dispute(card) else { return };
                pass(act.lasts_ms / 2).await;
                if another {
                    self.dispute(card);
                }
                pass(act.lasts_ms / 2).await;
                let phase = if won { DisputePhase::Won } else { DisputePhase::Lost };
                self.tell(format_args!("{id} is {phase:?}"));
                self.world.bank.move_dispute(&id, phase, self.world.now_ms());
            }
            Act::Stranger { card, disputed } => self.stranger(card, disputed).await,
            Act::ClearMetadata { card } => {
                let ours = fingerprint(card);
                self.tell(format_args!(
                    "somebody clears the metadata of card {}'s charges",
                    card + 1
                ));
                self.world.bank.with(|state| {
                    let methods = state.methods.clone();
                    for intent in state.intents.values_mut() {
                        if methods.get(&intent.card).is_some_and(|of| of.fingerprint == ours) {
                            (intent.top_up, intent.subject, intent.books) = (None, None, None);
                        }
                    }
                });
            }
            Act::Reconcile => {
                self.reconcile().await;
            }
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        self.world.tell(format_args!("people"), what);
    }

    /// A ledger that runs.
    fn some_ledger(&self) -> Option<Rc<Ledger>> {
        let up: Vec<_> = self.ledgers.iter().filter(|ledger| ledger.is_up()).collect();
        (!up.is_empty()).then(|| Rc::clone(up[self.dice.place(up.len())]))
    }

    /// The account of a card's client, if it has one.
    pub fn account_of(&self, card: usize) -> Option<AccountKey> {
        let fingerprint = fingerprint(card);
        self.world.books.with_memory(|memory| {
            ["older", "newer"].into_iter().find_map(|secret| {
                let client = ClientId::derive(secret.as_bytes(), &fingerprint);
                let key = AccountKey { client, currency: Currency::USD };
                memory.accounts().contains_key(&key).then_some(key)
            })
        })
    }

    /// A PaymentIntent that this card has paid.
    fn charge_of(&self, card: usize) -> Option<String> {
        let ours = fingerprint(card);
        self.world.bank.with(|state| {
            let paid = state.intents.values().filter(|intent| {
                intent.status == IntentStatus::Succeeded
                    && intent.really_for.is_some()
                    && state.methods.get(&intent.card).is_some_and(|of| of.fingerprint == ours)
            });
            let paid: Vec<_> = paid.map(|intent| intent.id.clone()).collect();
            (!paid.is_empty()).then(|| self.dice.pick(&paid).clone())
        })
    }

    async fn refund(&self, card: usize, amount: Option<u32>, name: &str) {
        let (Some(key), Some(ledger)) = (self.account_of(card), self.some_ledger()) else { return };
        let Some(parts) = ledger.parts() else { return };
        let order = name.to_owned();
        self.tell(format_args!("refund {amount:?} of card {} as {name}", card + 1));
        let done = ledger
            .within(async move {
                parts.refunds.refund(key, amount.map(Units::from_u32), &order, None).await
            })
            .await;
        self.tell(format_args!("refund {name}: {done:?}"));
    }

    /// By a command on the store.
    async fn grant(&self, card: usize, amount: u32, lasts_ms: Option<u64>, number: usize) {
        let Some(key) = self.account_of(card) else { return };
        let (kind, reference) = (Kind::Grant, format!("gift{number}"));
        let posting = Posting { kind, reference, amount: Units::from_u32(amount), note: None };
        let now_ms = BEGINNING_MS + self.world.now_ms();
        let posted =
            self.world.books.grant(key, posting, lasts_ms.map(|lasts_ms| now_ms + lasts_ms)).await;
        let whose = card + 1;
        self.tell(format_args!("{amount} units to card {whose}, for {lasts_ms:?} ms: {posted:?}"));
    }

    fn some_parts(&self) -> Option<(Rc<Ledger>, Parts)> {
        let ledger = self.some_ledger()?;
        let parts = ledger.parts()?;
        Some((ledger, parts))
    }

    /// The cardholder disputes one of their charges.
    fn dispute(&self, card: usize) -> Option<String> {
        let intent = self.charge_of(card)?;
        let id = self.world.bank.open_dispute(&intent, self.world.now_ms())?;
        self.world.truth().touched.insert(card);
        self.tell(format_args!("the cardholder disputes {intent}: {id}"));
        Some(id)
    }

    /// What went back under this name does not arrive.
    fn fail_refunds(&self, name: &str) {
        let named = self.world.bank.with(|state| {
            let named = state.refunds.values().filter(|refund| {
                let hold = refund.hold.as_deref().unwrap_or_default();
                !refund.failed && hold.split(':').any(|part| part == name)
            });
            named.map(|refund| refund.id.clone()).collect::<Vec<_>>()
        });
        for id in named {
            self.tell(format_args!("{id} fails"));
            self.world.bank.fail_refund(&id, self.world.now_ms());
        }
    }

    async fn dashboard_refund(&self, card: usize, fails: bool) {
        let Some(intent) = self.charge_of(card) else { return };
        self.world.truth().touched.insert(card);
        let minor = i64::try_from(self.dice.between(1, 500)).unwrap_or(1);
        let made = self.world.bank.give_back(&intent, minor, None, self.world.now_ms());
        self.tell(format_args!("refund of {minor} cents of {intent} in the dashboard"));
        if let (Ok(refund), true) = (made, fails) {
            pass(self.dice.span(1_000, 60_000)).await;
            self.tell(format_args!("{} fails", refund.id));
            self.world.bank.fail_refund(&refund.id, self.world.now_ms());
        }
    }

    async fn stranger(&self, card: usize, disputed: bool) {
        let Some(ours) = self.charge_of(card) else { return };
        let now_ms = self.world.now_ms();
        let Some(copy) = self.world.bank.strangers_payment(&ours, now_ms) else { return };
        self.tell(format_args!("{copy} is another product's, with the metadata of {ours}"));
        pass(self.dice.span(100, 20_000)).await;
        if disputed {
            let _ = self.world.bank.open_dispute(&copy, self.world.now_ms());
        } else {
            let _ = self.world.bank.give_back(&copy, 200, None, self.world.now_ms());
        }
    }

    /// Compares and repairs, as the command does; answers what is left, if anybody could be asked.
    pub async fn reconcile(&self) -> Option<usize> {
        let ledger = self.some_ledger()?;
        let parts = ledger.parts()?;
        let accounts = || {
            self.world
                .books
                .with_memory(|memory| memory.accounts().keys().copied().collect::<Vec<_>>())
        };
        // As somebody who reconciles each night: what is older is seen by its changes alone.
        let since_ms = self.reconciled_ms.get();
        let begun_ms = BEGINNING_MS.saturating_add(self.world.now_ms());
        let mut left = None;
        for _ in 0..3 {
            let (parts, known) = (parts.clone(), accounts());
            let found = ledger
                .within(async move {
                    let found = parts.sync.differences(&known, since_ms).await.ok()?;
                    for difference in &found {
                        let _ = parts.sync.repair(difference).await;
                    }
                    Some(found)
                })
                .await??;
            self.tell(format_args!("reconcile: {} differences {found:?}", found.len()));
            left = Some(found.len());
            if found.is_empty() {
                self.reconciled_ms.set(begun_ms);
                break;
            }
        }
        left
    }
}

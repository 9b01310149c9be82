//! Random commands, from a seed that a failure names.

use std::{sync::Arc, time::Duration};

use stripe402_protocol::{
    ChargeId, ClientId, Code, Currency, Refusal, Units,
    message::{Charge, ChargeOutcome, Void, VoidOutcome},
};

use super::fixture::{batch, charge_id, new_account, now_ms, units, wanted};
use crate::{
    ledger::{
        self, AccountKey, Advance, Claim, Kind, Memory, NewTopUp, Opened, Posting, State, TopUpId,
        Window,
    },
    store::Store,
};

/// A small generator of numbers (SplitMix64): the same seed, the same commands.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.throw(from.len() as u64)).unwrap()]
    }
}

/// How many commands [`compare`] runs: 10,000, or what `STRIPE402_RANDOM_STEPS` says.
#[must_use]
pub fn steps() -> usize {
    let set = std::env::var("STRIPE402_RANDOM_STEPS").ok();
    set.and_then(|steps| steps.parse().ok()).unwrap_or(10_000)
}

fn seed() -> u64 {
    let set = std::env::var("STRIPE402_RANDOM_SEED").ok();
    set.and_then(|seed| seed.parse().ok()).unwrap_or_else(now_ms)
}

/// Charges, voids and top-ups of these clients; answers what each account gained.
pub async fn hammer(
    store: &Arc<dyn Store>,
    keys: &[AccountKey],
    task: usize,
    rounds: usize,
) -> Vec<i64> {
    let mut dice = Dice::new(task as u64);
    let mut gained = vec![0; keys.len()];
    let mut taken: Vec<(usize, Charge)> = Vec::new();
    for _ in 0..rounds {
        let at = usize::try_from(dice.throw(keys.len() as u64)).unwrap();
        let amount = i64::try_from(1 + dice.throw(60)).unwrap();
        match dice.throw(10) {
            0 => {
                let wanted = wanted(keys[at], amount, None);
                if let Opened::New(top_up) = store.open_top_up(wanted).await.unwrap() {
                    let payment_intent = format!("pi_{}", top_up.id);
                    let to = State::Credited { payment_intent, amount: units(amount) };
                    let moved = store.advance_top_up(top_up.id, None, to).await.unwrap();
                    assert!(matches!(moved, Advance::Done(_)));
                    gained[at] += amount;
                }
            }
            1 | 2 if !taken.is_empty() => {
                let (at, charge) = taken.swap_remove(0);
                let void = Void { id: charge.id, client_id: Some(charge.client_id) };
                let answer = store.batch(batch(vec![], vec![void])).await.unwrap();
                assert_eq!(answer.voids[0].1, VoidOutcome::Voided);
                gained[at] += charge.amount.get();
            }
            _ => {
                let charge = super::fixture::charge(keys[at], amount);
                let answer = store.batch(batch(vec![charge.clone()], vec![])).await.unwrap();
                if let ChargeOutcome::Charged(_) = answer.charges[0].1 {
                    gained[at] -= amount;
                    taken.push((at, charge));
                }
            }
        }
    }
    gained
}

/// Runs `steps` random commands on a store and on the books in memory, which must agree.
pub async fn compare(store: &dyn Store, steps: usize) {
    let seed = seed();
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step(store, &format!("STRIPE402_RANDOM_SEED={seed}, step {step}")).await;
    }
    for key in &world.keys {
        let known = ledger::Book::account(&world.books, key).unwrap();
        assert_eq!(store.account(*key).await.unwrap(), known, "seed {seed}");
        let movements = store.movements(*key).await.unwrap();
        let mut postings: Vec<_> = movements.into_iter().map(|movement| movement.posting).collect();
        let own = world.books.movements().iter().filter(|(of, _)| of == key);
        let mut expected: Vec<_> = own.map(|(_, movement)| movement.posting.clone()).collect();
        let order = |posting: &Posting| (posting.kind, posting.reference.clone());
        postings.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(postings, expected, "seed {seed}");
    }
}

/// A charge's id, as a gateway mints it: for one client, and by one of its two ways to pay.
#[derive(Clone, Copy)]
struct Minted {
    id: ChargeId,
    client: ClientId,
    for_card: bool,
}

struct World {
    dice: Dice,
    books: Memory,
    keys: Vec<AccountKey>,
    charges: Vec<Minted>,
    top_ups: Vec<TopUpId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut keys: Vec<_> = (0..4).map(|_| new_account()).collect();
        let euros: Currency = "eur".parse().unwrap();
        keys.push(AccountKey { currency: euros, ..keys[0] });
        let (charges, top_ups) = (Vec::new(), Vec::new());
        Self { dice: Dice::new(seed), books: Memory::default(), keys, charges, top_ups }
    }

    fn amount(&mut self) -> Units {
        let amount = match self.dice.throw(20) {
            0 => 0,
            1 => 1 << 40,
            _ => self.dice.throw(200),
        };
        units(i64::try_from(amount).unwrap())
    }

    /// A new one, or one of the last that were used.
    fn minted(&mut self) -> Minted {
        if self.charges.is_empty() || self.dice.throw(3) > 0 {
            let ago = if self.dice.throw(30) == 0 { 9 * 24 * 3600 } else { 0 };
            let id = charge_id(Duration::from_secs(ago));
            let client = self.dice.pick(&self.keys).client;
            let minted = Minted { id, client, for_card: self.dice.throw(4) == 0 };
            self.charges.push(minted);
            return minted;
        }
        let recent = self.charges.len().saturating_sub(12);
        *self.dice.pick(&self.charges[recent..])
    }

    /// Mostly of the same content as ever; else of another amount, route or currency.
    fn charge(&mut self, minted: Minted) -> Charge {
        let of_client = |key: &&AccountKey| key.client == minted.client;
        let own: Vec<_> = self.keys.iter().filter(of_client).copied().collect();
        let key = *self.dice.pick(&own);
        Charge {
            id: minted.id,
            client_id: key.client,
            currency: key.currency,
            amount: self.amount(),
            route: ["joke", "weather"][usize::try_from(self.dice.throw(2)).unwrap()].to_owned(),
        }
    }

    async fn step(&mut self, store: &dyn Store, at: &str) {
        match self.dice.throw(12) {
            0..=4 => self.batch(store, at).await,
            10 | 11 => self.charge_for_card(store, at).await,
            5 | 6 => self.open(store, at).await,
            7 => self.advance(store, at).await,
            _ => self.post(store, at).await,
        }
    }

    async fn batch(&mut self, store: &dyn Store, at: &str) {
        let (mut charges, mut voids) = (Vec::new(), Vec::new());
        for _ in 0..self.dice.throw(5) {
            let minted = self.minted();
            if !minted.for_card {
                charges.push(self.charge(minted));
            }
        }
        for _ in 0..self.dice.throw(3) {
            let Minted { id, client, for_card } = self.minted();
            // A gateway that does not know whose a card's charge is may have learnt it since.
            let is_charged = matches!(
                ledger::Book::charge(&self.books, &id).unwrap(),
                Some(ledger::ChargeRecord::Deducted { .. })
            );
            let nameless = for_card && !(is_charged && self.dice.throw(3) > 0);
            voids.push(Void { id, client_id: Some(client).filter(|_| !nameless) });
        }
        let batch = batch(charges, voids);
        let day = Duration::from_secs(24 * 3600);
        let window = Window::at(now_ms(), day * 7, Duration::from_secs(60));
        let expected = ledger::apply_batch(&mut self.books, &batch, &window).unwrap();
        assert_eq!(store.batch(batch.clone()).await.unwrap(), expected, "{at}: {batch:?}");
    }

    async fn charge_for_card(&mut self, store: &dyn Store, at: &str) {
        let minted = self.minted();
        if !minted.for_card {
            return;
        }
        let charge = self.charge(minted);
        let day = Duration::from_secs(24 * 3600);
        let window = Window::at(now_ms(), day * 7, Duration::from_secs(60));
        let expected = ledger::apply_charge(&mut self.books, &charge, &window).unwrap();
        let outcome = store.charge_for_card(charge.clone()).await.unwrap();
        assert_eq!(outcome, expected, "{at}: {charge:?}");
    }

    async fn open(&mut self, store: &dyn Store, at: &str) {
        let key = *self.dice.pick(&self.keys);
        let name = ["a", "b"][usize::try_from(self.dice.throw(2)).unwrap()];
        let name = Some(name).filter(|_| self.dice.throw(2) == 0);
        let (amount, needed) = (self.amount(), self.amount());
        let wanted = NewTopUp { amount, needed, ..wanted(key, 1, name) };
        let expected = ledger::open(&mut self.books, wanted.clone()).unwrap();
        if let Opened::New(top_up) = &expected {
            self.top_ups.push(top_up.id);
        }
        assert_eq!(store.open_top_up(wanted).await.unwrap(), expected, "{at}");
    }

    async fn advance(&mut self, store: &dyn Store, at: &str) {
        if self.top_ups.is_empty() {
            return;
        }
        let recent = self.top_ups.len().saturating_sub(4);
        let id = *self.dice.pick(&self.top_ups[recent..]);
        // Now and then a PaymentIntent that another top-up has claimed.
        let claimed = if self.dice.throw(6) == 0 { self.top_ups[0] } else { id };
        let payment_intent = format!("pi_{claimed}");
        let from = match self.dice.throw(3) {
            0 => None,
            1 => Some(State::opened()),
            _ => ledger::Book::top_up(&self.books, &id).unwrap().map(|top_up| top_up.state),
        };
        let to = match self.dice.throw(6) {
            4 => State::Lapsed,
            5 => State::Charging(Claim { epoch: 1, until_ms: 2, looking: self.dice.throw(2) == 0 }),
            0 => State::RequiresAction { payment_intent },
            1 => State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) },
            _ => State::Credited { payment_intent, amount: self.amount() },
        };
        let now = now_ms();
        let expected =
            ledger::advance(&mut self.books, &id, from.as_ref(), to.clone(), now).unwrap();
        assert_eq!(store.advance_top_up(id, from, to).await.unwrap(), expected, "{at}");
    }

    async fn post(&mut self, store: &dyn Store, at: &str) {
        let key = *self.dice.pick(&self.keys);
        let posting = Posting {
            kind: *self.dice.pick(&Kind::ALL),
            reference: format!("r{}", self.dice.throw(400)),
            amount: self.amount(),
            note: None,
        };
        let expected = ledger::post(&mut self.books, &key, &posting, now_ms()).unwrap();
        let posted = store.post(key, posting.clone()).await.unwrap();
        assert_eq!(posted, expected, "{at}: {posting:?}");
    }
}

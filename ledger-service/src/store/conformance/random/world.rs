//! The commands, and the pure books that they are carried out on as well.

use std::{collections::BTreeMap, time::Duration};

use stripe402_protocol::{
    ClientId, Code, Currency, DeductionId, Refusal, Units,
    message::{Batch, Capture, Deduction, HoldTerms, Void},
};

use super::{
    super::fixture::{batch, deduction_id, new_account, now_ms, units, wanted},
    Dice,
    done::Counts,
};
use crate::{
    accounting::{
        self, AccountKey, Claim, KeyHash, Kind, Memory, NewTopUp, Opened, Posted, Posting, Spender,
        State, TopUpId, Window,
    },
    store::Store,
};

/// A deduction's id, as a gateway mints it: for one client, and by one of its two ways to pay.
#[derive(Clone, Copy)]
pub(super) struct Minted {
    pub(super) id: DeductionId,
    pub(super) client: ClientId,
    pub(super) for_card: bool,
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) books: Memory,
    pub(super) keys: Vec<AccountKey>,
    pub(super) by_hash: Vec<KeyHash>,
    deductions: Vec<Minted>,
    /// Holds that are neither captured nor released.
    holds: Vec<(AccountKey, Posting)>,
    pub(super) top_ups: Vec<TopUpId>,
    pub(super) customers: BTreeMap<ClientId, String>,
    pub(super) done: Counts,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut keys: Vec<_> = (0..4).map(|_| new_account()).collect();
        let euros: Currency = "eur".parse().unwrap();
        keys.push(AccountKey { currency: euros, ..keys[0] });
        Self {
            dice: Dice::new(seed),
            books: Memory::default(),
            keys,
            by_hash: Vec::new(),
            deductions: Vec::new(),
            holds: Vec::new(),
            top_ups: Vec::new(),
            customers: BTreeMap::new(),
            done: Counts::default(),
        }
    }

    pub(super) fn amount(&mut self) -> Units {
        let amount = match self.dice.throw(20) {
            0 => 0,
            1 => 1 << 40,
            _ => self.dice.throw(200),
        };
        units(i64::try_from(amount).unwrap())
    }

    /// A new one of this client's.
    pub(super) fn minted_for(&mut self, client: ClientId) -> Minted {
        let minted = Minted { id: deduction_id(Duration::ZERO), client, for_card: false };
        self.deductions.push(minted);
        minted
    }

    /// A new one, or one of the last that were used.
    pub(super) fn minted(&mut self) -> Minted {
        if self.deductions.is_empty() || self.dice.throw(3) > 0 {
            let ago = if self.dice.throw(30) == 0 { 9 * 24 * 3600 } else { 0 };
            let id = deduction_id(Duration::from_secs(ago));
            let client = self.dice.pick(&self.keys).client;
            let minted = Minted { id, client, for_card: self.dice.throw(4) == 0 };
            self.deductions.push(minted);
            return minted;
        }
        let recent = self.deductions.len().saturating_sub(12);
        *self.dice.pick(&self.deductions[recent..])
    }

    /// Mostly of the same content as ever; else of another amount, route or currency.
    pub(super) fn deduction(&mut self, minted: Minted) -> Deduction {
        let of_client = |key: &&AccountKey| key.client == minted.client;
        let own: Vec<_> = self.keys.iter().filter(of_client).copied().collect();
        let key = *self.dice.pick(&own);
        // The same for an id each time; now and then it has ended, or is no hold at all.
        let minted_ms = minted.id.minted_ms();
        let at_end = units(0);
        let hold = match minted_ms % 5 {
            0 => Some(HoldTerms { ends_ms: minted_ms + 3_600_000, at_end, lease: None }),
            // Most would be refused at a share that gateways ask for.
            1 => Some(HoldTerms { ends_ms: minted_ms + 3_600_000, at_end, lease: Some(60) }),
            2 if self.dice.throw(8) == 0 => {
                Some(HoldTerms { ends_ms: minted_ms - 1, at_end, lease: None })
            }
            _ => None,
        };
        Deduction {
            id: minted.id,
            client_id: key.client,
            currency: key.currency,
            amount: self.amount(),
            route: ["joke", "weather"][usize::try_from(self.dice.throw(2)).unwrap()].to_owned(),
            hold,
        }
    }

    pub(super) async fn step(&mut self, store: &dyn Store, at: &str) {
        match self.dice.throw(15) {
            0..=4 => self.batch(store, at).await,
            10 | 11 => self.deduct_for_card(store, at).await,
            5 | 6 => self.open(store, at).await,
            7 => self.advance(store, at).await,
            14 => self.by_key(store, at).await,
            12 => self.customer(store, at).await,
            13 => {
                let key = *self.dice.pick(&self.keys);
                let expected = accounting::recall_leases(&mut self.books, &key).unwrap();
                assert_eq!(store.recall_leases(key).await.unwrap(), expected, "{at}");
            }
            _ => self.post(store, at).await,
        }
    }

    async fn batch(&mut self, store: &dyn Store, at: &str) {
        let (mut deductions, mut voids) = (Vec::new(), Vec::new());
        for _ in 0..self.dice.throw(5) {
            let minted = self.minted();
            if !minted.for_card {
                deductions.push(self.deduction(minted));
            }
        }
        for _ in 0..self.dice.throw(3) {
            let Minted { id, client, for_card } = self.minted();
            // A gateway that does not know whose a card's charge is may have learnt it since.
            let known = accounting::Book::deduction(&self.books, &id).unwrap();
            let is_charged = known.is_some_and(|known| known.payer().is_some());
            let nameless = for_card && !(is_charged && self.dice.throw(3) > 0);
            voids.push(Void { id, client_id: Some(client).filter(|_| !nameless) });
        }
        let mut captures = Vec::new();
        for _ in 0..self.dice.throw(4) {
            let Minted { id, client, for_card } = self.minted();
            // Of a card's hold a gateway knows whose it is once it is there.
            let known = accounting::Book::deduction(&self.books, &id).unwrap();
            if !for_card || known.is_some_and(|known| known.payer().is_some()) {
                let (amount, count) = (self.amount(), u32::from(self.dice.throw(4) == 0) + 1);
                captures.push(Capture { id, client_id: client, amount, count });
            }
        }
        let batch = Batch { captures, ..batch(deductions, voids) };
        let day = Duration::from_secs(24 * 3600);
        let window = Window::at(now_ms(), day * 7, Duration::from_secs(60));
        let expected = accounting::apply_batch(&mut self.books, &batch, &window).unwrap();
        assert_eq!(store.batch(batch.clone()).await.unwrap(), expected, "{at}: {batch:?}");
    }

    async fn deduct_for_card(&mut self, store: &dyn Store, at: &str) {
        let minted = self.minted();
        if !minted.for_card {
            return;
        }
        let deduction = self.deduction(minted);
        let day = Duration::from_secs(24 * 3600);
        let window = Window::at(now_ms(), day * 7, Duration::from_secs(60));
        let expected =
            accounting::apply_deduction(&mut self.books, &deduction, Spender::Other, &window)
                .unwrap();
        let outcome = store.deduct_for_card(deduction.clone()).await.unwrap();
        assert_eq!(outcome, expected, "{at}: {deduction:?}");
    }

    async fn open(&mut self, store: &dyn Store, at: &str) {
        let key = *self.dice.pick(&self.keys);
        let name = ["a", "b"][usize::try_from(self.dice.throw(2)).unwrap()];
        let name = Some(name).filter(|_| self.dice.throw(2) == 0);
        let (amount, needed) = (self.amount(), self.amount());
        let wanted = NewTopUp { amount, needed, ..wanted(key, 1, name) };
        let expected = accounting::open(&mut self.books, wanted.clone()).unwrap();
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
            _ => accounting::Book::top_up(&self.books, &id).unwrap().map(|top_up| top_up.state),
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
            accounting::advance(&mut self.books, &id, from.as_ref(), to.clone(), now).unwrap();
        assert_eq!(store.advance_top_up(id, from, to).await.unwrap(), expected, "{at}");
    }

    /// What ends a hold mostly ends one that is open: drawn blindly, next to none would be.
    fn posting(&mut self) -> (AccountKey, Posting) {
        let kind = if self.dice.throw(3) == 0 {
            *self.dice.pick(&[Kind::Hold, Kind::Hold, Kind::Capture, Kind::Release])
        } else {
            *self.dice.pick(&Kind::ALL)
        };
        let ends_a_hold = matches!(kind, Kind::Capture | Kind::Release);
        if ends_a_hold && !self.holds.is_empty() && self.dice.throw(8) > 0 {
            let (key, hold) = self.dice.pick(&self.holds).clone();
            // Now and then of another amount, which is no such hold.
            let amount = if self.dice.throw(8) == 0 { self.amount() } else { hold.amount };
            return (key, Posting { kind, amount, ..hold });
        }
        let key = *self.dice.pick(&self.keys);
        // What expires is something that is left, but now and then.
        let lots = accounting::balance(&self.books, &key).unwrap().grants.lots();
        let lot = lots.last().filter(|_| kind == Kind::GrantExpired);
        if let Some(lot) = lot.filter(|_| self.dice.throw(8) > 0) {
            let (reference, amount) = (lot.reference.clone(), lot.left);
            return (key, Posting { kind, reference, amount, note: None });
        }
        let reference = format!("r{}", self.dice.throw(400));
        (key, Posting { kind, reference, amount: self.amount(), note: None })
    }

    async fn post(&mut self, store: &dyn Store, at: &str) {
        let (key, posting) = self.posting();
        let up_to = matches!(posting.kind, Kind::Refund) && self.dice.throw(2) == 0;
        let expires_ms = Some(now_ms() + 3_600_000 * (1 + self.dice.throw(3)));
        let expires_ms = expires_ms.filter(|_| posting.kind == Kind::Grant);
        let (expected, posted) = if expires_ms.is_some() {
            let books = &mut self.books;
            let expected = accounting::post_expiring(books, &key, &posting, expires_ms, now_ms());
            (expected.unwrap(), store.grant(key, posting.clone(), expires_ms).await.unwrap())
        } else if up_to {
            let expected = accounting::post_up_to(&mut self.books, &key, &posting, now_ms());
            (expected.unwrap(), store.post_up_to(key, posting.clone()).await.unwrap())
        } else {
            let expected = accounting::post(&mut self.books, &key, &posting, now_ms());
            (expected.unwrap(), store.post(key, posting.clone()).await.unwrap())
        };
        assert_eq!(posted, expected, "{at}: {posting:?}");
        let lots = accounting::balance(&self.books, &key).unwrap().grants.lots().to_vec();
        let left = store.balance(key).await.unwrap().grants.lots().to_vec();
        assert_eq!(left, lots, "{at}: {posting:?}");
        let known = accounting::Book::movement(&self.books, &key, posting.kind, &posting.reference);
        let known = known.unwrap().map(|movement| movement.posting);
        let shown = store.movement(key, posting.kind, &posting.reference).await.unwrap();
        assert_eq!(shown.map(|movement| movement.posting), known, "{at}: {posting:?}");
        self.done.count(posting.kind, posted);
        match (posting.kind, posted) {
            (Kind::Hold, Posted::Done(_)) => self.holds.push((key, posting)),
            (Kind::Capture | Kind::Release, Posted::Done(_)) => {
                let ended = |(of, hold): &(AccountKey, Posting)| {
                    *of == key && hold.reference == posting.reference
                };
                self.holds.retain(|hold| !ended(hold));
            }
            _ => {}
        }
    }

    /// The pure books know no customers: the first one that is remembered stays, until it is said
    /// to be gone.
    async fn customer(&mut self, store: &dyn Store, at: &str) {
        let client = self.dice.pick(&self.keys).client;
        let customer = format!("cus_{}", self.dice.throw(4));
        let known = self.customers.get(&client).cloned();
        let answer = if self.dice.throw(2) == 0 {
            let expected = known.unwrap_or_else(|| customer.clone());
            self.customers.insert(client, expected.clone());
            (store.remember_customer(client, customer).await.unwrap(), expected)
        } else {
            let gone = format!("cus_{}", self.dice.throw(4));
            let expected = known.filter(|known| *known != gone).unwrap_or_else(|| customer.clone());
            self.customers.insert(client, expected.clone());
            (store.replace_customer(client, &gone, customer).await.unwrap(), expected)
        };
        assert_eq!(answer.0, answer.1, "{at}");
        let customer = store.customer(client).await.unwrap();
        assert_eq!(customer.as_ref(), self.customers.get(&client), "{at}");
    }
}

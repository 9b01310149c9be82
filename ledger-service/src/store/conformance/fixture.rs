//! What the cases are made of.

use std::{sync::Arc, time::Duration};

use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{
        self, Batch, Capture, CaptureOutcome, Deduction, DeductionOutcome, HoldTerms, Void,
        VoidOutcome,
    },
};
use uuid::Uuid;

use crate::{
    accounting::{
        Account, AccountKey, Kind, NewTopUp, Opened, Posted, Posting, State, TopUp, TopUpId,
    },
    clock::{Clock as _, SystemClock},
    store::Store,
};

/// Unix milliseconds.
pub(super) fn now_ms() -> u64 {
    SystemClock.now_ms()
}

pub(super) fn units(amount: i64) -> Units {
    Units::new(amount).unwrap()
}

/// A client that no case used before, in dollars.
pub(super) fn new_account() -> AccountKey {
    let client = ClientId::derive(b"conformance", &Uuid::new_v4().to_string());
    AccountKey { client, currency: Currency::USD }
}

/// An id minted so long ago.
pub(super) fn deduction_id(ago: Duration) -> DeductionId {
    let random = *Uuid::new_v4().as_bytes().first_chunk::<10>().unwrap();
    DeductionId::mint(now_ms() - ago.as_millis() as u64, random)
}

pub(super) fn deduction(key: AccountKey, amount: i64) -> Deduction {
    Deduction {
        id: deduction_id(Duration::ZERO),
        client_id: key.client,
        currency: key.currency,
        amount: units(amount),
        route: "joke".to_owned(),
        hold: None,
    }
}

/// A hold that takes a third of it at its end, in an hour.
pub(super) fn hold(key: AccountKey, amount: i64) -> Deduction {
    hold_for(key, amount, Duration::from_secs(3600))
}

/// A hold that takes a third of it at its end.
pub(super) fn hold_for(key: AccountKey, amount: i64, lasts: Duration) -> Deduction {
    let at_end = units(amount / 3);
    let terms = HoldTerms { ends_ms: now_ms() + lasts.as_millis() as u64, at_end, lease: None };
    Deduction { hold: Some(terms), ..deduction(key, amount) }
}

/// A lease of at most so many percent of what is available, for an hour.
pub(super) fn lease(key: AccountKey, amount: i64, percent: u8) -> Deduction {
    let terms =
        HoldTerms { ends_ms: now_ms() + 3_600_000, at_end: Units::ZERO, lease: Some(percent) };
    Deduction { hold: Some(terms), ..deduction(key, amount) }
}

pub(super) fn capture(hold: &Deduction, amount: i64) -> Capture {
    Capture { id: hold.id, client_id: hold.client_id, amount: units(amount), count: 1 }
}

pub(super) fn void(deduction: &Deduction) -> Void {
    Void { id: deduction.id, client_id: Some(deduction.client_id) }
}

pub(super) fn batch(deductions: Vec<Deduction>, voids: Vec<Void>) -> Batch {
    Batch { version: message::VERSION, deductions, voids, captures: vec![] }
}

/// A store, with the questions that cases ask of it.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Arc<dyn Store>);

impl Asked {
    pub(super) async fn deduction(&self, deduction: &Deduction) -> DeductionOutcome {
        let answer = self.0.batch(batch(vec![deduction.clone()], vec![])).await.unwrap();
        assert_eq!(answer.deductions.len(), 1);
        assert_eq!(answer.deductions[0].0, deduction.id, "the answer echoes its id");
        answer.deductions[0].1
    }

    pub(super) async fn deduct_for_card(&self, deduction: &Deduction) -> DeductionOutcome {
        self.0.deduct_for_card(deduction.clone()).await.unwrap()
    }

    pub(super) async fn void(&self, void: &Void) -> VoidOutcome {
        let answer = self.0.batch(batch(vec![], vec![void.clone()])).await.unwrap();
        assert_eq!(answer.voids.len(), 1);
        assert_eq!(answer.voids[0].0, void.id);
        answer.voids[0].1
    }

    pub(super) async fn capture(&self, capture: Capture) -> CaptureOutcome {
        let batch = Batch { captures: vec![capture], ..batch(vec![], vec![]) };
        let answer = self.0.batch(batch).await.unwrap();
        assert_eq!(answer.captures.len(), 1);
        assert_eq!(answer.captures[0].0, capture.id);
        answer.captures[0].1
    }

    pub(super) async fn account(&self, key: AccountKey) -> Account {
        self.0.account(key).await.unwrap()
    }

    pub(super) async fn left(&self, key: AccountKey) -> i64 {
        self.account(key).await.available.get()
    }

    pub(super) async fn post(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
        amount: i64,
    ) -> Posted {
        let posting = Posting {
            kind,
            reference: reference.to_owned(),
            amount: units(amount),
            note: Some("a note, with ü".to_owned()),
        };
        self.0.post(key, posting).await.unwrap()
    }

    /// A new account with so much in it.
    pub(super) async fn account_with(&self, amount: i64) -> AccountKey {
        let key = new_account();
        self.top_up(key, amount).await;
        key
    }

    pub(super) async fn top_up(&self, key: AccountKey, amount: i64) -> TopUp {
        let top_up = self.open(key, amount).await;
        let payment_intent = format!("pi_{}", top_up.id);
        let to = State::Credited { payment_intent, amount: units(amount) };
        self.0.advance_top_up(top_up.id, None, to).await.unwrap();
        top_up
    }

    pub(super) async fn open(&self, key: AccountKey, amount: i64) -> TopUp {
        match self.0.open_top_up(wanted(key, amount, None)).await.unwrap() {
            Opened::New(top_up) => top_up,
            other => panic!("a new top-up was {other:?}"),
        }
    }

    /// Every account of these, explained by its movements and sums.
    pub(super) async fn verify(&self, keys: &[AccountKey]) {
        for key in keys {
            let account = self.account(*key).await;
            let movements = self.0.movements(*key).await.unwrap();
            let moved: i64 = movements
                .iter()
                .map(|movement| movement.posting.kind.net(movement.posting.amount))
                .sum();
            let tallies = self.0.tallies(*key).await.unwrap();
            let spent: i64 = tallies.iter().map(|tally| tally.amount).sum();
            assert_eq!(moved - spent, account.net(), "{account:?} is not explained");
            let open = self.0.open_holds(Some(key.client), usize::MAX).await.unwrap();
            let open: Vec<_> = open.iter().filter(|(_, hold)| hold.account == *key).collect();
            let leases = open.iter().filter(|(_, hold)| hold.terms.lease.is_some());
            let leased: i64 = leases.clone().map(|(_, hold)| hold.amount.get()).sum();
            let out = (account.leased.get(), usize::from(account.leases));
            assert_eq!(out, (leased, leases.count()), "leased by nothing, or not leased");
            let open: i64 = open.iter().map(|(_, hold)| hold.amount.get()).sum();
            let of_refunds: i64 = movements
                .iter()
                .map(|movement| match movement.posting.kind {
                    Kind::Hold => movement.posting.amount.get(),
                    Kind::Capture | Kind::Release => -movement.posting.amount.get(),
                    _ => 0,
                })
                .sum();
            assert_eq!(account.pending.get(), open + of_refunds, "held by nothing, or not held");
        }
    }
}

pub(super) fn wanted(key: AccountKey, amount: i64, name: Option<&str>) -> NewTopUp {
    NewTopUp {
        id: TopUpId(Uuid::new_v4()),
        account: key,
        amount: units(amount),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
        card: "visa 4242".parse().ok(),
        idempotency_key: name.map(ToOwned::to_owned),
        now_ms: now_ms(),
    }
}

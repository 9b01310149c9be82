//! What a store is asked, drawn from a seed.

use std::time::Duration;

use stripe402_protocol::{
    ClientId, Code, Currency, DeductionId, Refusal, Units,
    message::{Batch, Deduction, Void},
};
use uuid::Uuid;

use crate::{
    accounting::{AccountKey, Kind, Limit, NewTopUp, Posting, State, TopUpId},
    store::{
        Accounts as _, Counters as _, Customers as _, StoreError, TopUps as _,
        conformance::random::Dice, embedded::Embedded,
    },
};

#[derive(Clone, Debug)]
pub(in super::super) enum Call {
    Batch(Batch),
    Post(AccountKey, Posting),
    PostTogether(AccountKey, Vec<Posting>),
    Open(NewTopUp),
    Advance(TopUpId, State),
    Customer(ClientId, String),
    Agree(ClientId, ClientId),
    Count(Limit),
}

impl Call {
    /// Asks a store, and shows its answer as the books would.
    pub(in super::super) async fn ask(self, store: &Embedded) -> Result<String, StoreError> {
        fn show(answer: impl std::fmt::Debug) -> String {
            format!("{answer:?}")
        }
        match self {
            Self::Batch(batch) => store.batch(batch).await.map(show),
            Self::Post(key, posting) => store.post(key, posting).await.map(show),
            Self::PostTogether(key, postings) => store.post_together(key, postings).await.map(show),
            Self::Open(wanted) => store.open_top_up(wanted).await.map(show),
            Self::Advance(id, to) => store.advance_top_up(id, None, to).await.map(show),
            Self::Customer(client, customer) => {
                store.remember_customer(client, customer).await.map(show)
            }
            Self::Agree(anchor, wanted) => store.agreed(anchor, Some(wanted)).await.map(show),
            Self::Count(limit) => store.check_and_count(&limit, true).await.map(show),
        }
    }
}

/// Draws calls of a few clients, who mostly have credits.
pub(super) struct Caller {
    pub(super) keys: Vec<AccountKey>,
    pub(super) top_ups: Vec<TopUpId>,
    deductions: Vec<Deduction>,
    minted: u64,
}

pub(super) fn limit() -> Limit {
    Limit { name: "attempts of 192.0.2.1".into(), most: 5, window: Duration::from_secs(600) }
}

impl Caller {
    pub(super) fn new() -> Self {
        let client = |name| ClientId::derive(b"faults", name);
        let key = |name| AccountKey { client: client(name), currency: Currency::USD };
        let keys = vec![key("a"), key("b"), key("c")];
        Self { keys, top_ups: Vec::new(), deductions: Vec::new(), minted: 0 }
    }

    pub(super) fn draw(&mut self, dice: &mut Dice, now_ms: u64) -> Call {
        let key = *pick(dice, &self.keys);
        let units = |most: u64, dice: &mut Dice| {
            Units::new(i64::try_from(1 + dice.throw(most)).unwrap()).unwrap()
        };
        match dice.throw(12) {
            0 => Call::Customer(key.client, format!("cus_{}", dice.throw(3))),
            1 => Call::Agree(key.client, pick(dice, &self.keys).client),
            2 => Call::Count(limit()),
            3 | 4 => {
                let id = TopUpId(Uuid::from_u128(u128::from(dice.throw(u64::MAX))));
                self.top_ups.push(id);
                Call::Open(NewTopUp {
                    id,
                    account: key,
                    amount: units(5_000, dice),
                    needed: units(5_000, dice),
                    payment_method: "pm_1".parse().unwrap(),
                    card: None,
                    idempotency_key: (dice.throw(2) == 0).then(|| format!("k{}", dice.throw(3))),
                    now_ms,
                })
            }
            5 if !self.top_ups.is_empty() => {
                let id = *pick(dice, &self.top_ups);
                let payment_intent = format!("pi_{id}");
                Call::Advance(
                    id,
                    match dice.throw(4) {
                        0 => State::Refused {
                            refusal: Box::new(Refusal::new(Code::CardDeclined, "")),
                        },
                        1 => State::RequiresAction { payment_intent },
                        _ => State::Credited { payment_intent, amount: units(5_000, dice) },
                    },
                )
            }
            6 => Call::Post(key, posting(dice)),
            7 => Call::PostTogether(key, vec![posting(dice), posting(dice)]),
            _ => Call::Batch(self.batch(dice, now_ms)),
        }
    }

    fn batch(&mut self, dice: &mut Dice, now_ms: u64) -> Batch {
        let mut batch =
            Batch { version: 1, deductions: Vec::new(), voids: Vec::new(), captures: vec![] };
        for _ in 0..dice.throw(6) {
            let deduction = if self.deductions.is_empty() || dice.throw(4) > 0 {
                let key = *pick(dice, &self.keys);
                self.minted += 1;
                let mut random = [0; 10];
                random[..8].copy_from_slice(&self.minted.to_be_bytes());
                Deduction {
                    id: DeductionId::mint(now_ms, random),
                    client_id: key.client,
                    currency: key.currency,
                    amount: Units::new(i64::try_from(dice.throw(50)).unwrap()).unwrap(),
                    route: ["joke", "weather"][usize::from(dice.throw(2) == 0)].to_owned(),
                    hold: None,
                }
            } else {
                pick(dice, &self.deductions).clone()
            };
            if dice.throw(4) == 0 {
                batch.voids.push(Void { id: deduction.id, client_id: Some(deduction.client_id) });
            } else {
                batch.deductions.push(deduction.clone());
            }
            self.deductions.push(deduction);
        }
        batch
    }
}

fn posting(dice: &mut Dice) -> Posting {
    let kinds = [
        Kind::AdjustmentUp,
        Kind::AdjustmentUp,
        Kind::Refund,
        Kind::Hold,
        Kind::Capture,
        Kind::Release,
        Kind::DisputeOpened,
        Kind::DisputeWon,
        Kind::Freeze,
        Kind::Unfreeze,
    ];
    let kind = *pick(dice, &kinds);
    let amount = Units::new(i64::try_from(dice.throw(3) * 100).unwrap()).unwrap();
    Posting { kind, reference: format!("r{}", dice.throw(40)), amount, note: None }
}

pub(super) fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> &'a T {
    &from[usize::try_from(dice.throw(from.len() as u64)).unwrap()]
}

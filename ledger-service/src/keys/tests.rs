//! Keys over the books in memory: their limits, and two ledgers at once.
#![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::SecretString;
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{
        Batch, Capture, CaptureOutcome, Deduction, DeductionOutcome, HoldTerms, KeyRefusal, Void,
        VoidOutcome,
    },
};

use super::{Changes, KeyError, Keys, Made, Shown, Terms};
use crate::{
    accounting::{AccountKey, Budget, Key, Kind, MOST_OPEN, Posting},
    clock::{Clock, RandomIds},
    options::PaymentOptions,
    store::{Accounts as _, InMemory, Keys as _, Store},
};

/// 2026-11-30T23:59:50Z.
const BEGINNING_MS: u64 = 1_796_083_190_000;
const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        BEGINNING_MS + self.0.load(Ordering::Relaxed)
    }
}

struct Case {
    clock: Hand,
    store: Arc<InMemory>,
    keys: Keys,
    owner: ClientId,
}

fn units(amount: i64) -> Units {
    Units::new(amount).unwrap()
}

fn terms() -> Terms {
    Terms {
        label: "agent".to_owned(),
        currency: Currency::USD,
        budget: Budget::default(),
        expires_ms: None,
        routes: Vec::new(),
        manage: false,
        auto_top_up: None,
    }
}

fn total(amount: i64) -> Terms {
    let budget = Budget { total: Some(units(amount)), ..Budget::default() };
    Terms { budget, ..terms() }
}

impl Case {
    async fn with(balance: i64) -> Self {
        let (clock, owner) = (Hand::default(), ClientId::derive(b"s", "fp"));
        let store = Arc::new(InMemory::new(clock.clone(), Duration::from_secs(7 * 86_400)));
        let (kind, reference) = (Kind::AdjustmentUp, "r".to_owned());
        let posting = Posting { kind, reference, amount: units(balance), note: None };
        store.post(AccountKey { client: owner, currency: Currency::USD }, posting).await.unwrap();
        let keys = keys(&store, &clock);
        Self { clock, store, keys, owner }
    }

    async fn made(&self, terms: Terms) -> Made {
        self.keys.make(self.owner, terms, (None, true)).await.unwrap()
    }

    fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn deduction(&self, key: &Made, amount: i64) -> Deduction {
        Deduction {
            id: DeductionId::mint(self.clock.now_ms(), rand()),
            client_id: key.secret,
            currency: Currency::USD,
            amount: units(amount),
            route: "joke".to_owned(),
            hold: None,
        }
    }

    async fn asked(&self, deduction: &Deduction) -> DeductionOutcome {
        asked(&self.keys, deduction).await
    }

    async fn deduct(&self, key: &Made, amount: i64) -> DeductionOutcome {
        self.asked(&self.deduction(key, amount)).await
    }

    async fn void(&self, of: &Deduction) -> VoidOutcome {
        let voids = vec![Void { id: of.id, client_id: Some(of.client_id) }];
        self.keys.batch(Batch { voids, ..Batch::default() }).await.unwrap().voids[0].1
    }

    async fn capture(&self, of: &Deduction, amount: i64) -> CaptureOutcome {
        let capture =
            Capture { id: of.id, client_id: of.client_id, amount: units(amount), count: 1 };
        let batch = Batch { captures: vec![capture], ..Batch::default() };
        self.keys.batch(batch).await.unwrap().captures[0].1
    }

    async fn spent(&self, key: &Made) -> i64 {
        let (_, key) = self.keys.of(&key.secret).await.unwrap().unwrap();
        key.spent.get()
    }
}

/// As a gateway asks: again, while it is not the key's turn.
async fn asked(keys: &Keys, deduction: &Deduction) -> DeductionOutcome {
    loop {
        let deductions = vec![deduction.clone()];
        let answer = keys.batch(Batch { deductions, ..Batch::default() }).await.unwrap();
        if answer.deductions[0].1 != DeductionOutcome::Leased {
            return answer.deductions[0].1;
        }
        tokio::task::yield_now().await;
    }
}

fn keys(store: &Arc<InMemory>, clock: &Hand) -> Keys {
    let store: Arc<dyn Store> = Arc::<InMemory>::clone(store);
    let options = PaymentOptions { most_keys: 3, ..PaymentOptions::default() };
    let secrets = ["second", "first"].map(SecretString::from);
    let (clock, ids) = (Arc::new(clock.clone()), Arc::new(RandomIds));
    Keys::new(store, clock, ids, Arc::from(secrets), Arc::new(options))
}

fn rand() -> [u8; 10] {
    *uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap()
}

const fn refused(refusal: KeyRefusal) -> DeductionOutcome {
    DeductionOutcome::KeyRefused(refusal)
}

fn deducted(left: i64) -> DeductionOutcome {
    DeductionOutcome::Deducted(units(left))
}

#[tokio::test]
async fn a_budget_of_500_serves_500_of_two_ledgers_requests() {
    let case = Case::with(100_000).await;
    let key = case.made(total(500)).await;
    let other = keys(&case.store, &case.clock);
    let (mut served, mut over) = (0, 0);
    let asked = (0..1_200).map(|number| {
        let ledger = if number % 2 == 0 { &case.keys } else { &other };
        let deduction = case.deduction(&key, 1);
        async move { asked(ledger, &deduction).await }
    });
    for outcome in join_all(asked).await {
        match outcome {
            DeductionOutcome::Deducted(_) => served += 1,
            DeductionOutcome::KeyRefused(KeyRefusal::Budget) => over += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((served, over, case.spent(&key).await), (500, 700, 500));
    let account = AccountKey { client: case.owner, currency: Currency::USD };
    assert_eq!(case.store.account(account).await.unwrap().available, units(99_500));
}

#[tokio::test]
async fn a_day_ends_at_midnight_and_a_month_at_its_end() {
    let case = Case::with(100_000).await;
    let (per_day, per_month) = (Some(units(100)), Some(units(150)));
    let budget = Budget { total: None, per_day, per_month };
    let key = case.made(Terms { budget, ..terms() }).await;
    let first = case.deduction(&key, 60);
    assert_eq!(case.asked(&first).await, deducted(40));
    assert_eq!(case.deduct(&key, 41).await, refused(KeyRefusal::Budget));
    case.pass(9_999);
    assert_eq!(case.deduct(&key, 41).await, refused(KeyRefusal::Budget));
    // The first of December.
    case.pass(1);
    assert_eq!(case.deduct(&key, 100).await, deducted(0));
    assert_eq!(case.void(&first).await, VoidOutcome::Voided);
    assert_eq!(case.deduct(&key, 1).await, refused(KeyRefusal::Budget), "another day's came back");
    case.pass(DAY_MS);
    assert_eq!(case.deduct(&key, 51).await, refused(KeyRefusal::Budget), "the month's");
    let last = case.deduction(&key, 50);
    assert_eq!(case.asked(&last).await, deducted(0));
    assert_eq!(case.void(&last).await, VoidOutcome::Voided);
    assert_eq!(case.void(&last).await, VoidOutcome::Repeated);
    assert_eq!(case.deduct(&key, 50).await, deducted(0));
    assert_eq!(case.spent(&key).await, 150);
}

#[tokio::test]
async fn a_key_spends_in_its_time_and_for_its_routes_until_it_is_revoked() {
    let case = Case::with(100_000).await;
    let expires_ms = Some(case.clock.now_ms() + 5_000);
    let routes = vec!["jokes/*".to_owned(), "joke".to_owned()];
    let key = case.made(Terms { expires_ms, routes, ..terms() }).await;
    for (route, is_served) in
        [("joke", true), ("jokes/7", true), ("jokes", false), ("joke2", false), ("", false)]
    {
        let deduction = Deduction { route: route.to_owned(), ..case.deduction(&key, 1) };
        let is_refused = case.asked(&deduction).await == refused(KeyRefusal::Route);
        assert_eq!(is_refused, !is_served, "{route}");
    }
    let euros = Deduction { currency: "eur".parse().unwrap(), ..case.deduction(&key, 1) };
    assert_eq!(case.asked(&euros).await, refused(KeyRefusal::Budget));
    let before = case.deduction(&key, 1);
    assert_eq!(case.asked(&before).await, deducted(99_997));
    case.pass(5_000);
    assert_eq!(case.deduct(&key, 1).await, refused(KeyRefusal::Expired));
    assert_eq!(case.asked(&before).await, deducted(99_997), "a repetition is answered as ever");
    let later = Changes { expires_ms: Some(None), ..Changes::default() };
    case.keys.change(case.owner, &key.hash.id(), later).await.unwrap();
    assert_eq!(case.deduct(&key, 1).await, deducted(99_996));
    let shown = async || case.keys.shown_to(&key.secret, Currency::USD).await.unwrap();
    assert_eq!(shown().await, Shown::Left(units(99_996)));
    case.keys.revoke(case.owner, &key.hash.id()).await.unwrap();
    assert_eq!(case.deduct(&key, 1).await, refused(KeyRefusal::Revoked));
    assert_eq!((shown().await, case.spent(&key).await), (Shown::Left(Units::ZERO), 4));
}

#[tokio::test]
async fn what_a_key_holds_is_settled_though_it_is_revoked() {
    let case = Case::with(1_000).await;
    let key = case.made(total(100)).await;
    let hold = |amount, lasts| {
        let ends_ms = case.clock.now_ms() + lasts;
        let terms = HoldTerms { ends_ms, at_end: units(5), lease: None };
        Deduction { hold: Some(terms), ..case.deduction(&key, amount) }
    };
    let (first, second, third) = (hold(40, 60_000), hold(40, 60_000), hold(20, 1_000));
    for held in [&first, &second, &third] {
        assert!(matches!(case.asked(held).await, DeductionOutcome::Deducted(_)));
    }
    assert_eq!(case.deduct(&key, 1).await, refused(KeyRefusal::Budget));
    let captured = CaptureOutcome::Captured { captured: units(10), left: units(30) };
    assert_eq!(case.capture(&first, 10).await, captured);
    assert_eq!(case.capture(&first, 10).await, captured, "once more");
    assert_eq!(case.spent(&key).await, 70);
    assert_eq!(case.deduct(&key, 30).await, deducted(0));
    // The third ends, and nobody tells the key: 15 come back.
    case.pass(1_001);
    case.store.settle_ended_holds(10).await.unwrap();
    assert_eq!(case.deduct(&key, 16).await, refused(KeyRefusal::Budget));
    assert_eq!(case.deduct(&key, 14).await, deducted(1));
    case.keys.revoke(case.owner, &key.hash.id()).await.unwrap();
    assert_eq!(case.void(&second).await, VoidOutcome::Voided);
    assert_eq!(case.spent(&key).await, 10 + 30 + 5 + 14);
    assert!(case.keys.of(&key.secret).await.unwrap().unwrap().1.open.is_empty());
}

#[tokio::test]
async fn a_key_has_so_many_holds_open() {
    let case = Case::with(1_000_000).await;
    let key = case.made(terms()).await;
    let terms = HoldTerms { ends_ms: case.clock.now_ms() + 1_000, at_end: units(0), lease: None };
    let held = |_| Deduction { hold: Some(terms), ..case.deduction(&key, 1) };
    let deductions: Vec<_> = (0..=MOST_OPEN).map(held).collect();
    for deduction in &deductions[..MOST_OPEN] {
        assert!(matches!(case.asked(deduction).await, DeductionOutcome::Deducted(_)));
    }
    assert_eq!(case.asked(&deductions[MOST_OPEN]).await, refused(KeyRefusal::Budget));
    case.void(&deductions[0]).await;
    assert!(matches!(case.asked(&held(0)).await, DeductionOutcome::Deducted(_)));
    case.pass(1_001);
    case.store.settle_ended_holds(2_000).await.unwrap();
    assert!(matches!(case.asked(&held(0)).await, DeductionOutcome::Stale));
    // It hears of some of them whenever it is used.
    for _ in 0..32 {
        assert!(matches!(case.deduct(&key, 1).await, DeductionOutcome::Deducted(_)));
    }
    assert!(case.keys.of(&key.secret).await.unwrap().unwrap().1.open.is_empty());
}

/// Others wait for the same answer: of very many at once some are asked for again, and nothing of them is done.
#[tokio::test]
async fn of_many_at_once_some_are_asked_for_again() {
    let case = Case::with(1_000).await;
    let key = case.made(total(1_000)).await;
    let deductions: Vec<_> = (0..40).map(|_| case.deduction(&key, 1)).collect();
    let batch = Batch { deductions: deductions.clone(), ..Batch::default() };
    let answer = case.keys.batch(batch).await.unwrap();
    let again = |(_, of): &&(_, _)| *of == DeductionOutcome::Leased;
    assert_eq!(answer.deductions.iter().filter(again).count(), 8);
    assert_eq!(case.spent(&key).await, 32);
    let ids: Vec<_> = answer.deductions.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, deductions.iter().map(|of| of.id).collect::<Vec<_>>());
    assert_eq!(case.void(&deductions[0]).await, VoidOutcome::Voided);
    for deduction in &deductions[1..] {
        assert!(matches!(case.asked(deduction).await, DeductionOutcome::Deducted(_)));
    }
    assert_eq!(case.spent(&key).await, 39);
}

#[tokio::test]
async fn a_key_that_nobody_made_is_a_client_that_nobody_knows() {
    let case = Case::with(1_000).await;
    let mut made = case.made(terms()).await;
    let known = case.deduction(&made, 1);
    made.secret = ClientId::key([7; 26]);
    let unknown = case.deduction(&made, 1);
    let plain = Deduction { client_id: case.owner, ..case.deduction(&made, 1) };
    let deductions = vec![unknown.clone(), known.clone(), plain.clone(), unknown.clone()];
    let answer = case.keys.batch(Batch { deductions, ..Batch::default() }).await.unwrap();
    let ids: Vec<_> = answer.deductions.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [unknown.id, known.id, plain.id, unknown.id]);
    let insufficient = DeductionOutcome::Insufficient;
    assert_eq!((answer.deductions[0].1, answer.deductions[3].1), (insufficient, insufficient));
    let terms = HoldTerms { ends_ms: u64::MAX, at_end: Units::ZERO, lease: Some(5) };
    let lease = Deduction { hold: Some(terms), ..known };
    assert_eq!(case.asked(&lease).await, DeductionOutcome::LeaseRefused);
}

#[tokio::test]
async fn what_keys_have_spent_was_deducted() {
    let case = Case::with(1_000).await;
    let key = case.made(total(100)).await;
    case.deduct(&key, 60).await;
    let of = AccountKey { client: case.owner, currency: Currency::USD };
    let verified = async || crate::store::difference(&*case.store, of).await;
    assert_eq!(verified().await.unwrap(), None);
    let (_, kept) = case.keys.of(&key.secret).await.unwrap().unwrap();
    let more = Key { spent: units(61), ..kept }.changed();
    assert!(case.store.change_key(key.hash, more).await.unwrap());
    let found = verified().await.unwrap_err().to_string();
    assert!(found.contains("have spent more than was deducted"), "{found}");
}

#[tokio::test]
async fn a_name_makes_one_key_whichever_secret_is_the_first() {
    let case = Case::with(1_000).await;
    let first = case.keys.make(case.owner, total(5), (Some("n"), true)).await.unwrap();
    let again = case.keys.make(case.owner, total(5), (Some("n"), true)).await.unwrap();
    assert_eq!((first.repeated, again.repeated), (false, true));
    assert_eq!((first.secret, first.hash), (again.secret, again.hash));
    let mismatch = case.keys.make(case.owner, total(6), (Some("n"), true)).await;
    assert!(matches!(mismatch, Err(KeyError::Mismatch)), "{mismatch:?}");
    let other = Keys::new(
        Arc::<InMemory>::clone(&case.store),
        Arc::new(case.clock.clone()),
        Arc::new(RandomIds),
        Arc::from([SecretString::from("new"), "second".into()]),
        Arc::default(),
    );
    let rotated = other.make(case.owner, total(5), (Some("n"), true)).await.unwrap();
    assert_eq!((rotated.secret, rotated.repeated), (first.secret, true));
    let somebody =
        case.keys.make(ClientId::key([1; 26]), total(5), (Some("n"), true)).await.unwrap();
    assert_ne!(somebody.secret, first.secret);
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_name() {
    let case = Case::with(1_000).await;
    let zero = Budget { per_day: Some(Units::ZERO), ..Budget::default() };
    let now = case.clock.now_ms();
    for (wrong, field) in [
        (Terms { label: " ".to_owned(), ..terms() }, "label"),
        (Terms { label: "a\u{1b}[31m".to_owned(), ..terms() }, "label"),
        (Terms { label: "x".repeat(65), ..terms() }, "label"),
        (Terms { budget: zero, ..terms() }, "budget"),
        (Terms { label: "\u{202e}gpj.exe".to_owned(), ..terms() }, "label"),
        (Terms { expires_ms: Some(u64::MAX), ..terms() }, "expires"),
        (Terms { routes: vec!["a*b".to_owned()], ..terms() }, "routes"),
        (Terms { routes: vec![String::new()], ..terms() }, "routes"),
        (Terms { routes: vec!["a".to_owned(); 33], ..terms() }, "routes"),
    ] {
        match case.keys.make(case.owner, wrong.clone(), (None, true)).await {
            Err(KeyError::Invalid(text)) => assert!(text.starts_with(field), "{text}"),
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
    let over =
        case.keys.make(case.owner, Terms { expires_ms: Some(now), ..terms() }, (None, true)).await;
    assert!(matches!(over, Err(KeyError::Expired)), "{over:?}");
    let made = [case.made(terms()).await, case.made(terms()).await, case.made(terms()).await];
    let fourth = case.keys.make(case.owner, terms(), (None, true)).await;
    assert!(matches!(fourth, Err(KeyError::TooMany(3))), "{fourth:?}");
    case.keys.revoke(case.owner, &made[0].hash.id()).await.unwrap();
    case.made(terms()).await;
    assert_eq!(case.keys.list(case.owner).await.unwrap().len(), 4);
    let others = case.keys.revoke(ClientId::key([1; 26]), &made[1].hash.id()).await;
    assert!(matches!(others, Err(KeyError::Unknown)), "{others:?}");
}

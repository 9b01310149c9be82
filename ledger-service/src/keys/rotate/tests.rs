//! Rotation over the books in memory: by two ledgers, under several secrets.
#![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use stripe402_protocol::{
    Units,
    message::{Batch, Deduction, DeductionOutcome, HoldTerms, KeyRefusal, Void, VoidOutcome},
};

use super::*;
use crate::{
    accounting::{AccountKey, Kind, Posting},
    clock::{Clock, RandomIds},
    keys::{Changes, Shown, Terms},
    options::PaymentOptions,
    store::{Accounts as _, Audit as _, InMemory},
};

const FINGERPRINT: &str = "fp_test";
const ROTATED: DeductionOutcome = DeductionOutcome::KeyRefused(KeyRefusal::Rotated);

#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        1_796_083_190_000 + self.0.load(Ordering::Relaxed)
    }
}

struct Case {
    clock: Hand,
    store: Arc<InMemory>,
    owner: ClientId,
}

impl Case {
    async fn new() -> Self {
        let clock = Hand::default();
        let store = Arc::new(InMemory::new(clock.clone(), Duration::from_secs(7 * 86_400)));
        let owner = ClientId::derive(b"first", FINGERPRINT);
        let case = Self { clock, store, owner };
        case.credit(Currency::USD).await;
        case
    }

    async fn credit(&self, currency: Currency) {
        let (kind, reference) = (Kind::TopUp, format!("pi_{currency}"));
        let posting = Posting { kind, reference, amount: units(1_000), note: None };
        let key = AccountKey { client: self.owner, currency };
        self.store.post(key, posting).await.unwrap();
    }

    fn ledger<const N: usize>(&self, secrets: [&str; N]) -> Keys {
        let store: Arc<dyn Store> = Arc::<InMemory>::clone(&self.store);
        let options = PaymentOptions { most_keys: 1, ..PaymentOptions::default() };
        let secrets = secrets.map(SecretString::from);
        let (clock, ids) = (Arc::new(self.clock.clone()), Arc::new(RandomIds));
        Keys::new(store, clock, ids, Arc::from(secrets), Arc::new(options))
    }

    fn deduction(&self, client_id: ClientId) -> Deduction {
        let random = *uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap();
        Deduction {
            id: stripe402_protocol::DeductionId::mint(self.clock.now_ms(), random),
            client_id,
            currency: Currency::USD,
            amount: units(1),
            route: "joke".to_owned(),
            hold: None,
        }
    }

    /// What becomes of one deduction of each of these, in one batch.
    async fn pay(&self, keys: &Keys, ids: &[ClientId]) -> Vec<DeductionOutcome> {
        let deductions = ids.iter().map(|id| self.deduction(*id)).collect();
        let batch = Batch { deductions, ..Batch::default() };
        let answer = keys.batch(batch).await.unwrap();
        answer.deductions.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

fn units(amount: i64) -> Units {
    Units::new(amount).unwrap()
}

fn left(amount: i64) -> DeductionOutcome {
    DeductionOutcome::Deducted(units(amount))
}

impl Keys {
    async fn next(&self, owner: ClientId, grace: u64, name: Option<&str>) -> (Rotated, ClientId) {
        let done = self.rotate(owner, Duration::from_secs(grace), name).await.unwrap();
        (done, self.own_id(owner, FINGERPRINT, done.rotation).await.unwrap())
    }
}

#[tokio::test]
async fn the_next_id_spends_and_the_one_before_does_not() {
    let case = Case::new().await;
    let keys = case.ledger(["first"]);
    assert_eq!(case.pay(&keys, &[case.owner]).await, [left(999)]);
    let (done, next) = keys.next(case.owner, 0, None).await;
    assert_eq!(next, ClientId::generation(b"first", FINGERPRINT, 1));
    assert_eq!((done.rotation.generation, done.rotation.until_ms), (1, case.clock.now_ms()));
    assert_eq!(case.pay(&keys, &[case.owner, next]).await, [ROTATED, left(998)]);
    assert_eq!(keys.shown_to(&case.owner, Currency::USD).await.unwrap(), Shown::Left(Units::ZERO));
    let shown = keys.shown_to(&next, Currency::USD).await.unwrap();
    assert!(matches!(shown, Shown::All(account) if account.available == units(998)), "{shown:?}");
    // As its owner's first: of many at once all are carried out, of every currency, and from leases.
    let many = case.pay(&keys, &vec![next; 60]).await;
    assert_eq!(many.last(), Some(&left(938)));
    case.credit("eur".parse().unwrap()).await;
    let euros = Deduction { currency: "eur".parse().unwrap(), ..case.deduction(next) };
    let terms = HoldTerms { ends_ms: u64::MAX >> 12, at_end: Units::ZERO, lease: Some(50) };
    let lease = Deduction { hold: Some(terms), ..case.deduction(next) };
    let deductions = vec![euros, lease.clone()];
    let answer = keys.batch(Batch { deductions, ..Batch::default() }).await.unwrap();
    assert_eq!(answer.deductions.iter().map(|of| of.1).collect::<Vec<_>>(), [left(999), left(937)]);
    let void = Void { id: lease.id, client_id: Some(next) };
    let answer = keys.batch(Batch { voids: vec![void], ..Batch::default() }).await.unwrap();
    assert_eq!(answer.voids[0].1, VoidOutcome::Voided);
    let (_, third) = keys.next(case.owner, 0, None).await;
    let outcomes = case.pay(&keys, &[case.owner, next, third]).await;
    assert_eq!(outcomes, [ROTATED, ROTATED, left(937)]);
    assert_eq!(keys.shown_to(&next, Currency::USD).await.unwrap(), Shown::Left(Units::ZERO));
}

#[tokio::test]
async fn a_grace_ends_in_its_time() {
    let case = Case::new().await;
    let keys = case.ledger(["first"]);
    let (_, next) = keys.next(case.owner, 60, None).await;
    case.clock.0.fetch_add(59_999, Ordering::Relaxed);
    assert_eq!(case.pay(&keys, &[case.owner, next]).await, [left(999), left(998)]);
    case.clock.0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(case.pay(&keys, &[case.owner, next]).await, [ROTATED, left(997)]);
    let month = LONGEST_GRACE.as_secs();
    keys.next(case.owner, month, None).await;
    let longer = keys.rotate(case.owner, Duration::from_secs(month + 1), None).await;
    assert!(matches!(longer, Err(KeyError::Invalid(text)) if text.starts_with("graceSeconds")));
}

#[tokio::test]
async fn of_two_at_once_one_is_done_and_a_name_is_one_rotation() {
    let case = Case::new().await;
    let (one, two) = (case.ledger(["first", "second"]), case.ledger(["second", "first"]));
    let asked = [&one, &two].map(|keys| keys.rotate(case.owner, Duration::ZERO, Some("n")));
    for done in futures_util::future::join_all(asked).await {
        assert_eq!(done.unwrap().rotation.generation, 1);
    }
    let again = one.rotate(case.owner, Duration::ZERO, Some("n")).await.unwrap();
    assert!(again.repeated && again.rotation.generation == 1, "{again:?}");
    let other = one.rotate(case.owner, Duration::ZERO, Some("m")).await.unwrap();
    assert_eq!(other.rotation.generation, 2);
    let nobody = one.rotate(ClientId::derive(b"first", "fp_other"), Duration::ZERO, None).await;
    assert!(matches!(nobody, Err(KeyError::NoAccount)), "{nobody:?}");
}

#[tokio::test]
async fn a_card_finds_its_id_under_every_secret() {
    let case = Case::new().await;
    let old = case.ledger(["first"]);
    let (done, next) = old.next(case.owner, 0, None).await;
    let own_id = async |keys: &Keys| keys.own_id(case.owner, FINGERPRINT, done.rotation).await;
    let newer = case.ledger(["second", "first"]);
    assert_eq!(own_id(&newer).await.unwrap(), next, "by the secret that it was made with");
    let newest = case.ledger(["third"]);
    let other = own_id(&newest).await.unwrap();
    assert_eq!(other, ClientId::generation(b"third", FINGERPRINT, 1));
    let both = [case.pay(&newest, &[next]).await, case.pay(&newest, &[other]).await];
    assert_eq!(both.concat(), [left(999), left(998)]);
    let (_, last) = newest.next(case.owner, 0, None).await;
    assert_eq!(case.pay(&newest, &[next, other, last]).await, [ROTATED, ROTATED, left(997)]);
    let first = Rotation::default();
    assert_eq!(old.own_id(case.owner, FINGERPRINT, first).await.unwrap(), case.owner);
}

#[tokio::test]
async fn an_own_id_is_no_key_that_is_managed() {
    let case = Case::new().await;
    let keys = case.ledger(["first"]);
    let (_, next) = keys.next(case.owner, 0, None).await;
    let id = KeyHash::of(&next).id();
    let revoked = keys.revoke(case.owner, &id).await;
    assert!(matches!(revoked, Err(KeyError::Unknown)), "{revoked:?}");
    let changed = keys.change(case.owner, &id, Changes::default()).await;
    assert!(matches!(changed, Err(KeyError::Unknown)), "{changed:?}");
    // Of one that a client may have, it is none.
    let terms = Terms {
        label: "agent".to_owned(),
        currency: Currency::USD,
        budget: crate::accounting::Budget::default(),
        expires_ms: None,
        routes: Vec::new(),
        manage: false,
        auto_top_up: None,
    };
    keys.make(case.owner, terms, (None, false)).await.unwrap();
}

#[tokio::test]
async fn a_rotation_by_the_card_is_on_record() {
    let case = Case::new().await;
    let keys = case.ledger(["first"]);
    let grace = Duration::from_secs(60);
    keys.rotate_on_record(case.owner, grace, Some("n")).await.unwrap();
    keys.rotate_on_record(case.owner, grace, Some("n")).await.unwrap();
    let entries = case.store.audit(crate::store::Page::newest(10)).await.unwrap();
    let mut outcomes: Vec<_> = entries.iter().map(|of| format!("{:?}", of.outcome)).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["Begun", "Begun", "Done", "Repeated"]);
    let of = &entries[0];
    assert_eq!((of.actor.as_str(), of.order.kind), ("card", OrderKind::Rotate));
    assert_eq!(of.order.subject, Some(case.owner.subject()));
}

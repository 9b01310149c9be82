//! One damaged record fails the calls that need it, and nobody who shares their commit.

use futures_util::future::join_all;
use stripe402_protocol::message::{Void, VoidOutcome};

use super::{
    super::{
        encoding::{account_bytes, to_json, to_postcard},
        faults::{calls::Call, media::Shared},
        schema::{ACCOUNTS, CHARGES, MOVEMENTS, TALLIES, TOP_UPS},
        writer::Turns,
    },
    *,
};
use crate::store::{Page, Reports};

const CUSTOMER: &str = "cus_to_be_damaged";

struct FileUnderTest {
    store: Embedded,
    turns: Turns,
    disk: Shared,
}

mod beside;

fn client(name: &str) -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", name), currency: Currency::USD }
}

fn posting(reference: &str) -> Posting {
    Posting {
        kind: Kind::AdjustmentUp,
        reference: reference.to_owned(),
        amount: Units::from_u32(100),
        note: None,
    }
}

fn wanted(account: AccountKey, id: u128) -> NewTopUp {
    NewTopUp {
        id: TopUpId(Uuid::from_u128(id)),
        account,
        amount: Units::from_u32(1_000),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: Some("key".to_owned()),
        now_ms: NOW,
    }
}

fn charge_of(key: AccountKey, number: u8) -> Deduction {
    let mut deductions = deduction(number, NOW).deductions;
    Deduction { client_id: key.client, ..deductions.remove(0) }
}

impl FileUnderTest {
    /// Books in which two clients have something in every table.
    async fn new() -> Self {
        let disk = Shared::new(1);
        let opener = disk.opener(Some(0));
        let options = EmbeddedOptions {
            path: "ledger.redb".into(),
            charge_memory: Duration::from_secs(4 * 3600),
            clock_skew: Duration::from_secs(60),
            queue: 64,
        };
        let clock = Arc::new(Stopped(NOW));
        let (store, turns) = Embedded::open_by(opener, Duration::ZERO, options, clock).unwrap();
        let under_test = Self { store, turns, disk };
        for (name, id) in [("bad", 1), ("good", 2)] {
            let key = client(name);
            let calls = vec![
                Call::Post(key, posting("known")),
                Call::Open(wanted(key, id)),
                Call::Batch(Batch {
                    version: 1,
                    deductions: vec![charge_of(key, u8::try_from(id).unwrap())],
                    voids: Vec::new(),
                    captures: vec![],
                }),
                Call::Customer(key.client, format!("{CUSTOMER}_{name}")),
            ];
            for answer in under_test.together(calls).await {
                answer.unwrap();
            }
        }
        under_test
    }

    /// Asks for all of this in one commit.
    async fn together(&self, calls: Vec<Call>) -> Vec<Result<String, StoreError>> {
        let mut asked = Box::pin(join_all(calls.into_iter().map(|call| call.ask(&self.store))));
        assert!(futures_util::poll!(&mut asked).is_pending());
        assert!(self.turns.take());
        asked.await
    }

    fn damage(&self, damage: impl FnOnce(&redb::WriteTransaction)) {
        let write = |database: &Database| {
            let transaction = database.begin_write().unwrap();
            damage(&transaction);
            transaction.commit().unwrap();
            Ok(())
        };
        self.store.file.write(write).unwrap();
    }
}

/// What is damaged, how, and which call meets it.
struct Case {
    table: &'static str,
    damage: fn(&FileUnderTest),
    call: fn() -> Call,
}

fn bytes(key: AccountKey) -> Vec<u8> {
    account_bytes(&key)
}

const NONSENSE: &[u8] = &[0xff; 3];

fn post_known() -> Call {
    Call::Post(client("bad"), posting("known"))
}

fn post_new() -> Call {
    Call::Post(client("bad"), posting("new"))
}

fn open() -> Call {
    Call::Open(NewTopUp { idempotency_key: None, ..wanted(client("bad"), 3) })
}

fn open_named() -> Call {
    Call::Open(wanted(client("bad"), 3))
}

fn credit() -> Call {
    let payment_intent = "pi_1".to_owned();
    let amount = Units::from_u32(1_000);
    Call::Advance(TopUpId(Uuid::from_u128(1)), State::Credited { payment_intent, amount })
}

fn customer() -> Call {
    Call::Customer(client("bad").client, "cus_2".to_owned())
}

fn put_movement(under_test: &FileUnderTest, sequence: u64, record: &[u8]) {
    under_test.damage(|books| {
        let account = bytes(client("bad"));
        let mut movements = books.open_table(MOVEMENTS).unwrap();
        movements.insert((account.as_slice(), sequence), record).unwrap();
    });
}

fn put_top_up(under_test: &FileUnderTest, record: &[u8]) {
    under_test.damage(|books| {
        books.open_table(TOP_UPS).unwrap().insert(Uuid::from_u128(1).as_bytes(), record).unwrap();
    });
}

fn no_top_up(under_test: &FileUnderTest) {
    under_test.damage(|books| {
        books.open_table(TOP_UPS).unwrap().remove(Uuid::from_u128(1).as_bytes()).unwrap();
    });
}

const CASES: &[(&str, Case)] = &[
    (
        "an account that is no account",
        Case {
            table: "accounts",
            damage: |under_test| {
                under_test.damage(|books| {
                    let account = bytes(client("bad"));
                    books
                        .open_table(ACCOUNTS)
                        .unwrap()
                        .insert(account.as_slice(), NONSENSE)
                        .unwrap();
                });
            },
            call: post_new,
        },
    ),
    (
        "an account with more than an account",
        Case {
            table: "accounts",
            damage: |under_test| {
                under_test.damage(|books| {
                    let account = bytes(client("bad"));
                    let record = [to_postcard(&Account::default()).unwrap(), vec![0]].concat();
                    let mut accounts = books.open_table(ACCOUNTS).unwrap();
                    accounts.insert(account.as_slice(), record.as_slice()).unwrap();
                });
            },
            call: post_new,
        },
    ),
    (
        "a movement that is no movement",
        Case {
            table: "movements",
            damage: |under_test| put_movement(under_test, 0, NONSENSE),
            call: post_known,
        },
    ),
    (
        "a movement that is not there would be posted again",
        Case {
            table: "movements",
            damage: |under_test| {
                under_test.damage(|books| {
                    let account = bytes(client("bad"));
                    let mut movements = books.open_table(MOVEMENTS).unwrap();
                    movements.remove((account.as_slice(), 0)).unwrap();
                });
            },
            call: post_known,
        },
    ),
    (
        "a movement of another reference",
        Case {
            table: "movements",
            damage: |under_test| {
                let movement = Movement { posting: posting("other"), at_ms: NOW };
                put_movement(under_test, 0, &to_json(&movement).unwrap());
            },
            call: post_known,
        },
    ),
    (
        "a number after which none comes is found when the account is written",
        Case {
            table: "movements",
            damage: |under_test| put_movement(under_test, u64::MAX, NONSENSE),
            call: post_new,
        },
    ),
    (
        "a top-up that is no top-up",
        Case {
            table: "top_ups",
            damage: |under_test| put_top_up(under_test, NONSENSE),
            call: credit,
        },
    ),
    (
        "a top-up of another name",
        Case {
            table: "top_ups",
            damage: |under_test| {
                let of_other = TopUp {
                    id: TopUpId(Uuid::from_u128(9)),
                    account: client("bad"),
                    amount: Units::from_u32(1),
                    payment_method: "pm_1".parse().unwrap(),
                    card: None,
                    idempotency_key: None,
                    created_ms: NOW,
                    state: State::opened(),
                };
                put_top_up(under_test, &to_json(&of_other).unwrap());
            },
            call: credit,
        },
    ),
    (
        "an unfinished top-up that is not there",
        Case { table: "top_ups", damage: no_top_up, call: open },
    ),
    (
        "a key that names a top-up that is not there",
        Case { table: "top_ups", damage: no_top_up, call: open_named },
    ),
    (
        "a customer that is no text",
        Case {
            table: "customers",
            damage: |under_test| {
                let of_bad = format!("{CUSTOMER}_bad");
                assert!(under_test.disk.lock().replace(of_bad.as_bytes(), &[0xff; 21]) > 0);
            },
            call: customer,
        },
    ),
];

#[tokio::test]
async fn one_damaged_record_fails_one_call() {
    for (name, Case { table, damage, call }) in CASES {
        let under_test = FileUnderTest::new().await;
        damage(&under_test);
        let good = |number: usize| Call::Post(client("good"), posting(&format!("r-{number}")));
        let calls = vec![good(1), call(), good(2), call(), good(3)];
        let answers = under_test.together(calls).await;
        for (at, answer) in answers.into_iter().enumerate() {
            match (at % 2, answer) {
                (0, Ok(_)) => {}
                (1, Err(StoreError::Damaged(what))) => {
                    assert!(what.contains(&format!("table {table}, key ")), "{name}: {what}");
                    let whole = client("bad").client.to_hex();
                    assert!(!what.contains(&whole), "{name}: {what}");
                }
                (_, answer) => panic!("{name}: call {at} was answered {answer:?}"),
            }
        }
        let left = under_test.store.account(client("good")).await.unwrap().available;
        assert_eq!(left, Units::from_u32(100 + 3 * 100 - 10), "{name}");
        assert_eq!(under_test.store.movements(client("good")).await.unwrap().len(), 4, "{name}");
    }
}

#[tokio::test]
async fn in_a_batch_one_damaged_record_fails_one_item() {
    let under_test = FileUnderTest::new().await;
    let (bad, good) = (client("bad"), client("good"));
    let key = [bytes(bad), (NOW / 3_600_000).to_be_bytes().to_vec(), b"joke".to_vec()].concat();
    under_test.damage(|books| {
        books.open_table(TALLIES).unwrap().insert(key.as_slice(), (1, i64::MAX)).unwrap();
        books
            .open_table(CHARGES)
            .unwrap()
            .insert(charge_of(good, 2).id.as_bytes(), NONSENSE)
            .unwrap();
    });
    let unreadable = charge_of(good, 2);
    let void = Void { id: unreadable.id, client_id: Some(unreadable.client_id) };
    let batch = Batch {
        version: 1,
        deductions: vec![charge_of(bad, 4), charge_of(good, 5), unreadable],
        voids: vec![void],
        captures: vec![],
    };
    let mut asked = Box::pin(under_test.store.batch(batch));
    assert!(futures_util::poll!(&mut asked).is_pending());
    under_test.turns.take();
    let answer = asked.await.unwrap();
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    let left = DeductionOutcome::Deducted(Units::from_u32(80));
    assert_eq!(outcomes, [DeductionOutcome::Frozen, left, DeductionOutcome::Frozen]);
    assert_eq!(answer.voids[0].1, VoidOutcome::Conflict);
    assert_eq!(under_test.store.account(bad).await.unwrap().available, Units::from_u32(90));
}

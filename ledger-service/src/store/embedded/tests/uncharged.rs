//! Top-ups without a charge go as deductions do; those of versions before, and damaged ones.

use redb::ReadableTableMetadata as _;
use stripe402_protocol::{Code, Refusal};

use super::{sweep::FileUnderTest, *};

fn kept_ms() -> u64 {
    u64::try_from(UNCHARGED_KEPT.as_millis()).unwrap()
}

fn client(number: usize) -> ClientId {
    ClientId::derive(b"uncharged", &number.to_string())
}

fn refused() -> State {
    State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) }
}

impl FileUnderTest {
    async fn open(&self, client: ClientId) -> TopUpId {
        let id = TopUpId(Uuid::new_v4());
        let wanted = NewTopUp {
            id,
            account: AccountKey { client, currency: Currency::USD },
            amount: Units::from_u32(100),
            needed: Units::MAX,
            payment_method: "pm_1".parse().unwrap(),
            card: None,
            idempotency_key: None,
            now_ms: self.time.now_ms(),
        };
        assert!(matches!(self.run(self.store.open_top_up(wanted)).await, Opened::New(_)));
        let customer = format!("cus_{}", client.subject());
        self.run(self.store.remember_customer(client, customer)).await;
        id
    }

    async fn end(&self, id: TopUpId, state: State) {
        let ended = self.run(self.store.advance_top_up(id, None, state)).await;
        assert!(matches!(ended, Advance::Done(_)), "{ended:?}");
    }

    /// Cards that were tried: how many records, and customers, are left.
    fn left(&self) -> (u64, u64) {
        let books = self.store.file.begin_read().unwrap();
        let top_ups = books.open_table(schema::TOP_UPS).unwrap().len().unwrap();
        (top_ups, books.open_table(schema::CUSTOMERS).unwrap().len().unwrap())
    }
}

#[tokio::test]
async fn a_commit_forgets_some_and_never_all_at_once() {
    let under_test = FileUnderTest::new();
    for number in 0..200 {
        let id = under_test.open(client(number)).await;
        under_test.end(id, refused()).await;
    }
    under_test.pass(kept_ms() - 1);
    under_test.ping().await;
    assert_eq!(under_test.left(), (200, 200));
    under_test.pass(1);
    for left in [136, 72, 8, 0, 0] {
        under_test.ping().await;
        assert_eq!(under_test.left(), (left, left));
    }
}

#[tokio::test]
async fn one_that_is_damaged_stays_and_the_others_go() {
    let under_test = FileUnderTest::new();
    let mut ids = Vec::new();
    for number in 0..3 {
        let id = under_test.open(client(number)).await;
        under_test.end(id, refused()).await;
        under_test.pass(1);
        ids.push(id);
    }
    let damage = |database: &Database| {
        let transaction = database.begin_write().unwrap();
        let mut table = transaction.open_table(schema::TOP_UPS).unwrap();
        table.insert(ids[0].0.as_bytes(), b"{".as_slice()).unwrap();
        drop(table);
        transaction.commit().unwrap();
        Ok(())
    };
    under_test.store.file.write(damage).unwrap();
    under_test.pass(kept_ms());
    under_test.ping().await;
    // Its client keeps what it has: nobody knows what the top-up says.
    assert_eq!(under_test.left(), (1, 1));
    assert!(matches!(under_test.store.top_up(ids[0]).await, Err(StoreError::Damaged(_))));
    under_test.ping().await;
    assert_eq!(under_test.left(), (1, 1));
}

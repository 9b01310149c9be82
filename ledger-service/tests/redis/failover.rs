//! A master that dies before its replica has what it answered: Stripe must not have heard of it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use stripe402_ledger::{
    accounting::{
        AccountKey, Advance, Claim, Kind, NewTopUp, Opened, Posting, State, TopUp, TopUpId,
    },
    clock::SystemClock,
    store::{
        Accounts as _, Customers as _, Redis, RedisOptions, Store, StoreError, TopUps as _,
        WaitOptions,
    },
};
use stripe402_protocol::{ClientId, Currency, Units};
use uuid::Uuid;

use super::{
    secured::RIGHTS,
    server::{Server, free_port},
};

/// A replica on a busy machine has answered by then.
const WAIT: Duration = Duration::from_secs(2);

/// The line from a master to its replica, which can be held up.
struct Line {
    port: u16,
    held: Arc<AtomicBool>,
}

impl Line {
    fn to(master: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let held = Arc::new(AtomicBool::new(false));
        let hold = Arc::clone(&held);
        std::thread::spawn(move || {
            for replica in listener.incoming().flatten() {
                let Ok(master) = TcpStream::connect(("127.0.0.1", master)) else { continue };
                let (up, down) = (replica.try_clone().unwrap(), master.try_clone().unwrap());
                std::thread::spawn(move || pass(up, down, &AtomicBool::new(false)));
                let hold = Arc::clone(&hold);
                std::thread::spawn(move || pass(master, replica, &hold));
            }
        });
        Self { port, held }
    }

    fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, held: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while held.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A master with a replica behind such a line.
struct Pair {
    master: Server,
    replica: Server,
    line: Line,
}

impl Pair {
    fn start() -> Self {
        let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
        let replica = Server::start(&[]);
        let line = Line::to(master.port);
        replica.cli(&["replicaof", "127.0.0.1", &line.port.to_string()]);
        let until = Instant::now() + Duration::from_secs(20);
        while !replica.cli(&["info", "replication"]).contains("master_link_status:up") {
            assert!(Instant::now() < until, "the replica does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { master, replica, line }
    }

    /// The master dies, and what was on its way with it.
    fn fail_over(&mut self) {
        self.master.kill();
        self.replica.cli(&["replicaof", "no", "one"]);
        self.line.hold(false);
    }
}

fn open(server: &Server, replicas: Option<u32>) -> Arc<Redis> {
    open_at(&server.url(), replicas)
}

fn open_at(url: &str, replicas: Option<u32>) -> Arc<Redis> {
    let timeout = Duration::from_secs(10);
    let options = RedisOptions {
        url: url.parse().unwrap(),
        charge_memory: Duration::from_secs(24 * 3600),
        clock_skew: Duration::from_secs(60),
        timeout,
        wait: WaitOptions { timeout: WAIT, ..WaitOptions::within(replicas, timeout) },
    };
    Arc::new(Redis::open(&options, Arc::new(SystemClock)).unwrap())
}

fn account(name: &str) -> AccountKey {
    AccountKey { client: ClientId::derive(b"failover", name), currency: Currency::USD }
}

fn wanted(name: &str) -> NewTopUp {
    NewTopUp {
        id: TopUpId(Uuid::new_v4()),
        account: account(name),
        amount: Units::from_u32(50_000),
        needed: Units::from_u32(100),
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: None,
        now_ms: u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    }
}

async fn opened(store: &Redis, name: &str) -> TopUp {
    match store.open_top_up(wanted(name)).await.unwrap() {
        Opened::New(top_up) => top_up,
        other => panic!("{other:?}"),
    }
}

fn claim(epoch: u32) -> State {
    State::Charging(Claim { epoch, until_ms: u64::from(epoch), looking: false })
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>, why: &str) {
    match answer {
        Err(StoreError::Unavailable(said)) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

/// What the wait is for: without it the record is forgotten after Stripe was asked.
#[tokio::test]
async fn without_the_wait_a_failover_forgets_a_top_up_and_opens_another() {
    let mut pair = Pair::start();
    let store = open(&pair.master, Some(0));
    pair.line.hold(true);
    let top_up = opened(&store, "forgotten").await;
    pair.fail_over();
    let promoted = open(&pair.replica, Some(0));
    assert_eq!(promoted.top_up(top_up.id).await.unwrap(), None);
    assert_ne!(opened(&promoted, "forgotten").await.id, top_up.id);
}

#[tokio::test]
async fn a_top_up_that_no_replica_has_is_not_opened() {
    let mut pair = Pair::start();
    for replicas in [None, Some(1)] {
        let store = open(&pair.master, replicas);
        let name = format!("{replicas:?}");
        pair.line.hold(true);
        unavailable(store.open_top_up(wanted(&name)).await, "0 of 1 replicas");
        pair.line.hold(false);
        // It was given up, and stands in nobody's way.
        opened(&store, &name).await;
    }
    let store = open(&pair.master, None);
    let kept = opened(&store, "kept").await;
    pair.line.hold(true);
    pair.fail_over();
    let promoted = open(&pair.replica, None);
    assert_eq!(promoted.top_up(kept.id).await.unwrap(), Some(kept.clone()));
    assert_eq!(promoted.unfinished_top_ups().await.unwrap().len(), 3);
    assert_eq!(promoted.open_top_up(wanted("kept")).await.unwrap(), Opened::Busy(kept));
}

/// Whoever holds a claim asks Stripe, so a claim is waited for; also when it was written, and not answered.
#[tokio::test]
async fn a_claim_that_no_replica_has_is_not_taken() {
    let pair = Pair::start();
    let store = open(&pair.master, None);
    let id = opened(&store, "claimed").await.id;
    let take = |from, to| store.advance_top_up(id, Some(claim(from)), claim(to));
    assert!(matches!(take(0, 1).await.unwrap(), Advance::Done(_)));
    pair.line.hold(true);
    unavailable(take(1, 2).await, "0 of 1 replicas");
    unavailable(take(1, 2).await, "0 of 1 replicas");
    pair.line.hold(false);
    assert!(matches!(take(1, 2).await.unwrap(), Advance::Moved(_)));
}

/// The credit is answered without a wait. The list of what is open may lie on another node: it has the
/// top-up until a replica knows of its end.
#[tokio::test]
async fn a_credit_that_is_forgotten_is_driven_again() {
    let mut pair = Pair::start();
    let store = open(&pair.master, None);
    let [kept, forgotten] = [opened(&store, "one").await.id, opened(&store, "two").await.id];
    let credited = |id: TopUpId| State::Credited {
        payment_intent: format!("pi_{}", id.0.simple()),
        amount: Units::from_u32(50_000),
    };
    let listed = |id: TopUpId| {
        let all = pair.master.cli(&["zrange", "stripe402:unfinished", "0", "-1"]);
        all.contains(&id.to_string())
    };
    store.advance_top_up(kept, None, credited(kept)).await.unwrap();
    assert!(!listed(kept));
    pair.line.hold(true);
    let answer = store.advance_top_up(forgotten, None, credited(forgotten)).await.unwrap();
    assert!(matches!(answer, Advance::Done(_)), "{answer:?}");
    assert!(listed(forgotten));
    pair.fail_over();
    let promoted = open(&pair.replica, None);
    let open: Vec<_> = promoted.unfinished_top_ups().await.unwrap();
    assert_eq!(open.iter().map(|top_up| top_up.id).collect::<Vec<_>>(), [forgotten]);
    // Stripe names the same PaymentIntent for the same key.
    for _ in 0..2 {
        promoted.advance_top_up(forgotten, None, credited(forgotten)).await.unwrap();
    }
    assert_eq!(promoted.account(account("two")).await.unwrap().available.get(), 50_000);
    assert_eq!(promoted.unfinished_top_ups().await.unwrap(), []);
}

/// A refund's hold, before Stripe is asked; and one that a failover took is not acted on.
#[tokio::test]
async fn a_movement_that_no_replica_has_is_not_acted_on() {
    let mut pair = Pair::start();
    let store = open(&pair.master, None);
    let key = account("refunded");
    let posting = |kind, reference: &str| {
        let amount = Units::from_u32(100);
        Posting { kind, reference: reference.to_owned(), amount, note: None }
    };
    store.post(key, posting(Kind::TopUp, "pi_1")).await.unwrap();
    store.outlives_failover(key, Kind::TopUp, "pi_1").await.unwrap();
    pair.line.hold(true);
    store.post_together(key, vec![posting(Kind::Hold, "refund:pi_1:a:0")]).await.unwrap();
    unavailable(store.outlives_failover(key, Kind::Hold, "refund:pi_1:a:0").await, "0 of 1");
    pair.fail_over();
    let promoted = open(&pair.replica, None);
    promoted.outlives_failover(key, Kind::TopUp, "pi_1").await.unwrap();
    unavailable(promoted.outlives_failover(key, Kind::Hold, "refund:pi_1:a:0").await, "forgot");
}

/// The customer is named in the deduction: another one in its place would not fit the key.
#[tokio::test]
async fn a_customer_that_no_replica_has_is_not_charged() {
    let pair = Pair::start();
    let store = open(&pair.master, None);
    let client = account("customer").client;
    pair.line.hold(true);
    unavailable(store.remember_customer(client, "cus_1".into()).await, "0 of 1");
    pair.line.hold(false);
    assert_eq!(store.remember_customer(client, "cus_2".into()).await.unwrap(), "cus_1");
}

/// By which id a card's client is known, and the name of the books: charges are made under both.
#[tokio::test]
async fn a_name_that_no_replica_has_is_not_used() {
    let mut pair = Pair::start();
    let store = open(&pair.master, None);
    let [first, second] = ["first", "second"].map(|name| account(name).client);
    pair.line.hold(true);
    // Also when it was written before, and not answered.
    for _ in 0..2 {
        unavailable(store.agreed(first, Some(first)).await, "0 of 1");
        unavailable(store.identity(Uuid::from_u128(1)).await, "0 of 1");
    }
    pair.line.hold(false);
    assert_eq!(store.agreed(first, Some(first)).await.unwrap(), Some(first));
    assert_eq!(store.identity(Uuid::from_u128(2)).await.unwrap(), Uuid::from_u128(1));
    pair.line.hold(true);
    // To hear of it, or that another one was agreed on, nobody waits.
    assert_eq!(store.agreed(first, None).await.unwrap(), Some(first));
    assert_eq!(store.agreed(first, Some(second)).await.unwrap(), Some(first));
    pair.fail_over();
    let promoted = open(&pair.replica, None);
    assert_eq!(promoted.agreed(first, Some(second)).await.unwrap(), Some(first));
    assert_eq!(promoted.identity(Uuid::from_u128(3)).await.unwrap(), Uuid::from_u128(1));
}

/// What that wait is for: one card is charged for two clients, and its charge is not known as ours.
#[tokio::test]
async fn without_the_wait_a_failover_forgets_names() {
    let mut pair = Pair::start();
    let store = open(&pair.master, Some(0));
    let [first, second] = ["first", "second"].map(|name| account(name).client);
    pair.line.hold(true);
    assert_eq!(store.agreed(first, Some(first)).await.unwrap(), Some(first));
    assert_eq!(store.identity(Uuid::from_u128(1)).await.unwrap(), Uuid::from_u128(1));
    pair.fail_over();
    let promoted = open(&pair.replica, Some(0));
    assert_eq!(promoted.agreed(first, Some(second)).await.unwrap(), Some(second));
    assert_eq!(promoted.identity(Uuid::from_u128(2)).await.unwrap(), Uuid::from_u128(2));
}

/// Without a setting: none where there are no replicas and were none, as on one that was promoted. A
/// master that had some and has none is one that was put aside, perhaps.
#[tokio::test]
async fn how_many_replicas_are_waited_for() {
    let pair = Pair::start();
    let alone = Server::start(&[]);
    opened(&open(&alone, None), "alone").await;
    unavailable(open(&alone, Some(1)).open_top_up(wanted("one")).await, "0 of 1");
    unavailable(open(&pair.master, Some(2)).open_top_up(wanted("two")).await, "1 of 2");

    let store = open(&pair.master, None);
    opened(&store, "before").await;
    pair.replica.cli(&["replicaof", "no", "one"]);
    let until = Instant::now() + Duration::from_secs(10);
    while pair.master.cli(&["info", "replication"]).contains("connected_slaves:1") {
        assert!(Instant::now() < until, "the replica stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    unavailable(store.open_top_up(wanted("after")).await, "0 of 1");
    opened(&open(&pair.replica, None), "promoted").await;
}

/// A user who may not read INFO: replicas are waited for where one ever answered.
#[tokio::test]
async fn without_info_replicas_are_found_by_waiting() {
    let pair = Pair::start();
    let user = ["acl", "setuser", "default", "-info"];
    pair.master.cli(&user);
    let store = open(&pair.master, None);
    opened(&store, "one").await;
    pair.line.hold(true);
    unavailable(store.open_top_up(wanted("two")).await, "0 of 1");
    let alone = Server::start(&[]);
    alone.cli(&user);
    opened(&open(&alone, None), "alone").await;
}

/// The rights that the documents name are enough to see replicas, and to wait for them.
#[tokio::test]
async fn a_user_of_few_rights_can_wait() {
    let pair = Pair::start();
    let user = [&["acl", "setuser", "ledger", "on", ">secret", "resetchannels"], RIGHTS].concat();
    pair.master.cli(&user);
    let url = format!("redis://ledger:secret@127.0.0.1:{}", pair.master.port);
    let store = open_at(&url, None);
    pair.line.hold(true);
    unavailable(store.open_top_up(wanted("one")).await, "0 of 1");
    pair.line.hold(false);
    opened(&store, "one").await;
}

/// The entry that says whose a top-up is lies on another node than its record.
#[tokio::test]
async fn an_entry_that_a_failover_took_is_written_again() {
    let server = Server::start(&[]);
    let store = open(&server, None);
    let top_up = opened(&store, "lost").await;
    let index = format!("stripe402:top-up:{}", top_up.id);
    server.cli(&["del", &index]);
    assert_eq!(store.top_up(top_up.id).await.unwrap(), None);
    assert_eq!(store.unfinished_top_ups().await.unwrap().len(), 1);
    assert_eq!(store.top_up(top_up.id).await.unwrap(), Some(top_up.clone()));
    server.cli(&["del", &index]);
    let busy = store.open_top_up(wanted("lost")).await.unwrap();
    assert_eq!(busy, Opened::Busy(top_up.clone()));
    assert_eq!(store.top_up(top_up.id).await.unwrap(), Some(top_up));
}

//! Servers that forget their scripts, die, come late, or hand a slot to another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    store::{Accounts as _, Redis, RedisOptions, Reports as _, Store, StoreError, WaitOptions},
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome, Void, VoidOutcome},
};
use uuid::Uuid;

use super::{
    open,
    server::{Cluster, Server, free_port},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn new_account() -> AccountKey {
    let client = ClientId::derive(b"faults", &Uuid::new_v4().to_string());
    AccountKey { client, currency: Currency::USD }
}

fn deduction(key: AccountKey, amount: u32) -> Deduction {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let random = *Uuid::new_v4().as_bytes().first_chunk::<10>().unwrap();
    Deduction {
        id: DeductionId::mint(u64::try_from(now).unwrap(), random),
        client_id: key.client,
        currency: key.currency,
        amount: Units::from_u32(amount),
        route: "joke".to_owned(),
        hold: None,
    }
}

async fn spend(store: &Redis, deduction: &Deduction) -> Result<DeductionOutcome, StoreError> {
    let batch =
        Batch { version: 1, deductions: vec![deduction.clone()], voids: vec![], captures: vec![] };
    Ok(store.batch(batch).await?.deductions[0].1)
}

async fn credit(store: &Redis, key: AccountKey, amount: u32) {
    let amount = Units::from_u32(amount);
    let posting = Posting { kind: Kind::TopUp, reference: "pi".into(), amount, note: None };
    store.post(key, posting).await.unwrap();
}

async fn left(store: &Redis, key: AccountKey) -> i64 {
    store.account(key).await.unwrap().available.get()
}

/// Waits until it answers.
async fn ready(store: &Redis) {
    let until = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.ping().await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn scripts_that_a_server_forgot_are_sent_again() {
    let server = Server::start(&[]);
    let store = open(&server.url(), DAY);
    let key = new_account();
    credit(&store, key, 10).await;
    server.cli(&["script", "flush"]);
    let outcome = spend(&store, &deduction(key, 4)).await.unwrap();
    assert_eq!(outcome, DeductionOutcome::Deducted(Units::from_u32(6)));
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let mut server = Server::start(&[]);
    server.kill();
    let store = open(&server.url(), DAY);
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    server.start_again();
    ready(&store).await;
    credit(&store, new_account(), 10).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["redis", "redis+cluster"] {
        let options = RedisOptions {
            url: format!("{scheme}://127.0.0.1:{port}").parse().unwrap(),
            charge_memory: DAY,
            clock_skew: Duration::from_secs(60),
            timeout: Duration::from_millis(300),
            wait: WaitOptions::within(None, Duration::from_millis(300)),
        };
        let clock = Arc::new(stripe402_ledger::clock::SystemClock);
        let store = Redis::open(&options, clock).unwrap();
        let asked = Instant::now();
        let answer = spend(&store, &deduction(new_account(), 1)).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

/// Eight clients spend one by one; answers what was acknowledged.
async fn spend_until(
    store: Arc<Redis>,
    key: AccountKey,
    stop: tokio::sync::watch::Receiver<bool>,
) -> (Vec<Deduction>, Vec<Deduction>) {
    let (mut acknowledged, mut doubtful) = (Vec::new(), Vec::new());
    while !*stop.borrow() {
        let deduction = deduction(key, 1);
        match spend(&store, &deduction).await {
            Ok(DeductionOutcome::Deducted(_)) => acknowledged.push(deduction),
            Ok(other) => panic!("{other:?}"),
            Err(_) => doubtful.push(deduction),
        }
    }
    (acknowledged, doubtful)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_kill() {
    let mut server = Server::start(&[]);
    let store = open(&server.url(), DAY);
    let keys: Vec<_> = (0..8).map(|_| new_account()).collect();
    for key in &keys {
        credit(&store, *key, 1_000_000).await;
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let tasks: Vec<_> = keys
        .iter()
        .map(|key| tokio::spawn(spend_until(Arc::clone(&store), *key, stopped.clone())))
        .collect();
    // `make soak` runs many.
    let crashes = std::env::var("STRIPE402_CRASHES").ok();
    for _ in 0..crashes.and_then(|crashes| crashes.parse().ok()).unwrap_or(3) {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.start_again();
        ready(&store).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(true).unwrap();
    for (key, task) in keys.into_iter().zip(tasks) {
        let (acknowledged, doubtful) = task.await.unwrap();
        assert!(acknowledged.len() > 20, "{}", acknowledged.len());
        // Asked again, each has one effect, whether it happened before or not.
        for deduction in acknowledged.iter().chain(&doubtful) {
            assert!(matches!(spend(&store, deduction).await, Ok(DeductionOutcome::Deducted(_))));
        }
        let all = i64::try_from(acknowledged.len() + doubtful.len()).unwrap();
        assert_eq!(left(&store, key).await, 1_000_000 - all);
        assert_eq!(
            store.deductions(key, usize::MAX).await.unwrap().len(),
            usize::try_from(all).unwrap()
        );
    }
}

/// A slot moves key by key, slowly: for a while a client's keys are at two nodes.
async fn move_slot(cluster: &Cluster, key: AccountKey) {
    let record = format!("stripe402:client:{}", key.client.to_hex());
    let slot = cluster.nodes[0].cli(&["cluster", "keyslot", &record]);
    let counted = |node: &Server| node.cli(&["cluster", "countkeysinslot", &slot]) != "0";
    let from = cluster.nodes.iter().position(counted).unwrap();
    let (from, to) = (&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]);
    let id = |node: &Server| node.cli(&["cluster", "myid"]);
    to.cli(&["cluster", "setslot", &slot, "importing", &id(from)]);
    from.cli(&["cluster", "setslot", &slot, "migrating", &id(to)]);
    loop {
        let keys = from.cli(&["cluster", "getkeysinslot", &slot, "1"]);
        if keys.is_empty() {
            break;
        }
        from.cli(&["migrate", "127.0.0.1", &to.port.to_string(), &keys, "0", "5000"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for node in [to, from].into_iter().chain(&cluster.nodes) {
        node.cli(&["cluster", "setslot", &slot, "node", &id(to)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_in_mid_traffic() {
    let cluster = Cluster::start();
    let store = open(&cluster.url(), DAY);
    let keys: Vec<_> = (0..4).map(|_| new_account()).collect();
    for key in &keys {
        credit(&store, *key, 1_000_000).await;
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let tasks: Vec<_> = keys
        .iter()
        .map(|key| tokio::spawn(spend_until(Arc::clone(&store), *key, stopped.clone())))
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for key in &keys[..3] {
        move_slot(&cluster, *key).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send(true).unwrap();
    for (key, task) in keys.into_iter().zip(tasks) {
        let (acknowledged, doubtful) = task.await.unwrap();
        assert!(acknowledged.len() > 20, "{}", acknowledged.len());
        println!("{} acknowledged, {} in doubt", acknowledged.len(), doubtful.len());
        for deduction in acknowledged.iter().chain(&doubtful) {
            assert!(matches!(spend(&store, deduction).await, Ok(DeductionOutcome::Deducted(_))));
        }
        let all = i64::try_from(acknowledged.len() + doubtful.len()).unwrap();
        assert_eq!(left(&store, key).await, 1_000_000 - all, "{} in doubt", doubtful.len());
    }
}

/// A server without room refuses, clearly; what was there stays, and with room it goes on by itself.
#[tokio::test]
async fn a_full_server_refuses_and_loses_nothing() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let store = open(&server.url(), DAY);
    let key = new_account();
    credit(&store, key, 100).await;
    server.cli(&["config", "set", "maxmemory", "1"]);
    let refused = deduction(key, 10);
    match spend(&store, &refused).await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("OOM"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.cli(&["hget", &record(key), "balance"]), "100");
    server.cli(&["config", "set", "maxmemory", "0"]);
    let left = Units::from_u32(90);
    assert_eq!(spend(&store, &refused).await.unwrap(), DeductionOutcome::Deducted(left));
}

/// A void without a name marks the deduction's entry first and gives back then. A deduction that is
/// repeated between hears what is in the books: what has not been given back is not voided yet.
#[tokio::test]
async fn a_void_that_is_half_done_is_not_told_of() {
    let server = Server::start(&[]);
    let store = open(&server.url(), DAY);
    let key = new_account();
    credit(&store, key, 10).await;
    let taken = deduction(key, 4);
    let deducted = DeductionOutcome::Deducted(Units::from_u32(6));
    assert_eq!(store.deduct_for_card(taken.clone()).await.unwrap(), deducted);
    server.cli(&["HSET", &format!("stripe402:charge:{}", taken.id), "void", "1"]);
    assert_eq!(store.deduct_for_card(taken.clone()).await.unwrap(), deducted);
    assert_eq!(left(&store, key).await, 6);
    let voids = vec![Void { id: taken.id, client_id: None }];
    let batch = Batch { version: 1, deductions: vec![], voids, captures: vec![] };
    assert_eq!(store.batch(batch).await.unwrap().voids[0].1, VoidOutcome::Voided);
    assert_eq!(store.deduct_for_card(taken).await.unwrap(), DeductionOutcome::Voided);
    assert_eq!(left(&store, key).await, 10);
}

fn record(key: AccountKey) -> String {
    format!("stripe402:client:{}", key.client.to_hex())
}

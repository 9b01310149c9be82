//! What stays, and what goes by itself.

use std::time::Duration;

use stripe402_ledger::{
    accounting::{AccountKey, NewTopUp, State, TopUpId},
    store::{Customers as _, Page, Reports as _, Store, TopUps as _},
};
use stripe402_protocol::{ClientId, Code, Currency, Refusal, Units};
use uuid::Uuid;

use super::{open, opened, server::Server};

fn refused() -> State {
    State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) }
}

fn credited(id: TopUpId) -> State {
    State::Credited { payment_intent: format!("pi_{id}"), amount: Units::from_u32(100) }
}

/// A dispute may come months after the charge, and must find whose it was.
#[tokio::test]
async fn credited_top_ups_stay_and_refused_ones_go() {
    let server = Server::start(&[]);
    let store = open(&server.url(), Duration::from_secs(24 * 3600));
    let cases = [
        ("credited", "c", true),
        ("refused", "r", false),
        ("credited late", "rc", true),
        ("refused too late", "cr", true),
    ];
    for (name, states, stays) in cases {
        let client = ClientId::derive(b"kept", name);
        let id = TopUpId(Uuid::new_v4());
        store.open_top_up(wanted(id, client)).await.unwrap();
        for state in states.chars() {
            let state = if state == 'c' { credited(id) } else { refused() };
            store.advance_top_up(id, None, state).await.unwrap();
        }
        let records = format!("{{stripe402:client:{}}}:top-ups", client.to_hex());
        for key in [records, format!("stripe402:top-up:{id}")] {
            let left: i64 = server.cli(&["PTTL", &key]).parse().unwrap();
            assert_eq!(left == -1, stays, "{name}: {key} has {left} ms");
            assert!(stays || left > 29 * 24 * 3_600_000, "{name}: {key} has {left} ms");
        }
        let dated = format!("{{stripe402:client:{}}}:top-ups:dated", client.to_hex());
        let forgotten = server.cli(&["ZSCORE", &dated, &id.to_string()]);
        assert_eq!(forgotten.is_empty(), stays, "{name}");
    }
}

/// The Express middleware may write into the record of a client at any moment: what it has put there
/// stays, whatever became of a card.
#[tokio::test]
async fn what_the_express_middleware_wrote_is_not_forgotten() {
    let server = Server::start(&[]);
    let day = Duration::from_secs(24 * 3600);
    let store = opened(&server.url(), day).keep_uncharged(Duration::from_millis(1));
    let cases: [(&str, &[&str], &str); 3] = [
        ("nothing", &[], ""),
        ("credits", &["balance", "500", "currency", "usd"], "500"),
        ("something else", &["email", "a@example.com"], "0"),
    ];
    for (name, fields, balance) in cases {
        let client = ClientId::derive(b"express", name);
        let id = TopUpId(Uuid::new_v4());
        store.open_top_up(wanted(id, client)).await.unwrap();
        store.remember_customer(client, "cus_1".into()).await.unwrap();
        store.advance_top_up(id, None, refused()).await.unwrap();
        let record = format!("stripe402:client:{}", client.to_hex());
        if !fields.is_empty() {
            server.cli(&[&["hset", record.as_str()], fields].concat());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        store.upkeep(now_ms()).await.unwrap();
        assert_eq!(store.top_up(id).await.unwrap(), None, "{name}");
        let customer = store.customer(client).await.unwrap();
        assert_eq!(customer.is_some(), !fields.is_empty(), "{name}");
        assert_eq!(server.cli(&["hget", &record, "balance"]), balance, "{name}");
    }
    assert_eq!(server.cli(&["zcard", "stripe402:uncharged"]), "0");
    assert_eq!(server.cli(&["zcard", "stripe402:top-ups"]), "0", "no list has what is gone");
}

/// Books of an earlier version have no list of all top-ups. It is made once, of what lies with accounts.
#[tokio::test]
async fn top_ups_of_older_books_are_listed() {
    let server = Server::start(&[]);
    let store = open(&server.url(), Duration::from_secs(24 * 3600));
    let mut ids = Vec::new();
    for number in 0..70 {
        let id = TopUpId(Uuid::new_v4());
        let client = ClientId::derive(b"older", &number.to_string());
        store.open_top_up(wanted(id, client)).await.unwrap();
        store.advance_top_up(id, None, credited(id)).await.unwrap();
        ids.push(id);
    }
    server.cli(&["del", "stripe402:top-ups", "stripe402:top-ups-listed"]);
    let newest = TopUpId(Uuid::new_v4());
    store.open_top_up(wanted(newest, ClientId::derive(b"older", "new"))).await.unwrap();
    ids.push(newest);
    for _ in 0..2 {
        let found = store.recent_top_ups(Page::newest(100)).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|of| of.id).collect();
        found.sort_unstable();
        ids.sort_unstable();
        assert_eq!(found, ids);
    }
    assert_eq!(server.cli(&["get", "stripe402:top-ups-listed"]), "1");
    // An entry whose top-up was never opened is passed over.
    let client = ClientId::derive(b"older", "cut off").to_hex();
    let entry = format!("{client}:{}", Uuid::new_v4());
    server.cli(&["zadd", "stripe402:top-ups", &now_ms().to_string(), &entry]);
    assert_eq!(store.recent_top_ups(Page::newest(100)).await.unwrap().len(), ids.len());
}

/// As many as can be tried, by default, in a minute, and twice more.
#[tokio::test]
async fn an_upkeep_forgets_so_many() {
    let server = Server::start(&[]);
    let store = open(&server.url(), Duration::from_secs(24 * 3600));
    let client = ClientId::derive(b"kept", "many").to_hex();
    let entry = |number| format!("{client}:{}:usd:", Uuid::from_u128(number));
    let entries: Vec<_> = (0..1_100).map(entry).collect();
    let mut add = vec!["zadd", "stripe402:uncharged"];
    add.extend(entries.iter().flat_map(|entry| ["1", entry.as_str()]));
    server.cli(&add);
    store.upkeep(2).await.unwrap();
    assert_eq!(server.cli(&["zcard", "stripe402:uncharged"]), "76");
    store.upkeep(2).await.unwrap();
    assert_eq!(server.cli(&["zcard", "stripe402:uncharged"]), "0");
}

fn now_ms() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// A top-up of this client, opened now.
fn wanted(id: TopUpId, client: ClientId) -> NewTopUp {
    NewTopUp {
        id,
        account: AccountKey { client, currency: Currency::USD },
        amount: Units::from_u32(100),
        needed: Units::from_u32(1),
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: None,
        now_ms: now_ms(),
    }
}

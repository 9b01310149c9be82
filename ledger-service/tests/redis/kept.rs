//! What stays, and what goes by itself.

use std::time::Duration;

use stripe402_ledger::{
    accounting::{AccountKey, NewTopUp, State, TopUpId},
    store::Store,
};
use stripe402_protocol::{ClientId, Code, Currency, Refusal, Units};
use uuid::Uuid;

use super::{open, server::Server};

fn refused() -> State {
    State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) }
}

fn credited(id: TopUpId) -> State {
    State::Credited { payment_intent: format!("pi_{id}"), amount: Units::from_u32(100) }
}

/// A dispute may come months after the deduction, and must find whose it was.
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
        let wanted = NewTopUp {
            id,
            account: AccountKey { client, currency: Currency::USD },
            amount: Units::from_u32(100),
            needed: Units::from_u32(1),
            payment_method: "pm_1".parse().unwrap(),
            idempotency_key: None,
            now_ms: u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
        };
        store.open_top_up(wanted).await.unwrap();
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

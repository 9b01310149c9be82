//! Storms of streams: a stranger without a card opens thousands at once, on few connections.
//!
//! The proxy-wasm host carries out the replies and resumes of one VM call nested in one another.
//! Some 300 of them end the VM's stack, and with it everything that the VM had in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{left_before, paid_client},
    other_api,
    streams_at_once::{Burst, burst},
};

const CONNECTIONS: usize = 3;
const STREAMS: usize = 1_500;
const BURSTS: usize = 5;
const PRICE: i64 = 100;

/// What honest clients got while a storm blew.
#[derive(Debug, Default)]
struct Beside {
    paid: Vec<u16>,
    free: Vec<u16>,
}

impl Beside {
    fn all(statuses: &[u16], expected: u16) -> bool {
        !statuses.is_empty() && statuses.iter().all(|status| *status == expected)
    }

    fn served(&self) -> i64 {
        let served = self.paid.iter().filter(|status| **status == 200).count();
        i64::try_from(served).unwrap()
    }
}

/// Asks one paid and one free request after the other until the storm is over.
async fn honest(stack: &Stack, client: &str, over: Arc<AtomicBool>) -> Beside {
    let mut beside = Beside::default();
    while !over.load(Ordering::Relaxed) {
        let payment = json!({"clientId": client});
        let paid = stack.pay("/api/joke", &payment).timeout(Duration::from_secs(60)).send().await;
        beside.paid.push(paid.map_or(0, |answer| answer.status().as_u16()));
        let free = stack.get("/api/health").timeout(Duration::from_secs(60)).send().await;
        beside.free.push(free.map_or(0, |answer| answer.status().as_u16()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    beside
}

/// All bursts of a storm, and what honest clients got beside it.
async fn storm(stack: &Stack, client: &str, payment: &Value, reset: bool) -> Beside {
    let over = Arc::new(AtomicBool::new(false));
    let blow = async {
        for _ in 0..BURSTS {
            let one = || {
                let payment = wire::encode(payment);
                burst(stack.envoy.address(), Burst { streams: STREAMS, payment, reset })
            };
            let bursts = (0..CONNECTIONS).map(|_| one());
            futures_util::future::join_all(bursts).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let ((), beside) = tokio::join!(blow, honest(stack, client, Arc::clone(&over)));
    beside
}

/// How often a VM was started anew; each time one had died.
async fn vm_failures(stack: &Stack) -> u64 {
    let stats = stack.envoy.stats().await.unwrap();
    let reloads = stats.iter().filter(|(name, _)| name.contains("vm_reload"));
    let reloads: u64 = reloads.map(|(_, count)| count).sum();
    let log = std::fs::read_to_string(stack.dir().join("envoy.log")).unwrap();
    let crashes = log.lines().filter(|line| line.contains("Function: ")).count();
    reloads + u64::try_from(crashes).unwrap()
}

#[tokio::test]
async fn nobody_is_hurt_by_a_storm_of_made_up_cards() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let card = json!({"paymentMethodId": "pm_1NobodyHasThisOne"});
    let beside = storm(&stack, &client, &card, false).await;
    unhurt(&stack, &client, &beside).await;
}

#[tokio::test]
async fn nobody_is_hurt_by_a_storm_of_an_unknown_client() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let unknown = json!({"clientId": "0".repeat(64)});
    let beside = storm(&stack, &client, &unknown, false).await;
    unhurt(&stack, &client, &beside).await;
}

#[tokio::test]
async fn nobody_is_hurt_by_a_storm_of_streams_that_are_reset() {
    for payment in
        [json!({"clientId": "0".repeat(64)}), json!({"paymentMethodId": "pm_1NobodyHasThisOne"})]
    {
        let stack = Stack::start(StackOptions::new()).await.unwrap();
        let client = paid_client(&stack).await;
        let beside = storm(&stack, &client, &payment, true).await;
        unhurt(&stack, &client, &beside).await;
    }
}

/// Every honest request was served, and what was deducted is what was served.
async fn unhurt(stack: &Stack, client: &str, beside: &Beside) {
    assert_eq!(vm_failures(stack).await, 0);
    assert!(Beside::all(&beside.paid, 200), "{beside:?}");
    assert!(Beside::all(&beside.free, 200), "{beside:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(left_before(stack, client).await, 49_500 - beside.served() * PRICE);
}

/// An API that takes all at once: what a storm does there is not the gate's business.
fn roomy_api(config: &mut EnvoyConfig) -> stripe402_tests::Result<()> {
    let most = json!({"max_connections": 10_000, "max_pending_requests": 100_000,
        "max_requests": 100_000});
    let api = config.cluster("api")?;
    api["circuit_breakers"] = json!({"thresholds": [most]});
    api["connect_timeout"] = json!("30s");
    Ok(())
}

/// A ledger that has no endpoints: every batch comes back before it left.
#[tokio::test]
async fn a_ledger_without_endpoints_ends_no_vm() {
    for (unavailable, status) in [("deny", 503), ("allow", 200)] {
        let options = StackOptions::new()
            .filter(move |filter| filter["ledger_unavailable"] = json!(unavailable))
            .config(roomy_api)
            .config(|config| config.endpoints("stripe402_ledger", &[]));
        let stack = Stack::start(options).await.unwrap();
        for payment in [
            json!({"clientId": "0".repeat(64)}),
            json!({"paymentMethodId": "pm_1NobodyHasThisOne"}),
        ] {
            let beside = storm(&stack, &"1".repeat(64), &payment, false).await;
            assert_eq!(vm_failures(&stack).await, 0);
            assert!(Beside::all(&beside.paid, status), "{unavailable}: {beside:?}");
            assert!(Beside::all(&beside.free, 200), "{unavailable}: {beside:?}");
        }
    }
}

/// What a paid request is answered once the worker has read what the storm left it, at the latest.
async fn after_the_storm(stack: &Stack, expected: u16) -> u16 {
    let payment = json!({"clientId": "1".repeat(64)});
    let mut status = 0;
    for _ in 0..60 {
        let paid = stack.pay("/api/joke", &payment).timeout(Duration::from_secs(60)).send().await;
        status = paid.map_or(0, |answer| answer.status().as_u16());
        if status == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    status
}

/// A ledger that takes every call and answers none.
#[tokio::test]
async fn a_ledger_that_hangs_ends_no_vm() {
    let address = other_api::hanging().await;
    for (unavailable, status) in [("deny", 503), ("allow", 200)] {
        let options = StackOptions::new()
            .filter(move |filter| filter["ledger_unavailable"] = json!(unavailable))
            .config(roomy_api)
            .config(move |config| {
                config.endpoints("stripe402_ledger", &[address])?;
                config.cluster("stripe402_ledger")?["health_checks"] = json!([]);
                Ok(())
            });
        let stack = Stack::start(options).await.unwrap();
        let unknown = json!({"clientId": "0".repeat(64)});
        let beside = storm(&stack, &"1".repeat(64), &unknown, false).await;
        assert_eq!(vm_failures(&stack).await, 0);
        // While the storm holds a worker up, a time-out is no silence yet.
        let during = &beside.paid;
        assert!(
            during.iter().all(|paid| [status, 503].contains(paid)),
            "{unavailable}: {beside:?}"
        );
        assert_eq!(after_the_storm(&stack, status).await, status, "{unavailable}");
        assert!(Beside::all(&beside.free, 200), "{unavailable}: {beside:?}");
    }
}

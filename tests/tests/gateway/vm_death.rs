//! VMs that die under load: nobody pays for what a dead VM had under way, and nobody waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

use crate::answer::pay;

/// `STRIPE402_DEATHS`: how many VMs die; all in `make soak`.
fn deaths() -> usize {
    std::env::var("STRIPE402_DEATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn stack() -> StackOptions {
    StackOptions::new().workers(2).config(|config| {
        config.module(&binary::filter_that_traps()?)?;
        // Streams that a dead VM held are ended by Envoy after this.
        config.connection_manager()?["stream_idle_timeout"] = json!("3s");
        Ok(())
    })
}

/// Pays for one request after the other until it is told to stop; how many were served, and the
/// longest that one of them took.
async fn spend(stack: &Stack, client: &str, over: Arc<AtomicBool>) -> (i64, Duration) {
    let (mut served, mut longest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = stack.pay("/api/joke", &json!({"clientId": client})).send().await;
        longest = longest.max(start.elapsed());
        match answer {
            Ok(answer) if answer.status() == 200 => served += 1,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    (served, longest)
}

/// What a client has left, without spending any of it.
async fn balance(stack: &Stack, client: &str) -> i64 {
    let path = "/.well-known/stripe402/balance";
    let answer = pay(stack, path, json!({"clientId": client})).await;
    answer.body["creditsRemaining"].as_i64().unwrap()
}

#[tokio::test]
async fn what_was_under_way_in_a_vm_that_died_is_given_back() {
    let stack = Stack::start(stack()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = json!({"paymentMethodId": card, "topUpAmount": 9_000_000});
    let receipt = pay(&stack, "/api/joke", payment).await.receipt();
    let client = receipt["clientId"].as_str().unwrap();
    let before = balance(&stack, client).await;

    let over = Arc::new(AtomicBool::new(false));
    let spenders = (0..32).map(|_| spend(&stack, client, Arc::clone(&over)));
    let kill = async {
        for _ in 0..deaths() {
            // A VM is started anew after a second at the earliest.
            tokio::time::sleep(Duration::from_millis(1_700)).await;
            // A connection of its own may belong to either worker.
            let request = reqwest::Client::new().get(stack.url("/api/health"));
            let _dies = request.header("x-stripe402-trap", "1").send().await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        over.store(true, Ordering::Relaxed);
    };
    let (spent, ()) = tokio::join!(futures_util::future::join_all(spenders), kill);
    let served: i64 = spent.iter().map(|(served, _)| served).sum();
    let longest = spent.iter().map(|(_, longest)| *longest).max().unwrap();
    println!("{} VMs died: {served} requests served, the longest in {longest:?}", deaths());
    assert!(served > 100, "{served}");
    assert!(longest < Duration::from_secs(8), "somebody waited {longest:?}");

    // Another VM takes a dead one's place after ten of its seconds.
    let deadline = Instant::now() + Duration::from_secs(30);
    let deducted = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let deducted = before - balance(&stack, client).await;
        if deducted == served * 100 || Instant::now() > deadline {
            break deducted;
        }
    };
    assert_eq!(deducted, served * 100);
    let inherited = crate::metrics::wait_for(&stack, "wasmcustom.stripe402_inherited", 1).await;
    println!("{inherited} charges were under way, and were given back");
    assert!(inherited > 0, "nothing was under way when they died");
    let stats = stack.envoy.stats().await.unwrap();
    let reloads: Vec<_> = stats.iter().filter(|(name, _)| name.contains("vm_reload")).collect();
    println!("{reloads:?}");
    let reloaded = stats.get("wasm.stripe402.vm_reload_success").copied().unwrap_or_default();
    assert_eq!(usize::try_from(reloaded).unwrap(), deaths(), "as the alert reads it: {reloads:?}");
}

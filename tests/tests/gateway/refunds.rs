//! Refunds by the operator: unused credits back to the cards they came from, once.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{left_before, pay},
    command::ledger,
};

/// A client with two card charges, of $5 and of $6: 59,900 units left. Its id, and the charges.
async fn rich_client(stack: &Stack) -> (String, [String; 2]) {
    let card = stack.sim.fresh_card().await.unwrap();
    let buy = |amount: u32| json!({"paymentMethodId": card, "topUpAmount": amount});
    let first = pay(stack, "/api/joke", buy(50_000)).await.receipt();
    let client = first["clientId"].as_str().unwrap().to_owned();
    for _ in 0..99 {
        pay(stack, "/api/weather", json!({"clientId": client})).await.receipt();
    }
    let second = pay(stack, "/api/weather", buy(60_000)).await.receipt();
    let id = |of: &serde_json::Value| of["chargeId"].as_str().unwrap().to_owned();
    (client, [id(&first), id(&second)])
}

async fn refunded(stack: &Stack) -> i64 {
    stack.sim.totals("usd").await.unwrap().refunded
}

#[tokio::test]
async fn unused_credits_go_back_newest_charge_first() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, [_, second]) = rich_client(&stack).await;
    let part = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", &client, "--amount", "10050", "--reference", "a"],
    );
    assert_eq!(part.code, 1, "{}: half a cent cannot be refunded", part.error);
    assert_eq!(part.json["parts"], json!([{"payment_intent": second, "amount": 10_000}]));
    assert_eq!(refunded(&stack).await, 100);
    // The same again: it has been done.
    let again = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", &client, "--amount", "10050", "--reference", "a"],
    );
    assert_eq!((again.code, &again.json["refunded"]), (1, &json!(10_000)), "{}", again.error);
    let other = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", &client, "--amount", "20000", "--reference", "a"],
    );
    assert_eq!(other.code, 4);
    let used = "Reference \"a\" was already used for $1.0050; choose another reference.";
    assert!(other.error.contains(used), "{}", other.error);
    assert_eq!(refunded(&stack).await, 100);
    let all =
        ledger(&stack, &redis.url(), &["client", "refund", &client, "--all", "--reference", "b"]);
    assert_eq!(all.code, 0, "{}", all.error);
    let parts = json!([{"payment_intent": second, "amount": 49_900}]);
    assert_eq!((&all.json["parts"], &all.json["account"]["available"]), (&parts, &json!(0)));
    assert_eq!(refunded(&stack).await, 599);
    // Stripe's events tell of both: they are in the books already.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let empty = pay(&stack, "/api/joke", json!({"clientId": client})).await;
    assert_eq!(empty.challenge()["error"], "insufficient_credits");
    let shown = ledger(&stack, &redis.url(), &["client", "show", &client]);
    let account = &shown.json["accounts"][0];
    assert_eq!((&account["pending"], &account["debt"]), (&json!(0), &json!(0)), "{account}");
    let more = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", &client, "--amount", "100", "--reference", "c"],
    );
    assert_eq!(more.code, 4);
    assert!(more.error.contains("only 0 units are available that were paid for"), "{}", more.error);
    assert_eq!(refunded(&stack).await, 599);
    let verified = ledger(&stack, &redis.url(), &["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.json);
}

/// The same order three times at once, over two card charges: what was asked for goes back, once.
#[tokio::test]
async fn a_refund_that_is_asked_for_at_once_is_one() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, _) = rich_client(&stack).await;
    let present = |name: &str| {
        let up = ["client", "adjust", &client, "--units", "30000", "--reason", "a test"];
        let done = ledger(&stack, &redis.url(), &[&up[..], &["--reference", name]].concat());
        assert_eq!(done.code, 0, "{}", done.error);
    };
    present("first");
    let order = ["client", "refund", &client, "--amount", "80000", "--reference", "twice"];
    let answers = std::thread::scope(|scope| {
        let orders: Vec<_> =
            (0..3).map(|_| scope.spawn(|| ledger(&stack, &redis.url(), &order))).collect();
        orders.into_iter().map(|order| order.join().unwrap()).collect::<Vec<_>>()
    });
    for answer in &answers {
        assert_eq!(
            (answer.code, &answer.json["refunded"]),
            (0, &json!(80_000)),
            "{}",
            answer.error
        );
    }
    assert_eq!(refunded(&stack).await, 800);
    // All that is left; and then nothing new under this name, whatever comes in meanwhile.
    let rest = ["client", "refund", &client, "--all", "--reference", "rest"];
    let before = ledger(&stack, &redis.url(), &rest);
    let back = refunded(&stack).await;
    assert!(back > 800, "{}", before.error);
    present("second");
    let again = ledger(&stack, &redis.url(), &rest);
    assert_eq!(again.json["refunded"], before.json["refunded"], "{}", again.error);
    assert_eq!(refunded(&stack).await, back);
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// The answer of Stripe's is lost, or the ledger dies just after it: one refund, paid for once.
#[tokio::test]
async fn a_refund_that_is_cut_off_is_finished_once() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, _) = rich_client(&stack).await;
    let lost = json!({"method": "POST", "path": "/v1/refunds", "action": "drop_after"});
    stack.sim.fault(&lost).await.unwrap();
    let refund = |amount: &'static str, name: &'static str| {
        let arguments = ["client", "refund", &client, "--amount", amount, "--reference", name];
        ledger(&stack, &redis.url(), &arguments)
    };
    assert_eq!(refund("10000", "a").code, 0);
    assert_eq!(refunded(&stack).await, 100);
    let down = json!({
        "method": "POST", "path": "/v1/refunds", "action": "status", "status": 500, "times": 0
    });
    stack.sim.fault(&down).await.unwrap();
    let unknown = refund("20000", "b");
    assert_eq!(unknown.code, 5);
    assert!(unknown.error.contains("run this again"), "{}", unknown.error);
    let held = ledger(&stack, &redis.url(), &["client", "show", &client]);
    assert_eq!(held.json["accounts"][0]["pending"], 20_000);
    let open = ledger(&stack, &redis.url(), &["reconcile"]);
    assert_eq!(open.code, 1);
    assert_eq!(open.json["differences"][0]["problem"], "refund_unfinished");
    stack.sim.clear_faults().await.unwrap();
    let mended = ledger(&stack, &redis.url(), &["reconcile", "--repair"]);
    assert_eq!(mended.code, 0, "{} {}", mended.json, mended.error);
    assert_eq!(refunded(&stack).await, 300);
    // Whoever runs it again, as told, finds it done.
    assert_eq!(refund("20000", "b").code, 0);
    assert_eq!(refunded(&stack).await, 300);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(left_before(&stack, &client).await, 59_900 - 30_000);
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// A refund that fails later gives the credits back, and one during a dispute is refused.
#[tokio::test]
async fn a_refund_that_fails_gives_its_credits_back() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, [_, second]) = rich_client(&stack).await;
    let said = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", &client, "--amount", "30000", "--reference", "a"],
    );
    assert_eq!(said.code, 0, "{}", said.error);
    let refunds = format!("/v1/refunds?payment_intent={second}");
    let refunds = stack.sim.api_get(&refunds).await.unwrap();
    let refund = refunds["data"][0]["id"].as_str().unwrap();
    stack.sim.control(&format!("refunds/{refund}/fail"), &json!({})).await.unwrap();
    let mut left = 0;
    for looked in 0..100 {
        left = left_before(&stack, &client).await + looked * 100;
        if left == 59_900 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(left, 59_900);
    assert_eq!(ledger(&stack, &redis.url(), &["reconcile"]).code, 0);

    stack.sim.control("disputes", &json!({"payment_intent": second})).await.unwrap();
    let mut frozen = false;
    for _ in 0..100 {
        let answer = pay(&stack, "/api/joke", json!({"clientId": client})).await;
        frozen = answer.reason() == Some("frozen");
        if frozen {
            break;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert!(frozen, "the dispute is not heard of");
    let said =
        ledger(&stack, &redis.url(), &["client", "refund", &client, "--all", "--reference", "b"]);
    assert!(
        said.error.contains("a dispute is open"),
        "a refund went out while a dispute was open: {}",
        said.error
    );
    assert_eq!(said.code, 4);
}

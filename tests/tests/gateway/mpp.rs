//! MPP: Shared Payment Tokens pay beside cards and client ids.

mod forms;
mod payer;
mod sdks;

use std::sync::Arc;

use serde_json::{Value, json};
use stripe402_tests::{
    card,
    stack::{Stack, StackOptions},
    stripe_sim::{Call, SECRET_KEY},
};

use self::payer::{AGENT, CHALLENGE, Payer, as_agent, receipt};
use crate::answer::{pay, send};

pub(crate) async fn stack(options: StackOptions) -> Arc<Stack> {
    let options = options.config(|config| config.mpp("api.example.com"));
    Arc::new(Stack::start(options).await.unwrap())
}

async fn charged(stack: &Stack) -> i64 {
    stack.sim.totals("usd").await.unwrap().charged
}

/// What the ledger had Stripe charge, or try to.
async fn charges(stack: &Stack) -> Vec<Call> {
    let mut calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    calls.retain(|call| call.method == "POST" && call.path == "/v1/payment_intents");
    calls
}

#[tokio::test]
async fn a_token_is_charged_once_and_the_credit_pays_for_what_follows() {
    // A price far below what a card can be charged.
    let cheap = |filter: &mut Value| filter["routes"][0]["price"] = json!(1);
    let stack = stack(StackOptions::new().filter(cheap)).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let first = payer.buy("/api/joke").await;
    let paid = first.receipt();
    assert_eq!((&paid["creditsRemaining"], charged(&stack).await), (&json!(49_999), 500));
    let told = receipt(&first);
    assert_eq!((&told["method"], &told["status"]), (&json!("stripe"), &json!("success")));
    assert_eq!(told["reference"], paid["chargeId"]);
    assert_eq!(told["clientId"], paid["clientId"]);
    assert_eq!(told["creditsRemaining"], 49_999);
    assert_eq!(first.header("cache-control"), Some("private"));
    assert_eq!(first.header("vary"), Some("payment, authorization"));
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(received.header("authorization"), None, "the API saw the credential");
    assert_eq!(received.header("x-stripe402-client-id"), paid["clientId"].as_str());

    // Another token of the same account and card, and the client id itself.
    let second = payer.buy("/api/joke").await;
    assert_eq!(second.receipt()["creditsRemaining"], 49_998);
    assert_eq!(second.receipt().get("chargeId"), None);
    assert_eq!(receipt(&second)["clientId"], paid["clientId"]);
    let third = pay(&stack, "/api/joke", json!({"clientId": paid["clientId"]})).await;
    assert_eq!(third.receipt()["creditsRemaining"], 49_997);
    assert_eq!(third.header("payment-receipt"), None);
    assert_eq!(charged(&stack).await, 500);
}

/// Whoever knows a card's number could have a token made of it.
#[tokio::test]
async fn a_token_of_another_account_spends_nothing_that_it_was_not_charged_for() {
    let stack = stack(StackOptions::new()).await;
    let number = card::fresh().unwrap();
    let owner = Payer::new(&stack, AGENT, &number).await;
    owner.buy("/api/joke").await.receipt();
    let stranger = Payer::new(&stack, "sk_test_stranger", &number).await;
    let answer = stranger.buy("/api/joke").await;
    assert_eq!(answer.receipt()["creditsRemaining"], 99_800, "charged, not spent");
    assert_eq!(charged(&stack).await, 1_000);
    // One whose charge is declined spends nothing, and learns nothing.
    let thief = Payer::with_cvc(&stack, "sk_test_thief", &number, "999").await;
    let refused = thief.buy("/api/joke").await;
    assert_eq!((refused.status, &refused.body["clientId"]), (402, &json!("")));
    assert_eq!(refused.header("payment-response"), None);
    assert_eq!(owner.buy("/api/joke").await.receipt()["creditsRemaining"], 99_700);
    assert_eq!((charged(&stack).await, stack.upstream.recorder().count()), (1_000, 3));
}

#[tokio::test]
async fn a_declined_card_is_refused_alike_each_time_and_may_be_replaced() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, "4000000000000002").await;
    let credential = payer.credential("/api/joke").await;
    for _ in 0..2 {
        let refused = payer.send("/api/joke", &credential).await;
        assert_eq!(refused.status, 402, "{refused:?}");
        assert_eq!(refused.body["type"], "https://paymentauth.org/problems/verification-failed");
        assert_eq!(refused.body["errorCode"], "card_declined");
        assert!(refused.header(CHALLENGE).unwrap().contains(" id=\""));
    }
    assert_eq!(charges(&stack).await.len(), 1, "the bank was asked once");
    assert_eq!(stack.upstream.recorder().count(), 0);
    let other = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    other.buy("/api/joke").await.receipt();
}

#[tokio::test]
async fn a_token_that_cannot_be_charged_is_refused() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let revoked = payer.token(500).await;
    let helper = "/v1/test_helpers/shared_payment/granted_tokens";
    let path = stack.sim.url(&format!("{helper}/{revoked}/revoke"));
    as_agent(stack.client.post(path), AGENT).send().await.unwrap();
    let small = payer.token(499).await;
    let used = payer.token(500).await;
    let elsewhere = [
        ("amount", "500"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method_data[shared_payment_granted_token]", &used),
    ];
    let call = stack.client.post(stack.sim.url("/v1/payment_intents")).form(&elsewhere);
    assert_eq!(as_agent(call, SECRET_KEY).send().await.unwrap().status(), 200);
    let euros = payer.token_in("eur", 500).await;
    for token in [revoked, small, used, euros, "spt_unknown".to_owned()] {
        let refused = payer.send("/api/joke", &payer.with_token("/api/joke", &token).await).await;
        assert_eq!(refused.status, 402, "{refused:?}");
        assert_eq!(refused.body["type"], "https://paymentauth.org/problems/verification-failed");
    }
    assert_eq!((charged(&stack).await, stack.upstream.recorder().count()), (500, 0));
}

/// Whoever has an old token of a buyer's cannot spend the buyer's credit with it.
#[tokio::test]
async fn a_token_that_cannot_be_charged_spends_nothing_of_its_buyers() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let first = payer.credential("/api/joke").await;
    payer.send("/api/joke", &first).await.receipt();
    let used = first["payload"]["spt"].as_str().unwrap().to_owned();
    let revoked = payer.token(500).await;
    let path = format!("/v1/test_helpers/shared_payment/granted_tokens/{revoked}/revoke");
    as_agent(stack.client.post(stack.sim.url(&path)), AGENT).send().await.unwrap();
    let (small, euros) = (payer.token(499).await, payer.token_in("eur", 500).await);
    for token in [used, revoked, small, euros] {
        let refused = payer.send("/api/joke", &payer.with_token("/api/joke", &token).await).await;
        assert_eq!(refused.status, 402, "{token}: {refused:?}");
        assert_eq!(refused.body["errorCode"], "payment_failed");
    }
    // Its own challenge is another matter: that answer may have been lost.
    let again = payer.send("/api/joke", &first).await.receipt();
    assert_eq!((&again["creditsRemaining"], charged(&stack).await), (&json!(49_800), 500));
}

#[tokio::test]
async fn dead_tokens_are_read_within_limits() {
    let options = StackOptions::new().ledger_env("LEDGER_LIMIT_SOURCE_UNKNOWN", "5");
    let stack = stack(options).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let small = payer.token(499).await;
    let mut last = 402;
    for _ in 0..8 {
        let credential = payer.with_token("/api/joke", &small).await;
        last = payer.send("/api/joke", &credential).await.status;
    }
    assert_eq!(last, 503, "too many");
}

#[tokio::test]
async fn a_lost_answer_charges_nobody_twice() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    // Else an event might tell before the ledger asks again.
    stack.sim.control("webhook", &json!({})).await.unwrap();
    let lost = json!({"method": "POST", "path": "/v1/payment_intents", "action": "drop_after"});
    stack.sim.fault(&lost).await.unwrap();
    let credential = payer.credential("/api/joke").await;
    let first = payer.send("/api/joke", &credential).await.receipt();
    // The client has lost the gateway's answer, and sends its credential again.
    let again = payer.send("/api/joke", &credential).await.receipt();
    assert_eq!(first["creditsRemaining"], 49_900);
    assert_eq!(again["creditsRemaining"], 49_800, "a repeated credential is no free request");
    assert_eq!(again["clientId"], first["clientId"]);
    assert_eq!(charged(&stack).await, 500);
    let calls = charges(&stack).await;
    let keys: std::collections::BTreeSet<_> =
        calls.iter().map(|call| call.idempotency_key.clone().unwrap()).collect();
    assert_eq!((calls.len(), keys.len()), (2, 1), "the same key");
}

/// The buyer's account deals with the bank; the client only sends its credential again.
#[tokio::test]
async fn a_card_that_its_bank_asks_about_pays_when_the_buyer_has_answered() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, "4000002760003184").await;
    let credential = payer.credential("/api/joke").await;
    let asked = payer.send("/api/joke", &credential).await;
    // Without a challenge: a client would pay it with another token.
    assert_eq!((asked.status, asked.header(CHALLENGE)), (403, None), "{asked:?}");
    assert_eq!(asked.body["type"], "https://paymentauth.org/problems/payment-action-required");
    let intent = asked.body["paymentIntentId"].as_str().unwrap();
    stack.sim.authenticate(intent, true).await.unwrap();
    let paid = payer.send("/api/joke", &credential).await.receipt();
    assert_eq!(paid["creditsRemaining"], 49_900);
    assert_eq!(charged(&stack).await, 500);
}

#[tokio::test]
async fn a_challenge_is_paid_with_one_token() {
    let dear = |filter: &mut Value| filter["routes"][0]["price"] = json!(50_000);
    let stack = stack(StackOptions::new().filter(dear)).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let credential = payer.credential("/api/joke").await;
    payer.send("/api/joke", &credential).await.receipt();
    let mut other = credential.clone();
    other["payload"]["spt"] = json!(payer.token(500).await);
    let refused = payer.send("/api/joke", &other).await;
    assert_eq!((refused.status, refused.header(CHALLENGE)), (403, None), "{refused:?}");
    assert_eq!(refused.body["reason"], "idempotency_mismatch");
    assert_eq!(charged(&stack).await, 500);
}

/// A price that is known afterwards: the most is held, and what the API says is taken.
#[tokio::test]
async fn a_credential_pays_what_a_request_used() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let credential = payer.credential_for(stack.client.post(stack.url("/api/chat"))).await;
    let ask = || stack.client.post(stack.url("/api/chat")).json(&json!({"prompt": "hello"}));
    let answer = send(ask().header("authorization", payer::encode(&credential))).await;
    let paid = answer.receipt();
    assert_eq!(
        (&paid["creditsRemaining"], &paid["hold"]["amount"]),
        (&json!(30_000), &json!(20_000))
    );
    assert_eq!(receipt(&answer)["creditsRemaining"], 30_000);
    // What was used is less than the least price of this route.
    let client = json!({"clientId": paid["clientId"]});
    let mut left = json!(30_000);
    for _ in 0..100 {
        left = send(stack.pay("/.well-known/stripe402/balance", &client)).await.body
            ["creditsRemaining"]
            .clone();
        if left != 30_000 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(left, 49_900);
    assert_eq!(charged(&stack).await, 500);
}

#[tokio::test]
async fn fifty_at_once() {
    let stack = stack(StackOptions::new().workers(2)).await;
    let payer = Arc::new(Payer::new(&stack, AGENT, &card::fresh().unwrap()).await);
    let same = payer.credential("/api/weather").await;
    let left = all_at_once(&payer, vec![same; 50]).await;
    assert_eq!(left, (50..100).map(|n| n * 500).collect::<Vec<i64>>());
    assert_eq!(charged(&stack).await, 500, "one charge for one credential");

    let other = Arc::new(Payer::new(&stack, AGENT, &card::fresh().unwrap()).await);
    let mut credentials = Vec::new();
    for _ in 0..50 {
        credentials.push(other.credential("/api/weather").await);
    }
    let left = all_at_once(&other, credentials).await;
    assert_eq!(left, (50..100).map(|n| n * 500).collect::<Vec<i64>>());
    assert_eq!(charged(&stack).await, 1_000, "one charge for fifty tokens of one buyer");
}

/// What is left after each, the least first.
async fn all_at_once(payer: &Arc<Payer>, credentials: Vec<Value>) -> Vec<i64> {
    let tasks: Vec<_> = credentials
        .into_iter()
        .map(|credential| {
            let payer = Arc::clone(payer);
            tokio::spawn(async move { payer.send("/api/weather", &credential).await })
        })
        .collect();
    let mut left = Vec::new();
    for task in tasks {
        left.push(task.await.unwrap().receipt()["creditsRemaining"].as_i64().unwrap());
    }
    left.sort_unstable();
    left
}

#[tokio::test]
async fn a_token_that_hides_its_card_is_refused_unless_the_operator_wants_it() {
    for (setting, status) in [("refuse", 403), ("charge", 200)] {
        let options = StackOptions::new().ledger_env("LEDGER_MPP_WITHOUT_IDENTITY", setting);
        let stack = stack(options).await;
        let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
        let token = payer.token(500).await;
        stack.sim.control(&format!("granted_tokens/{token}/conceal"), &json!({})).await.unwrap();
        let credential = payer.with_token("/api/joke", &token).await;
        let answer = payer.send("/api/joke", &credential).await;
        assert_eq!(answer.status, status, "{setting}: {answer:?}");
        if status == 403 {
            assert_eq!((answer.header(CHALLENGE), charged(&stack).await), (None, 0));
            continue;
        }
        let client = answer.receipt()["clientId"].clone();
        let next = pay(&stack, "/api/joke", json!({"clientId": client})).await;
        assert_eq!(next.receipt()["creditsRemaining"], 49_800);
        let again = payer.send("/api/joke", &credential).await;
        assert_eq!(again.receipt()["creditsRemaining"], 49_700, "the same client");
        // The token is the key to what it was charged, for a client that never saw a receipt.
        let fresh = payer.with_token("/api/joke", &token).await;
        let other = payer.send("/api/joke", &fresh).await;
        assert_eq!(other.receipt()["creditsRemaining"], 49_600, "another challenge");
        assert_eq!(charged(&stack).await, 500);
    }
}

#[tokio::test]
async fn a_frozen_account_is_told_to_stop() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let charge = payer.buy("/api/joke").await.receipt()["chargeId"].clone();
    stack.sim.control("disputes", &json!({"payment_intent": charge})).await.unwrap();
    let mut refused = payer.buy("/api/joke").await;
    for _ in 0..100 {
        if refused.status != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        refused = payer.buy("/api/joke").await;
    }
    assert_eq!((refused.status, refused.header(CHALLENGE)), (403, None), "{refused:?}");
    assert_eq!(refused.body["reason"], "frozen");
}

#[tokio::test]
async fn a_ledger_that_is_gone_is_no_reason_to_pay_again() {
    let mut stack = Arc::into_inner(stack(StackOptions::new()).await).unwrap();
    stack.ledger().unwrap().process().kill9();
    let stack = Arc::new(stack);
    let payer = Payer::new(&stack, SECRET_KEY, &card::fresh().unwrap()).await;
    let answer = payer.buy("/api/joke").await;
    assert_eq!((answer.status, answer.header(CHALLENGE)), (503, None), "{answer:?}");
    let challenge = send(stack.get("/api/joke")).await;
    assert_eq!(challenge.status, 402, "a challenge needs no ledger");
}

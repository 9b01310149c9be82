//! The middleware for reqwest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::{Body, Method};
use reqwest_middleware::ClientWithMiddleware;
use serde_json::{Value, json};
use stripe402_client::{Paid, Policy, Wallet, WalletError, paid, payment_error};
use stripe402_protocol::{Currency, Units};
use stripe402_tests::stack::{Stack, StackOptions};

pub(crate) struct Payer {
    wallet: Wallet,
    client: ClientWithMiddleware,
}

impl Payer {
    pub(crate) fn new(settings: Value) -> Self {
        let policy: Policy = serde_json::from_value(settings).unwrap();
        let wallet = Wallet::new(policy).unwrap();
        let client = wallet.client(reqwest::Client::builder().no_proxy()).unwrap();
        Self { wallet, client }
    }

    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        join_all(calls.iter().map(|call| self.call(call))).await
    }

    async fn call(&self, call: &Value) -> Value {
        let method: Method = call["method"].as_str().unwrap_or("GET").parse().unwrap();
        let mut request = self.client.request(method, call["url"].as_str().unwrap());
        for (name, value) in call["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        if let Some(body) = call["body"].as_str() {
            let chunks: Vec<_> = body.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
            request = request.body(if call["stream"] == true {
                Body::wrap_stream(stream::iter(chunks).map(Ok::<_, std::io::Error>))
            } else {
                Body::from(body.to_owned())
            });
        }
        match request.send().await {
            Ok(response) => {
                let paid = paid(&response).cloned();
                let status = response.status().as_u16();
                let body = response.text().await.unwrap();
                json!({"status": status, "body": body, "paid": self.settled(paid).await})
            }
            Err(error) => match payment_error(&error) {
                Some(error) => json!({"error": error.to_json()}),
                None => panic!("{error:?}"),
            },
        }
    }
}

impl Payer {
    /// The receipt, and what became of its hold.
    async fn settled(&self, paid: Option<Paid>) -> Value {
        let mut told = json!(paid);
        if let Some(hold) = paid.and_then(|paid| paid.hold) {
            match self.wallet.settle(&hold).await {
                Ok(settlement) => told["settlement"] = json!(settlement),
                Err(WalletError::Payment(error)) => told["settlementError"] = error.to_json(),
                Err(error) => panic!("{error:?}"),
            }
        }
        told
    }
}

/// Somebody is asked for a card once, however many calls wait for it.
fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn a_card_is_asked_for_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let wallet = Wallet::new(Policy::default()).unwrap().on_payment_required(move |terms| {
        assert_eq!(terms.price.get(), 500);
        counted.fetch_add(1, Ordering::Relaxed);
        let card = card.parse().ok();
        async move { card }
    });
    let client = wallet.client(reqwest::Client::builder().no_proxy()).unwrap();
    let calls = (0..10).map(|_| client.get(stack.url("/api/weather")).send());
    for answer in join_all(calls).await {
        assert!(paid(&answer.unwrap()).is_some());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // Receipts of calls at once come in any order: the last one need not tell the least.
    let url = stack.url("/api/weather").parse().unwrap();
    let balance = wallet.ask_balance(&url).await.unwrap().unwrap();
    assert_eq!((balance.credits_remaining.get(), balance.now), (45_000, true));
}

/// A client id that the caller gave is not told to whoever is asked for a balance.
#[tokio::test]
async fn a_client_id_is_shown_where_it_was_named_only() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let bought = stack.pay("/api/weather", &json!({"paymentMethodId": card})).send().await.unwrap();
    let receipt = stripe402_tests::wire::header(bought.headers(), "payment-response").unwrap();
    let client_id = Some(receipt["clientId"].as_str().unwrap().parse().unwrap());
    let url = stack.url("/api/weather").parse().unwrap();
    let stranger = Wallet::new(Policy { client_id, ..Policy::default() }).unwrap();
    assert!(stranger.ask_balance(&url).await.unwrap().is_none());
    let origins = Some(vec![stack.url("")]);
    let known = Wallet::new(Policy { client_id, origins, ..Policy::default() }).unwrap();
    let told = known.ask_balance(&url).await.unwrap().unwrap();
    assert_eq!(told.credits_remaining.get(), 49_500);
}

/// A call that is dropped while its card is being charged: the next finds out, with the same key.
#[tokio::test]
async fn a_call_that_is_given_up_while_it_pays_is_not_paid_for_twice() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let slow = json!({
        "method": "POST", "path": "/v1/payment_intents", "action": "latency", "ms": 700,
    });
    stack.sim.fault(&slow).await.unwrap();
    let policy =
        Policy { budget_total: Units::new(50_000).ok(), ..Policy::card(card.parse().unwrap()) };
    let wallet = Wallet::new(policy).unwrap();
    let client = wallet.client(reqwest::Client::builder().no_proxy()).unwrap();
    let given_up = client.get(stack.url("/api/weather")).send();
    assert!(tokio::time::timeout(Duration::from_millis(400), given_up).await.is_err());
    assert_eq!(
        wallet.purse().unwrap().spent(Currency::USD, now()).get(),
        50_000,
        "it may be charged"
    );
    let answer = client.get(stack.url("/api/weather")).send().await.unwrap();
    assert_eq!(paid(&answer).unwrap().charged, Units::new(50_000).ok());
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

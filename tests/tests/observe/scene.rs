//! A gateway to which everything has happened once that leaves a number.

use std::time::Duration;

use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

/// What a client was told.
pub(crate) struct Paid {
    pub(crate) client: String,
    pub(crate) intent: String,
    pub(crate) card: String,
}

/// Asks for a path with this payment; the status, and the receipt if there is one.
pub(crate) async fn ask(stack: &Stack, path: &str, payment: &Value) -> (u16, Value) {
    let response = stack.pay(path, payment).send().await.unwrap();
    let receipt = response.headers().get(wire::PAYMENT_RESPONSE);
    let receipt =
        receipt.map_or(Value::Null, |value| wire::decode(value.to_str().unwrap()).unwrap());
    (response.status().as_u16(), receipt)
}

/// Three jokes (the first by card), an API that failed, a decline, and a refund that Stripe tells of.
pub(crate) async fn busy() -> (Stack, Paid) {
    // Often, but not so often that a top-up that is just ending is taken up once more.
    let options = StackOptions::new().ledger_env("LEDGER_SWEEP", "1s");
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let (status, receipt) = ask(&stack, "/api/joke", &json!({"paymentMethodId": card})).await;
    assert_eq!(status, 200);
    let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
    let paid = Paid { client: text("clientId"), intent: text("chargeId"), card };
    let client = json!({"clientId": paid.client});
    for (path, expected) in [("/api/joke", 200), ("/api/joke", 200), ("/api/fail", 500)] {
        assert_eq!(ask(&stack, path, &client).await.0, expected);
    }
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    assert_eq!(ask(&stack, "/api/joke", &json!({"paymentMethodId": declined})).await.0, 402);
    let form = [("payment_intent", paid.intent.as_str()), ("amount", "100")];
    stack.sim.api_post("/v1/refunds", &form).await.unwrap();
    (stack, paid)
}

/// What is there to be read at this address, once all of these lines are in it.
pub(crate) async fn lines(url: &str, expected: &[&str]) -> String {
    let client = stripe402_tests::http::client().unwrap();
    let mut text = String::new();
    for _ in 0..100 {
        text = client.get(url).send().await.unwrap().text().await.unwrap();
        if expected.iter().all(|line| text.lines().any(|own| own == *line)) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let missing: Vec<_> =
        expected.iter().filter(|line| !text.lines().any(|own| own == **line)).collect();
    panic!("{missing:#?} are not in\n{text}");
}

//! `envoy/llm/`: tokens of a language model, sold by what each request used.

use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

async fn ask(stack: &Stack, payment: &Value, body: &Value) -> (u16, Value, String) {
    let path = "/v1/chat/completions";
    let request = stack.client.post(stack.url(path)).json(body);
    let request = request.header(wire::PAYMENT, stripe402_protocol::encode(payment));
    let answer = request.send().await.unwrap();
    let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE).unwrap_or_default();
    (answer.status().as_u16(), receipt, answer.text().await.unwrap())
}

/// What the request with this receipt cost in the end.
pub(crate) async fn cost(stack: &Stack, receipt: &Value) -> i64 {
    let id = receipt["hold"]["id"].as_str().unwrap();
    let path = format!("/.well-known/stripe402/receipts/{id}");
    let payment = json!({"clientId": receipt["clientId"]});
    for _ in 0..100 {
        let answer = stack.pay(&path, &payment).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let receipt: Value = answer.json().await.unwrap();
        if receipt["state"] == "captured" {
            return receipt["captured"].as_i64().unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    panic!("never captured")
}

#[tokio::test]
async fn tokens_are_sold_by_the_model_that_is_asked_for() {
    let stack = Stack::start(StackOptions::new().file("envoy/llm/envoy.yaml")).await.unwrap();
    let question = |model: &str, stream: bool| {
        let messages = json!([{"role": "user", "content": "why pay per call"}]);
        json!({"model": model, "stream": stream, "max_tokens": 1_999, "messages": messages})
    };
    let challenge = stack.client.post(stack.url("/v1/chat/completions")).send().await.unwrap();
    let challenge = wire::header(challenge.headers(), wire::PAYMENT_REQUIRED).unwrap();
    assert_eq!((&challenge["price"], &challenge["pricing"]["least"]), (&json!(20_000), &json!(5)));
    let prices = challenge["pricing"]["unitPrices"].as_array().unwrap();
    let dear = json!({"of": "completion", "when": "large", "units": 1_000, "per": 1_000});
    assert!(prices.contains(&dear), "{prices:?}");

    let card = stack.sim.fresh_card().await.unwrap();
    let (status, receipt, _) =
        ask(&stack, &json!({"paymentMethodId": card}), &question("small", false)).await;
    assert_eq!((status, &receipt["hold"]["amount"]), (200, &json!(20_000)));
    // 4 tokens of the prompt and 1,999 of the completion.
    assert_eq!(cost(&stack, &receipt).await, 200);
    let client = json!({"clientId": receipt["clientId"]});
    let (status, receipt, events) = ask(&stack, &client, &question("large", true)).await;
    assert_eq!((status, events.contains("[DONE]")), (200, true));
    assert_eq!(cost(&stack, &receipt).await, 2_000);

    let before = stack.upstream.recorder().count();
    let (status, _, refusal) = ask(&stack, &client, &question("huge", false)).await;
    assert_eq!((status, refusal.contains("no_unit_price")), (400, true), "{refusal}");
    assert_eq!(stack.upstream.recorder().count(), before, "the model never heard of it");

    let free = stack.get("/v1/models").send().await.unwrap();
    assert_ne!(free.status(), 402);
    let forgotten = stack.client.post(stack.url("/v1/completions")).send().await.unwrap();
    assert_eq!(forgotten.status(), 403);
}

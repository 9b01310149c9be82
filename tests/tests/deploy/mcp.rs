//! `envoy/mcp/`: tools of an MCP server, each with a price.

use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::llm::cost;

async fn call(stack: &Stack, payment: &Value, name: &str) -> (u16, Value, Value) {
    call_with(stack, payment, name, &json!({"text": "a", "query": "a", "subject": "a"})).await
}

async fn call_with(
    stack: &Stack,
    payment: &Value,
    name: &str,
    arguments: &Value,
) -> (u16, Value, Value) {
    let params = json!({"name": name, "arguments": arguments});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let request = stack.client.post(stack.url("/mcp")).json(&body);
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header(wire::PAYMENT, stripe402_protocol::encode(payment));
    let answer = request.send().await.unwrap();
    let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE).unwrap_or_default();
    (answer.status().as_u16(), receipt, answer.json().await.unwrap())
}

#[tokio::test]
async fn tools_are_sold_one_by_one() {
    let stack = Stack::start(StackOptions::new().file("envoy/mcp/envoy.yaml")).await.unwrap();
    let nothing = json!({});
    let (status, _, echoed) = call(&stack, &nothing, "echo").await;
    assert_eq!((status, &echoed["result"]["content"][0]["text"]), (200, &json!("a")));
    let (status, _, refused) = call(&stack, &nothing, "search").await;
    assert_eq!((status, &refused["error"]["code"]), (402, &json!(-32_042)));
    assert_eq!(refused["error"]["data"]["price"], 100);
    let (status, _, other) = call(&stack, &nothing, "other").await;
    assert_eq!((status, &other["error"]["data"]["code"]), (403, &json!("not_for_sale")));

    let card = json!({"paymentMethodId": stack.sim.fresh_card().await.unwrap()});
    let (status, receipt, _) = call(&stack, &card, "search").await;
    assert_eq!((status, &receipt["creditsRemaining"]), (200, &json!(49_900)));
    let client = json!({"clientId": receipt["clientId"]});
    let (status, receipt, said) = call(&stack, &client, "report").await;
    assert_eq!((status, &receipt["hold"]["amount"]), (200, &json!(2_500)));
    assert_eq!(said["result"]["content"][0]["text"], "All that there is to say about a.");
    // Eight words are eight units, and the least is 100.
    assert_eq!(cost(&stack, &receipt).await, 100);
    let long = json!({"subject": "a ".repeat(500)});
    let (_, receipt, _) = call_with(&stack, &client, "report", &long).await;
    assert_eq!(cost(&stack, &receipt).await, 508);
}

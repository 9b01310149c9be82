//! The SDKs of OpenAI, Anthropic and Vercel, unmodified, with our fetch: they ask the demo's model.

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    card::fresh,
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

const PRICE: i64 = 100;
const SAID: &str = "An API that is paid";
const NAMES: [&str; 3] = ["openai", "anthropic", "vercel"];

async fn stack() -> Stack {
    let options = StackOptions::new().filter(|filter| {
        let routes = filter["routes"].as_array_mut().unwrap();
        for path in ["/v1/chat/completions", "/v1/messages"] {
            routes.push(json!({"path": path, "methods": ["POST"], "price": PRICE}));
        }
    });
    Stack::start(options).await.unwrap()
}

/// What each SDK tells.
async fn ask(stack: &Stack, method: &str, most: i64) -> Vec<Value> {
    let output = Command::new("node")
        .args(["ai.mjs", stack.url("").trim_end_matches('/'), method, &most.to_string()])
        .current_dir(binary::workspace().join("tests/sdks"))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["sdk"]).collect::<Vec<_>>(), NAMES);
    lines
}

#[tokio::test]
async fn their_sdks_pay_for_answers_and_streams() {
    let stack = stack().await;
    let method = stack.sim.payment_method(&fresh().unwrap(), "123").await.unwrap();
    let mut left = 50_000;
    for answer in ask(&stack, &method, PRICE).await {
        assert_eq!(answer["said"], json!([SAID, SAID]), "{answer}");
        assert_eq!(answer["left"], json!([left - PRICE, left - 2 * PRICE]), "{answer}");
        left -= 2 * PRICE;
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

async fn charges(stack: &Stack) -> usize {
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    calls.iter().filter(|call| call.method == "POST").count()
}

/// They repeat what fails; a card that is declined is tried once for each question.
#[tokio::test]
async fn their_sdks_hear_why_and_do_not_try_again() {
    let stack = stack().await;
    let method = stack.sim.payment_method("4000000000000341", "123").await.unwrap();
    for (number, answer) in ask(&stack, &method, PRICE).await.iter().enumerate() {
        let expected = json!({"sdk": NAMES[number], "status": 402, "code": "card_declined"});
        assert_eq!(*answer, expected);
    }
    assert_eq!(charges(&stack).await, 3);
    // What a charge is confirmed with is in no body that they log.
    let asks = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    for answer in ask(&stack, &asks, PRICE).await {
        let told = (&answer["code"], &answer["reason"], &answer["secret"]);
        assert_eq!(
            told,
            (&json!("payment_failed"), &json!("authentication_required"), &Value::Null)
        );
    }
    let before = charges(&stack).await;
    for answer in ask(&stack, &method, PRICE - 1).await {
        assert_eq!((&answer["status"], &answer["code"]), (&json!(402), &json!("price_too_high")));
    }
    assert_eq!(charges(&stack).await, before);
}

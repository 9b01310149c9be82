//! Other people's clients, unmodified: npm's mppx, as a library and on the command line, PyPI's pympp, and
//! mpp of crates.io.

use std::process::Output;

use serde_json::{Value, json};
use stripe402_tests::{
    binary, card,
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

use super::{charged, stack};

const TOKENS: &str = "/v1/test_helpers/shared_payment/granted_tokens";

/// How each is started: mppx, pympp and mpp.
fn programs() -> [Vec<String>; 3] {
    let python = binary::workspace().join(".tools/venv/bin/python").display().to_string();
    let rust = binary::mpp_payer().unwrap().display().to_string();
    [vec!["node".to_owned(), "pay.mjs".to_owned()], vec![python, "pay.py".to_owned()], vec![rust]]
}

async fn run(command: &mut Command) -> Output {
    let output = command.current_dir(binary::workspace().join("tests/sdks")).output().await;
    output.unwrap()
}

/// What a program tells of each call: so many times so many at once.
async fn calls(
    stack: &Stack,
    program: &[String],
    method: &str,
    times: u32,
    at_once: u32,
) -> Vec<Value> {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg(stack.url("/api/joke")).arg(stack.sim.url(TOKENS)).arg(method);
    let output = run(command.arg(times.to_string()).arg(at_once.to_string())).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn method_of(stack: &Stack, number: &str) -> String {
    stack.sim.payment_method(number, "123").await.unwrap()
}

/// A price far below what a card can be charged.
#[tokio::test]
async fn their_libraries_pay_once_and_spend_what_is_left() {
    for program in programs() {
        let cheap = |filter: &mut Value| filter["routes"][0]["price"] = json!(1);
        let stack = stack(StackOptions::new().filter(cheap)).await;
        let method = method_of(&stack, &card::fresh().unwrap()).await;
        let calls = calls(&stack, &program, &method, 3, 1).await;
        for (call, left) in calls.iter().zip([49_999, 49_998, 49_997]) {
            assert_eq!(call["status"], 200, "{program:?}: {call}");
            assert!(call["body"]["joke"].is_string(), "{call}");
            assert_eq!(call["receipt"]["status"], "success");
            assert_eq!(call["receipt"]["creditsRemaining"], left, "{program:?}: {call}");
        }
        assert!(calls[0]["receipt"]["reference"].as_str().unwrap().starts_with("pi_"));
        assert_eq!(charged(&stack).await, 500, "{program:?}");
    }
}

#[tokio::test]
async fn fifty_of_their_calls_at_once_are_one_charge() {
    for program in programs() {
        let stack = stack(StackOptions::new().workers(2)).await;
        let method = method_of(&stack, &card::fresh().unwrap()).await;
        let calls = calls(&stack, &program, &method, 1, 50).await;
        assert_eq!(calls.iter().filter(|call| call["status"] == 200).count(), 50, "{calls:?}");
        let left = calls.iter().map(|call| call["receipt"]["creditsRemaining"].as_i64().unwrap());
        assert_eq!(left.min(), Some(45_000), "{program:?}");
        assert_eq!(charged(&stack).await, 500, "{program:?}");
    }
}

/// Stripe took the money, and its answer was lost.
#[tokio::test]
async fn a_lost_answer_is_no_second_charge_to_their_libraries() {
    for program in programs() {
        let stack = stack(StackOptions::new()).await;
        let lost = json!({"method": "POST", "path": "/v1/payment_intents", "action": "drop_after"});
        stack.sim.fault(&lost).await.unwrap();
        let method = method_of(&stack, &card::fresh().unwrap()).await;
        for call in calls(&stack, &program, &method, 2, 1).await {
            assert_eq!(call["status"], 200, "{program:?}: {call}");
        }
        assert_eq!(charged(&stack).await, 500, "{program:?}");
    }
}

/// They pay again as often as they mean to, and then hand the refusal back.
#[tokio::test]
async fn their_libraries_hear_of_a_declined_card() {
    for program in programs() {
        let stack = stack(StackOptions::new()).await;
        let declined = method_of(&stack, "4000000000000002").await;
        let calls = calls(&stack, &program, &declined, 1, 1).await;
        assert_eq!((&calls[0]["status"], &calls[0]["made"]), (&json!(402), &json!(3)));
        assert_eq!(
            calls[0]["body"]["type"],
            "https://paymentauth.org/problems/verification-failed"
        );
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

fn mppx(stack: &Stack) -> Command {
    let mut command = Command::new(binary::workspace().join("tests/sdks/node_modules/.bin/mppx"));
    command.env("MPPX_STRIPE_SECRET_KEY", "sk_test_mppx");
    command.env("MPPX_STRIPE_SPT_URL", stack.sim.url(TOKENS));
    command
}

#[tokio::test]
async fn the_command_line_of_mppx_pays() {
    let stack = stack(StackOptions::new()).await;
    let mut command = mppx(&stack);
    command.arg(stack.url("/api/joke")).args(["-M", "paymentMethod=pm_card_visa", "--fail"]);
    let output = run(&mut command).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("joke"), "{said}");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// Their check of a whole server: it finds what is for sale by the document that `make openapi` writes and the
/// gate serves, and pays for each of it.
#[tokio::test]
async fn mppx_validates_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("openapi.json");
    let operation = json!({"responses": {"200": {"description": "the answer"}}});
    let body = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
    let mut chat = operation.clone();
    chat["requestBody"] = body;
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "An API for sale", "version": "1.0"},
        "paths": {
            "/api/joke": {"get": operation},
            "/api/weather": {"get": operation},
            "/api/chat": {"post": chat},
        },
    });
    std::fs::write(&spec, document.to_string()).unwrap();
    let prices = binary::workspace().join("envoy/envoy.yaml");
    let mut priced = Command::new(binary::openapi().unwrap());
    let priced = priced.arg("--json").args([prices, spec]).output().await.unwrap();
    let document = String::from_utf8(priced.stdout).unwrap();
    let served = move |filter: &mut Value| {
        filter["discovery"] = json!({"openapi": document, "llms": true});
    };
    let stack = stack(StackOptions::new().filter(served)).await;
    let output = run(mppx(&stack).args(["validate", &stack.url(""), "--output-json"])).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["summary"]["failed"], 0, "{said:#}");
    let paid = format!("{said}").matches("Payment [stripe]: successful").count();
    assert_eq!(paid, 2, "a joke and the weather; the third is not what the API takes: {said:#}");
}

/// The SDK of MCP on mppx's fetch: a call that is refused 402 is paid for.
#[tokio::test]
async fn tools_are_called_with_the_sdk_of_mcp_and_paid_for_by_mppx() {
    let stack = stack(StackOptions::new()).await;
    let method = method_of(&stack, &card::fresh().unwrap()).await;
    let refused = stack.client.post(stack.url("/mcp")).header("content-type", "application/json");
    let body = r#"{"id":3,"method":"tools/call","params":{"name":"search"}}"#;
    let told: Value = refused.body(body).send().await.unwrap().json().await.unwrap();
    let challenge = &told["error"]["data"]["challenges"][0];
    assert_eq!(
        (&challenge["method"], &challenge["request"]["amount"]),
        (&"stripe".into(), &"500".into())
    );
    let mut command = Command::new("node");
    command.args(["mcp_mppx.mjs", &stack.url("/mcp"), &stack.sim.url(TOKENS), &method]);
    let output = run(&mut command).await;
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["said"][2], "All that there is to say about hi.", "{said}");
    // The second token was made, and not needed.
    assert_eq!((&said["made"], charged(&stack).await), (&2.into(), 500));
}

//! Other people's clients, unmodified: npm's mppx, as a library and on the command line, and PyPI's pympp.

use std::process::Output;

use serde_json::{Value, json};
use stripe402_tests::{
    binary, card,
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

use super::stack;

const TOKENS: &str = "/v1/test_helpers/shared_payment/granted_tokens";

async fn run(command: &mut Command) -> Output {
    let output = command.current_dir(binary::workspace().join("tests/sdks")).output().await;
    output.unwrap()
}

/// What a program tells of each call.
async fn calls(stack: &Stack, program: &[&str], method: &str, times: u32) -> Vec<Value> {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(stack.url("/api/joke")).arg(stack.sim.url(TOKENS));
    let output = run(command.arg(method).arg(times.to_string())).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn python() -> String {
    binary::workspace().join(".tools/venv/bin/python").display().to_string()
}

#[tokio::test]
async fn their_libraries_pay_once_and_spend_what_is_left() {
    let python = python();
    for program in [["node", "pay.mjs"], [&python, "pay.py"]] {
        let stack = stack(StackOptions::new()).await;
        let method = stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap();
        let calls = calls(&stack, &program, &method, 3).await;
        for (call, left) in calls.iter().zip([49_900, 49_800, 49_700]) {
            assert_eq!(call["status"], 200, "{program:?}: {call}");
            assert!(call["body"]["joke"].is_string(), "{call}");
            assert_eq!(call["receipt"]["status"], "success");
            assert_eq!(call["receipt"]["creditsRemaining"], left);
        }
        assert!(calls[0]["receipt"]["reference"].as_str().unwrap().starts_with("pi_"));
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500, "{program:?}");
    }
}

/// They pay again as often as they mean to, and then hand the refusal back.
#[tokio::test]
async fn their_libraries_hear_of_a_declined_card() {
    let python = python();
    for program in [["node", "pay.mjs"], [&python, "pay.py"]] {
        let stack = stack(StackOptions::new()).await;
        let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
        let calls = calls(&stack, &program, &declined, 1).await;
        assert_eq!((&calls[0]["status"], &calls[0]["made"]), (&json!(402), &json!(3)));
        assert_eq!(
            calls[0]["body"]["type"],
            "https://paymentauth.org/problems/verification-failed"
        );
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

#[tokio::test]
async fn the_command_line_of_mppx_pays() {
    let stack = stack(StackOptions::new()).await;
    let mppx = binary::workspace().join("tests/sdks/node_modules/.bin/mppx");
    let mut command = Command::new(mppx);
    command
        .arg(stack.url("/api/joke"))
        .args(["-M", "paymentMethod=pm_card_visa", "--fail"])
        .env("MPPX_STRIPE_SECRET_KEY", "sk_test_mppx")
        .env("MPPX_STRIPE_SPT_URL", stack.sim.url(TOKENS));
    let output = run(&mut command).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("joke"), "{said}");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

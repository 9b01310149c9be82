//! A Redis that the Express middleware uses as well: its clients spend here, ours spend there.

use std::process::Command;

use serde_json::json;
use stripe402_tests::{
    binary,
    redis::Redis,
    stack::{Stack, StackOptions},
    stripe_sim::SECRET_KEY,
};

use crate::answer::{paid_client, pay};

/// What the middleware does to deduct: look, compare, write.
const DEDUCT: &str = "
    local balance = tonumber(redis.call('HGET', KEYS[1], 'balance'))
    if not balance or balance < tonumber(ARGV[1]) then return -1 end
    redis.call('HSET', KEYS[1], 'balance', tostring(balance - tonumber(ARGV[1])))
    return balance - tonumber(ARGV[1])";

fn cli(redis: &Redis, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &redis.port().to_string()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn express_deducts(redis: &Redis, client: &str, amount: &str) -> String {
    cli(redis, &["EVAL", DEDUCT, "1", &format!("stripe402:client:{client}"), amount])
}

/// A client with 1,200 units that the middleware has charged. Its id.
fn client_of_the_middleware(redis: &Redis) -> String {
    let client = "0123456789abcdef".repeat(4);
    let record = format!("stripe402:client:{client}");
    let written = "2026-01-01T00:00:00.000Z";
    let mut command = vec!["HSET", &record, "clientId", &client];
    command.extend(["stripeCustomerId", "cus_express", "balance", "1200", "currency", "usd"]);
    command.extend(["createdAt", written, "updatedAt", written]);
    cli(redis, &command);
    client
}

#[tokio::test]
async fn a_client_of_the_middleware_spends_at_the_gateway() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = client_of_the_middleware(&redis);
    let record = format!("stripe402:client:{client}");

    let spent = pay(&stack, "/api/weather", json!({"clientId": client})).await;
    let expected =
        json!({"success": true, "creditsRemaining": 700, "clientId": client, "currency": "usd"});
    assert_eq!(spent.receipt(), expected);
    assert_eq!(cli(&redis, &["HGET", &record, "balance"]), "700");
    assert_eq!(express_deducts(&redis, &client, "150"), "550");
    let spent = pay(&stack, "/api/weather", json!({"clientId": client})).await;
    assert_eq!(spent.receipt()["creditsRemaining"], 50);
    let short = pay(&stack, "/api/joke", json!({"clientId": client})).await;
    assert_eq!(short.challenge()["error"], "insufficient_credits");
    assert_eq!(express_deducts(&redis, &client, "51"), "-1");
    assert_eq!(stack.upstream.recorder().count(), 2);
}

#[tokio::test]
async fn a_client_of_the_gateway_spends_at_the_middleware() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    assert_eq!(express_deducts(&redis, &client, "49000"), "500");
    let spent = pay(&stack, "/api/weather", json!({"clientId": client})).await;
    assert_eq!(spent.receipt()["creditsRemaining"], 0);
    assert_eq!(express_deducts(&redis, &client, "1"), "-1");
}

/// The ledger refunds charges that it made: none of the middleware's.
#[tokio::test]
async fn credits_of_the_middleware_are_not_refunded_by_the_ledger() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = client_of_the_middleware(&redis);
    let record = format!("stripe402:client:{client}");
    pay(&stack, "/api/joke", json!({"clientId": client})).await;

    let mut refund = Command::new(binary::ledger().unwrap());
    refund.args(["client", "refund", &client, "--all", "--reference", "r-1"]).env_clear();
    refund.env("LEDGER_STORE", redis.url()).env("STRIPE_SECRET_KEY", SECRET_KEY);
    let output = refund.env("STRIPE_API_BASE", stack.sim.url("")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("no card charge can take it"), "{said}");
    let refunds = stack.sim.calls("/v1/refunds").await.unwrap();
    assert!(refunds.iter().all(|call| call.method != "POST"), "{refunds:?}");
    assert_eq!(cli(&redis, &["HGET", &record, "balance"]), "1100");
}

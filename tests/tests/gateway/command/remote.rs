//! Commands that ask a ledger which runs say what they say on its store.

use std::process::Command;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use stripe402_protocol::{
    Currency, DeductionId, Units,
    message::{Deduction, HoldTerms},
};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use super::{Said, on_ledger, on_store};
use crate::{
    answer::{paid_client, pay},
    operator::{batch, get, hold, now_ms, post, send_batch, subject},
};

/// What a command said, without what goes on by itself: how old a hold is.
fn lasting(said: Said) -> (i32, Value, String) {
    let mut json = said.json;
    for hold in json["holds"].as_array_mut().into_iter().flatten() {
        hold.as_object_mut().unwrap().remove("age_seconds");
    }
    let text = if json.is_null() { said.text } else { String::new() };
    (said.code, json, text + &said.error)
}

#[tokio::test]
async fn a_running_ledger_answers_as_its_file_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("file:{}", dir.path().join("ledger.redb").display());
    let mut stack = Stack::start(StackOptions::new().store(&store)).await.unwrap();
    let client = paid_client(&stack).await;
    paid_client(&stack).await;
    let subject = subject(&client);
    hold(&stack, &client, ("chat", 900), (5, 600)).await;
    // 501 movements, which no page has.
    for number in 0..501 {
        let body = json!({"units": 1, "currency": "usd", "reference": format!("c{number}"), "reason": "x"});
        let done = post(&stack, &format!("/clients/{subject}/adjustments"), body).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    // What acts is done once, whichever way it is asked for again.
    let grant = ["client", "grant", &client, "--units=300", "--reference=gift", "--reason=a test"];
    let acts: [&[&str]; 6] = [
        &grant,
        &["client", "freeze", &subject, "--reason=a test"],
        &["client", "unfreeze", &subject, "--reason=a test"],
        &["client", "adjust", &client, "--units=600", "--reference=up", "--reason=a test"],
        &["client", "refund", &subject, "--amount=10000", "--reference=back"],
        &["client", "refund", &subject, "--amount=10050", "--reference=short"],
    ];
    for act in acts {
        let code = i32::from(act.contains(&"--amount=10050"));
        assert_eq!(on_ledger(&stack, act).code, code, "{act:?}");
    }
    let commands: [&[&str]; 19] = [
        acts[0],
        acts[3],
        acts[4],
        acts[5],
        &["client", "adjust", &subject, "--units=700", "--reference=up", "--reason=a test"],
        &["client", "adjust", &subject, "--units=-900000", "--reference=no", "--reason=a test"],
        &["client", "refund", &subject, "--amount=90000000", "--reference=no"],
        &["client", "show", &client],
        &["client", "show", "0123456789abcdef"],
        &["client", "show", "nobody"],
        &["transfers"],
        &["transfers", "--client", &subject],
        &["revenue"],
        &["revenue", "--by=day"],
        &["statement", "--month=2026-11"],
        &["statement", "--month=November"],
        &["verify"],
        &["reconcile", "--since=1h"],
        &["reconcile", "--repair"],
    ];
    let listed: [&[&str]; 2] = [&["holds"], &["holds", "--client", &subject]];
    let mut all: Vec<Vec<&str>> = commands.iter().map(|command| command.to_vec()).collect();
    all.extend(commands.iter().chain(&listed).map(|command| [command, &["--json"][..]].concat()));
    let remote: Vec<_> = all.iter().map(|command| lasting(on_ledger(&stack, command))).collect();
    // It is on record as what the token's holder did, or was refused.
    let entries = get(&stack, "/audit?limit=500").await;
    assert!(entries["entries"].as_array().unwrap().iter().all(|of| of["actor"] == "operator"));

    stack.ledger().unwrap().process().stop();
    for (command, said) in all.iter().zip(remote) {
        assert_eq!(said, lasting(on_store(&stack, &store, command)), "{command:?}");
    }
    let shown = on_store(&stack, &store, &["transfers", "--json"]).json;
    assert!(shown["movements"].as_array().unwrap().len() > 500);
}

#[tokio::test]
async fn every_page_of_clients_and_holds_is_fetched() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    // 600 clients of the Express middleware, on the same store.
    let script = "for i = 1, 600 do
        local id = string.format('%064x', i)
        redis.call('HSET', 'stripe402:client:' .. id, 'clientId', id, 'stripeCustomerId', '',
            'balance', '1200', 'currency', 'usd')
    end";
    let port = redis.port().to_string();
    let made = Command::new("redis-cli").args(["-p", &port, "EVAL", script, "0"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    // Whoever looks at one first opens its account.
    let look = async |number: u32| get(&stack, &format!("/clients/{number:064x}")).await;
    stream::iter(1..=600).map(look).buffer_unordered(16).for_each(async |_| ()).await;
    for number in 0..6_u8 {
        // Many end at the same time.
        let ends_ms = now_ms() / 1_000 * 1_000 + 900_000;
        let holds = (0..100_u8).map(|at| Deduction {
            id: DeductionId::mint(now_ms(), [number, at, 0, 0, 0, 0, 0, 0, 0, 7]),
            client_id: client.parse().unwrap(),
            currency: Currency::USD,
            amount: Units::from_u32(1),
            route: "chat".to_owned(),
            hold: Some(HoldTerms { ends_ms, at_end: Units::ZERO, lease: None }),
        });
        send_batch(&stack, batch(holds.collect())).await;
    }
    for command in ["verify", "transfers", "holds"] {
        let command = [command, "--json"];
        let remote = lasting(on_ledger(&stack, &command));
        assert_eq!(remote, lasting(on_store(&stack, &redis.url(), &command)), "{command:?}");
        let (_, json, _) = remote;
        let lines = |of: &str| json[of].as_array().map(Vec::len);
        match command[0] {
            "verify" => assert_eq!(json["accounts"], 601),
            "transfers" => assert_eq!(lines("movements"), Some(601)),
            _ => assert_eq!(lines("holds"), Some(600)),
        }
    }
}

/// What happened at Stripe unheard is posted through the ledger, under the name of whoever asked.
#[tokio::test]
async fn a_running_ledger_reconciles_and_has_it_on_record() {
    let stack = Stack::start(StackOptions::new().ledger_env("STRIPE_WEBHOOK_SECRET", "")).await;
    let stack = stack.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let form = [("payment_intent", receipt["chargeId"].as_str().unwrap()), ("amount", "300")];
    stack.sim.api_post("/v1/refunds", &form).await.unwrap();
    let reconcile = |arguments: &[&str]| {
        let said = on_ledger(&stack, &[&["reconcile", "--json"], arguments].concat());
        (
            said.code,
            said.json["differences"].as_array().map(Vec::len),
            said.json["repaired"].as_array().map(Vec::len),
        )
    };
    assert_eq!(reconcile(&[]), (1, Some(1), Some(0)));
    assert_eq!(get(&stack, "/audit").await["entries"], json!([]), "it only looked");
    assert_eq!(reconcile(&["--repair"]), (0, Some(0), Some(1)));
    let entries = get(&stack, "/audit").await;
    let told = entries["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| format!("{} {} {}", of["actor"], of["kind"], of["outcome"]).replace('"', ""));
    let told: Vec<_> = told.collect();
    assert_eq!(told, ["operator repair done", "operator repair begun"]);
    assert_eq!(reconcile(&["--repair"]), (0, Some(0), Some(0)));
    assert_eq!(on_ledger(&stack, &["verify"]).code, 0);
}

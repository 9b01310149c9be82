//! Credit that was given: spent first, never refunded to a card, expiring.

use std::time::Duration;

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::pay,
    command::{ledger, on_store},
    operator::{get, post, subject},
};

/// A client that paid $25 and spent $1.17. Its id, and the card charge.
pub(crate) async fn client_with_money(stack: &Stack) -> (String, String) {
    let card = stack.sim.fresh_card().await.unwrap();
    let first = json!({"paymentMethodId": card, "topUpAmount": 250_000});
    let receipt = pay(stack, "/api/weather", first).await.receipt();
    let client = receipt["clientId"].as_str().unwrap().to_owned();
    for _ in 0..22 {
        pay(stack, "/api/weather", json!({"clientId": client})).await.receipt();
    }
    for _ in 0..2 {
        pay(stack, "/api/joke", json!({"clientId": client})).await.receipt();
    }
    (client, receipt["chargeId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_present_is_spent_and_cannot_be_taken_out_in_cash() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, charge) = client_with_money(&stack).await;
    let subject = subject(&client);
    let command = |arguments: &[&str], code: i32| {
        let said = ledger(&stack, &redis.url(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        said
    };
    let grant = ["client", "grant", &client, "--units=50000", "--reason=sorry", "--reference=gift"];
    let given = command(&grant, 0).json;
    assert_eq!(given["account"]["available"], 288_300);
    let other = ["client", "grant", &client, "--units=50001", "--reason=sorry", "--reference=gift"];
    let refused = command(&other, 4).error;
    assert!(refused.contains("\"gift\" was already used for $5.00"), "{refused}");
    let none = ["client", "grant", &client, "--units=0", "--reason=sorry", "--reference=none"];
    command(&none, 2);
    let account = |shown: &Value| shown["accounts"][0].clone();
    let shown = account(&get(&stack, &format!("/clients/{subject}")).await);
    assert_eq!(shown["paid"], 238_300);
    let lot = json!({"reference": "gift", "granted": 50_000, "left": 50_000});
    assert_eq!(shown["grants"], json!([lot]));
    let more = ["client", "refund", &client, "--amount=238400", "--reference=more"];
    let refused = command(&more, 4).error;
    assert!(refused.contains("only 238300 units are available that were paid for"), "{refused}");
    // All of it: what was paid for goes to the card, the present stays, and is spent.
    let all = command(&["client", "refund", &client, "--all", "--reference=all"], 0).json;
    assert_eq!(all["parts"], json!([{"payment_intent": charge, "amount": 238_300}]));
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 2_383);
    assert_eq!(all["account"]["available"], 50_000);
    let again = json!({"units": "all", "currency": "usd", "reference": "again"});
    let nothing = post(&stack, &format!("/clients/{subject}/refunds"), again).await;
    let code = &nothing.body["error"]["code"];
    assert_eq!((nothing.status, code), (409, &json!("nothing_to_refund")), "{nothing:?}");
    let nothing = command(&["client", "refund", &client, "--all", "--reference=third"], 4).error;
    assert!(nothing.contains("nothing is left that was paid for"), "{nothing}");
    let receipt = pay(&stack, "/api/weather", json!({"clientId": client})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_500);
    let said = on_store(&stack, &redis.url(), &["client", "show", &client]).text;
    for expected in
        ["granted: 4.95 usd left of 5.00 usd, never expires (gift)", "0.00 usd was paid for"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let kinds: Vec<_> = get(&stack, &format!("/clients/{subject}/movements")).await["movements"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|of| of["amount"] != 0)
        .map(|of| format!("{} {}", of["kind"].as_str().unwrap(), of["amount"]))
        .collect();
    let expected = ["capture 238300", "hold 238300", "grant 50000", "top_up 250000"];
    assert_eq!(kinds, expected, "newest first");
    let entries = get(&stack, "/audit").await["entries"].clone();
    let told = |kind: &str, what: &str| {
        let of_kind = |of: &&Value| of["kind"] == kind && of["outcome"] == "done";
        entries.as_array().unwrap().iter().filter(of_kind).any(|of| of.to_string().contains(what))
    };
    assert!(told("grant", "50000") && told("grant", "sorry"), "{entries}");
    assert!(told("refund", "238300 units refunded"), "{entries}");
    command(&["verify"], 0);
    command(&["reconcile"], 0);
}

#[tokio::test]
async fn what_is_left_of_a_present_expires() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, _) = client_with_money(&stack).await;
    let grant = |name: &'static str, span: &'static str| {
        let order = ["client", "grant", &client, "--units=700", "--reason=trial", name, span];
        ledger(&stack, &redis.url(), &order)
    };
    assert_eq!(grant("--reference=a", "--expires-in=3s").code, 0);
    assert_eq!(grant("--reference=b", "--expires-in=1h").code, 0);
    let gone = grant("--reference=c", "--expires-in=0s");
    assert!(gone.code == 4 && gone.error.contains("expired already"), "{}", gone.error);
    let never = grant("--reference=d", "--expires-in=300000years");
    assert!(never.code == 2 && never.error.contains("2^53 - 1"), "{}", never.error);
    pay(&stack, "/api/weather", json!({"clientId": client})).await.receipt();
    let path = format!("/clients/{}", subject(&client));
    for round in 0.. {
        let shown = get(&stack, &path).await["accounts"][0].clone();
        if shown["grants"].as_array().unwrap().len() == 1 {
            assert_eq!((&shown["paid"], &shown["available"]), (&json!(238_300), &json!(239_000)));
            assert_eq!(shown["grants"][0]["left"], 700, "{shown}");
            break;
        }
        assert!(round < 200, "it does not expire: {shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let kinds = get(&stack, &format!("{path}/movements")).await["movements"][0].clone();
    assert_eq!((&kinds["kind"], &kinds["amount"]), (&json!("grant_expired"), &json!(200)));
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// Asked again it is given once, and what would be another grant is told to be one.
#[tokio::test]
async fn a_reference_names_one_grant_with_one_end() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, _) = client_with_money(&stack).await;
    let path = format!("/clients/{}/grants", subject(&client));
    let soon = crate::operator::now_ms() + 86_400_000;
    let order = |expires_ms: Option<u64>| {
        let mut order = json!({"units": 700, "currency": "usd", "reference": "r", "reason": "why"});
        if let Some(expires_ms) = expires_ms {
            order["expires_ms"] = json!(expires_ms);
        }
        post(&stack, &path, order)
    };
    assert_eq!(order(Some(soon)).await.body["repeated"], false);
    assert_eq!(order(Some(soon)).await.body["repeated"], true);
    for other in [None, Some(soon + 3_600_000), Some(soon - 3_600_000)] {
        let refused = order(other).await;
        let said = refused.body.to_string();
        let told = said.contains("conflict") && said.contains("a grant that expires 20");
        assert!(refused.status == 409 && told, "{other:?}: {refused:?}");
    }
    // Who says for how long it lasts says so again.
    let lasts = |reference: &str, span: &str| {
        let (reference, span) =
            (format!("--reference={reference}"), format!("--expires-in={span}"));
        let grant = ["client", "grant", &client, "--units=700", "--reason=why", &reference, &span];
        ledger(&stack, &redis.url(), &grant)
    };
    assert_eq!(lasts("s", "1h").json["repeated"], false);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(lasts("s", "1h").json["repeated"], true);
    let refused = lasts("s", "2h");
    assert!(
        refused.code == 4 && refused.error.contains("already used for a grant"),
        "{}",
        refused.error
    );
    let shown = get(&stack, &format!("/clients/{}", subject(&client))).await;
    assert_eq!(shown["accounts"][0]["paid"], 238_300, "{shown}");
    assert_eq!(shown["accounts"][0]["available"], 238_300 + 2 * 700, "{shown}");
}

/// Who is frozen spends in no currency, also in none that is new.
#[tokio::test]
async fn a_frozen_clients_new_account_is_frozen() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (client, _) = client_with_money(&stack).await;
    let path = format!("/clients/{}", subject(&client));
    let reason = json!({"reason": "a look"});
    assert_eq!(post(&stack, &format!("{path}/freeze"), reason.clone()).await.status, 200);
    for (what, currency) in [("grants", "eur"), ("adjustments", "gbp")] {
        let order = json!({"units": 700, "currency": currency, "reference": "r", "reason": "why"});
        let given = post(&stack, &format!("{path}/{what}"), order).await;
        assert_eq!(
            (given.status, &given.body["account"]["frozen"]),
            (200, &json!(true)),
            "{given:?}"
        );
    }
    let frozen = async || {
        let shown = get(&stack, &path).await;
        let all = shown["accounts"].as_array().unwrap().clone();
        all.iter().map(|of| of["frozen"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(frozen().await, [true; 3]);
    assert_eq!(post(&stack, &format!("{path}/unfreeze"), reason).await.status, 200);
    assert_eq!(frozen().await, [false; 3]);
}

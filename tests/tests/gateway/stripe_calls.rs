//! What the ledger asks of Stripe, parameter by parameter, against Stripe's published API.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
    stripe_sim::Call,
};

use crate::{answer::pay, command::ledger};

/// A call: what it must say, what it may say besides, whether it carries an idempotency key, and
/// where Stripe publishes its parameters.
struct Known {
    call: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
    source: &'static str,
}

const KNOWN: [Known; 15] = [
    Known {
        call: "GET /v1/payment_methods/:id",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/payment_methods/retrieve",
    },
    Known {
        call: "POST /v1/customers",
        must: &["description", "metadata[stripe402_subject]"],
        may: &[],
        source: "docs.stripe.com/api/customers/create",
    },
    Known {
        call: "GET /v1/customers/:id",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/customers/retrieve",
    },
    Known {
        call: "POST /v1/payment_intents",
        must: &[
            "allowed_payment_method_types[0]",
            "amount",
            "confirm",
            "currency",
            "customer",
            "description",
            "metadata[stripe402_books]",
            "metadata[stripe402_subject]",
            "metadata[stripe402_top_up]",
            "payment_method",
            "setup_future_usage",
        ],
        may: &[],
        source: "docs.stripe.com/api/payment_intents/create",
    },
    Known {
        call: "GET /v1/payment_intents/:id",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/payment_intents/retrieve",
    },
    Known {
        call: "GET /v1/payment_intents",
        must: &["created[gte]", "limit"],
        may: &["customer", "starting_after"],
        source: "docs.stripe.com/api/payment_intents/list",
    },
    Known {
        call: "POST /v1/payment_intents/:id/cancel",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/payment_intents/cancel",
    },
    Known {
        call: "POST /v1/setup_intents",
        must: &[
            "allowed_payment_method_types[0]",
            "confirm",
            "customer",
            "payment_method",
            "usage",
        ],
        may: &[],
        source: "docs.stripe.com/api/setup_intents/create",
    },
    Known {
        call: "POST /v1/refunds",
        must: &[
            "amount",
            "metadata[stripe402_hold]",
            "metadata[stripe402_subject]",
            "payment_intent",
            "reason",
        ],
        may: &[],
        source: "docs.stripe.com/api/refunds/create",
    },
    Known {
        call: "GET /v1/refunds",
        must: &["limit"],
        may: &["created[gte]", "payment_intent", "starting_after"],
        source: "docs.stripe.com/api/refunds/list",
    },
    Known {
        call: "GET /v1/disputes",
        must: &["created[gte]", "limit"],
        may: &["starting_after"],
        source: "docs.stripe.com/api/disputes/list",
    },
    Known {
        call: "GET /v1/disputes/:id",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/disputes/retrieve",
    },
    Known {
        call: "GET /v1/events",
        must: &[
            "created[gte]",
            "limit",
            "types[0]",
            "types[1]",
            "types[2]",
            "types[3]",
            "types[4]",
            "types[5]",
            "types[6]",
            "types[7]",
            "types[8]",
        ],
        may: &["starting_after"],
        source: "docs.stripe.com/api/events/list",
    },
    // What the tests themselves do, as a payer.
    Known {
        call: "POST /v1/payment_methods",
        must: &["card[cvc]", "card[exp_month]", "card[exp_year]", "card[number]", "type"],
        may: &[],
        source: "docs.stripe.com/api/payment_methods/create",
    },
    // And as somebody at Stripe's dashboard.
    Known {
        call: "DELETE /v1/customers/:id",
        must: &[],
        may: &[],
        source: "docs.stripe.com/api/customers/delete",
    },
];

/// `metadata[a]` for a field within a field.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
    let name = |key: &str| {
        if prefix.is_empty() { key.to_owned() } else { format!("{prefix}[{key}]") }
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| flatten(&name(key), value, into));
        }
        Value::Array(items) => {
            items
                .iter()
                .zip(0..)
                .for_each(|(value, at)| flatten(&name(&format!("{at}")), value, into));
        }
        _ => {
            into.insert(prefix.to_owned());
        }
    }
}

/// The call without the ids in its path.
fn name(call: &Call) -> String {
    let path = call.path.split('?').next().unwrap();
    let parts = path.split('/').map(|part| {
        let is_id = ["pm_", "pi_", "cus_", "dp_", "du_", "re_"].iter().any(|p| part.starts_with(p));
        if is_id { ":id" } else { part }
    });
    format!("{} {}", call.method, parts.collect::<Vec<_>>().join("/"))
}

#[tokio::test]
async fn every_call_says_what_stripe_documents() {
    let redis = Redis::start().await.unwrap();
    let options = StackOptions::new().store(&redis.url()).ledger_env("LEDGER_SETTLE_AFTER", "0s");
    let stack = Stack::start(options).await.unwrap();
    let number = stripe402_tests::card::fresh().unwrap();
    let card = async |number: &str| stack.sim.payment_method(number, "123").await.unwrap();
    let buy = async |card: String| pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    // A first payment; the same card again; a customer that is gone; 3D Secure given up for another
    // card; Stripe failing, so that its PaymentIntents are listed; a refund; a dispute; reconciling.
    let receipt = buy(card(&number).await).await.receipt();
    buy(card(&number).await).await.receipt();
    let customers = stack.sim.api_get("/v1/customers").await.unwrap();
    let url = format!("/v1/customers/{}", customers["data"][0]["id"].as_str().unwrap());
    let key = stripe402_tests::stripe_sim::SECRET_KEY;
    let deleted = stack.client.delete(stack.sim.url(&url)).bearer_auth(key).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    let own_calls = stack.sim.calls("/v1/customers").await.unwrap();
    let listed_by_test = own_calls
        .iter()
        .filter(|call| call.method == "GET" && call.path == "/v1/customers")
        .count();
    assert_eq!(listed_by_test, 1);
    buy(card(&number).await).await.receipt();
    let asked = buy(card("4000002760003184").await).await;
    assert_eq!(asked.reason(), Some("authentication_required"));
    let intent = asked.body["paymentIntentId"].as_str().unwrap();
    let retry =
        json!({"paymentMethodId": card("4000002760003184").await, "paymentIntentId": intent});
    pay(&stack, "/api/joke", retry).await;
    buy(card("4000002760003184").await).await;
    let broken =
        json!({"method": "POST", "path": "/v1/payment_intents", "action": "status", "status": 500});
    stack.sim.fault(&broken).await.unwrap();
    buy(stack.sim.fresh_card().await.unwrap()).await;
    let client = receipt["clientId"].as_str().unwrap();
    let said = ledger(
        &stack,
        &redis.url(),
        &["client", "refund", client, "--amount", "10000", "--reference", "a"],
    );
    assert_eq!(said.code, 0, "{}", said.error);
    stack.sim.control("disputes", &json!({"payment_intent": receipt["chargeId"]})).await.unwrap();
    ledger(&stack, &redis.url(), &["reconcile"]);
    tokio::time::sleep(Duration::from_millis(500)).await;

    let known: BTreeMap<_, _> = KNOWN.iter().map(|known| (known.call, known)).collect();
    let mut seen = BTreeSet::new();
    for call in stack.sim.calls("/v1/").await.unwrap() {
        let name = name(&call);
        if name == "GET /v1/customers" {
            continue; // the test's own look, above
        }
        let known =
            known.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
        let mut params = BTreeSet::new();
        flatten("", &call.params, &mut params);
        for must in known.must {
            assert!(params.contains(*must), "{name} without {must}: see {}", known.source);
        }
        for param in &params {
            let param = param.as_str();
            let may = known.must.contains(&param) || known.may.contains(&param);
            assert!(may, "{name} with {param}: see {}", known.source);
        }
        // docs.stripe.com/api/idempotent_requests: every write, and no read.
        let own = name != "POST /v1/payment_methods" && call.method == "POST";
        assert_eq!(call.idempotency_key.is_some(), own, "{name}");
        seen.insert(known.call);
    }
    let all: BTreeSet<_> = known.into_keys().collect();
    assert_eq!(seen, all, "calls that the table has and nobody made");
}

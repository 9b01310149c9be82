//! The operator API and `--json` of the commands show the same objects of the same books.

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay},
    command::ledger,
    operator::{get, hold, post, subject},
};

#[tokio::test]
async fn the_commands_show_what_the_api_shows() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    paid_client(&stack).await;
    let subject = subject(&client);
    let command = |arguments: &[&str], code: i32| {
        let said = ledger(&stack, &redis.url(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        said.json
    };

    // What acts answers the same when it is asked for again, by the other way.
    let freeze = ["client", "freeze", &subject, "--reason", "a test"];
    let path = |what: &str| format!("/clients/{subject}/{what}");
    let frozen = post(&stack, &path("freeze"), json!({"reason": "a test"})).await.body;
    assert_eq!(frozen["accounts"][0]["frozen"], true);
    assert_eq!(command(&freeze, 0), frozen);
    command(&["client", "unfreeze", &subject, "--reason", "a test"], 0);
    let adjust = ["client", "adjust", &subject, "--units=600", "--reference=up", "--reason=a test"];
    let up = json!({"units": 600, "currency": "usd", "reference": "up", "reason": "a test"});
    command(&adjust, 0);
    let adjusted = post(&stack, &path("adjustments"), up).await.body;
    assert_eq!(adjusted["repeated"], true);
    assert_eq!(command(&adjust, 0), adjusted);
    // Half a cent is less than Stripe refunds.
    let refund = ["client", "refund", &subject, "--amount=10050", "--reference=back"];
    let back = json!({"units": 10_050, "currency": "usd", "reference": "back"});
    let refunded = post(&stack, &path("refunds"), back).await.body;
    assert_eq!((&refunded["short"], &refunded["refunded"]), (&json!(true), &json!(10_000)));
    assert_eq!(command(&refund, 1), refunded);

    // What looks shows the same. How old a hold is has gone on meanwhile.
    hold(&stack, &client, ("chat", 900), (5, 600)).await;
    let without_age = |mut shown: Value| {
        for hold in shown["holds"].as_array_mut().unwrap() {
            assert!(hold.as_object_mut().unwrap().remove("age_seconds").is_some(), "{hold}");
        }
        shown
    };
    let held = without_age(get(&stack, "/holds").await);
    assert_eq!(held["holds"].as_array().unwrap().len(), 1, "{held}");
    assert_eq!(without_age(command(&["holds"], 0)), held);
    assert_eq!(without_age(command(&["holds", "--client", &subject], 0)), held);
    let shown = get(&stack, &format!("/clients/{subject}")).await;
    assert_eq!(shown["accounts"][0]["requests"], 2);
    assert_eq!(shown["holds"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(without_age(command(&["client", "show", &subject], 0)), without_age(shown));
    let movements = get(&stack, "/transfers?limit=500").await;
    assert!(movements["movements"].as_array().unwrap().len() > 5, "{movements}");
    assert_eq!(command(&["transfers"], 0), movements);
    let own = get(&stack, &path("movements?limit=500")).await;
    assert_eq!(command(&["transfers", "--client", &subject], 0), own);
    for by in ["route", "day"] {
        let revenue = get(&stack, &format!("/revenue?by={by}&days=36500")).await;
        assert!(!revenue["lines"].as_array().unwrap().is_empty(), "{revenue}");
        assert_eq!(command(&["revenue", "--by", by], 0), revenue, "by {by}");
    }
}

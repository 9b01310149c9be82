//! Refunds, disputes and totals.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

#[tokio::test]
async fn refunds_up_to_what_was_charged() {
    let sim = Sim::start().await;
    let intent = id(&sim.pay("pm_card_visa", &[]).await.ok());
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "200"),
        ("reason", "requested_by_customer"),
        ("metadata[a]", "b"),
    ];
    let first = sim.post("/v1/refunds", &form).await.ok();
    assert_eq!((&first["status"], &first["amount"]), (&json!("succeeded"), &json!(200)));
    assert_eq!(
        (&first["reason"], &first["metadata"]),
        (&json!("requested_by_customer"), &json!({"a": "b"}))
    );
    let over =
        sim.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "301")]).await.error(400);
    assert_eq!((&over["code"], &over["param"]), (&Value::Null, &json!("amount")));
    assert!(
        text(&over, "message").contains("is greater than unrefunded amount on charge"),
        "{over:#}"
    );
    let rest = sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.ok();
    assert_eq!(rest["amount"], 300);
    let charge = sim.told("charge.refunded").await;
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&json!(true), &json!(500)));
    let list = sim.get(&format!("/v1/refunds?payment_intent={intent}")).await.ok();
    assert_eq!(list["data"], json!([rest, first]));
    let totals = json!({"charged": 500, "refunded": 500, "disputed": 0});
    assert_eq!(sim.get("/_sim/totals").await.ok(), json!({"usd": totals}));
}

#[tokio::test]
async fn what_cannot_be_refunded() {
    let sim = Sim::start().await;
    let declined = sim.pay("pm_card_visa_chargeDeclined", &[]).await.error(402);
    let refunded = id(&sim.pay("pm_card_visa", &[]).await.ok());
    sim.post("/v1/refunds", &[("payment_intent", &refunded)]).await.ok();
    let disputed = id(&sim.pay_by("4000000000000259").await.ok());
    for (intent, code) in [
        (id(&declined["payment_intent"]), "payment_intent_unexpected_state"),
        (refunded, "charge_already_refunded"),
        (disputed, "charge_disputed"),
        ("pi_none".to_owned(), "resource_missing"),
    ] {
        let error = sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.error(400);
        assert_eq!(error["code"], code, "{intent}");
    }
    assert_eq!(sim.post("/v1/refunds", &[]).await.error(400)["code"], "parameter_missing");
}

#[tokio::test]
async fn a_failed_refund_gives_the_money_back() {
    let sim = Sim::start().await;
    let intent = id(&sim.pay("pm_card_visa", &[]).await.ok());
    let refund = sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.ok();
    let failed = sim.play(&format!("refunds/{}/fail", id(&refund)), json!({})).await;
    assert_eq!(failed["status"], "failed");
    assert!(
        failed["failure_reason"].is_string() && failed["failure_balance_transaction"].is_string()
    );
    assert_eq!(sim.totals().await, json!({"charged": 500, "refunded": 0, "disputed": 0}));
    sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.ok();
    let events = sim.events().await;
    assert_eq!(
        events[3..8],
        [
            "refund.created",
            "charge.refunded",
            "refund.updated",
            "charge.refund.updated",
            "refund.failed"
        ]
    );
}

#[tokio::test]
async fn disputes_open_and_close() {
    let sim = Sim::start().await;
    let intent = sim.pay_by("4000000000000259").await.ok();
    assert_eq!(intent["status"], "succeeded");
    let dispute = sim.get("/v1/disputes").await.ok()["data"][0].clone();
    assert_eq!(
        (&dispute["status"], &dispute["reason"], &dispute["amount"]),
        (&json!("needs_response"), &json!("fraudulent"), &json!(500))
    );
    assert_eq!(dispute["payment_intent"], intent["id"]);
    assert_eq!(sim.totals().await["disputed"], 500);
    let won = sim.play(&format!("disputes/{}/close", id(&dispute)), json!({"status": "won"})).await;
    assert_eq!(
        (&won["status"], won["balance_transactions"].as_array().unwrap().len()),
        (&json!("won"), 2)
    );
    assert_eq!(sim.get(&format!("/v1/disputes/{}", id(&dispute))).await.ok(), won);
    assert_eq!(sim.totals().await["disputed"], 0);
    assert_eq!(
        sim.events().await[3..],
        [
            "charge.updated",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated"
        ]
    );

    let intent = id(&sim.pay("pm_card_visa", &[]).await.ok());
    let dispute = sim.play("disputes", json!({"payment_intent": intent})).await;
    let close = format!("disputes/{}/close", id(&dispute));
    assert_eq!(sim.play(&close, json!({"status": "lost"})).await["status"], "lost");
    assert_eq!(sim.totals().await["disputed"], 500);

    sim.pay_by("4000000000002685").await.ok();
    let newest = sim.get("/v1/disputes?limit=1").await.ok()["data"][0].clone();
    assert_eq!(newest["reason"], "product_not_received");
}

/// Played by the card, or by a test: no money moves.
#[tokio::test]
async fn an_inquiry_withdraws_nothing() {
    let sim = Sim::start().await;
    sim.pay_by("4000000000001976").await.ok();
    let intent = id(&sim.pay("pm_card_visa", &[]).await.ok());
    sim.play("disputes", json!({"payment_intent": intent, "inquiry": true})).await;
    let list = sim.get("/v1/disputes").await.ok();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    for inquiry in list["data"].as_array().unwrap() {
        assert_eq!(
            (&inquiry["status"], &inquiry["balance_transactions"]),
            (&json!("warning_needs_response"), &json!([]))
        );
    }
    assert_eq!(sim.totals().await["disputed"], 0);
    sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.ok();
}

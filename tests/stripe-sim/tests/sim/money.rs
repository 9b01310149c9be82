//! Refunds, disputes and totals.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

#[tokio::test]
async fn refunds_up_to_what_was_charged() {
    let sim = Sim::start().await;
    let intent = id(&sim.pay_with("pm_card_visa").await.ok());
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "200"),
        ("reason", "requested_by_customer"),
    ];
    let first = sim.post("/v1/refunds", &form).await.ok();
    assert_eq!((&first["status"], &first["amount"]), (&json!("succeeded"), &json!(200)));
    let over =
        sim.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "301")]).await.error(400);
    assert_eq!((&over["code"], &over["param"]), (&Value::Null, &json!("amount")));
    assert!(
        text(&over, "message").contains("is greater than unrefunded amount on charge"),
        "{over:#}"
    );
    let charge = text(&first, "charge");
    let rest = sim.post("/v1/refunds", &[("charge", &charge)]).await.ok();
    assert_eq!(rest["amount"], 300);
    assert_eq!(
        sim.post("/v1/refunds", &[("charge", &charge)]).await.error(400)["code"],
        "charge_already_refunded"
    );
    let object = sim.get(&format!("/v1/charges/{charge}")).await.ok();
    assert_eq!((&object["refunded"], &object["amount_refunded"]), (&json!(true), &json!(500)));
    let list = sim.get(&format!("/v1/refunds?payment_intent={intent}")).await.ok();
    assert_eq!(list["data"], json!([rest, first]));
    assert_eq!(
        sim.get("/_sim/totals").await.ok(),
        json!({"usd": {"charged": 500, "refunded": 500, "disputed": 0}})
    );
}

#[tokio::test]
async fn what_cannot_be_refunded() {
    let sim = Sim::start().await;
    let declined = sim.pay_with("pm_card_chargeDeclined").await.error(402);
    let held =
        sim.pay(&[("payment_method", "pm_card_visa"), ("capture_method", "manual")]).await.ok();
    let disputed = sim.pay_with("pm_card_createDispute").await.ok();
    for (param, id, code) in [
        ("charge", text(&declined, "charge"), "charge_not_refundable"),
        ("charge", text(&held, "latest_charge"), "charge_not_refundable"),
        ("payment_intent", id(&held), "payment_intent_unexpected_state"),
        ("charge", text(&disputed, "latest_charge"), "charge_disputed"),
        ("charge", "ch_none".to_owned(), "resource_missing"),
        ("payment_intent", "pi_none".to_owned(), "resource_missing"),
    ] {
        assert_eq!(
            sim.post("/v1/refunds", &[(param, &id)]).await.error(400)["code"],
            code,
            "{param} {id}"
        );
    }
    assert_eq!(sim.post("/v1/refunds", &[]).await.error(400)["code"], "parameter_missing");
}

#[tokio::test]
async fn a_failed_refund_gives_the_money_back() {
    let sim = Sim::start().await;
    let intent = id(&sim.pay_with("pm_card_visa").await.ok());
    let refund = sim.post("/v1/refunds", &[("payment_intent", &intent)]).await.ok();
    let failed = sim.play(&format!("refunds/{}/fail", id(&refund)), json!({})).await;
    assert_eq!(failed["status"], "failed");
    assert!(
        failed["failure_reason"].is_string() && failed["failure_balance_transaction"].is_string()
    );
    assert_eq!(
        sim.get("/_sim/totals").await.ok()["usd"],
        json!({"charged": 500, "refunded": 0, "disputed": 0})
    );
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
    let intent = sim.pay_with("pm_card_createDispute").await.ok();
    assert_eq!(intent["status"], "succeeded");
    let list = sim.get(&format!("/v1/disputes?payment_intent={}", id(&intent))).await.ok();
    let dispute = &list["data"][0];
    assert_eq!(
        (&dispute["status"], &dispute["reason"], &dispute["amount"]),
        (&json!("needs_response"), &json!("fraudulent"), &json!(500))
    );
    assert_eq!(sim.get("/_sim/totals").await.ok()["usd"]["disputed"], 500);
    let won = sim.play(&format!("disputes/{}/close", id(dispute)), json!({"status": "won"})).await;
    assert_eq!(
        (&won["status"], won["balance_transactions"].as_array().unwrap().len()),
        (&json!("won"), 2)
    );
    assert_eq!(sim.get("/_sim/totals").await.ok()["usd"]["disputed"], 0);
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

    let intent = id(&sim.pay_with("pm_card_visa").await.ok());
    let asked = json!({"payment_intent": intent, "reason": "product_not_received", "amount": 200});
    let dispute = sim.play("disputes", asked).await;
    assert_eq!(
        (&dispute["amount"], &dispute["reason"]),
        (&json!(200), &json!("product_not_received"))
    );
    let lost =
        sim.play(&format!("disputes/{}/close", id(&dispute)), json!({"status": "lost"})).await;
    assert_eq!(lost["status"], "lost");
    assert_eq!(sim.get("/_sim/totals").await.ok()["usd"]["disputed"], 200);

    let inquiry = sim.pay_with("pm_card_createDisputeInquiry").await.ok();
    let list =
        sim.get(&format!("/v1/disputes?charge={}", text(&inquiry, "latest_charge"))).await.ok();
    assert_eq!(list["data"][0]["status"], "warning_needs_response");
    let closed = sim
        .play(
            &format!("disputes/{}/close", id(&list["data"][0])),
            json!({"status": "warning_closed"}),
        )
        .await;
    assert_eq!(
        (&closed["status"], &closed["balance_transactions"]),
        (&json!("warning_closed"), &json!([]))
    );
}

//! The ledger's numbers are right, and name nobody.

use serde_json::json;

use crate::scene;

#[tokio::test]
async fn the_ledger_counts_what_has_happened() {
    let (stack, paid) = scene::busy().await;
    let ledger = &stack.ledgers[0];
    let wrong = stack.client.post(ledger.url("/v1/batch")).bearer_auth("wrong").send().await;
    assert_eq!(wrong.unwrap().status(), 401);
    let nothing = stack.client.get(ledger.url(&format!("/nothing/{}", paid.client))).send().await;
    assert_eq!(nothing.unwrap().status(), 404);
    let unsigned = stack.client.post(ledger.webhook_url("/webhooks/stripe")).body("{}").send();
    assert_eq!(unsigned.await.unwrap().status(), 400);

    let expected = [
        // By route of the listeners.
        "stripe402_http_requests_total{route=\"/v1/payments\",status=\"2xx\"} 2",
        "stripe402_http_requests_total{route=\"/v1/batch\",status=\"4xx\"} 1",
        "stripe402_http_requests_total{route=\"other\",status=\"4xx\"} 1",
        "stripe402_http_seconds_count{route=\"/v1/payments\"} 2",
        // The card's joke, two with the client id, and the one whose API failed.
        "stripe402_charges_total{outcome=\"charged\"} 4",
        "stripe402_charged_units_total{currency=\"usd\"} 400",
        "stripe402_voids_total{outcome=\"voided\"} 1",
        "stripe402_batch_size_count 4",
        // One card was charged, one was declined.
        "stripe402_credited_units_total{currency=\"usd\"} 50000",
        "stripe402_top_ups_total{state=\"credited\"} 1",
        "stripe402_top_ups_total{state=\"refused\"} 1",
        "stripe402_card_attempts_total 2",
        "stripe402_card_declines_total{code=\"generic_decline\"} 1",
        "stripe402_stripe_calls_total{call=\"charge\",result=\"ok\"} 1",
        "stripe402_stripe_calls_total{call=\"charge\",result=\"declined\"} 1",
        "stripe402_stripe_calls_total{call=\"charge\",result=\"unknown\"} 0",
        "stripe402_stripe_seconds_count{call=\"charge\"} 2",
        "stripe402_store_transactions_total{store=\"embedded\",operation=\"open_top_up\",result=\"ok\"} 2",
        "stripe402_store_transactions_total{store=\"embedded\",operation=\"batch\",result=\"unavailable\"} 0",
        "stripe402_store_seconds_count{store=\"embedded\",operation=\"deduct_for_card\"} 1",
        // What Stripe told of, and what somebody else did.
        "stripe402_movements_total{kind=\"refund\"} 1",
        "stripe402_webhooks_total{about=\"unknown\",result=\"refused\"} 1",
        "stripe402_top_ups_open{state=\"charging\"} 0",
        "stripe402_modes_differ 0",
        "stripe402_charged_twice_total 0",
        "stripe402_top_ups_uncreditable_total 0",
    ];
    let text = scene::lines(&ledger.admin_url("/metrics"), &expected).await;
    for credential in [&paid.client, &paid.card, &paid.intent, &stack.secrets.ledger_token] {
        assert!(!text.contains(credential.as_str()), "{credential} is a label");
    }
    assert!(!text.contains("127.0.0.1"), "an address is a label");
    let series = text.lines().filter(|line| line.starts_with("stripe402_")).count();
    assert!(series < 1_700, "{series} series are too many for one ledger");
}

/// A top-up that waits is seen by its state, and why it waits by the results of the calls.
#[tokio::test]
async fn a_top_up_that_waits_for_stripe_is_seen_to_wait() {
    let (stack, _) = scene::busy().await;
    let fault = json!({"method": "POST", "path": "/v1/payment_intents", "action": "drop_before",
        "times": 4});
    stack.sim.fault(&fault).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let waits = tokio::spawn(stack.pay("/api/joke", &json!({"paymentMethodId": card})).send());
    let url = stack.ledgers[0].admin_url("/metrics");
    scene::lines(&url, &["stripe402_top_ups_open{state=\"charging\"} 1"]).await;
    let ended = [
        "stripe402_top_ups_open{state=\"charging\"} 0",
        "stripe402_stripe_calls_total{call=\"charge\",result=\"unknown\"} 4",
    ];
    scene::lines(&url, &ended).await;
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}

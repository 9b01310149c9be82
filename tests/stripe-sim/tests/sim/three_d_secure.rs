//! Cards that ask for their holder.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

/// Source: docs.stripe.com/testing#regulatory-cards.
#[tokio::test]
async fn three_d_secure_succeeds_or_fails() {
    let sim = Sim::start().await;
    let declined = ("requires_payment_method", Some("card_declined"));
    for (number, then) in [
        ("4000002500003155", ("succeeded", None)),
        ("4000002760003184", ("succeeded", None)),
        ("4000003800000446", ("succeeded", None)),
        ("4000000000003220", ("succeeded", None)),
        ("4000008260003178", declined),
        ("4000008400001629", declined),
    ] {
        let failed = ("requires_payment_method", Some("payment_intent_authentication_failure"));
        for (outcome, (status, code)) in [("succeed", then), ("fail", failed)] {
            let intent = sim.pay_by(number).await.ok();
            assert_eq!(intent["status"], "requires_action", "{number}");
            assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");
            assert!(intent["next_action"]["use_stripe_sdk"].is_object());
            assert_eq!(intent["latest_charge"], Value::Null, "nothing was charged yet");
            let asked = json!({"payment_intent": id(&intent), "outcome": outcome});
            let played = sim.play("authenticate", asked).await;
            assert_eq!(played["status"], status, "{number} {outcome}");
            assert_eq!(played["last_payment_error"]["code"], json!(code));
            assert_eq!(played["next_action"], Value::Null);
            assert_eq!(played["latest_charge"].is_string(), outcome == "succeed");
        }
    }
    assert_eq!(sim.totals().await["charged"], 4 * 500);
}

#[tokio::test]
async fn a_card_is_set_up_by_its_holder() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    for (outcome, status, code, owner) in [
        ("succeed", "succeeded", None, json!(customer)),
        (
            "fail",
            "requires_payment_method",
            Some("setup_intent_authentication_failure"),
            Value::Null,
        ),
    ] {
        let method = sim.method("4000002500003155", "123").await;
        let setup = sim.set_up(&method, &[("customer", &customer)]).await.ok();
        assert_eq!(setup["status"], "requires_action");
        assert_eq!(setup["next_action"]["type"], "use_stripe_sdk");
        assert!(text(&setup, "client_secret").contains("_secret_"));
        let asked = json!({"setup_intent": id(&setup), "outcome": outcome});
        let setup = sim.play("authenticate", asked).await;
        assert_eq!(
            (&setup["status"], &setup["last_setup_error"]["code"]),
            (&json!(status), &json!(code))
        );
        let kept = sim.get(&format!("/v1/payment_methods/{method}")).await.ok();
        assert_eq!(kept["customer"], owner, "{outcome}");
    }
}

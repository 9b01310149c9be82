//! PaymentMethods: used once, or kept with one customer.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

const USED: &str = "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment";
const NOT_ATTACHABLE: &str =
    "This PaymentMethod was previously used without being attached to a Customer";

#[tokio::test]
async fn one_that_paid_without_being_kept_is_used_up() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    for more in [vec![], vec![("customer", customer.as_str())]] {
        let method = sim.method("4242424242424242", "123").await;
        let form = [vec![("payment_method", method.as_str())], more].concat();
        sim.pay(&form).await.ok();
        let error = sim.pay(&form).await.error(400);
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("invalid_request_error"), &Value::Null)
        );
        assert!(text(&error, "message").starts_with(USED), "{error:#}");
        let attach = format!("/v1/payment_methods/{method}/attach");
        let error = sim.post(&attach, &[("customer", &customer)]).await.error(400);
        assert!(text(&error, "message").starts_with(NOT_ATTACHABLE), "{error:#}");
    }
}

#[tokio::test]
async fn one_that_is_to_be_used_again_is_kept_when_it_has_paid() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    let form = [
        ("payment_method", "pm_card_visa"),
        ("customer", customer.as_str()),
        ("setup_future_usage", "off_session"),
        ("expand[]", "payment_method"),
    ];
    let method = sim.pay(&form).await.ok()["payment_method"].clone();
    assert_eq!(method["customer"], json!(customer));
    for _ in 0..2 {
        sim.pay(&[
            ("payment_method", &id(&method)),
            ("customer", &customer),
            ("off_session", "true"),
        ])
        .await
        .ok();
    }
    for path in [
        format!("/v1/payment_methods?customer={customer}&type=card"),
        format!("/v1/customers/{customer}/payment_methods"),
    ] {
        let list = sim.get(&path).await.ok();
        assert_eq!(list["data"][0]["id"], method["id"], "{path}");
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
    }
    let detached = sim.post(&format!("/v1/payment_methods/{}/detach", id(&method)), &[]).await.ok();
    assert_eq!(detached["customer"], Value::Null);
    let error = sim.pay(&[("payment_method", &id(&method))]).await.error(400);
    assert!(text(&error, "message").starts_with(USED));
}

#[tokio::test]
async fn a_set_up_keeps_the_card() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    let form = [
        ("confirm", "true"),
        ("customer", customer.as_str()),
        ("payment_method", "pm_card_visa"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
        ("expand[]", "payment_method"),
    ];
    let intent = sim.post("/v1/setup_intents", &form).await.ok();
    assert_eq!(
        (&intent["status"], &intent["payment_method"]["customer"]),
        (&json!("succeeded"), &json!(customer))
    );
}

#[tokio::test]
async fn another_customers_is_refused() {
    let sim = Sim::start().await;
    let (owner, other) = (sim.customer().await, sim.customer().await);
    let attached =
        sim.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", &owner)]).await.ok();
    let method = id(&attached);
    let not_yours =
        format!("The PaymentMethod {method} does not belong to the Customer you supplied {other}.");
    let error = sim.pay(&[("payment_method", &method), ("customer", &other)]).await.error(400);
    assert!(text(&error, "message").starts_with(&not_yours), "{error:#}");
    assert_eq!((&error["code"], &error["param"]), (&Value::Null, &json!("payment_method")));
    let error = sim.pay(&[("payment_method", &method)]).await.error(400);
    assert!(
        text(&error, "message").contains(&format!("belongs to the Customer {owner}")),
        "{error:#}"
    );
    for customer in [vec![], vec![("customer", other.as_str())]] {
        let form = [
            vec![
                ("confirm", "true"),
                ("payment_method", method.as_str()),
                ("payment_method_types[]", "card"),
            ],
            customer,
        ]
        .concat();
        assert_eq!(
            sim.post("/v1/setup_intents", &form).await.error(400)["param"],
            "payment_method"
        );
    }
    let error = sim
        .post(&format!("/v1/payment_methods/{method}/attach"), &[("customer", &other)])
        .await
        .error(400);
    assert!(text(&error, "message").contains("already been attached"), "{error:#}");
    assert_eq!(sim.get("/v1/payment_intents").await.ok()["data"], json!([]), "no intent was made");
}

#[tokio::test]
async fn customers_come_and_go() {
    let sim = Sim::start().await;
    let form = [
        ("email", "a@example.com"),
        ("metadata[a]", "1"),
        ("address[city]", "Oslo"),
        ("payment_method", "pm_card_visa"),
    ];
    let customer = sim.post("/v1/customers", &form).await.ok();
    assert_eq!(
        (&customer["metadata"]["a"], &customer["address"]["city"]),
        (&json!("1"), &json!("Oslo"))
    );
    let path = format!("/v1/customers/{}", id(&customer));
    let updated =
        sim.post(&path, &[("metadata[a]", ""), ("metadata[b]", "2"), ("email", "")]).await.ok();
    assert_eq!((&updated["metadata"], &updated["email"]), (&json!({"b": "2"}), &Value::Null));
    let methods = sim.get(&format!("{path}/payment_methods")).await.ok();
    let method = id(&methods["data"][0]);
    assert_eq!(
        sim.delete(&path).await.ok(),
        json!({"id": id(&customer), "object": "customer", "deleted": true})
    );
    assert_eq!(sim.get(&path).await.ok()["deleted"], true);
    assert_eq!(sim.get("/v1/customers").await.ok()["data"], json!([]));
    let error = sim
        .pay(&[("payment_method", "pm_card_visa"), ("customer", &id(&customer))])
        .await
        .error(400);
    assert_eq!((&error["code"], &error["param"]), (&json!("resource_missing"), &json!("customer")));
    assert_eq!(sim.pay_with(&method).await.status, 400, "its cards cannot be used again");
}

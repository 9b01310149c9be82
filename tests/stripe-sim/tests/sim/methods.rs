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
        sim.pay(&method, &more).await.ok();
        let error = sim.pay(&method, &more).await.error(400);
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
async fn one_that_is_to_be_used_again_is_kept_when_it_has_paid_or_is_set_up() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    let of_customer = [("customer", customer.as_str())];
    let paid = sim.method("4242424242424242", "123").await;
    let more = [("customer", customer.as_str()), ("setup_future_usage", "off_session")];
    sim.pay(&paid, &more).await.ok();
    let set_up = sim.method("4242424242424242", "123").await;
    sim.set_up(&set_up, &of_customer).await.ok();
    for method in [paid, set_up] {
        let object = sim.get(&format!("/v1/payment_methods/{method}")).await.ok();
        assert_eq!(object["customer"], json!(customer));
        for _ in 0..2 {
            sim.pay(&method, &of_customer).await.ok();
        }
    }
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
    let error = sim.pay(&method, &[("customer", &other)]).await.error(400);
    assert!(text(&error, "message").starts_with(&not_yours), "{error:#}");
    assert_eq!((&error["code"], &error["param"]), (&Value::Null, &json!("payment_method")));
    let error = sim.pay(&method, &[]).await.error(400);
    let belongs = format!("belongs to the Customer {owner}");
    assert!(text(&error, "message").contains(&belongs), "{error:#}");
    for customer in [vec![], vec![("customer", other.as_str())]] {
        let error = sim.set_up(&method, &customer).await.error(400);
        assert_eq!(error["param"], "payment_method");
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
    let form = [("description", "d"), ("name", "n"), ("metadata[a]", "1")];
    let customer = sim.post("/v1/customers", &form).await.ok();
    assert_eq!(
        (&customer["description"], &customer["name"], &customer["metadata"]),
        (&json!("d"), &json!("n"), &json!({"a": "1"}))
    );
    let path = format!("/v1/customers/{}", id(&customer));
    assert_eq!(sim.get(&path).await.ok(), customer);
    assert_eq!(sim.get("/v1/customers").await.ok()["data"], json!([customer]));
    let attached = sim
        .post("/v1/payment_methods/pm_card_visa/attach", &[("customer", &id(&customer))])
        .await
        .ok();
    assert_eq!(
        sim.delete(&path).await.ok(),
        json!({"id": id(&customer), "object": "customer", "deleted": true})
    );
    assert_eq!(sim.get(&path).await.ok()["deleted"], true);
    assert_eq!(sim.get("/v1/customers").await.ok()["data"], json!([]));
    let error = sim.pay("pm_card_visa", &[("customer", &id(&customer))]).await.error(400);
    assert_eq!((&error["code"], &error["param"]), (&json!("resource_missing"), &json!("customer")));
    assert_eq!(sim.pay(&id(&attached), &[]).await.status, 400, "its cards cannot be used again");
}

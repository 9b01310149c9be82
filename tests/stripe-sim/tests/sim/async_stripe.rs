//! Every answer deserialises in the client library that the ledger uses.

use serde_json::{Value, json};
use stripe::{
    ApiErrorsCode, ApiErrorsType, Client, ClientBuilder, IdempotencyKey, RequestStrategy,
    StripeError, StripeRequest as _,
};
use stripe_core::customer::{CreateCustomer, DeleteCustomer, ListCustomer, RetrieveCustomer};
use stripe_core::dispute::{ListDispute, RetrieveDispute};
use stripe_core::event::ListEvent;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CreatePaymentIntent, ListPaymentIntent, RetrievePaymentIntent,
};
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_core::setup_intent::CreateSetupIntent;
use stripe_payment::payment_method::{AttachPaymentMethod, RetrievePaymentMethod};
use stripe_shared::{
    Charge, Customer, Dispute, PaymentIntent, PaymentIntentAllowedPaymentMethodTypes,
    PaymentIntentStatus, PaymentMethod, Refund, SetupIntent, SetupIntentAllowedPaymentMethodTypes,
    SetupIntentStatus,
};
use stripe_types::Currency;

use crate::harness::{Sim, id};

fn client(sim: &Sim) -> Client {
    ClientBuilder::new("sk_test_sim").url(format!("{}/", sim.handle.base_url())).build().unwrap()
}

fn payment(method: &str) -> CreatePaymentIntent {
    CreatePaymentIntent::new(500, Currency::USD)
        .confirm(true)
        .payment_method(method)
        .allowed_payment_method_types([PaymentIntentAllowedPaymentMethodTypes::Card])
}

fn set_up(method: &str) -> CreateSetupIntent {
    CreateSetupIntent::new()
        .confirm(true)
        .payment_method(method)
        .allowed_payment_method_types([SetupIntentAllowedPaymentMethodTypes::Card])
}

/// The error of a call that was to fail.
fn refusal<T: std::fmt::Debug>(result: Result<T, StripeError>) -> (Box<stripe::ApiErrors>, u16) {
    match result {
        Err(StripeError::Stripe(error, status)) => (error, status),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn customers_and_payment_methods() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let customer = CreateCustomer::new().description("a").send(&stripe).await.unwrap();
    RetrieveCustomer::new(&customer.id).send(&stripe).await.unwrap();
    assert_eq!(ListCustomer::new().send(&stripe).await.unwrap().data.len(), 1);
    let method = RetrievePaymentMethod::new("pm_card_visa").send(&stripe).await.unwrap();
    assert_eq!(method.card.unwrap().fingerprint.unwrap().len(), 16);
    let attach = AttachPaymentMethod::new(&method.id).customer(customer.id.as_str());
    assert_eq!(attach.send(&stripe).await.unwrap().customer.unwrap().id(), &customer.id);
    DeleteCustomer::new(&customer.id).send(&stripe).await.unwrap();
    RetrieveCustomer::new(&customer.id).send(&stripe).await.unwrap();
}

#[tokio::test]
async fn intents() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let key = RequestStrategy::Idempotent(IdempotencyKey::new("key-1").unwrap());
    let request = payment("pm_card_visa");
    let paid = request.customize().request_strategy(key.clone()).send(&stripe).await.unwrap();
    assert_eq!((&paid.status, paid.amount_received), (&PaymentIntentStatus::Succeeded, 500));
    let again = request.customize().request_strategy(key).send(&stripe).await.unwrap();
    assert_eq!(again.id, paid.id);
    RetrievePaymentIntent::new(&paid.id).send(&stripe).await.unwrap();
    let asks = sim.method("4000002760003184", "123").await;
    let waiting = payment(&asks).send(&stripe).await.unwrap();
    assert_eq!(waiting.status, PaymentIntentStatus::RequiresAction);
    CancelPaymentIntent::new(&waiting.id).send(&stripe).await.unwrap();
    let list = ListPaymentIntent::new().limit(1).send(&stripe).await.unwrap();
    assert_eq!(list.data[0].id, waiting.id);

    let done = set_up("pm_card_visa").send(&stripe).await.unwrap();
    assert_eq!(done.status, SetupIntentStatus::Succeeded);
    let waiting = set_up(&asks).send(&stripe).await.unwrap();
    assert_eq!(waiting.status, SetupIntentStatus::RequiresAction);
}

#[tokio::test]
async fn errors() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let poor = sim.method("4000000000009995", "123").await;
    let (error, status) = refusal(payment(&poor).send(&stripe).await);
    assert_eq!((status, &error.type_), (402, &ApiErrorsType::CardError));
    assert_eq!(error.code, Some(ApiErrorsCode::CardDeclined));
    assert_eq!(error.decline_code.as_deref(), Some("insufficient_funds"));
    let intent = error.payment_intent.unwrap();
    assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod);
    let kept = RetrievePaymentIntent::new(&intent.id).send(&stripe).await.unwrap();
    assert_eq!(kept.last_payment_error.unwrap().code, Some(ApiErrorsCode::CardDeclined));
    let (error, status) = refusal(set_up(&poor).send(&stripe).await);
    assert_eq!(status, 402);
    assert_eq!(error.setup_intent.unwrap().status, SetupIntentStatus::RequiresPaymentMethod);
    let (error, status) = refusal(RetrievePaymentIntent::new("pi_none").send(&stripe).await);
    assert_eq!((status, error.code), (404, Some(ApiErrorsCode::ResourceMissing)));
    for (status, kind) in
        [(429, ApiErrorsType::InvalidRequestError), (500, ApiErrorsType::ApiError)]
    {
        sim.play("faults", json!({"action": "status", "status": status})).await;
        let (error, got) = refusal(payment("pm_card_visa").send(&stripe).await);
        assert_eq!((got, error.type_), (status, kind));
    }
    sim.play("faults", json!({"action": "drop_after"})).await;
    let dropped = payment("pm_card_visa").send(&stripe).await;
    assert!(matches!(dropped, Err(StripeError::ClientError(_))));
}

#[tokio::test]
async fn refunds_and_disputes() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let paid = payment("pm_card_visa").send(&stripe).await.unwrap();
    let refund = CreateRefund::new().payment_intent(paid.id.as_str()).amount(200);
    let refund = refund.send(&stripe).await.unwrap();
    assert_eq!(refund.status.as_deref(), Some("succeeded"));
    sim.play(&format!("refunds/{}/fail", refund.id), json!({})).await;
    let list = ListRefund::new().payment_intent(paid.id.as_str()).send(&stripe).await.unwrap();
    assert_eq!(list.data[0].status.as_deref(), Some("failed"));
    let dispute = sim.play("disputes", json!({"payment_intent": paid.id})).await;
    let disputed = RetrieveDispute::new(id(&dispute)).send(&stripe).await.unwrap();
    assert_eq!(disputed.balance_transactions.len(), 1);
    sim.play(&format!("disputes/{}/close", id(&dispute)), json!({"status": "won"})).await;
    let list = ListDispute::new().send(&stripe).await.unwrap();
    assert_eq!(list.data[0].balance_transactions.len(), 2);
}

/// Charges, and PaymentMethods that are attached, are told of by events only.
#[tokio::test]
async fn the_objects_of_events() {
    fn read<T: miniserde::Deserialize>(object: &Value) {
        let text = object.to_string();
        miniserde::json::from_str::<T>(&text).unwrap_or_else(|_| panic!("{object:#}"));
    }
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    sim.post(attach, &[("customer", &customer)]).await.ok();
    let paid = sim.pay("pm_card_visa", &[]).await.ok();
    sim.post("/v1/refunds", &[("payment_intent", &id(&paid))]).await.ok();
    sim.pay("pm_card_visa_chargeDeclined", &[]).await.error(402);
    let asks = sim.pay_by("4000002760003184").await.ok();
    sim.play("authenticate", json!({"payment_intent": id(&asks), "outcome": "succeed"})).await;
    sim.pay_by("4000000000000259").await.ok();
    sim.set_up("pm_card_visa", &[]).await.ok();
    let list = ListEvent::new().limit(100).send(&client(&sim)).await.unwrap();
    let events = sim.get("/v1/events?limit=100").await.ok()["data"].as_array().unwrap().clone();
    assert_eq!((list.data.len(), events.len()), (22, 22));
    for event in &events {
        let object = &event["data"]["object"];
        match object["object"].as_str().unwrap() {
            "charge" => read::<Charge>(object),
            "customer" => read::<Customer>(object),
            "dispute" => read::<Dispute>(object),
            "payment_intent" => read::<PaymentIntent>(object),
            "payment_method" => read::<PaymentMethod>(object),
            "refund" => read::<Refund>(object),
            "setup_intent" => read::<SetupIntent>(object),
            other => panic!("an event of a {other}"),
        }
    }
}

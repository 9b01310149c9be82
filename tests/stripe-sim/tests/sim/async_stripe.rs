//! Every answer deserialises in the client library that the ledger uses.

use std::collections::HashMap;

use serde_json::json;
use stripe::{ApiErrorsCode, ApiErrorsType};
use stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest as _,
};
use stripe_core::charge::{ListCharge, RetrieveCharge};
use stripe_core::customer::{
    CreateCustomer, DeleteCustomer, ListCustomer, RetrieveCustomer, UpdateCustomer,
};
use stripe_core::dispute::{ListDispute, RetrieveDispute};
use stripe_core::event::{ListEvent, RetrieveEvent};
use stripe_core::payment_intent::{
    CancelPaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, ListPaymentIntent,
    RetrievePaymentIntent, SearchPaymentIntent, UpdatePaymentIntent,
};
use stripe_core::refund::{CreateRefund, ListRefund, RetrieveRefund};
use stripe_core::setup_intent::{
    CancelSetupIntent, CreateSetupIntent, ListSetupIntent, RetrieveSetupIntent,
};
use stripe_core::{
    PaymentIntentAllowedPaymentMethodTypes, PaymentIntentStatus,
    SetupIntentAllowedPaymentMethodTypes, SetupIntentStatus,
};
use stripe_payment::payment_method::{
    AttachPaymentMethod, DetachPaymentMethod, ListPaymentMethod, RetrievePaymentMethod,
};
use stripe_types::{Currency, Expandable};

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
    let customer = CreateCustomer::new()
        .email("a@example.com")
        .metadata(HashMap::from([("client".to_owned(), "1".to_owned())]))
        .send(&stripe)
        .await
        .unwrap();
    UpdateCustomer::new(&customer.id).name("A").send(&stripe).await.unwrap();
    RetrieveCustomer::new(&customer.id).send(&stripe).await.unwrap();
    assert_eq!(ListCustomer::new().send(&stripe).await.unwrap().data.len(), 1);
    let method = RetrievePaymentMethod::new("pm_card_visa").send(&stripe).await.unwrap();
    assert_eq!(method.card.unwrap().fingerprint.unwrap().len(), 16);
    let attached = AttachPaymentMethod::new(&method.id)
        .customer(customer.id.as_str())
        .send(&stripe)
        .await
        .unwrap();
    assert_eq!(attached.customer.unwrap().id(), &customer.id);
    let list = ListPaymentMethod::new().customer(customer.id.as_str()).send(&stripe).await.unwrap();
    assert_eq!(list.data[0].id, method.id);
    DetachPaymentMethod::new(&method.id).send(&stripe).await.unwrap();
    DeleteCustomer::new(&customer.id).send(&stripe).await.unwrap();
    RetrieveCustomer::new(&customer.id).send(&stripe).await.unwrap();
}

#[tokio::test]
async fn payment_intents() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let customer = CreateCustomer::new().send(&stripe).await.unwrap();
    let key = RequestStrategy::Idempotent(IdempotencyKey::new("key-1").unwrap());
    let request = payment("pm_card_visa")
        .customer(customer.id.as_str())
        .metadata(HashMap::from([("top_up".to_owned(), "t1".to_owned())]))
        .expand(["latest_charge".to_owned(), "payment_method".to_owned(), "customer".to_owned()]);
    let paid = request.customize().request_strategy(key.clone()).send(&stripe).await.unwrap();
    assert_eq!((&paid.status, paid.amount_received), (&PaymentIntentStatus::Succeeded, 500));
    let Some(Expandable::Object(charge)) = &paid.latest_charge else { panic!("not expanded") };
    let card = charge.payment_method_details.as_ref().unwrap().card.as_ref().unwrap();
    assert_eq!(card.fingerprint.as_ref().unwrap().len(), 16);
    let again = request.customize().request_strategy(key).send(&stripe).await.unwrap();
    assert_eq!(again.id, paid.id);
    RetrievePaymentIntent::new(&paid.id).send(&stripe).await.unwrap();
    RetrieveCharge::new(&charge.id).send(&stripe).await.unwrap();
    assert_eq!(
        ListCharge::new().payment_intent(paid.id.as_str()).send(&stripe).await.unwrap().data.len(),
        1
    );

    let open = CreatePaymentIntent::new(700, Currency::EUR).send(&stripe).await.unwrap();
    UpdatePaymentIntent::new(&open.id).description("x").send(&stripe).await.unwrap();
    let waiting = ConfirmPaymentIntent::new(&open.id)
        .payment_method("pm_card_authenticationRequired")
        .return_url("https://example.com")
        .send(&stripe)
        .await
        .unwrap();
    assert_eq!(waiting.status, PaymentIntentStatus::RequiresAction);
    CancelPaymentIntent::new(&open.id).send(&stripe).await.unwrap();
    assert_eq!(ListPaymentIntent::new().limit(1).send(&stripe).await.unwrap().data[0].id, open.id);
    sim.play("clock/advance", json!({"seconds": 5})).await;
    let found = SearchPaymentIntent::new("metadata['top_up']:'t1'").send(&stripe).await.unwrap();
    assert_eq!(found.data[0].id, paid.id);
}

#[tokio::test]
async fn errors() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let (error, status) =
        refusal(payment("pm_card_chargeDeclinedInsufficientFunds").send(&stripe).await);
    assert_eq!((status, &error.type_), (402, &ApiErrorsType::CardError));
    assert_eq!(error.code, Some(ApiErrorsCode::CardDeclined));
    assert_eq!(error.decline_code.as_deref(), Some("insufficient_funds"));
    let intent = error.payment_intent.unwrap();
    assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod);
    let kept = RetrievePaymentIntent::new(&intent.id).send(&stripe).await.unwrap();
    assert_eq!(kept.last_payment_error.unwrap().code, Some(ApiErrorsCode::CardDeclined));
    let off_session = payment("pm_card_authenticationRequired")
        .off_session(stripe_core::payment_intent::CreatePaymentIntentOffSession::Bool(true));
    let (error, status) = refusal(off_session.send(&stripe).await);
    assert_eq!((status, error.code), (402, Some(ApiErrorsCode::AuthenticationRequired)));
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
    assert!(matches!(
        payment("pm_card_visa").send(&stripe).await,
        Err(StripeError::ClientError(_))
    ));
}

#[tokio::test]
async fn setup_intents() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let customer = CreateCustomer::new().send(&stripe).await.unwrap();
    let create = |method: &str| {
        CreateSetupIntent::new()
            .confirm(true)
            .customer(customer.id.as_str())
            .payment_method(method)
            .allowed_payment_method_types([SetupIntentAllowedPaymentMethodTypes::Card])
            .expand(["payment_method".to_owned()])
    };
    let done = create("pm_card_visa").send(&stripe).await.unwrap();
    assert_eq!(done.status, SetupIntentStatus::Succeeded);
    let Some(Expandable::Object(method)) = done.payment_method else { panic!("not expanded") };
    assert_eq!(method.customer.unwrap().id(), &customer.id);
    let waiting = create("pm_card_authenticationRequired").send(&stripe).await.unwrap();
    assert_eq!(waiting.status, SetupIntentStatus::RequiresAction);
    RetrieveSetupIntent::new(&waiting.id).send(&stripe).await.unwrap();
    CancelSetupIntent::new(&waiting.id).send(&stripe).await.unwrap();
    assert_eq!(ListSetupIntent::new().send(&stripe).await.unwrap().data.len(), 2);
    let (error, status) = refusal(create("pm_card_chargeDeclined").send(&stripe).await);
    assert_eq!(status, 402);
    assert_eq!(error.setup_intent.unwrap().status, SetupIntentStatus::RequiresPaymentMethod);
}

#[tokio::test]
async fn refunds_disputes_and_events() {
    let sim = Sim::start().await;
    let stripe = client(&sim);
    let paid = payment("pm_card_visa").send(&stripe).await.unwrap();
    let refund = CreateRefund::new()
        .payment_intent(paid.id.as_str())
        .amount(200)
        .send(&stripe)
        .await
        .unwrap();
    assert_eq!(refund.status.as_deref(), Some("succeeded"));
    sim.play(&format!("refunds/{}/fail", refund.id), json!({})).await;
    assert_eq!(
        RetrieveRefund::new(&refund.id).send(&stripe).await.unwrap().status.as_deref(),
        Some("failed")
    );
    assert_eq!(
        ListRefund::new().payment_intent(paid.id.as_str()).send(&stripe).await.unwrap().data.len(),
        1
    );
    let dispute = sim.play("disputes", json!({"payment_intent": paid.id})).await;
    let disputed = RetrieveDispute::new(id(&dispute)).send(&stripe).await.unwrap();
    assert_eq!(disputed.balance_transactions.len(), 1);
    sim.play(&format!("disputes/{}/close", id(&dispute)), json!({"status": "won"})).await;
    assert_eq!(
        ListDispute::new().send(&stripe).await.unwrap().data[0].balance_transactions.len(),
        2
    );
    let events = ListEvent::new().limit(100).send(&stripe).await.unwrap();
    assert!(events.data.len() > 10);
    RetrieveEvent::new(&events.data[0].id).send(&stripe).await.unwrap();
}

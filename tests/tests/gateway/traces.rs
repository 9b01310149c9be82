//! The ledger hears by which names a request is found again.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::HeaderMap, routing};
use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::{
    answer::{pay, send},
    messages, other_api,
};

const CLIENT: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn the_ledger_gets_the_requests_own_ids() {
    let heard: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let writes_down = {
        let heard = Arc::clone(&heard);
        move |headers: HeaderMap, body: Bytes| async move {
            heard.lock().unwrap().push(headers);
            let asked = messages::read(&body);
            let charges = asked["charges"].as_array().cloned().unwrap_or_default();
            let charges: Vec<_> =
                charges.iter().map(|charge| json!([charge["id"], {"charged": 9}])).collect();
            if charges.is_empty() {
                let insufficient = json!({"insufficient": {"chargeId": asked["chargeId"]}});
                return insufficient.to_string().into_bytes();
            }
            messages::batch_answer(json!({"charges": charges}))
        }
    };
    let router = Router::new()
        .route("/readyz", routing::get(|| async { "ok" }))
        .route("/v1/batch", routing::post(writes_down.clone()))
        .route("/v1/payments", routing::post(writes_down));
    let ledger = other_api::serve(router).await;
    let options =
        StackOptions::new().config(move |config| config.endpoints("stripe402_ledger", &[ledger]));
    let stack = Stack::start(options).await.unwrap();

    let request = stack.pay("/api/joke", &json!({"clientId": CLIENT}));
    assert_eq!(send(request.header("traceparent", PARENT)).await.status, 200);
    pay(&stack, "/api/joke", json!({"paymentMethodId": "pm_1"})).await.challenge();
    let heard = heard.lock().unwrap();
    let header = |at: usize, name: &str| heard[at].get(name).map(|value| value.to_str().unwrap());
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(header(0, "x-request-id"), received.header("x-request-id"), "as the API hears it");
    assert_eq!(header(0, "traceparent"), Some(PARENT));
    assert_eq!(header(1, "x-request-id").map(str::len), Some(36), "card payments, too");
    assert_eq!(header(1, "traceparent"), None);
}

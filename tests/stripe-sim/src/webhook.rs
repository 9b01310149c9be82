//! Delivery of events to the webhook endpoint: signed, and repeated until taken.
//!
//! Source: docs.stripe.com/webhooks (signatures, retries; order is not promised).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::Sha256;
use stripe402_protocol::hex;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::app::{App, lock};
use crate::clock;
use crate::context::Caller;

/// The waits before each try, in milliseconds. Stripe goes on for days; a test does not.
const WAITS_MS: &[u64] = &[0, 250, 500, 1000, 2000, 4000, 8000];
/// How long an endpoint has to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `Stripe-Signature` of a payload sent at an instant in Unix seconds.
pub(crate) fn sign(secret: &str, at: i64, payload: &str) -> String {
    let mut signature = String::new();
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{at}.{payload}").as_bytes());
        signature = hex::to_string(&mac.finalize().into_bytes());
    }
    format!("t={at},v1={signature}")
}

/// Delivers events as they come, each on its own.
pub(crate) async fn deliver_all(app: Arc<App>, mut events: UnboundedReceiver<String>) {
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    while let Some(id) = events.recv().await {
        tokio::spawn(deliver(Arc::clone(&app), client.clone(), id));
    }
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

async fn deliver(app: Arc<App>, client: HttpClient, id: String) {
    for wait_ms in WAITS_MS {
        tokio::time::sleep(Duration::from_millis(*wait_ms)).await;
        let (endpoint, payload) = {
            let state = lock(&app.state);
            let event = state.world.events.get(&id).map(|event| event.view());
            let payload = event.and_then(|event| serde_json::to_string_pretty(&event).ok());
            (state.world.webhook.clone(), payload)
        };
        let (Some(endpoint), Some(payload)) = (endpoint, payload) else { return };
        let at = clock::seconds(clock::now_ms());
        let request = Request::post(&endpoint.url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header("Stripe-Signature", sign(&endpoint.secret, at, &payload))
            .body(Full::new(Bytes::from(payload)));
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, event = id, "the webhook address is no address");
                return;
            }
        };
        let answer = tokio::time::timeout(TIMEOUT, client.request(request)).await;
        if matches!(&answer, Ok(Ok(response)) if response.status().is_success()) {
            mark_taken(&app, &id);
            return;
        }
        tracing::debug!(event = id, "the webhook endpoint did not take the event");
    }
    tracing::warn!(
        event = id,
        "the event was not delivered; it will be tried again at the next start"
    );
}

fn mark_taken(app: &App, id: &str) {
    let caller = Caller::control();
    app.run(&caller, |cx| {
        if let Some(mut event) = cx.world.events.get(id).filter(|event| event.pending).cloned() {
            event.pending = false;
            cx.world.events.put(event);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn signature_of_a_known_payload() {
        assert_eq!(
            sign("whsec_test", 1_700_000_000, "{}"),
            "t=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91"
        );
    }
}

//! What somebody asks who looks whether an account is set up well: endpoints of webhooks, the other mode, the time.

use reqwest::Method;
use serde_json::json;
use stripe_sim::{Options, WebhookEndpoint};

use crate::harness::{Sim, text};

#[tokio::test]
async fn the_endpoint_of_webhooks_is_listed_without_its_secret() {
    let webhook = WebhookEndpoint {
        url: "http://127.0.0.1:1/webhooks/stripe".to_owned(),
        secret: "whsec_hidden".to_owned(),
    };
    let sim = Sim::start_with(Options { webhook: Some(webhook), ..Options::default() }).await;
    let listed = sim.get("/v1/webhook_endpoints?limit=100").await.ok();
    assert_eq!((&listed["object"], &listed["has_more"]), (&json!("list"), &json!(false)));
    let endpoint = &listed["data"][0];
    assert_eq!(endpoint["object"], "webhook_endpoint");
    assert_eq!(
        (&endpoint["status"], &endpoint["enabled_events"]),
        (&json!("enabled"), &json!(["*"]))
    );
    assert_eq!(text(endpoint, "url"), "http://127.0.0.1:1/webhooks/stripe");
    assert!(!listed.to_string().contains("whsec_"), "{listed}");
    let none = Sim::start().await.get("/v1/webhook_endpoints").await.ok();
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn live_mode_sees_nothing_of_test_mode() {
    let sim = Sim::start().await;
    let made = sim.post("/v1/payment_intents", &crate::harness::PAY).await.ok();
    let live = async |method: Method, path: &str| {
        sim.send(sim.request(method, path).bearer_auth("sk_live_standin")).await
    };
    let path = format!("/v1/payment_intents/{}", text(&made, "id"));
    let error = live(Method::GET, &path).await.error(404);
    let said = text(&error, "message");
    assert!(
        said.ends_with("exists in test mode, but a live mode key was used to make this request."),
        "{said}"
    );
    let unknown = live(Method::GET, "/v1/payment_intents/pi_nobody").await.error(404);
    assert_eq!(text(&unknown, "message"), "No such payment_intent: 'pi_nobody'");
    let listed = live(Method::GET, "/v1/payment_intents?limit=1").await.ok();
    assert_eq!(listed["data"], json!([]));
    assert_eq!(live(Method::POST, "/v1/payment_intents").await.status, 501);
}

#[tokio::test]
async fn answers_can_be_dated_wrongly() {
    let sim = Sim::start().await;
    let set = sim.request(Method::POST, "/_sim/date").json(&json!({"ahead": 600}));
    sim.send(set).await.ok();
    let date = async |sim: &Sim| {
        let reply = sim.get("/v1/customers").await;
        httpdate::parse_http_date(reply.header("date").unwrap()).unwrap()
    };
    let ahead = date(&sim).await;
    let right = date(&Sim::start().await).await;
    let off = ahead.duration_since(right).unwrap().as_secs();
    assert!((590..=610).contains(&off), "{off}");
}

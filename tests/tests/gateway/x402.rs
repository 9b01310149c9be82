//! x402, whose headers have the names of ours: what its clients say of a gateway, and that its payments pass.

use axum::{Router, extract::Request, http::StatusCode};
use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
    wire,
};
use tokio::process::Command;

use crate::{
    answer::{paid_client, pay, send},
    other_api,
};

/// As x402's clients write payments: base64, and whatever another scheme may send.
const PAYMENTS: [(&str, &str); 2] = [
    ("payment-signature", "eyJ4NDAyVmVyc2lvbiI6Mn0+/w==, second;\tq=\"\\\"  ~!#$%&'*`|{}<>[]()?@:"),
    ("x-payment", "eyJ4NDAyVmVyc2lvbiI6MX0="),
];

/// Runs a program of `tests/sdks` with the published packages.
async fn run(program: &str, url: &str) -> Value {
    let folder = binary::workspace().join("tests/sdks");
    let output = Command::new("node").args([program, url]).current_dir(folder).output().await;
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn its_clients_say_what_the_documents_say_that_they_say() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let said = run("x402.mjs", &stack.url("/api/weather")).await;
    let document = binary::workspace().join("docs/configuration.md");
    let document = std::fs::read_to_string(document).unwrap();
    for client in ["@x402/fetch", "@x402/axios", "x402-fetch"] {
        let row = format!("| `{client}` ");
        let row = document.lines().find(|line| line.starts_with(&row)).expect(client);
        // The last column, in backticks: how the text begins.
        let (_, documented) = row.trim_end_matches("` |").rsplit_once('`').unwrap();
        let said = said[client].as_str().unwrap();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(documented.len() > 30 && said.starts_with(documented), "{client}: {said}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}

#[tokio::test]
async fn its_payments_reach_the_api_byte_for_byte() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    for (path, payment) in
        [("/api/health", json!({})), ("/api/joke", json!({"clientId": client.clone()}))]
    {
        let request = PAYMENTS.iter().fold(stack.pay(path, &payment), |request, (name, value)| {
            request.header(*name, *value).header(*name, "again")
        });
        assert_eq!(send(request).await.status, 200, "{path}");
        let received = stack.upstream.recorder().last().unwrap();
        assert_eq!(received.path, path);
        for (name, value) in PAYMENTS {
            let values = received.headers.iter().filter(|(header, _)| header == name);
            let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
            // Envoy joins headers of one name, as any proxy may.
            assert_eq!(values.join(","), format!("{value},again"), "{path} {name}");
        }
        assert!(received.header(wire::PAYMENT).is_none(), "{path}: ours does not");
    }
    let unpaid = PAYMENTS
        .iter()
        .fold(stack.get("/api/joke"), |request, (name, value)| request.header(*name, *value));
    assert_eq!(send(unpaid).await.challenge()["price"], 100, "they pay for nothing here");
}

/// What x402 answers to a payment, and without one.
fn told(paid: bool) -> String {
    wire::encode(&if paid {
        json!({"success": true, "transaction": "0x89ab", "network": "eip155:8453"})
    } else {
        json!({"x402Version": 2, "resource": {"url": "https://api.example/"}, "accepts": []})
    })
}

/// An API that is sold by x402: it knows the price, and takes any payment.
async fn sold(request: Request) -> (StatusCode, [(&'static str, String); 1]) {
    if request.headers().contains_key("payment-signature") {
        (StatusCode::OK, [("payment-response", told(true))])
    } else {
        (StatusCode::PAYMENT_REQUIRED, [("payment-required", told(false))])
    }
}

#[tokio::test]
async fn one_api_can_be_sold_by_both() {
    let api = other_api::serve(Router::new().fallback(sold)).await;
    let options = StackOptions::new().config(move |config| {
        other_api::add_cluster(config, "x402", api)?;
        let signed = json!({"name": "payment-signature", "present_match": true});
        let free = json!({"filter_metadata": {"stripe402": {"free": true}}});
        let routes = config.routes()?.as_array_mut().unwrap();
        for matched in
            [json!({"prefix": "/x402/"}), json!({"path": "/api/joke", "headers": [signed]})]
        {
            let route =
                json!({"match": matched, "route": {"cluster": "x402"}, "metadata": free.clone()});
            routes.insert(0, route);
        }
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let challenge = send(stack.get("/x402/joke")).await;
    assert_eq!(challenge.status, 402);
    assert_eq!(challenge.header("payment-required"), Some(&*told(false)));
    let signed = |path: &str| stack.get(path).header("payment-signature", "eyJ9");
    for path in ["/x402/joke", "/api/joke"] {
        let served = send(signed(path)).await;
        assert_eq!(served.header("payment-response"), Some(&*told(true)), "{path}");
    }
    let client = paid_client(&stack).await;
    let ours = pay(&stack, "/api/joke", json!({"clientId": client})).await;
    assert_eq!(ours.receipt()["creditsRemaining"], 49_400);
}

//! The demo API as a client meets it, HTTP/1.1 and HTTP/2.
#![allow(clippy::unwrap_used, reason = "all of this file is a test, its helpers too")]

use serde_json::{Value, json};
use stripe402_dev::upstream::Upstream;
use stripe402_dev::{http, ports};

fn start() -> Upstream {
    Upstream::start(ports::local(ports::free().unwrap())).unwrap()
}

#[tokio::test]
async fn every_route_and_every_spelling() {
    let upstream = start();
    let client = http::client().unwrap();
    let rows = [
        ("/api/joke", 200),
        ("/API/JOKE/", 200),
        ("/api/weather?city=x", 200),
        ("/api/health", 200),
        ("/Api/Fail", 500),
        ("/api/nothing", 404),
        ("/", 404),
    ];
    for (path, status) in rows {
        let answer =
            client.get(format!("http://{}{path}", upstream.address())).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{path}");
    }
    assert_eq!(upstream.recorder().count(), rows.len());
}

#[tokio::test]
async fn answers_what_the_documentation_says() {
    let upstream = start();
    let client = http::client().unwrap();
    let get = async |path: &str| -> Value {
        client
            .get(format!("http://{}{path}", upstream.address()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    assert_eq!(get("/api/weather").await, json!({"temp": 72, "conditions": "Sunny"}));
    assert!(get("/api/joke").await["joke"].is_string());
}

#[tokio::test]
async fn the_echo_tells_what_arrived_and_the_recorder_keeps_it() {
    let upstream = start();
    let url = format!("http://{}/api/echo?a=1", upstream.address());
    let sent = http::client().unwrap().post(url).header("X-Test", "yes").body("12345");
    let echo: Value = sent.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["bodyLength"]),
        (&json!("POST"), &json!("/api/echo?a=1"), &json!(5))
    );
    assert!(echo["headers"].as_array().unwrap().contains(&json!(["x-test", "yes"])), "{echo}");

    let received = upstream.recorder().last().unwrap();
    assert_eq!(
        (received.method.as_str(), received.path.as_str(), received.body_length),
        ("POST", "/api/echo?a=1", 5)
    );
    assert_eq!(received.header("x-test"), Some("yes"));
    upstream.recorder().clear();
    assert_eq!(upstream.recorder().count(), 0);
}

#[tokio::test]
async fn the_echo_behaves_as_asked() {
    let upstream = start();
    let client = http::client().unwrap();
    let start = std::time::Instant::now();
    let rows = [
        ("status=503", 503),
        ("status=204", 204),
        ("status=304", 304),
        ("delay_ms=60", 200),
        ("status=x", 400),
    ];
    for (query, status) in rows {
        let answer = client
            .get(format!("http://{}/api/echo?{query}", upstream.address()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{query}");
    }
    assert!(start.elapsed() >= std::time::Duration::from_millis(60));
}

#[tokio::test]
async fn speaks_http_2_without_tls() {
    let upstream = start();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer =
        client.get(format!("http://{}/api/health", upstream.address())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
}

#[tokio::test]
async fn stops_with_its_connections_and_starts_again_on_its_port() {
    let mut upstream = start();
    let client = http::client().unwrap();
    let url = format!("http://{}/api/health", upstream.address());
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    upstream.stop();
    assert!(client.get(&url).send().await.is_err());
    upstream.restart().unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}

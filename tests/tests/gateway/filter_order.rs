//! Which of Envoy's own filters stand before the gate, and which after it.
//!
//! One case for each row of the table in `docs/configuration.md`: what goes wrong in the other
//! order, or that nothing does, and that in the recommended one what is charged is what is served.

use std::time::Duration;

use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{Answer, paid_client, pay, send},
    other_api,
    processor::Processor,
};

const V3: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// Where a filter is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    After,
}

use Place::{After, Before};

/// A filter with its configuration; its type is `kind.v3.name`.
fn filter(kind: &str, name: &str, config: Value) -> Value {
    let mut config = config;
    config["@type"] = json!(format!("{V3}.{kind}.v3.{name}"));
    json!({"name": format!("envoy.filters.http.{kind}"), "typed_config": config})
}

fn put(config: &mut EnvoyConfig, filter: Value, place: Place) -> stripe402_tests::Result<()> {
    let filters = config.connection_manager()?["http_filters"].as_array_mut().unwrap();
    let gate = filters.iter().position(|filter| filter["name"] == "stripe402").unwrap();
    filters.insert(if place == Before { gate } else { gate + 1 }, filter);
    Ok(())
}

async fn gateway(filter: Value, place: Place) -> Stack {
    let options = StackOptions::new().config(move |config| put(config, filter, place));
    Stack::start(options).await.unwrap()
}

/// What a client has left, without spending any of it.
async fn left(stack: &Stack, client: &str) -> i64 {
    // A charge that is given back is so within the next batch.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let balance = stack.pay("/.well-known/stripe402/balance", &json!({"clientId": client}));
    send(balance).await.body["creditsRemaining"].as_i64().unwrap()
}

/// A paid request for a joke, and what it cost.
async fn joke(stack: &Stack, client: &str, headers: &[(&str, &str)]) -> (Answer, i64) {
    let before = left(stack, client).await;
    let request = stack.pay("/api/joke", &json!({"clientId": client}));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = send(request).await;
    (answer, before - left(stack, client).await)
}

/// A card that pays for a request which a filter refuses: behind the gate it was charged, for
/// credits at least; before it nobody hears of it.
async fn refused(stack: &Stack, place: Place, request: reqwest::RequestBuilder, status: u16) {
    let charged = stack.sim.totals("usd").await.unwrap().charged;
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = wire::encode(&json!({"paymentMethodId": card}));
    let answer = send(request.header(wire::PAYMENT, payment)).await;
    assert_eq!(answer.status, status, "{place:?}: {answer:?}");
    let cents = stack.sim.totals("usd").await.unwrap().charged - charged;
    assert_eq!(cents, if place == After { 500 } else { 0 }, "{place:?}: cents of the card");
}

#[tokio::test]
async fn jwt_before() {
    let jwks =
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}]});
    let jwt = filter(
        "jwt_authn",
        "JwtAuthentication",
        json!({
            "providers": {"members": {"issuer": "x", "local_jwks": {"inline_string": jwks.to_string()}}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "members"}}],
        }),
    );
    for place in [After, Before] {
        let stack = gateway(jwt.clone(), place).await;
        refused(&stack, place, stack.get("/api/joke"), 401).await;
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

#[tokio::test]
async fn local_rate_limit_before() {
    let limit = filter(
        "local_ratelimit",
        "LocalRateLimit",
        json!({
            "stat_prefix": "x",
            "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
            "filter_enabled": {"default_value": {"numerator": 100}},
            "filter_enforced": {"default_value": {"numerator": 100}},
        }),
    );
    for place in [After, Before] {
        let stack = gateway(limit.clone(), place).await;
        assert_eq!(send(stack.get("/api/health")).await.status, 200, "the one that is allowed");
        refused(&stack, place, stack.get("/api/joke"), 429).await;
        assert_eq!(stack.upstream.recorder().count(), 1);
    }
}

#[tokio::test]
async fn ext_authz_before() {
    let address = other_api::raw(|_, mut stream| async move {
        other_api::write(&mut stream, "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    for place in [After, Before] {
        let authz = filter(
            "ext_authz",
            "ExtAuthz",
            json!({"http_service": {
                "server_uri": {"uri": "http://x", "cluster": "authorizer", "timeout": "1s"},
            }}),
        );
        let options = StackOptions::new().config(move |config| {
            other_api::add_cluster(config, "authorizer", address)?;
            put(config, authz, place)
        });
        let stack = Stack::start(options).await.unwrap();
        refused(&stack, place, stack.get("/api/joke"), 403).await;
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

/// What changes a path behind the gate has another path served than was paid for.
#[tokio::test]
async fn lua_before() {
    let lua = filter(
        "lua",
        "Lua",
        json!({"default_source_code": {"inline_string":
        "function envoy_on_request(handle)\n\
           handle:headers():replace(':path', '/api/joke')\n\
         end"}}),
    );
    for (place, status) in [(After, 200), (Before, 402)] {
        let stack = gateway(lua.clone(), place).await;
        assert_eq!(send(stack.get("/api/health")).await.status, status, "{place:?}");
        assert_eq!(stack.upstream.recorder().count(), usize::from(place == After));
    }
}

/// A cache before the gate serves everything free: a miss is fetched past the filters behind it.
#[tokio::test]
async fn cache_after() {
    let api = axum::Router::new().fallback(|| async {
        ([("cache-control", "public, max-age=600")], "an answer that may be kept")
    });
    let api = other_api::serve(api).await;
    let cache = filter(
        "cache",
        "CacheConfig",
        json!({"typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig",
        }}),
    );
    for place in [Before, After] {
        let cache = cache.clone();
        let options = other_api::before(api).config(move |config| put(config, cache, place));
        let stack = Stack::start(options).await.unwrap();
        let unpaid = send(stack.get("/other/kept")).await;
        assert_eq!(unpaid.status, if place == Before { 200 } else { 402 }, "{place:?}");
        if place == Before {
            continue;
        }
        let client = paid_client(&stack).await;
        for _ in 0..3 {
            let before = left(&stack, &client).await;
            let paid = pay(&stack, "/other/kept", json!({"clientId": client})).await;
            assert!(paid.receipt()["success"].as_bool().unwrap());
            assert_eq!(before - left(&stack, &client).await, 1_000, "each answer, kept or not");
        }
        assert_eq!(send(stack.get("/other/kept")).await.status, 402, "kept, and still not free");
    }
}

/// In front of the gate, so that 402s are compressed, too; behind it nothing goes wrong either.
#[tokio::test]
async fn compressor_either() {
    let compressor = filter(
        "compressor",
        "Compressor",
        json!({
            "response_direction_config": {"common_config": {"min_content_length": 30}},
            "compressor_library": {"name": "gzip", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"}},
        }),
    );
    for place in [Before, After] {
        let stack = gateway(compressor.clone(), place).await;
        let unpaid = send(stack.get("/api/joke").header("accept-encoding", "gzip")).await;
        let encoding = (place == Before).then_some("gzip");
        assert_eq!((unpaid.status, unpaid.header("content-encoding")), (402, encoding));
        let client = paid_client(&stack).await;
        let (paid, cost) = joke(&stack, &client, &[("accept-encoding", "gzip")]).await;
        assert_eq!((paid.status, paid.header("content-encoding"), cost), (200, Some("gzip"), 100));
        assert!(paid.header("payment-response").is_some(), "{place:?}");
    }
}

/// A preflight is answered by the CORS filter; behind the gate it never hears of one.
#[tokio::test]
async fn cors_before() {
    for place in [After, Before] {
        let options = StackOptions::new().config(move |config| {
            let filters = config.connection_manager()?["http_filters"].as_array_mut().unwrap();
            let cors = filters.remove(0);
            put(config, cors, place)
        });
        let stack = Stack::start(options).await.unwrap();
        let preflight = stack.client.request(reqwest::Method::OPTIONS, stack.url("/api/joke"));
        let preflight = preflight
            .header("origin", "https://page.example")
            .header("access-control-request-method", "GET");
        let allowed = send(preflight).await;
        let may = allowed.header("access-control-allow-origin").is_some();
        assert_eq!(may, place == Before, "{place:?}: {allowed:?}");
        let challenge = send(stack.get("/api/joke").header("origin", "https://page.example")).await;
        assert_eq!(challenge.status, 402);
        assert!(place == After || challenge.header("access-control-allow-origin").is_some());
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

/// In front of the gate a body that is too long costs nothing. Behind it the limit does not hold where
/// Envoy shows bodies after heads alone: the gate has held the body back, and hands all of it on at once.
#[tokio::test]
async fn buffer_before() {
    let buffer = filter("buffer", "Buffer", json!({"max_request_bytes": 1_000}));
    for place in [After, Before] {
        let buffer = buffer.clone();
        let options = StackOptions::new()
            .filter(|filter| filter["routes"][0]["methods"] = json!(["GET", "POST"]))
            .config(|config| other_api::shows_bodies(config, false))
            .config(move |config| put(config, buffer, place));
        let stack = Stack::start(options).await.unwrap();
        let long = stack.client.post(stack.url("/api/joke")).body(vec![b'x'; 100_000]);
        refused(&stack, place, long, if place == After { 404 } else { 413 }).await;
        let received = stack.upstream.recorder().last().map(|received| received.body_length);
        assert_eq!(received, (place == After).then_some(100_000));
        let client = paid_client(&stack).await;
        assert_eq!(joke(&stack, &client, &[]).await.1, 100, "{place:?}: what is served");
    }
}

/// In front of the gate a 402 has a gRPC status, too, which gRPC-Web clients look for. Nothing is
/// served in either order.
#[tokio::test]
async fn grpc_web_before() {
    let grpc_web = filter("grpc_web", "GrpcWeb", json!({}));
    for place in [After, Before] {
        let web = grpc_web.clone();
        let options = StackOptions::new()
            .filter(|filter| filter["routes"][0]["methods"] = json!(["POST"]))
            .config(move |config| put(config, web, place));
        let stack = Stack::start(options).await.unwrap();
        let call = stack.client.post(stack.url("/api/joke"));
        let call = call.header("content-type", "application/grpc-web+proto");
        let answer = send(call.body(vec![0; 5])).await;
        assert_eq!(answer.status, 402, "{place:?}: {answer:?}");
        assert!(answer.header(wire::PAYMENT_REQUIRED).is_some());
        assert_eq!(
            answer.header("grpc-status").is_some(),
            place == Before,
            "{place:?}: {answer:?}"
        );
        assert_eq!(stack.upstream.recorder().count(), 0);
    }
}

/// An external processor behind the gate sets what only the gate may set.
#[tokio::test]
async fn ext_proc_before() {
    for place in [After, Before] {
        let processor = Processor::start().await;
        let address = processor.address;
        let ext_proc = filter(
            "ext_proc",
            "ExternalProcessor",
            json!({
                "grpc_service": {"envoy_grpc": {"cluster_name": "processor"}, "timeout": "1s"},
                "message_timeout": "1s",
                "processing_mode": {"request_header_mode": "SEND", "response_header_mode": "SKIP"},
            }),
        );
        let options = StackOptions::new().config(move |config| {
            other_api::add_cluster(config, "processor", address)?;
            config.cluster("processor")?["typed_extension_protocol_options"] =
                config.cluster("stripe402_ledger")?["typed_extension_protocol_options"].clone();
            put(config, ext_proc, place)
        });
        let stack = Stack::start(options).await.unwrap();
        assert_eq!(send(stack.get("/api/health")).await.status, 200, "{place:?}");
        let received = stack.upstream.recorder().last().unwrap();
        assert_eq!(received.header("x-processed"), Some("yes"));
        let forged = received.header("x-stripe402-client-id");
        assert_eq!(forged, (place == After).then_some("forged"), "{place:?}");
        let client = paid_client(&stack).await;
        assert_eq!(joke(&stack, &client, &[]).await.1, 100, "{place:?}");
    }
}

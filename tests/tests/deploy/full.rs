//! `envoy/full/`: every option, and all that stands around the filter, in the right order.

use std::{collections::BTreeSet, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use stripe402_tests::{
    binary,
    envoy_config::EnvoyConfig,
    ports::{self, local},
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    certificates::{self, Signed, put},
    processor::Processor,
    tls::{Known, ask, over_http1},
};

const FILE: &str = "envoy/full/envoy.yaml";
const KEY: &[u8] = b"a key of members, in no other place than here";

/// A gateway by the full file, with what is outside of it: certificates, members' keys, a processor.
struct Full {
    stack: Stack,
    /// Where it listens with TLS.
    tls: SocketAddr,
    known: Known,
    _processor: Processor,
}

async fn full(change: impl FnOnce(&mut EnvoyConfig) + Send + 'static) -> Full {
    let (known, processor) = (Known::new(), Processor::start().await);
    let tls = local(ports::free().unwrap());
    show_clients(&known, &known.shown);
    let keys = members_keys().await;
    let mut secrets = Vec::new();
    for (name, pointer) in [
        ("gateway", "tls_certificate_sds_secret_configs/0"),
        ("ledger", "validation_context_sds_secret_config"),
        ("clients", "tls_certificate_sds_secret_configs/0"),
    ] {
        let text =
            std::fs::read_to_string(binary::workspace().join(format!("envoy/full/{name}.yaml")));
        let own = known.path("gateway").to_str().unwrap().to_owned();
        let file = known.path(&format!("{name}.yaml"));
        std::fs::write(&file, text.unwrap().replace("envoy/full/certificates", &own)).unwrap();
        let socket = "/transport_socket/typed_config/common_tls_context";
        let pointer = format!("{socket}/{pointer}/sds_config/path_config_source/path");
        secrets.push((name, pointer, file));
    }
    let processes = processor.address;
    let options = known.ledger(StackOptions::new().file(FILE)).config(move |config| {
        config.endpoints("processor", &[processes])?;
        config.endpoints("identity_provider", &[keys])?;
        let provider = config.cluster("identity_provider")?.as_object_mut().unwrap();
        provider.remove("transport_socket").unwrap();
        config.listener("gateway_tls", tls)?;
        for (name, pointer, file) in secrets {
            let place = if name == "clients" {
                let chain = "/static_resources/listeners/1/filter_chains/0";
                config.root().pointer_mut(chain).unwrap()
            } else {
                config.cluster("stripe402_ledger")?
            };
            *place.pointer_mut(&pointer).unwrap() = json!(file);
        }
        change(config);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    Full { stack, tls, known, _processor: processor }
}

/// Puts this certificate where the gateway looks for the one that it shows clients.
fn show_clients(known: &Known, shown: &Signed) {
    put(&known.path("gateway/clients.key"), &shown.key);
    put(&known.path("gateway/clients.crt"), &shown.certificate);
}

/// Serves the keys of members, as an identity provider does.
async fn members_keys() -> SocketAddr {
    let address = local(ports::free().unwrap());
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let key = json!({"kty": "oct", "alg": "HS256", "kid": "one", "k": URL_SAFE_NO_PAD.encode(KEY)});
    let keys = axum::Json(json!({"keys": [key]}));
    let keys = axum::routing::get(|| async move { keys });
    let router = axum::Router::new().route("/.well-known/jwks.json", keys);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn token(audience: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "HS256", "kid": "one"}));
    let claims = json!({
        "iss": "https://identity.example.com", "aud": audience, "sub": "member", "exp": 4_000_000_000_u64,
    });
    let signed = format!("{head}.{}", part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn left(answer: &reqwest::Response) -> i64 {
    let receipt = wire::header(answer.headers(), wire::PAYMENT_RESPONSE).unwrap();
    receipt["creditsRemaining"].as_i64().unwrap()
}

async fn client(stack: &Stack) -> Value {
    let card = stack.sim.fresh_card().await.unwrap();
    let paid = stack.pay("/api/weather", &json!({"paymentMethodId": card})).send().await.unwrap();
    assert_eq!((paid.status().as_u16(), left(&paid)), (200, 49_500));
    let receipt = wire::header(paid.headers(), wire::PAYMENT_RESPONSE).unwrap();
    json!({"clientId": receipt["clientId"]})
}

#[tokio::test]
async fn everything_around_the_filter_works_together() {
    let Full { mut stack, tls, known, _processor } = full(|_| {}).await;
    let asked = async |path: &str| stack.get(path).send().await.unwrap();

    // Who has not paid: free, unknown, by path, by the route itself.
    assert_eq!(asked("/api/health").await.status(), 200);
    assert_eq!(asked("/api/nothing").await.status(), 403);
    for (path, price) in [("/api/weather", 500), ("/api/reports/1", 2500), ("/api/search/x", 300)] {
        let answer = asked(path).await;
        assert_eq!(answer.status(), 402, "{path}");
        let challenge = wire::header(answer.headers(), wire::PAYMENT_REQUIRED).unwrap();
        assert_eq!(challenge["price"], price, "{path}");
    }
    // Over TLS, too, by the same filters.
    let over_tls = over_http1(&certificates::client(&known.authority, None));
    assert_eq!(ask(&over_tls, tls, "/api/weather").await, "HTTP/1.1 402 Payment Required");
    assert_eq!(ask(&over_tls, tls, "/api/nothing").await, "HTTP/1.1 403 Forbidden");
    // A browser's page on another origin may read the challenge; preflights are answered.
    let origin = "https://app.example.com";
    let challenge = stack.get("/api/weather").header("origin", origin).send().await.unwrap();
    assert_eq!(challenge.headers()["access-control-allow-origin"], origin);
    let exposed = challenge.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("payment-required"), "{exposed}");
    let preflight = stack.client.request(reqwest::Method::OPTIONS, stack.url("/api/weather"));
    let preflight =
        preflight.header("origin", origin).header("access-control-request-method", "GET").send();
    assert_eq!(preflight.await.unwrap().status(), 200);

    // Who has paid, over mTLS; what the processor set arrives, but who paid is said by the filter alone.
    let payment = client(&stack).await;
    let heard = stack.upstream.recorder().last().unwrap();
    assert_eq!(heard.header("x-processed"), Some("yes"));
    assert_eq!(heard.header("x-stripe402-client-id"), payment["clientId"].as_str());
    assert!(stack.envoy.stat("cluster.stripe402_ledger.ssl.handshake").await.unwrap() > 0);

    // A member without a token, or with one for somebody else, is refused before being charged.
    let count = stack.upstream.recorder().count();
    for (token, status) in [(None, 401), (Some(token("other")), 403)] {
        let request = stack.pay("/api/members/1", &payment);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(stack.upstream.recorder().count(), count);
    let member = stack.pay("/api/members/1", &payment).bearer_auth(token("api"));
    assert_eq!(left(&member.send().await.unwrap()), 49_450);

    // Certificates are renewed at both ends, and the authority with them. The ledger's restart makes the gateway
    // connect again, with what is in the files by now.
    let newer = certificates::Authority::new();
    for (folder, name) in [("gateway", "gateway"), ("ledger", certificates::LEDGER)] {
        certificates::folder(known.dir.path(), folder, &newer.sign(name), &newer);
    }
    show_clients(&known, &newer.sign(certificates::LEDGER));
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    let newly = over_http1(&certificates::client(&newer, None));
    assert_eq!(ask(&newly, tls, "/api/weather").await, "HTTP/1.1 402 Payment Required");
    let paid = stack.pay("/api/weather", &payment).send().await.unwrap();
    assert_eq!((paid.status().as_u16(), left(&paid)), (200, 48_950));
}

#[tokio::test]
async fn what_is_refused_by_the_rate_limit_costs_nothing() {
    let Full { stack, .. } = full(|config| {
        let filters = config.connection_manager().unwrap()["http_filters"].as_array_mut().unwrap();
        let limit = filters
            .iter_mut()
            .find(|filter| filter["name"] == "envoy.filters.http.local_ratelimit");
        limit.unwrap()["typed_config"]["token_bucket"] =
            json!({"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "3600s"});
    })
    .await;
    let payment = client(&stack).await;
    assert_eq!(left(&stack.pay("/api/weather", &payment).send().await.unwrap()), 49_000);
    let refused = stack.pay("/api/weather", &payment).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().get(wire::PAYMENT_RESPONSE).is_none());
    assert_eq!(stack.upstream.recorder().count(), 2);
    // Not even charged and given back. Counters are handed over once a second.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(stack.envoy.stat("wasmcustom.stripe402_paid").await.unwrap(), 2);
    assert_eq!(stack.envoy.stat("wasmcustom.stripe402_voided").await.unwrap(), 0);
}

/// The order is what a reader copies: whatever refuses comes before what charges.
#[test]
fn the_filter_is_the_last_before_the_router() {
    let mut config = EnvoyConfig::read(&binary::workspace().join(FILE)).unwrap();
    let filters = config.connection_manager().unwrap()["http_filters"].clone();
    let names: Vec<_> =
        filters.as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    let expected = ["cors", "local_ratelimit", "jwt_authn", "ext_proc", "stripe402", "router"];
    let short: Vec<_> =
        names.iter().map(|name| name.trim_start_matches("envoy.filters.http.")).collect();
    assert_eq!(short, expected);
}

#[test]
fn no_option_of_the_filter_is_left_out() {
    let mut config = EnvoyConfig::read(&binary::workspace().join(FILE)).unwrap();
    let mut shown = BTreeSet::new();
    names(config.filter().unwrap(), &mut shown);
    names(config.routes().unwrap(), &mut shown);
    let mut missing = Vec::new();
    for file in
        ["filter/src/config/check.rs", "filter/src/config/route.rs", "filter/src/config/tools.rs"]
    {
        let source = std::fs::read_to_string(binary::workspace().join(file)).unwrap();
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        // Lists of fields: `[&str; 3] = ["a", "b", "c"]`.
        for list in source.split("&str; ").skip(1) {
            let Some((_, rest)) = list.split_once("] = [") else { continue };
            let fields = rest.split(']').next().unwrap().split('"').skip(1).step_by(2);
            missing.extend(fields.filter(|field| !shown.contains(*field)).map(str::to_owned));
        }
    }
    assert!(shown.len() > 45, "{shown:?}");
    assert_eq!(missing, Vec::<String>::new());
}

fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

//! What every call has in common: keys, parameters, pages, search.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stripe_sim::Options;

use crate::harness::{Sim, id, text};

#[tokio::test]
async fn keys_are_checked() {
    let sim = Sim::start().await;
    let get = |key: &str| sim.request(Method::GET, "/v1/customers").bearer_auth(key);
    for (request, status) in [
        (sim.request(Method::GET, "/v1/customers"), 401),
        (get("sk_live_123456789"), 401),
        (get("nonsense"), 401),
        (get("pk_test_1"), 401),
        (get("sk_test_1"), 200),
        (sim.request(Method::GET, "/v1/customers").basic_auth("sk_test_1", Some("")), 200),
    ] {
        let reply = sim.send(request).await;
        assert_eq!(reply.status, status, "{:#}", reply.body);
        assert!(reply.header("request-id").unwrap().starts_with("req_"));
        if status == 401 {
            assert_eq!(reply.body["error"]["type"], "invalid_request_error");
        }
    }
}

#[tokio::test]
async fn answers_echo_the_version_and_name_their_log() {
    let sim = Sim::start().await;
    let request = sim.request(Method::GET, "/v1/charges/ch_x").bearer_auth("sk_test_1");
    let reply = sim.send(request.header("Stripe-Version", "2025-01-01.basil")).await;
    assert_eq!(reply.header("stripe-version"), Some("2025-01-01.basil"));
    let request_id = reply.header("request-id").unwrap().to_owned();
    let error = reply.error(404);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("resource_missing"), &json!("No such charge: 'ch_x'"))
    );
    assert_eq!(error["doc_url"], "https://stripe.com/docs/error-codes/resource-missing");
    assert!(text(&error, "request_log_url").ends_with(&request_id));
    assert_eq!(sim.get("/v1/nothing").await.error(404)["type"], "invalid_request_error");
    assert_eq!(sim.get("/v1/account").await.ok()["object"], "account");
    assert_eq!(sim.get("/v1/balance").await.ok()["object"], "balance");
}

#[tokio::test]
async fn parameters_are_refused_like_stripe_does() {
    let sim = Sim::start().await;
    let unknown = Some("parameter_unknown");
    let long_key = format!("metadata[{}]", "k".repeat(41));
    for (path, form, code, param) in [
        ("payment_intents", "amount=500&currency=usd&foo=1", unknown, "foo"),
        ("payment_intents", "amount=500&currency=usd&metadata[a][b]=1", None, "metadata[a]"),
        ("payment_intents", "currency=usd", Some("parameter_missing"), "amount"),
        ("payment_intents", "amount=500", Some("parameter_missing"), "currency"),
        ("payment_intents", "amount=5.5&currency=usd", Some("parameter_invalid_integer"), "amount"),
        ("payment_intents", "amount=0&currency=usd", Some("parameter_invalid_integer"), "amount"),
        ("payment_intents", "amount=49&currency=usd", Some("amount_too_small"), "amount"),
        ("payment_intents", "amount=29&currency=gbp", Some("amount_too_small"), "amount"),
        ("payment_intents", "amount=100000000&currency=usd", Some("amount_too_large"), "amount"),
        (
            "payment_intents",
            "amount=1001&currency=kwd",
            Some("parameter_invalid_integer"),
            "amount",
        ),
        ("payment_intents", "amount=500&currency=xyz", None, "currency"),
        ("payment_intents", "amount=500&currency=usd&confirm=maybe", None, "confirm"),
        ("payment_intents", "amount=500&currency=usd&capture_method=later", None, "capture_method"),
        ("payment_intents", "amount=500&currency=usd&off_session=true", None, "off_session"),
        ("payment_intents", "amount=500&currency=usd&description=", None, ""),
        (
            "payment_intents",
            "amount=500&currency=usd&customer=",
            Some("parameter_invalid_empty"),
            "customer",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&customer=cus_x",
            Some("resource_missing"),
            "customer",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&payment_method=pm_x",
            Some("resource_missing"),
            "payment_method",
        ),
        ("payment_intents", "amount=500&currency=usd&expand[]=amount", None, "expand"),
        ("setup_intents", "off_session=true&confirm=true", unknown, "off_session"),
        ("payment_methods", "type=card&card[foo]=1&card[token]=tok_visa", unknown, "card[foo]"),
        ("payment_methods", "type=card", Some("parameter_missing"), "card"),
        ("customers", &format!("{long_key}=1"), None, &long_key),
        ("customers", "email=nobody", Some("email_invalid"), "email"),
        ("refunds", "charge=ch_1&payment_intent=pi_1", Some("parameters_exclusive"), "charge"),
    ] {
        let request = sim.request(Method::POST, &format!("/v1/{path}")).bearer_auth(&sim.key);
        let form = form.to_owned();
        let reply = sim
            .send(
                request
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .body(form.clone()),
            )
            .await;
        if param.is_empty() {
            assert_eq!(reply.status, 200, "{form}: {:#}", reply.body);
            continue;
        }
        let error = reply.error(400);
        assert_eq!(
            (&error["type"], &error["code"], &error["param"]),
            (&json!("invalid_request_error"), &json!(code), &json!(param)),
            "{form}"
        );
    }
    let error = sim.get("/v1/charges?foo=1").await.error(400);
    assert_eq!(error["message"], "Received unknown parameter: foo");
    let request = sim.request(Method::POST, "/v1/customers").bearer_auth(&sim.key);
    assert_eq!(
        sim.send(request.json(&json!({"name": "x"}))).await.status,
        400,
        "JSON is not a form"
    );
}

#[tokio::test]
async fn browsers_may_do_their_part_and_no_more() {
    let sim = Sim::start().await;
    let intent =
        sim.post("/v1/payment_intents", &[("amount", "500"), ("currency", "usd")]).await.ok();
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let secret = text(&intent, "client_secret");

    let preflight = sim.send(sim.request(Method::OPTIONS, "/v1/payment_methods")).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    let form = [
        ("type", "card"),
        ("card[token]", "tok_visa"),
        ("key", "pk_test_page"),
        ("guid", "x"),
        ("time_on_page", "5"),
    ];
    let reply = sim.send(sim.request(Method::POST, "/v1/payment_methods").form(&form)).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let method = reply.ok();
    assert_eq!(method["card"]["fingerprint"], Value::Null, "browsers are not told the fingerprint");
    assert!(
        sim.get(&format!("/v1/payment_methods/{}", id(&method))).await.ok()["card"]["fingerprint"]
            .is_string()
    );

    let get = |query: String| {
        sim.request(Method::GET, &format!("{path}{query}")).bearer_auth("pk_test_page")
    };
    assert_eq!(sim.send(get(String::new())).await.error(400)["code"], "parameter_missing");
    assert_eq!(sim.send(get("?client_secret=wrong".to_owned())).await.status, 400);
    let seen = sim.send(get(format!("?client_secret={secret}"))).await.ok();
    assert!(seen["metadata"].is_null() && seen["latest_charge"].is_null() && seen["amount"] == 500);
    let confirm = sim.request(Method::POST, &format!("{path}/confirm")).bearer_auth("pk_test_page");
    let form = [("client_secret", secret.as_str()), ("payment_method", &id(&method))];
    assert_eq!(sim.send(confirm.form(&form)).await.ok()["status"], "succeeded");
    let cancel = sim.request(Method::POST, &format!("{path}/cancel")).bearer_auth("pk_test_page");
    assert_eq!(sim.send(cancel).await.error(401)["code"], "secret_key_required");
}

#[tokio::test]
async fn lists_have_pages() {
    let sim = Sim::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(id(&sim.pay_with("pm_card_visa").await.ok()));
    }
    made.reverse();
    let ids =
        |list: &Value| -> Vec<String> { list["data"].as_array().unwrap().iter().map(id).collect() };
    let first = sim.get("/v1/payment_intents?limit=2").await.ok();
    assert_eq!((ids(&first), &first["has_more"]), (made[..2].to_vec(), &json!(true)));
    assert_eq!((&first["object"], &first["url"]), (&json!("list"), &json!("/v1/payment_intents")));
    let rest = sim.get(&format!("/v1/payment_intents?starting_after={}", made[1])).await.ok();
    assert_eq!((ids(&rest), &rest["has_more"]), (made[2..].to_vec(), &json!(false)));
    let back =
        sim.get(&format!("/v1/payment_intents?limit=2&ending_before={}", made[3])).await.ok();
    assert_eq!((ids(&back), &back["has_more"]), (made[1..3].to_vec(), &json!(true)));
    let expanded = sim.get("/v1/payment_intents?limit=1&expand[]=data.latest_charge").await.ok();
    assert_eq!(expanded["data"][0]["latest_charge"]["object"], "charge");
    assert_eq!(sim.get("/v1/payment_intents?limit=101").await.error(400)["param"], "limit");
    assert_eq!(ids(&sim.get("/v1/payment_intents?created[gt]=9999999999").await.ok()), [""; 0]);
}

#[tokio::test]
async fn search_lags_behind_writes() {
    let options = Options { search_lag: Duration::from_secs(3600), ..Options::default() };
    let sim = Sim::start_with(options).await;
    let customer = sim.customer().await;
    let mut made = Vec::new();
    for order in ["a", "b", "b"] {
        let form = [
            ("amount", "500"),
            ("currency", "usd"),
            ("customer", &customer),
            ("metadata[order]", order),
        ];
        made.push(id(&sim.post("/v1/payment_intents", &form).await.ok()));
    }
    let query = format!("metadata['order']:'b' AND customer:'{customer}'");
    let search = |page: Option<String>| {
        let request = sim.request(Method::GET, "/v1/payment_intents/search").bearer_auth(&sim.key);
        let request = request.query(&[("query", query.as_str()), ("limit", "1")]);
        let request =
            if let Some(page) = page { request.query(&[("page", page)]) } else { request };
        sim.send(request)
    };
    assert_eq!(search(None).await.ok()["data"], json!([]), "not found yet");
    sim.play("clock/advance", json!({"seconds": 3601})).await;
    sim.post(&format!("/v1/payment_intents/{}", made[1]), &[("metadata[order]", "c")]).await.ok();
    let first = search(None).await.ok();
    assert_eq!(
        (&first["object"], &first["data"][0]["id"]),
        (&json!("search_result"), &json!(made[2]))
    );
    let second = search(Some(text(&first, "next_page"))).await.ok();
    assert_eq!(second["data"][0]["id"], json!(made[1]), "found as it was");
    assert_eq!((&second["has_more"], &second["next_page"]), (&json!(false), &Value::Null));
    sim.play("clock/advance", json!({"seconds": 3601})).await;
    assert_eq!(search(None).await.ok()["has_more"], false, "found as it is");
    assert_eq!(
        sim.get("/v1/payment_intents/search?query=shoe:1").await.error(400)["param"],
        "query"
    );
}

/// Source: docs.stripe.com/changelog/endive/2026-09-30.
#[tokio::test]
async fn the_newest_version_has_no_payment_method_types() {
    let sim = Sim::start().await;
    for (version, name, code) in [
        ("2026-07-29.dahlia", "payment_method_types[]", None),
        (
            "2026-09-30.endive",
            "payment_method_types[]",
            Some("payment_method_types_no_longer_supported"),
        ),
        (
            "2026-10-28.endive",
            "payment_method_types[]",
            Some("payment_method_types_no_longer_supported"),
        ),
        ("2026-09-30.endive", "allowed_payment_method_types[]", None),
    ] {
        for path in ["/v1/payment_intents", "/v1/setup_intents"] {
            let mut form = vec![(name, "card")];
            if path == "/v1/payment_intents" {
                form.extend([("amount", "500"), ("currency", "usd")]);
            }
            let request = sim.request(Method::POST, path).bearer_auth(&sim.key);
            let reply = sim.send(request.header("Stripe-Version", version).form(&form)).await;
            assert_eq!(reply.body["error"]["code"], json!(code), "{path} {version} {name}");
        }
    }
}

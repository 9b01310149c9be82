//! What every call has in common: keys, parameters, pages.

use reqwest::Method;
use serde_json::{Value, json};

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
    let request = sim.request(Method::GET, "/v1/disputes/dp_x").bearer_auth("sk_test_1");
    let reply = sim.send(request.header("Stripe-Version", "2025-01-01.basil")).await;
    assert_eq!(reply.header("stripe-version"), Some("2025-01-01.basil"));
    let request_id = reply.header("request-id").unwrap().to_owned();
    let error = reply.error(404);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("resource_missing"), &json!("No such dispute: 'dp_x'"))
    );
    assert_eq!(error["doc_url"], "https://stripe.com/docs/error-codes/resource-missing");
    assert!(text(&error, "request_log_url").ends_with(&request_id));
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
        (
            "payment_intents",
            "amount=500&currency=usd&setup_future_usage=never",
            None,
            "setup_future_usage",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&allowed_payment_method_types[]=paypal",
            Some("payment_intent_invalid_parameter"),
            "allowed_payment_method_types",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&customer=",
            Some("parameter_invalid_empty"),
            "customer",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&confirm=true&customer=cus_x",
            Some("resource_missing"),
            "customer",
        ),
        (
            "payment_intents",
            "amount=500&currency=usd&confirm=true&payment_method=pm_x",
            Some("resource_missing"),
            "payment_method",
        ),
        ("setup_intents", "off_session=true&confirm=true", unknown, "off_session"),
        (
            "payment_methods",
            "type=card&card[foo]=1&card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=2040",
            unknown,
            "card[foo]",
        ),
        ("payment_methods", "type=card", Some("parameter_missing"), "card"),
        ("customers", &format!("{long_key}=1"), None, &long_key),
        ("customers", "shoe=1", unknown, "shoe"),
        ("refunds", "amount=5&reason=whim", None, "reason"),
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
        let error = reply.error(400);
        assert_eq!(
            (&error["type"], &error["code"], &error["param"]),
            (&json!("invalid_request_error"), &json!(code), &json!(param)),
            "{form}"
        );
    }
    let error = sim.get("/v1/refunds?foo=1").await.error(400);
    assert_eq!(error["message"], "Received unknown parameter: foo");
    let request = sim.request(Method::POST, "/v1/customers").bearer_auth(&sim.key);
    assert_eq!(
        sim.send(request.json(&json!({"name": "x"}))).await.status,
        400,
        "JSON is not a form"
    );
}

/// What Stripe has and the stand-in does not is refused by a status that Stripe does not send, and by name.
#[tokio::test]
async fn what_the_stand_in_does_not_do_is_said() {
    let sim = Sim::start().await;
    let card = "type=card&card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=2040";
    let pay = "amount=500&currency=usd&confirm=true&payment_method=pm_card_visa";
    for (call, form, said) in [
        ("GET /v1/charges", "", "does not have the endpoint GET /v1/charges."),
        ("GET /v1/payment_intents/search", "query=x", "does not have the endpoint"),
        ("POST /v1/payment_intents/pi_1/capture", "", "does not have the endpoint"),
        ("POST /v1/payment_intents/pi_1/confirm", "", "does not have the endpoint"),
        ("GET /v1/balance", "", "does not have the endpoint"),
        ("POST /v1/payment_intents", "capture_method=manual", "take capture_method."),
        ("POST /v1/payment_intents", "confirmation_method=manual", "take confirmation_method."),
        ("POST /v1/payment_intents", "payment_method_types[]=card", "take payment_method_types."),
        ("POST /v1/payment_intents", "expand[]=latest_charge", "take expand."),
        ("POST /v1/payment_intents", "return_url=x&shipping=y", "take return_url, shipping."),
        (
            "POST /v1/payment_intents",
            "payment_method=pm_card_amex",
            "test PaymentMethod pm_card_amex",
        ),
        ("POST /v1/setup_intents", "return_url=x", "take return_url."),
        ("POST /v1/customers", "email=a@example.com", "take email."),
        ("POST /v1/refunds", "charge=ch_1", "take charge."),
        ("POST /v1/payment_methods", "card[token]=tok_visa", "take card[token]"),
        ("POST /v1/payment_methods", "card[networks][preferred]=visa", "take card[networks]."),
        ("POST /v1/payment_methods", "billing_details[name]=A", "take billing_details."),
        ("GET /v1/events", "type=refund.failed", "take type."),
        ("GET /v1/refunds", "created[gt]=1", "take created[gt]."),
        ("GET /v1/refunds", "ending_before=re_1", "take ending_before"),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let base = match path {
            "/v1/payment_intents" if form.starts_with("payment_method=") => {
                "amount=500&currency=usd&confirm=true"
            }
            "/v1/payment_intents" => pay,
            "/v1/payment_methods" => card,
            _ => "",
        };
        let form = format!("{base}&{form}");
        let request = if method == Method::GET {
            sim.request(method, &format!("{path}?{form}"))
        } else {
            sim.request(method, path)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form.clone())
        };
        let reply = sim.send(request.bearer_auth(&sim.key)).await;
        assert_eq!(reply.header("stripe-should-retry"), Some("false"), "{call} {form}");
        let error = reply.error(501);
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("invalid_request_error"), &Value::Null)
        );
        assert!(text(&error, "message").contains(said), "{call} {form}: {error:#}");
    }
    assert_eq!(sim.events().await, Vec::<String>::new(), "and nothing of it was done");
}

#[tokio::test]
async fn browsers_make_payment_methods_and_no_more() {
    let sim = Sim::start().await;
    let preflight = sim.send(sim.request(Method::OPTIONS, "/v1/payment_methods")).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    let form = [
        ("type", "card"),
        ("card[number]", "4242424242424242"),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "40"),
    ];
    let page = |method: Method, path: &str| sim.request(method, path).bearer_auth("pk_test_page");
    let reply = sim.send(page(Method::POST, "/v1/payment_methods").form(&form)).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let method = reply.ok();
    assert_eq!(method["card"]["fingerprint"], Value::Null, "browsers are not told the fingerprint");
    assert_eq!(sim.fingerprint(&id(&method)).await.len(), 16);
    for path in ["/v1/customers", &format!("/v1/payment_methods/{}/attach", id(&method))] {
        let error = sim.send(page(Method::POST, path)).await.error(401);
        assert_eq!(error["code"], "secret_key_required", "{path}");
    }
    // Which Stripe does, for whoever has the client secret.
    let error = sim.send(page(Method::GET, "/v1/payment_intents/pi_1")).await.error(501);
    assert!(text(&error, "message").contains("show a PaymentIntent to a browser"), "{error:#}");
}

#[tokio::test]
async fn lists_have_pages_and_beginnings() {
    let sim = Sim::start().await;
    let mut made = Vec::new();
    let customer = sim.customer().await;
    for _ in 0..5 {
        made.push(id(&sim.pay("pm_card_visa", &[("customer", &customer)]).await.ok()));
    }
    sim.pay("pm_card_visa", &[]).await.ok();
    made.reverse();
    let list = format!("/v1/payment_intents?customer={customer}");
    let ids =
        |list: &Value| -> Vec<String> { list["data"].as_array().unwrap().iter().map(id).collect() };
    let first = sim.get(&format!("{list}&limit=2")).await.ok();
    assert_eq!((ids(&first), &first["has_more"]), (made[..2].to_vec(), &json!(true)));
    assert_eq!((&first["object"], &first["url"]), (&json!("list"), &json!("/v1/payment_intents")));
    let rest = sim.get(&format!("{list}&starting_after={}", made[1])).await.ok();
    assert_eq!((ids(&rest), &rest["has_more"]), (made[2..].to_vec(), &json!(false)));
    for path in ["payment_intents", "refunds", "disputes", "events"] {
        let later = sim.get(&format!("/v1/{path}?created[gte]=9999999999")).await.ok();
        assert_eq!(later["data"], json!([]), "{path}");
        let error = sim.get(&format!("/v1/{path}?limit=101")).await.error(400);
        assert_eq!(error["param"], "limit", "{path}");
    }
}

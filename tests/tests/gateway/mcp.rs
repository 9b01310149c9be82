//! MCP's tools, each with its price, at one address.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use stripe402_tests::{
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
    wire,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::{readings::Received, shapes::Shape};
use crate::{
    answer::{Answer, paid_client, pay, send},
    other_api::{self, add_cluster, shows_bodies},
};

mod clients;
mod readings;
mod shapes;

/// What the shipped demo asks for its tools.
const PRICES: [(&str, i64); 3] = [("echo", 0), ("search", 100), ("report", 2_500)];

/// A gateway before a server that answers everything and tells what it received.
async fn before_a_lax_server(options: StackOptions) -> (Stack, UnboundedReceiver<Received>) {
    let (seen, got) = unbounded_channel();
    let server =
        axum::Router::new().fallback(move |headers: HeaderMap, body: axum::body::Bytes| {
            let headers = headers.iter().map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            seen.send(Received { headers: headers.collect(), body: body.to_vec() }).unwrap();
            async { axum::Json(json!({"jsonrpc": "2.0", "id": 1, "result": {}})) }
        });
    let server = other_api::serve(server).await;
    let options = options.config(move |config: &mut EnvoyConfig| {
        add_cluster(config, "tools", server)?;
        let route = json!({
            "match": {"safe_regex": {"regex": "(?i)/.*mcp.*"}},
            "route": {"cluster": "tools", "timeout": "30s"},
        });
        config.routes()?.as_array_mut().unwrap().insert(0, route);
        Ok(())
    });
    (Stack::start(options).await.unwrap(), got)
}

fn post(stack: &Stack, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    stack.client.post(stack.url("/mcp")).header("content-type", "application/json").body(body)
}

fn request(stack: &Stack, shape: &Shape, payment: &str) -> reqwest::RequestBuilder {
    let method = reqwest::Method::from_bytes(shape.method.as_bytes()).unwrap();
    let request =
        stack.client.request(method, stack.url(shape.path)).header(wire::PAYMENT, payment);
    let headers = shape.headers.iter();
    let request = headers.fold(request, |request, (name, value)| request.header(*name, value));
    if shape.body.is_empty() { request } else { request.body(shape.body.clone()) }
}

/// A client with enough for all that follows.
async fn rich_client(stack: &Stack) -> String {
    let card = stack.sim.fresh_card().await.unwrap();
    let top_up = json!({"paymentMethodId": card, "topUpAmount": 9_000_000});
    let receipt = pay(stack, "/api/joke", top_up).await.receipt();
    wire::encode(&json!({"clientId": receipt["clientId"]}))
}

#[tokio::test]
async fn no_shape_of_a_request_gets_a_dear_tool_for_less() {
    let (stack, mut got) = before_a_lax_server(StackOptions::new()).await;
    let payment = rich_client(&stack).await;
    let honest = shapes::honest().len();
    let all = shapes::all();
    assert!(all.len() > 300, "{}", all.len());
    let mut served = 0;
    for (at, shape) in all.iter().enumerate() {
        let answer = send(request(&stack, shape, &payment)).await;
        let text = String::from_utf8_lossy(&shape.body);
        assert!(answer.status < 500, "{shape:?} {text}: {answer:?}");
        assert!(at >= honest || answer.status == 200, "{shape:?} {text}: {answer:?}");
        let Ok(received) = got.try_recv() else { continue };
        assert!(got.try_recv().is_err(), "{text}: once");
        served += 1;
        let paid = received.header("x-stripe402-price").map_or(0, |price| price.parse().unwrap());
        let worth = received.dearest(&PRICES);
        assert!(paid >= worth, "{shape:?} {text}: {paid} units for what costs {worth}");
        assert_eq!(received.header("payment"), None);
    }
    assert!(served >= honest, "{served}");
}

#[tokio::test]
async fn refusals_speak_json_rpc() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let answer = send(post(&stack, shapes::call("report"))).await;
    assert_eq!((answer.status, &answer.body["id"]), (402, &json!(1)));
    let error = &answer.body["error"];
    assert_eq!((&error["code"], &error["data"]["price"]), (&json!(-32_042), &json!(2_500)));
    let challenge = wire::header(&answer.headers, wire::PAYMENT_REQUIRED).unwrap();
    assert_eq!(challenge["price"], 2_500);
    assert_eq!(challenge["resource"]["description"], "A report about anything");
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let payment = wire::encode(&json!({"paymentMethodId": declined}));
    let answer = send(post(&stack, shapes::call("report")).header(wire::PAYMENT, payment)).await;
    let error = &answer.body["error"];
    assert_eq!((answer.status, &error["code"]), (402, &json!(-32_043)));
    assert_eq!(error["data"]["errorCode"], "card_declined");
    for (body, status, code, own) in [
        ("{", 400, -32_700, "mcp_not_json"),
        ("[]", 400, -32_600, "mcp_batch"),
        (
            r#"{"id":5,"method":"tools/call","params":{"name":"other"}}"#,
            403,
            -32_601,
            "not_for_sale",
        ),
        (r#"{"method":"tools/call","params":{"name":"report"}}"#, 400, -32_600, "mcp_no_id"),
        (r#"{"id":5,"method":"ping","Method":"x"}"#, 400, -32_600, "mcp_ambiguous"),
    ] {
        let answer = send(post(&stack, body)).await;
        let error = &answer.body["error"];
        assert_eq!((answer.status, &error["code"]), (status, &json!(code)), "{body}");
        assert_eq!(error["data"]["code"], own, "{body}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(!answer.headers.contains_key(wire::PAYMENT_REQUIRED), "{body}");
    }
}

/// Only the paying client's credits, and only what was served.
#[tokio::test]
async fn a_call_is_paid_for_and_the_server_learns_by_whom() {
    let (stack, mut got) = before_a_lax_server(StackOptions::new()).await;
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let mut left = 49_500;
    for (name, price) in PRICES {
        let answer = send(post(&stack, shapes::call(name)).header(wire::PAYMENT, &payment)).await;
        let received = got.try_recv().unwrap();
        assert_eq!(String::from_utf8_lossy(&received.body), shapes::call(name));
        left -= price;
        if price == 0 {
            assert_eq!(received.header("x-stripe402-client-id"), None);
            assert!(!answer.headers.contains_key(wire::PAYMENT_RESPONSE));
            continue;
        }
        assert_eq!(answer.receipt()["creditsRemaining"], left);
        assert_eq!(received.header("x-stripe402-client-id"), Some(&*client));
        assert_eq!(received.header("x-stripe402-price"), Some(&*price.to_string()));
    }
    let listed = send(stack.get("/.well-known/stripe402")).await.body;
    let routes = listed["routes"].as_array().unwrap();
    let mcp = routes.iter().find(|route| route["path"] == "/mcp").unwrap();
    assert_eq!(mcp["mcp"]["tools"]["search"]["price"], 100);
}

#[tokio::test]
async fn a_tool_can_cost_what_it_used() {
    let (stack, mut got) = before_a_lax_server(StackOptions::new().filter(|filter| {
        let routes = filter["routes"].as_array_mut().unwrap();
        let mcp = routes.iter_mut().find(|route| route["path"] == "/mcp").unwrap();
        let price = json!({"most": 5_000, "usage": [{"header": "x-cost"}, {"bytes": {"per_mib": 1_000_000}}]});
        mcp["mcp"]["tools"]["report"] = json!({"price": price});
    }))
    .await;
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let answer = send(post(&stack, shapes::call("report")).header(wire::PAYMENT, &payment)).await;
    assert_eq!(answer.receipt()["hold"]["amount"], 5_000);
    assert_eq!(got.try_recv().unwrap().header("x-stripe402-price"), Some("5000"));
    let used = answer.header("content-length").unwrap().parse::<i64>().unwrap();
    let expected = 49_500 - (used * 1_000_000 + (1 << 20) - 1) / (1 << 20);
    for _ in 0..100 {
        let path = "/.well-known/stripe402/balance";
        let left = send(stack.pay(path, &json!({"clientId": client}))).await;
        if left.body["creditsRemaining"] == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{expected} units were to be left");
}

/// Who sends its body byte by byte is answered in time, and a body that comes in pieces is read.
#[tokio::test]
async fn a_body_is_waited_for_and_not_for_ever() {
    let (stack, mut got) = before_a_lax_server(
        StackOptions::new().filter(|filter| filter["limits"] = json!({"mcp_body_timeout": "1s"})),
    )
    .await;
    let payment = rich_client(&stack).await;
    let send_slowly = async |pause: Duration| -> Answer {
        let pieces = futures_util::stream::unfold(0, move |at| async move {
            let body = shapes::call("report");
            let piece =
                body.get(at..(at + 30).min(body.len())).filter(|piece| !piece.is_empty())?;
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(piece.to_owned()), at + piece.len()))
        });
        let body = reqwest::Body::wrap_stream(pieces);
        send(post(&stack, body).header(wire::PAYMENT, &payment)).await
    };
    let answer = send_slowly(Duration::from_millis(20)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(got.try_recv().unwrap().header("x-stripe402-price"), Some("2500"));
    let answer = send_slowly(Duration::from_millis(500)).await;
    assert_eq!((answer.status, &answer.body["error"]["data"]["code"]), (408, &json!("mcp_late")));
    assert!(got.try_recv().is_err());
}

/// Who waits for a word before it sends its body is told not to.
#[tokio::test]
async fn nobody_waits_for_a_word_that_does_not_come() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let request = post(&stack, shapes::call("echo")).header("expect", "100-continue");
    let answer = send(request).await;
    assert_eq!(
        (answer.status, &answer.body["error"]["data"]["code"]),
        (417, &json!("mcp_expectation"))
    );
}

/// What is uploaded while it is being charged for may be larger than Envoy's buffer for a connection.
#[tokio::test]
async fn an_upload_waits_for_its_charge() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    stack.ledgers[0].process().pause();
    let question =
        json!({"max_tokens": 1, "messages": [{"role": "user", "content": "x".repeat(5_000_000)}]});
    let request = stack.client.post(stack.url("/api/chat")).json(&question);
    let request = request.header(wire::PAYMENT, wire::encode(&json!({"clientId": client})));
    let (answer, ()) = tokio::join!(send(request), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        stack.ledgers[0].process().resume();
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(stack.upstream.recorder().last().unwrap().body_length > 5_000_000);
}

/// An Envoy that shows no body before it was decided about the head: nobody is served, and the log says why.
#[tokio::test]
async fn an_envoy_that_shows_no_bodies_is_named() {
    let options = StackOptions::new()
        .filter(|filter| filter["limits"] = json!({"mcp_body_timeout": "500ms"}))
        .config(|config| shows_bodies(config, false));
    let (stack, mut got) = before_a_lax_server(options).await;
    let answer = send(post(&stack, shapes::call("echo"))).await;
    assert_eq!((answer.status, &answer.body["error"]["data"]["code"]), (408, &json!("mcp_late")));
    assert!(got.try_recv().is_err());
    let log = std::fs::read_to_string(stack.dir().join("envoy.log")).unwrap();
    assert!(log.contains("allow_on_headers_stop_iteration"), "{log}");
    let free = send(stack.get("/mcp")).await;
    assert_eq!(free.status, 200, "{free:?}");
    let _: Value = free.body;
}

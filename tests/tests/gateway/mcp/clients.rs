//! The official SDK as client, and servers of every age behind the gateway.

use std::{net::SocketAddr, process::Stdio};

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::add_cluster;
use crate::{answer::send, operator};

/// What the client was told and what it paid.
async fn buy(stack: &Stack) -> Value {
    let card = stack.sim.fresh_card().await.unwrap();
    let mut node = Command::new("node");
    node.current_dir(binary::workspace().join("tests/sdks"));
    node.args(["mcp_sold.mjs", &stack.url("/mcp"), &card]);
    let output = node.kill_on_drop(true).output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"))
}

#[tokio::test]
async fn the_official_client_lists_for_nothing_and_pays_for_calls() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let bought = buy(&stack).await;
    assert_eq!(bought["tools"], json!(["echo", "search", "report"]));
    assert_eq!(bought["free"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(bought["refused"]["code"], 402, "{bought}");
    assert_eq!(bought["said"][0], "hello");
    assert!(bought["said"][1].as_str().unwrap().contains("A page about hello"), "{bought}");
    assert_eq!(bought["said"][2], "All that there is to say about hello.");
    assert_eq!(bought["left"], json!([49_900, 47_400]));
}

/// A server with the official SDK: sessions, and answers as JSON or as events.
struct Server {
    address: SocketAddr,
    _process: Child,
}

impl Server {
    async fn start(answers: &str) -> Self {
        let mut process = Command::new("node")
            .current_dir(binary::workspace().join("tests/sdks"))
            .args(["mcp_server.mjs", answers])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
        Self { address, _process: process }
    }
}

/// By what a tool says in its result, as JSON and as an event.
fn by_words() -> Value {
    let words = json!({"words": "/result/_meta/words"});
    let each = json!({"words": 1_000});
    json!({"price": {"most": 100, "usage": [
        {"json": words, "per_1000": each},
        {"sse": words, "per_1000": each},
    ]}})
}

#[tokio::test]
async fn sessions_events_and_their_ends_pass() {
    for answers in ["json", "events"] {
        let server = Server::start(answers).await;
        let address = server.address;
        let options = StackOptions::new()
            .filter(|filter| {
                let routes = filter["routes"].as_array_mut().unwrap();
                let mcp = routes.iter_mut().find(|route| route["path"] == "/mcp").unwrap();
                mcp["mcp"] = json!({"tools": {"echo": by_words()}});
            })
            .config(move |config| {
                add_cluster(config, "tools", address)?;
                let route = json!({
                    "match": {"path": "/mcp"}, "route": {"cluster": "tools", "timeout": "30s"},
                });
                config.routes()?.as_array_mut().unwrap().insert(0, route);
                Ok(())
            });
        let stack = Stack::start(options).await.unwrap();
        let card = stack.sim.fresh_card().await.unwrap();
        let mut node = Command::new("node");
        node.current_dir(binary::workspace().join("tests/sdks"));
        node.args(["mcp_fetch.mjs", &stack.url("/mcp"), &card]);
        let output = node.kill_on_drop(true).output().await.unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        // The session's begin and its stream of events were free. Of the call, all is held at first.
        assert_eq!(
            (&said["said"], &said["left"]),
            (&json!("hello"), &json!([49_900])),
            "{answers}: {said}"
        );
        sold(&stack, "mcp echo", 3).await;
        let none =
            send(stack.client.delete(stack.url("/mcp")).header("mcp-session-id", "none")).await;
        assert_eq!(none.status, 404, "{answers}: the server's own answer");
        // A call in a session that has ended is not paid for.
        let call = super::post(&stack, super::shapes::call("echo"));
        let payment = json!({"paymentMethodId": card});
        let call = call
            .header("mcp-session-id", "none")
            .header("payment", stripe402_protocol::encode(&payment));
        let ended = send(call).await;
        assert_eq!((ended.status, ended.headers.get("payment-response")), (404, None), "{answers}");
        sold(&stack, "mcp echo", 3).await;
    }
}

/// What a route has brought, once it is captured.
async fn sold(stack: &Stack, route: &str, units: i64) {
    let mut lines = Value::Null;
    for _ in 0..100 {
        lines = operator::get(stack, "/revenue?by=route").await["lines"].clone();
        let holds = operator::get(stack, "/holds").await["holds"].clone();
        let of = lines.as_array().unwrap().iter().find(|line| line["route"] == route);
        if holds == json!([]) && of.is_some_and(|line| line["units"] == units) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{route} was to bring {units} units: {lines}")
}

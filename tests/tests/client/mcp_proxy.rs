//! `stripe402 mcp proxy`: a remote MCP server behind the gateway, whose calls cost money.

use std::process::Stdio;

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::mcp::{Sdk, Server};

/// A server with the SDK of MCP, and a gateway where each message to it costs 100 units.
struct Remote {
    stack: Stack,
    _node: Child,
}

impl Remote {
    /// `answers` is `json`, or `events` for streams.
    async fn start(answers: &str) -> Self {
        let mut node = Command::new("node")
            .args(["mcp_server.mjs", answers])
            .current_dir(binary::workspace().join("tests/sdks"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let port: u16 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        let options = StackOptions::new()
            .filter(|filter| {
                let priced = json!({"name": "mcp", "path": "/mcp", "methods": ["POST"], "price": 100});
                let routes = filter["routes"].as_array_mut().unwrap();
                routes.retain(|route| route["path"] != "/mcp");
                routes.push(priced);
            })
            .config(move |config| {
                let mut remote = config.cluster("api")?.clone();
                remote["name"] = json!("mcp");
                remote["load_assignment"] = json!({"cluster_name": "mcp", "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}},
                ]}]});
                let clusters = config.root().pointer_mut("/static_resources/clusters").unwrap();
                clusters.as_array_mut().unwrap().push(remote);
                let routes = config.routes()?.as_array_mut().unwrap();
                for path in ["/mcp", "/sessions"] {
                    routes.insert(0, json!({"match": {"path": path}, "route": {"cluster": "mcp"}}));
                }
                Ok(())
            });
        Self { stack: Stack::start(options).await.unwrap(), _node: node }
    }

    fn proxy(&self, sdk: &Sdk, arguments: &[&str]) -> Server {
        let url = self.stack.url("/mcp");
        sdk.server(&[&["proxy", &url, "-H", "x-mine: kept"], arguments].concat())
    }

    async fn sessions(&self) -> String {
        let answer = self.stack.client.get(self.stack.url("/sessions")).send().await.unwrap();
        answer.text().await.unwrap()
    }
}

async fn called(server: &Server, name: &str) -> Value {
    let call = json!({"name": name, "arguments": {"text": "hello"}});
    let told = server.step(json!({"calls": [call]})).await;
    assert_eq!(told["errors"], json!([]), "{told}");
    told["results"][0].clone()
}

fn receipt(left: i64, text: &str) -> Value {
    json!({"paid": 100, "left": left, "currency": "usd", "text": text})
}

#[tokio::test]
async fn tools_of_a_remote_server_are_listed_and_paid() {
    for answers in ["json", "events"] {
        let remote = Remote::start(answers).await;
        let card = remote.stack.sim.fresh_card().await.unwrap();
        let sdk = Sdk::start();
        let server = remote.proxy(&sdk, &["--payment-method", &card]);
        let told = server.step(json!({"list": true})).await;
        assert_eq!(told["about"]["info"]["name"], "remote", "{told}");
        assert_eq!(told["about"]["instructions"], "Ask politely.");
        assert_eq!(told["tools"][0]["name"], "echo", "{told}");
        assert_eq!(told["tools"][0]["description"], "Says the same, and who asked.");
        assert_eq!(told["tools"][0]["inputSchema"]["required"], json!(["text"]));
        // initialize, initialized and the list are messages, too: what they cost goes to the log.
        let log = told["log"].as_str().unwrap();
        assert!(
            log.contains("paid $4.99 left, card charged $5.00") && log.contains("paid $4.97 left"),
            "{log}"
        );

        let echo = called(&server, "echo").await;
        assert_eq!(echo["content"][0]["text"], "hello, (hidden by stripe402), kept", "{echo}");
        assert_eq!(echo["structuredContent"], json!({"said": "hello"}));
        assert_eq!(echo["_meta"]["mine"], "kept");
        assert_eq!(
            echo["_meta"]["stripe402/receipt"],
            receipt(49_600, "paid $0.01; $4.96 left"),
            "{echo}"
        );
        let failed = called(&server, "fail").await;
        assert_eq!(
            (&failed["isError"], &failed["content"][0]["text"]),
            (&json!(true), &json!("it cannot be done"))
        );
        assert_eq!(failed["_meta"]["stripe402/receipt"]["left"], 49_500, "{failed}");
        let thrown = called(&server, "throw").await;
        assert_eq!(
            (&thrown["code"], &thrown["data"]["data"]["why"]),
            (&json!(-32_000), &json!("it is not there")),
            "{thrown}"
        );
        assert_eq!(thrown["data"]["stripe402/receipt"]["left"], 49_400, "{thrown}");

        let many = vec![json!({"name": "echo", "arguments": {"text": "hello"}}); 5];
        let told = server.step(json!({"calls": many})).await;
        let lefts = told["results"].as_array().unwrap().iter();
        let lefts =
            lefts.map(|result| result["_meta"]["stripe402/receipt"]["left"].as_i64().unwrap());
        assert_eq!(
            lefts.collect::<std::collections::BTreeSet<_>>().len(),
            5,
            "each has its own receipt: {told}"
        );
        assert_eq!(
            remote.stack.sim.totals("usd").await.unwrap().charged,
            500,
            "{answers}: one charge"
        );

        assert_eq!(remote.sessions().await, "1");
        drop((server, sdk));
        let ended = async {
            while remote.sessions().await != "0" {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), ended)
            .await
            .expect("the session is ended");
    }
}

#[tokio::test]
async fn a_call_that_is_not_paid_for_is_an_error_of_the_tool() {
    let remote = Remote::start("json").await;
    let card = remote.stack.sim.fresh_card().await.unwrap();
    let sdk = Sdk::start();
    // The list has spent 300 of 50,000 units; another program spends nearly all of the rest.
    let server = remote.proxy(&sdk, &["--payment-method", &card, "--budget", "5usd"]);
    server.step(json!({"list": true})).await;
    let client = server.known(&remote.stack.url("/mcp"))["clientId"].clone();
    for _ in 0..99 {
        let spent =
            remote.stack.pay("/api/weather", &json!({"clientId": client})).send().await.unwrap();
        assert_eq!(spent.status(), 200);
    }
    for left in [100, 0] {
        let echo = called(&server, "echo").await;
        assert_eq!(echo["_meta"]["stripe402/receipt"]["left"], left, "{echo}");
    }
    let refused = called(&server, "echo").await;
    assert_eq!(refused["isError"], true, "{refused}");
    assert_eq!(refused["structuredContent"]["error"]["code"], "budget_exceeded", "{refused}");
    assert_eq!(remote.stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// A server whose tools the gateway sells one by one.
#[tokio::test]
async fn each_tool_costs_what_the_gateway_asks_for_it() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let sdk = Sdk::start();
    let url = stack.url("/mcp");
    let arguments = ["proxy", &url, "--payment-method", &card, "--max-price", "0.50usd"];
    let server = sdk.server(&arguments);
    let told = server.step(json!({"list": true})).await;
    let does = told["tools"].as_array().unwrap().iter().map(|tool| &tool["description"]);
    let expected = [
        "Says the same.\n\nFree.",
        "Finds three pages about something.\n\nCosts $0.01 a call.",
        "Writes a report about something.\n\nCosts $0.25 a call.",
    ];
    assert_eq!(does.collect::<Vec<_>>(), expected, "{told}");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0, "looking costs nothing");
    let call = async |name: &str| {
        let call = json!({"name": name, "arguments": {"text": "a", "query": "a", "subject": "a"}});
        let told = server.step(json!({"calls": [call]})).await;
        told["results"][0].clone()
    };
    let echo = call("echo").await;
    assert_eq!((&echo["content"][0]["text"], &echo["_meta"]), (&json!("a"), &json!({"words": 1})));
    for (name, paid, left) in [
        ("search", 100, 49_900),
        ("report", 2_500, 47_400),
        ("search", 100, 47_300),
        ("report", 2_500, 44_800),
    ] {
        let told = call(name).await["_meta"]["stripe402/receipt"].clone();
        assert_eq!((&told["paid"], &told["left"]), (&json!(paid), &json!(left)), "{name}: {told}");
    }
    let careful = sdk.server(&[&arguments[..4], &["--max-price", "0.10usd"]].concat());
    let call = json!({"name": "report", "arguments": {"subject": "a"}});
    let told = careful.step(json!({"calls": [call]})).await;
    assert_eq!(
        told["results"][0]["structuredContent"]["error"]["code"], "price_too_high",
        "{told}"
    );
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// A refusal that comes as an error of JSON-RPC is a refusal: nothing was charged, and no budget is spent.
#[tokio::test]
async fn a_card_that_is_refused_for_a_tool_takes_nothing_of_the_budget() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let sdk = Sdk::start();
    let url = stack.url("/mcp");
    for (number, code, reason) in [
        ("4000000000000002", "card_declined", Value::Null),
        ("4000002760003184", "payment_failed", json!("authentication_required")),
    ] {
        let card = stack.sim.payment_method(number, "123").await.unwrap();
        let arguments = ["proxy", &url, "--payment-method", &card, "--budget", "5usd"];
        let server = sdk.server(&arguments);
        for _ in 0..3 {
            let call = json!({"name": "search", "arguments": {"query": "a"}});
            let told = server.step(json!({"calls": [call]})).await;
            let error = &told["results"][0]["structuredContent"]["error"];
            assert_eq!((&error["code"], &error["reason"]), (&json!(code), &reason), "{told}");
        }
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);
}

/// Without the proxy: the SDK's own transport takes a fetch.
#[tokio::test]
async fn the_sdk_pays_with_our_fetch() {
    for answers in ["json", "events"] {
        let remote = Remote::start(answers).await;
        let card = remote.stack.sim.fresh_card().await.unwrap();
        let mut node = Command::new("node");
        node.args(["mcp_fetch.mjs", &remote.stack.url("/mcp"), &card]);
        let output = node.current_dir(binary::workspace().join("tests/sdks")).output().await;
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        // initialize, initialized, and the call.
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(told, json!({"said": "hello", "left": [49_900, 49_800, 49_700]}), "{answers}");
        assert_eq!(remote.stack.sim.totals("usd").await.unwrap().charged, 500);
    }
}

/// Without a message from the remote server there is nothing to serve; a person reads why.
#[tokio::test]
async fn a_proxy_that_may_not_pay_does_not_start() {
    let remote = Remote::start("json").await;
    let card = remote.stack.sim.fresh_card().await.unwrap();
    let sdk = Sdk::start();
    let server = remote.proxy(&sdk, &["--payment-method", &card, "--max-price", "99"]);
    let told = server.step(json!({"list": true})).await;
    assert!(told["about"].is_null(), "{told}");
    let log = told["log"].as_str().unwrap();
    assert!(log.contains("this costs $0.01, above the limit of $0.0099 for one request"), "{log}");
    assert_eq!(remote.stack.sim.totals("usd").await.unwrap().charged, 0);
}

/// A tool that is slow: who gives up hears nothing, and the next call is served.
#[tokio::test]
async fn a_call_is_cancelled_at_the_remote_server() {
    let remote = Remote::start("events").await;
    let card = remote.stack.sim.fresh_card().await.unwrap();
    let sdk = Sdk::start();
    let server = remote.proxy(&sdk, &["--payment-method", &card]);
    let slow = json!([{"name": "slow", "arguments": {"text": ""}, "cancelAfter": 300}]);
    let told = server.step(json!({"calls": slow})).await;
    assert!(told["results"][0]["thrown"].as_str().unwrap().contains("abort"), "{told}");
    // initialize, initialized, the call, and the word that it is cancelled, which nobody waits for.
    let client = server.known(&remote.stack.url("/mcp"))["clientId"].clone();
    let heard = async || {
        let asked =
            remote.stack.pay("/.well-known/stripe402/balance", &json!({"clientId": client}));
        let told: Value = asked.send().await.unwrap().json().await.unwrap();
        told["creditsRemaining"] == 49_600
    };
    let start = std::time::Instant::now();
    while !heard().await {
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "nobody tells the server");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let echo = called(&server, "echo").await;
    assert_eq!(echo["_meta"]["stripe402/receipt"]["left"], 49_500, "{echo}");
}

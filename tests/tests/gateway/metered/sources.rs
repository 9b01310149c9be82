//! What other filters of Envoy's wrote down is usage, too.

use serde_json::{Value, json};
use stripe402_tests::{stack::StackOptions, wire};

use super::scene::{Scene, before};
use crate::other_api;

const V3: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// Puts a filter behind the gate: an answer passes it first.
fn behind(options: StackOptions, name: &str, kind: &str, config: Value) -> StackOptions {
    let mut filter = json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config});
    filter["typed_config"]["@type"] = json!(format!("{V3}.{name}.v3.{kind}"));
    options.config(move |config| {
        let filters = config.connection_manager()?["http_filters"].as_array_mut().unwrap();
        let gate = filters.iter().position(|filter| filter["name"] == "stripe402").unwrap();
        filters.insert(gate + 1, filter);
        Ok(())
    })
}

/// 100 units per token of a question, 200 per token of an answer.
fn by_tokens(namespace: &str) -> Value {
    let written = json!({
        "in": format!("{namespace}/input_tokens"), "out": format!("{namespace}/output_tokens"),
    });
    let per_1000 = json!({"in": 100_000, "out": 200_000});
    json!({"most": 50_000, "usage": [{"metadata": written, "per_1000": per_1000}]})
}

/// Envoy's own count of tokens, of the demo API's OpenAI-shaped answers.
#[tokio::test]
async fn envoys_own_count_of_tokens_is_captured() {
    let nobody = "127.0.0.1:1".parse().unwrap();
    let options = before(nobody, &[("/api/chat", by_tokens("envoy.ai.token_usage"))]);
    let counts = json!({"response_handling": {"token_usage": {
        "include_unconfigured_routes": true,
        // Events of the demo API do not say so.
        "default_llm_protocol": "OPENAI_CHAT_COMPLETIONS",
    }}});
    let options = behind(options, "ai_protocol_manager", "AiProtocolManager", counts);
    let mut scene = Scene::start(options).await;
    for (stream, tokens) in [(false, 7), (false, 100), (true, 9)] {
        let question = json!({
            "stream": stream,
            "max_tokens": tokens,
            "messages": [{"role": "user", "content": "say something"}],
        });
        let request = scene.stack.client.post(scene.stack.url("/api/chat")).json(&question);
        let answer = request.header(wire::PAYMENT, scene.payment()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        let captured = scene.captured().await;
        assert_eq!(captured, 2 * 100 + tokens * 200, "stream: {stream}, {tokens} tokens");
    }
}

/// Headers that another filter turned into metadata, as numbers and as text.
#[tokio::test]
async fn what_a_filter_wrote_down_is_captured() {
    let api = axum::Router::new().fallback(|uri: http::Uri| async move {
        let query = uri.query().unwrap_or_default().to_owned();
        let (input, output) = query.split_once('-').unwrap();
        ([("x-in", input.to_owned()), ("x-out", output.to_owned())], "done")
    });
    let api = other_api::serve(api).await;
    for kind in ["NUMBER", "STRING"] {
        let rule = |header: &str, key: &str| {
            json!({"header": header, "on_header_present": {
                "metadata_namespace": "own.tokens", "key": key, "type": kind,
            }})
        };
        let rules = json!({"response_rules": [rule("x-in", "input_tokens"), rule("x-out", "output_tokens")]});
        let options = before(api, &[("/own/chat", by_tokens("own.tokens"))]);
        let options = behind(options, "header_to_metadata", "Config", rules);
        let mut scene = Scene::start(options).await;
        for (said, captured) in
            [("3-4", 1_100), ("0-0", 0), ("12-34", 8_000), ("1.5-2", 50_000), ("x-2", 50_000)]
        {
            let payment = json!({"clientId": scene.client});
            let answer = scene.stack.pay(&format!("/own/chat?{said}"), &payment).send().await;
            assert_eq!(answer.unwrap().text().await.unwrap(), "done");
            assert_eq!(scene.captured().await, captured, "{kind}: {said}");
        }
    }
}

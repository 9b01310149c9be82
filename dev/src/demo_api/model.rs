//! What stands in for a language model: it says as many words as it is asked for.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream as streams};
use serde::Deserialize;
use serde_json::{Value, json};

/// Words of an answer, where the caller names no number.
const WORDS: u32 = 20;
/// The most that one answer has.
const MOST_WORDS: u32 = 10_000;
const SENTENCE: [&str; 8] = ["An", "API", "that", "is", "paid", "for", "never", "sleeps"];

/// A question, in the shape of OpenAI's chat completions.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u32>,
    #[serde(default)]
    messages: Vec<Value>,
    /// Between two words of a stream.
    #[serde(default)]
    pause_ms: u64,
}

impl Question {
    fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// How many words the answer has.
    fn number(&self) -> u32 {
        self.max_tokens.unwrap_or(WORDS).min(MOST_WORDS)
    }

    /// How many words the question has.
    fn prompt(&self) -> u32 {
        let said = |message: &Value| {
            message["content"].as_str().map_or(0, |text| text.split_whitespace().count())
        };
        let prompt = self.messages.iter().map(said).sum::<usize>();
        u32::try_from(prompt).unwrap_or(u32::MAX)
    }

    fn usage(&self, words: u32) -> Value {
        let prompt = self.prompt();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt.saturating_add(words),
        })
    }
}

fn words(number: u32) -> impl Iterator<Item = &'static str> {
    SENTENCE.into_iter().cycle().take(usize::try_from(number).unwrap_or(0))
}

/// `POST /api/chat`: JSON, or server-sent events with the usage in the last one.
pub(super) fn chat(body: &[u8]) -> Response {
    let Some(question) = Question::read(body) else {
        let error = json!({"error": {"message": "the body is no chat completion request"}});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let number = question.number();
    let usage = question.usage(number);
    if !question.stream {
        let content = words(number).collect::<Vec<_>>().join(" ");
        return Json(json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}],
            "usage": usage,
        }))
        .into_response();
    }
    let delta = |word| json!({"choices": [{"index": 0, "delta": {"content": format!("{word} ")}}]});
    let events = words(number).map(move |word| delta(word).to_string());
    let last = [json!({"choices": [], "usage": usage}).to_string(), "[DONE]".to_owned()];
    let events = events.chain(last).map(|event| format!("data: {event}\n\n"));
    stream(events, question.pause_ms)
}

/// `POST /v1/messages`: the same in the shape of Anthropic's messages.
pub(super) fn messages(body: &[u8]) -> Response {
    let Some(question) = Question::read(body) else {
        let error = json!({"type": "invalid_request_error", "message": "the body is no message"});
        let error = json!({"type": "error", "error": error});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let (number, prompt) = (question.number(), question.prompt());
    let message = |content: Value, words: u32| {
        json!({
            "id": "msg_demo", "type": "message", "role": "assistant", "model": "demo",
            "content": content, "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": prompt, "output_tokens": words},
        })
    };
    if !question.stream {
        let text = words(number).collect::<Vec<_>>().join(" ");
        return Json(message(json!([{"type": "text", "text": text}]), number)).into_response();
    }
    let first = [
        json!({"type": "message_start", "message": message(json!([]), 0)}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
    ];
    let delta = |word| {
        let delta = json!({"type": "text_delta", "text": format!("{word} ")});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    };
    let last = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "usage": {"output_tokens": number},
            "delta": {"stop_reason": "end_turn", "stop_sequence": null}}),
        json!({"type": "message_stop"}),
    ];
    let events = first.into_iter().chain(words(number).map(delta)).chain(last);
    let named = |event: Value| {
        let name = event.get("type").and_then(Value::as_str).unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    stream(events.map(named), question.pause_ms)
}

/// Server-sent events, with a pause before each.
fn stream(events: impl Iterator<Item = String> + Send + 'static, pause_ms: u64) -> Response {
    let pause = Duration::from_millis(pause_ms);
    let events = streams::iter(events).then(move |event| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(Bytes::from(event))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

/// `GET /api/metered?cost=N`: says itself what it costs, in units.
pub(super) fn metered(query: Option<&str>) -> Response {
    let cost = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("cost="));
    let answer = Json(json!({"cost": cost}));
    match cost.filter(|cost| cost.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(cost) => ([("x-stripe402-cost", cost)], answer).into_response(),
        None => answer.into_response(),
    }
}

//! The rules for adapters in other languages: everything crosses the border as JSON, a few hundred bytes
//! per step, so that no types have to be kept in step on both sides. What is wrong with JSON is said in words.

mod policy;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Event, Outcome, Settling, Step, Terms};

pub use policy::policy;

/// What has happened: `{event: "answer", answer: {…}}` and the like.
///
/// # Errors
/// In words, if the event cannot be read.
pub fn event(json: &str) -> Result<Event, String> {
    let mut told = value(json)?;
    let mut field = |name: &str| told.get_mut(name).map(Value::take).unwrap_or_default();
    match field("event").as_str().unwrap_or_default() {
        "start" => Ok(Event::Start),
        "answer" => read(field("answer")).map(Event::Answer),
        "lost" => Ok(Event::Lost),
        "turn" => Ok(Event::Turn),
        "card" => read(field("card")).map(Event::Card),
        "resumed" => Ok(Event::Resumed),
        other => Err(format!("there is no event {other:?}")),
    }
}

/// A JSON object: serde would read an array as a struct, field by field.
fn value(json: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("this is no JSON object".to_owned()) }
}

/// A purse, a hold, or the facts of a request.
///
/// # Errors
/// In words, if it is no JSON object, or not one of these.
pub fn object<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    read(value(json)?)
}

/// By way of [`Value`] always: one reader of each type, not one per source.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// A status and a body (`{status, body}`), or `null` where there was no answer.
///
/// # Errors
/// In words, if it is neither.
pub fn told(json: &str) -> Result<Option<(u16, String)>, String> {
    let mut told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if told.is_null() {
        return Ok(None);
    }
    let mut field = |name: &str| told.get_mut(name).map(Value::take).unwrap_or_default();
    Ok(Some((read(field("status"))?, read(field("body"))?)))
}

/// What an answer about a hold leads to, with `changed` if there is something to be kept first.
#[must_use]
pub fn settling(settling: Settling, changed: bool) -> String {
    match settling {
        Settling::Done(settlement) => json!({"settlement": settlement, "changed": changed}),
        Settling::Again { after } => json!({"after": after, "changed": changed}),
        Settling::Fail(error) => json!({"error": error.to_json(), "changed": changed}),
    }
    .to_string()
}

/// What to do next, with `keepsTurn`, and `changed` if there is something to be kept first.
#[must_use]
pub fn step(step: Step, changed: bool) -> String {
    let keeps_turn = step.keeps_turn();
    let mut json = match step {
        Step::Send { payment, .. } => json!({"step": "send", "payment": payment}),
        Step::Ask => json!({"step": "ask"}),
        Step::TakeTurn => json!({"step": "takeTurn"}),
        Step::AskForCard { terms } => json!({"step": "askForCard", "terms": terms}),
        Step::Pause { seconds } => json!({"step": "pause", "seconds": seconds}),
        Step::Done { outcome } => {
            let paid = match outcome {
                Outcome::Paid(paid) => json!(paid),
                Outcome::Free | Outcome::NotTaken => Value::Null,
            };
            json!({"step": "done", "paid": paid})
        }
        Step::Fail { error } => json!({"step": "fail", "error": error.to_json()}),
    };
    if let Some(fields) = json.as_object_mut() {
        fields.insert("keepsTurn".to_owned(), keeps_turn.into());
        fields.insert("changed".to_owned(), changed.into());
    }
    json.to_string()
}

/// Reads the `payment-required` header of a challenge: `{terms}` or `{error}`.
#[must_use]
pub fn explain(header: &str) -> String {
    match Terms::read(Some(header)) {
        Ok(terms) => json!({"terms": terms}).to_string(),
        Err(error) => json!({"error": error.to_json()}).to_string(),
    }
}

//! What an agent is told.

use rmcp::model::CallToolResult;
use serde_json::{Value, json};
use stripe402_client::{Amount, Policy};
use stripe402_protocol::Units;

use super::{account::Account, secrets::for_agents};
use crate::exit::Exit;

/// The result of a tool: its object, or an error with a stable code and one sentence.
pub(super) fn result(account: &Account, said: Result<Value, Exit>) -> CallToolResult {
    match said.and_then(|value| Ok(account.secrets()?.hide_json(value))) {
        Ok(value) => CallToolResult::structured(value),
        Err(exit) => refused(account, exit),
    }
}

/// An error of a tool.
pub(super) fn refused(account: &Account, exit: Exit) -> CallToolResult {
    let error = for_agents(exit.error);
    // If the credentials cannot be read, none of them can be in the error.
    let error = match account.secrets() {
        Ok(secrets) => secrets.hide_json(error),
        Err(_) => error,
    };
    CallToolResult::structured_error(json!({"error": error}))
}

/// An agent that changed its mind. What was being paid is counted; the next call finds out about it.
pub(super) fn cancelled() -> Exit {
    let message =
        "the call was cancelled; a payment that was under way counts, and is not made twice";
    Exit {
        code: 1,
        error: json!({"code": "cancelled", "message": message}),
        message: message.to_owned(),
    }
}

/// Only a person can confirm a payment.
pub(super) fn ask_the_cardholder(mut exit: Exit) -> Exit {
    let reason = exit.error.get("reason").and_then(Value::as_str);
    if reason == Some("authentication_required") {
        exit.message = "the cardholder must confirm this payment: ask them to run stripe402 confirm in a terminal, \
                        with the same card and a URL of this server; then call again"
            .to_owned();
        if let Some(error) = exit.error.as_object_mut() {
            error.insert("message".to_owned(), json!(exit.message));
        }
    }
    exit
}

/// A limit of the agent's own: units or money, in the currency that is paid in.
pub(super) fn amount(value: &Value, policy: &Policy) -> Result<Units, Exit> {
    let wrong = |why: &str| Exit::usage(format!("max_price: {why}"));
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Amount { units, currency } = text
        .parse()
        .map_err(|error: stripe402_client::ParseAmountError| wrong(&error.to_string()))?;
    if currency.is_some_and(|currency| currency != policy.currency) {
        return Err(wrong(&format!("this client pays only in {}", policy.currency)));
    }
    Ok(units)
}

//! What is shown: the answer on the standard output, all about payment on the other.

use std::io::{self, Write as _};

use owo_colors::OwoColorize as _;
use serde_json::{Value, json};
use stripe402_client::{Paid, Settlement, SettlementState, money};
use stripe402_protocol::Currency;

use crate::exit::Exit;

/// Nothing can be done about a closed pipe.
fn line(mut out: impl io::Write, text: &str) {
    let _unseen = writeln!(out, "{text}");
}

/// For people.
pub(crate) fn say(text: &str) {
    line(anstream::stdout().lock(), text);
}

/// About payment, beside the answer.
pub(crate) fn aside(text: &str) {
    line(anstream::stderr().lock(), text);
}

/// For programs.
pub(crate) fn json(value: &Value) {
    line(io::stdout().lock(), &value.to_string());
}

/// What was paid, in one line.
pub(crate) fn receipt(paid: &Paid, currency: Currency) {
    let left = format!("{} left", money(paid.credits_remaining, currency));
    aside(&format!("{} {left}{}", "paid".green().bold(), charge(paid, currency)));
}

/// What was held and what it cost in the end, in one line.
pub(crate) fn settlement(paid: &Paid, currency: Currency, told: &Result<Settlement, Exit>) {
    let Some(hold) = &paid.hold else { return };
    let held = format!("{} {}", "held".green().bold(), money(hold.amount, currency));
    let left = match told {
        Ok(told) => told.credits_remaining,
        Err(_) => paid.credits_remaining,
    };
    let end = format!("{} left{}", money(left, currency), charge(paid, currency));
    let cost = match told {
        Ok(Settlement { state: SettlementState::Released, .. }) => "cost nothing".to_owned(),
        Ok(Settlement { captured: Some(cost), .. }) => format!("cost {}", money(*cost, currency)),
        Ok(_) => warning("what it cost is not known yet; the whole hold counts as spent"),
        Err(exit) => warning(&exit.message),
    };
    aside(&format!("{held}; {cost}; {end}"));
}

fn warning(text: &str) -> String {
    format!("{} {text}", "warning:".yellow().bold())
}

/// What the card was charged, to go on a line.
fn charge(paid: &Paid, currency: Currency) -> String {
    let Some(charged) = paid.charged else { return String::new() };
    let text = format!(", {}", format!("card charged {}", money(charged, currency)).yellow());
    match &paid.charge_id {
        Some(id) => format!("{text} {}", format!("({id})").dimmed()),
        None => text,
    }
}

pub(crate) fn failed(exit: &Exit, as_json: bool) {
    if as_json {
        json(&json!({"error": exit.error, "exitCode": exit.code}));
        return;
    }
    aside(&format!("{} {}", "stripe402:".red().bold(), exit.message));
    let field = |name: &str| exit.error.get(name).and_then(Value::as_str);
    if let Some(secret) = field("clientSecret") {
        aside(
            "  Confirm it:  stripe402 confirm, with the same URL and options. Or with Stripe.js:",
        );
        aside(&format!("  client secret    {secret}"));
        aside(&format!("  publishable key  {}", field("publishableKey").unwrap_or_default()));
    }
    if let Some(seconds) = exit.error.get("retryAfter").and_then(Value::as_u64)
        && !exit.message.contains("try again in")
    {
        aside(&format!("  Try again in {seconds} s."));
    }
    if field("code") == Some("payment_required") {
        aside("  Name a card with --payment-method pm_…, or enter one:  stripe402 card add URL");
    }
}

/// One row of a table with a name and a value.
pub(crate) fn row(name: &str, value: &str) {
    say(&format!("  {} {value}", format!("{name:<16}").dimmed()));
}

pub(crate) fn flush() {
    let _unseen = io::stdout().flush();
}

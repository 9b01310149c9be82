//! `client refund`: unused credits back to the cards they came from.

use std::sync::Arc;

use serde_json::json;

use super::{CliError, Report, at_stripe, open, report};
use crate::{
    clock::SystemClock,
    config::{ClientArgs, RefundArgs},
    operator::work::{Actor, Operations, RefundOrder},
};

/// Refunds one account.
///
/// # Errors
/// [`CliError`] if there is no such client, it has less, or Stripe or the store cannot be asked.
pub(super) async fn refund(arguments: RefundArgs) -> Result<Report, CliError> {
    let RefundArgs { client: ClientArgs { client, books }, amount, reference, .. } = &arguments;
    let store = open(books)?;
    let parts = at_stripe(&store, &arguments.stripe, &None, None)?;
    let operations = Operations::new(store, Some(parts), Arc::new(SystemClock));
    let wanted = RefundOrder {
        currency: arguments.currency,
        units: *amount,
        reference: reference.clone(),
        reason: arguments.reason.clone(),
    };
    let given = operations.refund(&Actor::command_line(), client, wanted).await?;
    let (key, parts, sum, account) = (given.key, &given.parts, given.units, given.account);
    let rows = parts
        .iter()
        .map(|part| vec![part.payment_intent.clone(), report::amount(part.amount, key.currency)]);
    let mut lines = Vec::new();
    if !parts.is_empty() {
        lines.push(report::table(&["card charge", "given back"], &[1], rows.collect()));
    }
    lines.push(format!(
        "client {}  {} given back, {} available",
        key.client.subject(),
        report::money(sum, key.currency),
        report::amount(account.available, key.currency),
    ));
    let listed = parts
        .iter()
        .map(|part| json!({"paymentIntent": part.payment_intent, "amount": part.amount}));
    let value = json!({
        "subject": key.client.subject(),
        "currency": key.currency,
        "refunded": sum,
        "parts": listed.collect::<Vec<_>>(),
        "available": account.available,
    });
    let said = Report::new(lines, value, books.json);
    // Less than was asked for is for the operator to see to.
    Ok(if given.short { said.bad() } else { said })
}

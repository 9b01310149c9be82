//! `client refund`: unused credits back to the cards they came from.

use std::sync::Arc;

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
    let currency = given.account.currency;
    let rows = given
        .parts
        .iter()
        .map(|part| vec![part.payment_intent.clone(), report::amount(part.amount, currency)]);
    let mut lines = Vec::new();
    if !given.parts.is_empty() {
        lines.push(report::table(&["card charge", "given back"], &[1], rows.collect()));
    }
    lines.push(format!(
        "client {}  {} given back, {} available",
        given.subject,
        report::amount(given.refunded, currency),
        report::amount(given.account.available, currency),
    ));
    let said = Report::new(lines, &given, books.json)?;
    // Less than was asked for is for the operator to see to.
    Ok(if given.short { said.bad() } else { said })
}

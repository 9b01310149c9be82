//! `client refund`: unused credits back to the cards they came from.

use serde_json::json;
use stripe402_protocol::Units;

use super::{Problem, Report, at_stripe, find, open, report};
use crate::{config::RefundArgs, ledger::AccountKey};

/// Refunds one account.
///
/// # Errors
/// [`Problem`] if there is no such client, it has less, or Stripe or the store cannot be asked.
pub(super) async fn refund(arguments: RefundArgs) -> Result<Report, Problem> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if arguments.reference.is_empty()
        || arguments.reference.len() > 64
        || !arguments.reference.bytes().all(is_name)
    {
        let text = "--reference must be 1 to 64 letters, digits, dots, dashes or underscores";
        return Err(Problem(text.to_owned()));
    }
    let store = open(&arguments.client.books)?;
    let payments = at_stripe(&store, &arguments.stripe, &None)?;
    let found = find::accounts(store.as_ref(), &arguments.client.client).await?;
    let key = found.into_iter().find(|key| key.currency == arguments.currency);
    let key: AccountKey =
        key.ok_or_else(|| Problem(format!("the client has no account in {}", arguments.currency)))?;
    let amount = arguments.amount.map(|units| {
        Units::new(units)
            .ok()
            .filter(|amount| !amount.is_zero())
            .ok_or_else(|| Problem("--amount must be a number of units above 0".to_owned()))
    });
    let parts = payments.refund(key, amount.transpose()?, &arguments.reference).await;
    let parts = parts.map_err(|error| Problem(error.to_string()))?;
    let sum = parts.iter().fold(0_i64, |sum, part| sum.saturating_add(part.amount.get()));
    let account = store.account(key).await?;
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
    let said = Report::new(lines, value, arguments.client.books.json);
    // Less than was asked for is for the operator to see to.
    let short = arguments.amount.is_some_and(|asked| sum < asked);
    Ok(if short { said.bad() } else { said })
}

//! `client refund`: unused credits are refunded to the cards that paid for them.

use super::{Books, CliError, Finding, Report, report};
use crate::{
    config::{ClientArgs, RefundArgs},
    operator::work::{RefundOrder, view::Refunded},
};

/// Refunds one account.
///
/// # Errors
/// [`CliError`] if there is no such client, it has less, or Stripe or the store cannot be asked.
pub(super) async fn refund(arguments: RefundArgs) -> Result<Report, CliError> {
    let RefundArgs { client: ClientArgs { client, books }, amount, reference, .. } = &arguments;
    let open = Books::with_stripe(books, &arguments.stripe, &None, None)?;
    let wanted = RefundOrder {
        currency: arguments.currency,
        units: *amount,
        reference: reference.clone(),
        reason: arguments.reason.clone(),
    };
    let given = open.refund(client, wanted).await?;
    let currency = given.account.currency;
    let rows = given
        .parts
        .iter()
        .map(|part| vec![part.payment_intent.clone(), report::amount(part.amount, currency)]);
    let mut lines = Vec::new();
    if !given.parts.is_empty() {
        lines.push(report::table(&["card charge", "refunded"], &[1], rows.collect()));
    }
    lines.push(format!(
        "client {}  {} refunded, {} available",
        given.subject,
        report::amount(given.refunded, currency),
        report::amount(given.account.available, currency),
    ));
    lines.extend(shortfall(&given, *amount));
    let said = Report::new(lines, &given, books.json)?;
    // Less than was asked for is for the operator to see to.
    Ok(if given.short { said.found(Finding::Wrong) } else { said })
}

/// Why less was refunded than was asked for; `None` if it was not less.
fn shortfall(given: &Refunded, asked: Option<i64>) -> Option<String> {
    let currency = given.account.currency;
    let asked = report::money(asked.filter(|_| given.short)?, currency);
    let refunded = report::amount(given.refunded, currency);
    Some(format!("Refunded {refunded} of {asked}: no card charge can take the rest"))
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::{Currency, Units};

    use super::*;
    use crate::operator::work::view::Account;

    #[test]
    fn a_short_refund_has_a_reason_and_a_whole_one_needs_none() {
        let account = Account {
            currency: Currency::USD,
            available: Units::ZERO,
            pending: Units::ZERO,
            debt: Units::ZERO,
            frozen: false,
            generation: 0,
        };
        let given = |short| Refunded {
            subject: "0123456789abcdef".to_owned(),
            refunded: Units::from_u32(49_500),
            short,
            parts: Vec::new(),
            account,
        };
        let expected = "Refunded 4.95 usd of 10.00 usd: no card charge can take the rest";
        assert_eq!(shortfall(&given(true), Some(100_000)).as_deref(), Some(expected));
        assert_eq!(shortfall(&given(false), Some(49_500)), None);
    }
}

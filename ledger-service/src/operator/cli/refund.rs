//! `client refund`: unused credits are refunded to the cards that paid for them.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::json;
use stripe402_protocol::Currency;

use super::{Books, CliError, Finding, Report, books::subject, remote::Task, report};
use crate::{
    config::{ClientArgs, RefundArgs},
    operator::work::{
        Actor, OperatorError, RefundOrder,
        view::{RefundPlan, Refunded, RefundedPart},
    },
};

impl Books {
    async fn refund_plan(
        &self,
        client: &str,
        wanted: &RefundOrder,
    ) -> Result<RefundPlan, CliError> {
        match self {
            Self::Here(books) => Ok(books.refund_plan(client, wanted).await?),
            Self::There(ledger) => {
                // It becomes a part of the address.
                wanted.check_reference()?;
                let RefundOrder { currency, units, reference, .. } = wanted;
                let units = units.map_or_else(|| "all".to_owned(), |units| units.to_string());
                let asked = format!("currency={currency}&units={units}&reference={reference}");
                ledger.get(&format!("/clients/{}/refund-plan?{asked}", subject(client)?)).await
            }
        }
    }

    async fn refund(&self, client: &str, wanted: RefundOrder) -> Result<Refunded, CliError> {
        match self {
            Self::Here(books) => Ok(books.refund(&Actor::command_line(), client, wanted).await?),
            Self::There(ledger) => {
                let RefundOrder { currency, units, reference, reason, agreed } = wanted;
                let path = format!("/clients/{}/refunds", subject(client)?);
                let units = units.map_or_else(|| json!("all"), |units| json!(units));
                let body = json!({
                    "units": units, "currency": currency, "reference": reference, "reason": reason,
                    "parts": agreed,
                });
                ledger.post(&path, &body, Task::Act).await
            }
        }
    }
}

/// Refunds one account. At a terminal the operator sees the plan first, and agrees to it.
///
/// # Errors
/// [`CliError`] if there is no such client, it has less, or Stripe or the store cannot be asked.
pub(super) async fn refund(arguments: RefundArgs) -> Result<Report, CliError> {
    let RefundArgs { client: ClientArgs { client, books }, amount, reference, .. } = &arguments;
    let open = Books::with_stripe(books, &arguments.stripe, &None, None)?;
    let mut wanted = RefundOrder {
        currency: arguments.currency,
        units: *amount,
        reference: reference.clone(),
        reason: arguments.reason.clone(),
        agreed: None,
    };
    if !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal() {
        let plan = open.refund_plan(client, &wanted).await?;
        if !agreed(&plan)? {
            let text = "nothing was refunded: the answer was not yes".to_owned();
            return Err(OperatorError::Refused { code: "not_agreed", text }.into());
        }
        wanted.agreed = Some(plan.parts);
    }
    let given = open.refund(client, wanted).await?;
    let currency = given.account.currency;
    let mut lines = Vec::new();
    if !given.parts.is_empty() {
        lines.push(table(&given.parts, "refunded", currency));
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

fn table(parts: &[RefundedPart], head: &str, currency: Currency) -> String {
    let rows = parts
        .iter()
        .map(|part| vec![part.payment_intent.clone(), report::amount(part.amount, currency)]);
    report::table(&["card charge", head], &[1], rows.collect())
}

/// Shows what would happen, and reads the answer.
fn agreed(plan: &RefundPlan) -> Result<bool, CliError> {
    let mut out = io::stderr();
    let mut answer = String::new();
    write!(out, "{}\nType yes to refund: ", question(plan))?;
    out.flush()?;
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn question(plan: &RefundPlan) -> String {
    let currency = plan.account.currency;
    let mut lines = vec![
        table(&plan.parts, "goes back", currency),
        format!("client {}  {} in all", plan.subject, report::amount(plan.total, currency)),
    ];
    if !plan.granted.is_zero() {
        let granted = report::amount(plan.granted, currency);
        lines.push(format!("{granted} were granted, and stay: they are never refunded"));
    }
    lines.join("\n")
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

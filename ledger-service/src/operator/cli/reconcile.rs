//! `reconcile`: do the books agree with Stripe?

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::json;

use super::{CliError, Finding, Report, at_stripe, open, report};
use crate::{
    accounting::{Order, OrderKind},
    clock::{Clock as _, SystemClock},
    config::ReconcileArgs,
    operator::work::{Actor, Operations, OperatorError},
    sync::{Difference, StripeSync},
};

/// Compares, and with `--repair` posts what Stripe says where the books do not know of it.
///
/// # Errors
/// [`CliError`] if Stripe or the store cannot be asked.
pub async fn reconcile(arguments: ReconcileArgs) -> Result<Report, CliError> {
    let store = open(&arguments.books)?;
    let ReconcileArgs { stripe, server_secret, lost_books, .. } = &arguments;
    let parts = at_stripe(&store, stripe, server_secret, *lost_books)?;
    let sync = Arc::clone(&parts.sync);
    let since = u64::try_from(arguments.since.0.as_millis()).unwrap_or(u64::MAX);
    let since_ms = SystemClock.now_ms().saturating_sub(since);
    let operations = Operations::new(store, Some(parts), Arc::new(SystemClock));
    let accounts = operations.all_accounts().await?;
    let mut found = sync.differences(&accounts, since_ms).await?;
    let (mut repaired, mut failures) = (Vec::new(), Vec::new());
    if arguments.repair && !found.is_empty() {
        let order = Order {
            kind: OrderKind::Repair,
            subject: None,
            currency: None,
            units: None,
            reference: None,
            reason: Some(format!("{} differences with Stripe", found.len())),
        };
        let work = repair(&operations, &sync, found, since_ms);
        (found, repaired, failures) =
            operations.recorded(&Actor::command_line(), order, work).await?;
    }
    let span = humantime::format_duration(Duration::from_secs(arguments.since.0.as_secs()));
    let mut lines = Vec::new();
    if !repaired.is_empty() {
        lines.push(format!("repaired: {}", repaired.len()));
        lines.push(table(&repaired));
    }
    lines.extend(failures.iter().map(|failure| format!("not repaired: {failure}")));
    lines.push(format!("differences in the last {span}: {}", found.len()));
    if !found.is_empty() {
        lines.push(table(&found));
    }
    let other_books = sync.other_books(since_ms).await?;
    for (books, charges) in &other_books {
        lines.push(format!(
            "{charges} charges of these cards belong to other books, {books}: if those were lost and no \
             ledger uses them, run reconcile again with --lost-books {books}"
        ));
    }
    let good = found.is_empty() && failures.is_empty();
    let value = json!({
        "differences": found,
        "repaired": repaired,
        "failures": failures,
        "other_books": other_books,
    });
    let said = Report::new(lines, &value, arguments.books.json)?;
    Ok(if good { said } else { said.found(Finding::Wrong) })
}

/// Posts what is missing; answers what is left, what was repaired, and what could not be. One that
/// cannot be repaired now keeps none of the others from it.
async fn repair(
    operations: &Operations,
    sync: &StripeSync,
    mut found: Vec<Difference>,
    since_ms: u64,
) -> Result<(Repaired, String), OperatorError> {
    let (mut repaired, mut failures) = (Vec::new(), Vec::new());
    // Credits first: refunds and disputes are about them.
    for _ in 0..2 {
        failures.clear();
        for difference in &found {
            if let Err(cause) = sync.repair(difference).await {
                let (problem, of) = (difference.problem.as_str(), &difference.reference);
                failures.push(format!("{problem} {of}: {cause}"));
            }
        }
        let accounts = operations.all_accounts().await?;
        let left = sync.differences(&accounts, since_ms).await?;
        let open: BTreeSet<_> = left.iter().map(name).collect();
        repaired.extend(found.into_iter().filter(|difference| !open.contains(&name(difference))));
        found = left;
        if found.is_empty() {
            break;
        }
    }
    let detail = format!("{} repaired, {} left", repaired.len(), found.len());
    Ok(((found, repaired, failures), detail))
}

fn name(difference: &Difference) -> (&'static str, &str) {
    (difference.problem.as_str(), &difference.reference)
}

/// What is left, what was repaired, and why something was not.
type Repaired = (Vec<Difference>, Vec<Difference>, Vec<String>);

fn table(of: &[Difference]) -> String {
    let rows = of.iter().map(|difference| {
        let money = |units: i64| match difference.currency.parse() {
            Ok(currency) => report::money(units, currency),
            Err(_) => format!("{units} {}", difference.currency),
        };
        vec![
            difference.problem.as_str().to_owned(),
            difference.reference.clone(),
            difference.subject.clone().unwrap_or_default(),
            money(difference.at_stripe),
            money(difference.in_books),
        ]
    });
    let head = ["problem", "reference", "client", "at Stripe", "in the books"];
    report::table(&head, &[3, 4], rows.collect())
}

//! `reconcile`: do the books agree with Stripe?

use std::time::Duration;

use super::{Books, CliError, Finding, Report, report};
use crate::{config::ReconcileArgs, operator::work::view::Difference};

/// Compares, and with `--repair` posts what Stripe says where the books do not know of it.
///
/// # Errors
/// [`CliError`] if Stripe or the books cannot be asked.
pub async fn reconcile(arguments: ReconcileArgs) -> Result<Report, CliError> {
    let ReconcileArgs { books, since, repair, stripe, server_secret, lost_books } = &arguments;
    let open = Books::with_stripe(books, stripe, server_secret, *lost_books)?;
    let found = open.reconcile(since.0, *repair).await?;
    let span = humantime::format_duration(Duration::from_secs(since.0.as_secs()));
    let mut lines = Vec::new();
    if !found.repaired.is_empty() {
        lines.push(format!("repaired: {}", found.repaired.len()));
        lines.push(table(&found.repaired));
    }
    lines.extend(found.failures.iter().map(|failure| format!("not repaired: {failure}")));
    lines.push(format!("differences in the last {span}: {}", found.differences.len()));
    if !found.differences.is_empty() {
        lines.push(table(&found.differences));
    }
    for (books, charges) in &found.other_books {
        lines.push(format!(
            "{charges} charges of these cards belong to other books, {books}: if those were lost and no \
             ledger uses them, run reconcile again with --lost-books {books}"
        ));
    }
    let good = found.differences.is_empty() && found.failures.is_empty();
    let said = Report::new(lines, &found, books.json)?;
    Ok(if good { said } else { said.found(Finding::Wrong) })
}

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

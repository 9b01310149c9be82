//! `statement`: what a month brought, and what clients still have.

use super::{Books, CliError, Report, report};
use crate::{config::StatementArgs, operator::work::view::StatementOf};

/// The statement of a month.
///
/// # Errors
/// [`CliError`] if the month is none, or the store cannot be read.
pub async fn statement(arguments: StatementArgs) -> Result<Report, CliError> {
    let found = Books::open(&arguments.books)?.statement(&arguments.month).await?;
    let lines = found.currencies.iter().map(table).collect();
    Report::new(lines, &found, arguments.books.json)
}

fn table(of: &StatementOf) -> String {
    let money = |units| report::money(units, of.currency);
    let row = |name: &str, count: Option<i64>, units| {
        vec![
            name.to_owned(),
            count.map(|count| count.to_string()).unwrap_or_default(),
            money(units),
        ]
    };
    let mut rows = vec![row("credit at the beginning", None, of.opening)];
    rows.extend(of.lines.iter().map(|line| row(line.kind.as_str(), Some(line.count), line.units)));
    rows.push(row("used by requests", Some(of.requests), of.used.saturating_neg()));
    rows.push(row("credit at the end", None, of.closing));
    report::table(&[of.currency.as_str(), "number", "amount"], &[1, 2], rows)
}

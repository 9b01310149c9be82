//! `revenue`: what deductions brought, by route or by day.

use super::{Books, CliError, Report, report};
use crate::{
    config::{RevenueArgs, RevenueBy},
    operator::{
        moment::date,
        work::view::{RevenueLine, SumBy},
    },
};

/// Sums deductions, less voids.
///
/// # Errors
/// [`CliError`] if the store cannot be read.
pub async fn revenue(arguments: RevenueArgs) -> Result<Report, CliError> {
    let (by, name) = match arguments.by {
        RevenueBy::Route => (SumBy::Route, "route"),
        RevenueBy::Day => (SumBy::Day, "day"),
    };
    let found = Books::open(&arguments.books)?.revenue(by).await?;
    let rows = found.lines.iter().filter(|line| (line.requests, line.units) != (0, 0)).map(row);
    let lines = vec![report::table(&[name, "requests", "revenue"], &[1, 2], rows.collect())];
    Report::new(lines, &found, arguments.books.json)
}

fn row(line: &RevenueLine) -> Vec<String> {
    let name = line.from_ms.map(date).or_else(|| line.route.clone()).unwrap_or_default();
    vec![name, line.requests.to_string(), report::money(line.units, line.currency)]
}

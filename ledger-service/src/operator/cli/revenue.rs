//! `revenue`: what deductions brought, by route or by day.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stripe402_protocol::Currency;

use super::{CliError, Report, open, report};
use crate::config::{RevenueArgs, RevenueBy};

const HOUR_MS: u64 = 3_600_000;

/// Sums deductions, less voids.
///
/// # Errors
/// [`CliError`] if the store cannot be read.
pub async fn revenue(arguments: RevenueArgs) -> Result<Report, CliError> {
    let store = open(&arguments.books)?;
    let mut sums: BTreeMap<(String, Currency), (i64, i64)> = BTreeMap::new();
    for (currency, tally) in store.revenue(0).await? {
        let line = match arguments.by {
            RevenueBy::Route => tally.route,
            RevenueBy::Day => day(tally.hour),
        };
        let sum = sums.entry((line, currency)).or_default();
        *sum = (sum.0.saturating_add(tally.count), sum.1.saturating_add(tally.amount));
    }
    sums.retain(|_, sum| *sum != (0, 0));
    let name = if arguments.by == RevenueBy::Route { "route" } else { "day" };
    let rows = sums.iter().map(|((line, currency), (count, units))| {
        vec![line.clone(), count.to_string(), report::money(*units, *currency)]
    });
    let lines = vec![report::table(&[name, "requests", "revenue"], &[1, 2], rows.collect())];
    let values = sums.iter().map(|((line, currency), (count, units))| {
        json!({name: line, "currency": currency, "requests": count, "units": units})
    });
    Ok(Report::new(lines, Value::Array(values.collect()), arguments.books.json))
}

fn day(hour: u64) -> String {
    let mut moment = report::moment(hour.saturating_mul(HOUR_MS));
    moment.truncate("2026-11-22".len());
    moment
}

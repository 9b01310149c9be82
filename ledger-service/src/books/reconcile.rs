//! `reconcile`: do the books agree with Stripe?

use std::time::Duration;

use serde_json::json;

use super::{Problem, Report, at_stripe, find, open, report};
use crate::{
    clock::{Clock as _, SystemClock},
    config::ReconcileArgs,
    payment::Difference,
};

/// Compares, and with `--repair` posts what Stripe says where the books do not know of it.
///
/// # Errors
/// [`Problem`] if Stripe or the store cannot be asked.
pub async fn reconcile(arguments: ReconcileArgs) -> Result<Report, Problem> {
    let store = open(&arguments.books)?;
    let payments = at_stripe(&store, &arguments.stripe, &arguments.server_secret)?;
    let since = u64::try_from(arguments.since.0.as_millis()).unwrap_or(u64::MAX);
    let since_ms = SystemClock.now_ms().saturating_sub(since);
    let mut repaired = Vec::new();
    let mut accounts = find::all(store.as_ref()).await?;
    let mut found = payments.differences(&accounts, since_ms).await?;
    if arguments.repair {
        // Credits first: refunds and disputes are about them.
        for _ in 0..2 {
            for difference in &found {
                payments.repair(difference, &accounts).await?;
            }
            accounts = find::all(store.as_ref()).await?;
            let left = payments.differences(&accounts, since_ms).await?;
            repaired.extend(found.into_iter().filter(|difference| !left.contains(difference)));
            found = left;
            if found.is_empty() {
                break;
            }
        }
    }
    let span = humantime::format_duration(Duration::from_secs(arguments.since.0.as_secs()));
    let mut lines = Vec::new();
    if !repaired.is_empty() {
        lines.push(format!("repaired: {}", repaired.len()));
        lines.push(table(&repaired));
    }
    lines.push(format!("the last {span}: {} differences", found.len()));
    if !found.is_empty() {
        lines.push(table(&found));
    }
    let good = found.is_empty();
    let value = json!({"differences": found, "repaired": repaired});
    let said = Report::new(lines, value, arguments.books.json);
    Ok(if good { said } else { said.bad() })
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

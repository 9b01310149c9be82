//! `verify`: do the movements, sums and open holds explain every account, and can all of them be read?

use serde_json::{Value, json};

use super::{CliError, Finding, Report, operations, report};
use crate::{
    config::BooksArgs,
    store::{Difference, StoreError, difference},
};

const EMPTY: &str = "The store has no accounts: nothing was verified. If the ledger has clients, check \
                     --store (LEDGER_STORE). A new ledger without clients is told this, too.";

/// Recomputes every account from its movements, sums and open holds.
///
/// On a store that is being used, an account that differs is looked at again: what happens
/// between two readings is no error.
///
/// # Errors
/// [`CliError`] if the store cannot be read.
pub async fn verify(arguments: BooksArgs) -> Result<Report, CliError> {
    let books = operations(&arguments)?;
    let keys = books.all_accounts().await?;
    let (mut rows, mut values, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    for key in &keys {
        let found = match difference(books.store(), *key).await {
            // The others are still to be looked at.
            Err(StoreError::Damaged(what)) => {
                damaged.push(what);
                continue;
            }
            found => found?,
        };
        if let Some(Difference { explained, held }) = found {
            let money = |units| report::money(units, key.currency);
            rows.push(vec![
                key.client.subject(),
                money(held.net),
                money(explained.net),
                money(held.pending),
                money(explained.pending),
                format!("{} of {}", money(held.leased), held.leases),
                format!("{} of {}", money(explained.leased), explained.leases),
            ]);
            values.push(json!({
                "subject": key.client.subject(),
                "currency": key.currency,
                "holds": held.net,
                "explained": explained.net,
                "pending": held.pending,
                "pendingExplained": explained.pending,
                "leased": held.leased,
                "leasedExplained": explained.leased,
                "leases": held.leases,
                "leasesExplained": explained.leases,
            }));
        }
    }
    let finding = match (rows.is_empty() && damaged.is_empty(), keys.is_empty()) {
        (false, _) => Finding::Wrong,
        (true, true) => Finding::Empty,
        (true, false) => Finding::Good,
    };
    let mut lines = vec![format!("{} accounts, {} differ", keys.len(), rows.len())];
    if keys.is_empty() {
        lines.push(EMPTY.to_owned());
    }
    lines.extend(damaged.iter().map(|what| format!("damaged: {what}")));
    if !rows.is_empty() {
        let head = ["client", "holds", "explained", "pending", "explained", "leased", "explained"];
        lines.push(report::table(&head, &[1, 2, 3, 4, 5, 6], rows));
    }
    let value = json!({"accounts": keys.len(), "differ": Value::Array(values), "damaged": damaged});
    let found = Report::new(lines, &value, arguments.json)?;
    Ok(found.found(finding))
}

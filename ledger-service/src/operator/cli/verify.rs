//! `verify`: do the movements and sums explain every account, and can all of them be read?

use serde_json::{Value, json};

use super::{Problem, Report, operations, report};
use crate::{
    accounting::AccountKey,
    config::BooksArgs,
    store::{Store, StoreError},
};

/// Recomputes every account from its movements and sums.
///
/// On a store that is being used, an account that differs is looked at again: what happens
/// between two readings is no error.
///
/// # Errors
/// [`Problem`] if the store cannot be read.
pub async fn verify(arguments: BooksArgs) -> Result<Report, Problem> {
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
        if let Some((explained, holds)) = found {
            rows.push(vec![
                key.client.subject(),
                report::money(holds, key.currency),
                report::money(explained, key.currency),
            ]);
            values.push(json!({
                "subject": key.client.subject(),
                "currency": key.currency,
                "holds": holds,
                "explained": explained,
            }));
        }
    }
    let good = rows.is_empty() && damaged.is_empty();
    let mut lines = vec![format!("{} accounts, {} differ", keys.len(), rows.len())];
    lines.extend(damaged.iter().map(|what| format!("damaged: {what}")));
    if !rows.is_empty() {
        lines.push(report::table(&["client", "holds", "explained"], &[1, 2], rows));
    }
    let value = json!({"accounts": keys.len(), "differ": Value::Array(values), "damaged": damaged});
    let found = Report::new(lines, value, arguments.json);
    Ok(if good { found } else { found.bad() })
}

/// How often an account is looked at before it counts as different.
const LOOKS: usize = 5;

/// What an account's movements and sums come to and what it holds, if that differs.
///
/// # Errors
/// The store's.
pub(crate) async fn difference(
    store: &dyn Store,
    key: AccountKey,
) -> Result<Option<(i64, i64)>, StoreError> {
    let mut found = None;
    for _ in 0..LOOKS {
        let holds = store.account(key).await?.net();
        let moved = store.movements(key).await?.iter().fold(0_i64, |sum, movement| {
            sum.saturating_add(movement.posting.kind.net(movement.posting.amount))
        });
        let tallies = store.tallies(key).await?;
        let spent = tallies.iter().fold(0_i64, |sum, tally| sum.saturating_add(tally.amount));
        let explained = moved.saturating_sub(spent);
        if explained == holds && store.account(key).await?.net() == holds {
            return Ok(None);
        }
        found = Some((explained, holds));
    }
    Ok(found)
}

//! `transfers`: movements of money.

use serde_json::{Value, json};

use super::{CliError, Report, operations, report};
use crate::{
    accounting::{AccountKey, Movement},
    config::TransfersArgs,
};

/// Lists movements, of all clients or of one, by account.
///
/// # Errors
/// [`CliError`] if there is no such client, or the store cannot be read.
pub async fn transfers(arguments: TransfersArgs) -> Result<Report, CliError> {
    let books = operations(&arguments.books)?;
    let keys = match &arguments.client {
        Some(client) => books.accounts_of(client).await?,
        None => books.all_accounts().await?,
    };
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for key in keys {
        for movement in books.store().movements(key).await? {
            values.push(json!({
                "subject": key.client.subject(),
                "currency": key.currency,
                "at_ms": movement.at_ms,
                "posting": movement.posting,
            }));
            rows.push((movement.at_ms, row(&key, &movement)));
        }
    }
    rows.sort_by_key(|(at_ms, _)| *at_ms);
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    let lines = vec![report::table(&HEAD, &[3], rows)];
    Ok(Report::new(lines, Value::Array(values), arguments.books.json))
}

const HEAD: [&str; 6] = ["time", "client", "kind", "amount", "reference", "note"];

pub(super) fn table_of(key: &AccountKey, movements: &[Movement]) -> String {
    report::table(&HEAD, &[3], movements.iter().map(|movement| row(key, movement)).collect())
}

fn row(key: &AccountKey, movement: &Movement) -> Vec<String> {
    let posting = &movement.posting;
    vec![
        report::moment(movement.at_ms),
        key.client.subject(),
        posting.kind.as_str().to_owned(),
        report::amount(posting.amount, key.currency),
        posting.reference.clone(),
        posting.note.clone().unwrap_or_default(),
    ]
}

//! `transfers`: movements of money.

use super::{Books, CliError, Report, report};
use crate::{
    config::TransfersArgs,
    operator::{moment::moment, work::view::Movement},
};

/// Lists movements, of all clients or of one.
///
/// # Errors
/// [`CliError`] if there is no such client, or the store cannot be read.
pub async fn transfers(arguments: TransfersArgs) -> Result<Report, CliError> {
    let books = Books::open(&arguments.books)?;
    let found = books.all_movements(arguments.client.as_deref()).await?;
    Report::new(vec![table_of(&found.movements)], &found, arguments.books.json)
}

/// A table of movements that come newest first; a terminal has the newest at its end.
pub(super) fn table_of(movements: &[Movement]) -> String {
    let head = ["time", "client", "kind", "amount", "reference", "note"];
    report::table(&head, &[3], movements.iter().rev().map(row).collect())
}

fn row(movement: &Movement) -> Vec<String> {
    vec![
        moment(movement.at_ms),
        movement.subject.clone(),
        movement.kind.as_str().to_owned(),
        report::amount(movement.amount, movement.currency),
        movement.reference.clone(),
        movement.note.clone().unwrap_or_default(),
    ]
}

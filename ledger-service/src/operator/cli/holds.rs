//! `holds`: what is set aside for requests whose price is not known yet.

use super::{Books, CliError, Report, report};
use crate::{
    config::HoldsArgs,
    operator::{
        moment::{moment, span},
        work::view::Hold,
    },
};

/// Lists the holds that are not settled, of all clients or of one.
///
/// # Errors
/// [`CliError`] if there is no such client, or the store cannot be read.
pub async fn holds(arguments: HoldsArgs) -> Result<Report, CliError> {
    let found = Books::open(&arguments.books)?.holds(arguments.client.as_deref()).await?;
    Report::new(vec![table_of(&found.holds)], &found, arguments.books.json)
}

pub(super) fn table_of(holds: &[Hold]) -> String {
    let head = ["held since", "client", "route", "held", "ends in", "taken at its end"];
    report::table(&head, &[3, 4, 5], holds.iter().map(row).collect())
}

fn row(hold: &Hold) -> Vec<String> {
    vec![
        moment(hold.at_ms),
        hold.subject.clone(),
        hold.shown_route(),
        report::amount(hold.amount, hold.currency),
        span(hold.ends_in_seconds()),
        report::amount(hold.at_end, hold.currency),
    ]
}

//! `verify`: do the movements, sums and open holds explain every account, and can all of them be read?

use super::{Books, CliError, Finding, Report, report};
use crate::{config::BooksArgs, operator::work::view::Unexplained};

/// What is said of books without an account.
const EMPTY: &str = "The store has no accounts: nothing was verified. If the ledger has clients, check \
                     --store (LEDGER_STORE). A new ledger without clients is told this, too.";

/// Recomputes every account from its movements, sums and open holds.
///
/// # Errors
/// [`CliError`] if the books cannot be read.
pub async fn verify(arguments: BooksArgs) -> Result<Report, CliError> {
    let found = Books::open(&arguments)?.verify().await?;
    let finding = match (found.differ.is_empty() && found.damaged.is_empty(), found.accounts) {
        (false, _) => Finding::Wrong,
        (true, 0) => Finding::Empty,
        (true, _) => Finding::Good,
    };
    let mut lines = vec![format!("{} accounts, {} differ", found.accounts, found.differ.len())];
    if found.accounts == 0 {
        lines.push(EMPTY.to_owned());
    }
    lines.extend(found.damaged.iter().map(|what| format!("damaged: {what}")));
    if !found.differ.is_empty() {
        let head = ["client", "holds", "explained", "pending", "explained", "leased", "explained"];
        let rows = found.differ.iter().map(row).collect();
        lines.push(report::table(&head, &[1, 2, 3, 4, 5, 6], rows));
    }
    Ok(Report::new(lines, &found, arguments.json)?.found(finding))
}

fn row(found: &Unexplained) -> Vec<String> {
    let money = |units| report::money(units, found.currency);
    vec![
        found.subject.clone(),
        money(found.holds),
        money(found.explained),
        money(found.pending),
        money(found.pending_explained),
        format!("{} of {}", money(found.leased), found.leases),
        format!("{} of {}", money(found.leased_explained), found.leases_explained),
    ]
}

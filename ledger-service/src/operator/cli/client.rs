//! `client show | freeze | unfreeze | adjust`.

use super::{Books, CliError, Report, holds, report, transfers};
use crate::{
    config::{AdjustArgs, ClientArgs, ClientCommand, FreezeArgs},
    operator::{
        moment::moment,
        work::{Adjustment, view::Account},
    },
};

/// Carries out a command on one client.
///
/// # Errors
/// [`CliError`] if there is no such client, the store cannot be read or written, or the books
/// refuse the correction.
pub async fn client(command: ClientCommand) -> Result<Report, CliError> {
    match command {
        ClientCommand::Show(arguments) => show(arguments).await,
        ClientCommand::Freeze(arguments) => freeze(arguments, true).await,
        ClientCommand::Unfreeze(arguments) => freeze(arguments, false).await,
        ClientCommand::Adjust(arguments) => adjust(arguments).await,
        ClientCommand::Refund(arguments) => super::refund::refund(arguments).await,
    }
}

async fn show(arguments: ClientArgs) -> Result<Report, CliError> {
    let books = Books::open(&arguments.books)?;
    let found = books.client_details(&arguments.client).await?;
    let mut lines = Vec::new();
    for details in &found.accounts {
        let currency = details.account.currency;
        let past = books.movements_of(&arguments.client, currency).await?;
        lines.push(summary(&found.subject, &details.account));
        let spent = report::money(details.spent, currency);
        lines.push(format!("{} requests for {spent}", details.requests));
        lines.push(transfers::table_of(&past));
        let rows = details.recent.iter().map(|kept| {
            let at = moment(kept.at_ms);
            vec![at, kept.route.clone(), report::amount(kept.amount, currency)]
        });
        lines.push(report::table(&["last deductions", "route", "amount"], &[2], rows.collect()));
    }
    if !found.holds.is_empty() {
        lines.push(holds::table_of(&found.holds));
    }
    Report::new(lines, &found, arguments.books.json)
}

async fn freeze(arguments: FreezeArgs, frozen: bool) -> Result<Report, CliError> {
    let FreezeArgs { client: ClientArgs { client, books }, reason } = arguments;
    let found = Books::open(&books)?.freeze(&client, frozen, &reason).await?;
    let lines = found.accounts.iter().map(|account| summary(&found.subject, account));
    Report::new(lines.collect(), &found, books.json)
}

async fn adjust(arguments: AdjustArgs) -> Result<Report, CliError> {
    let AdjustArgs { client: ClientArgs { client, books }, units, currency, reason, reference } =
        arguments;
    let wanted = Adjustment { currency, units, reference, reason };
    let done = Books::open(&books)?.adjust(&client, wanted).await?;
    Report::new(vec![summary(&done.subject, &done.account)], &done, books.json)
}

fn summary(subject: &str, account: &Account) -> String {
    let currency = account.currency;
    let mut text =
        format!("client {subject}  {} available", report::amount(account.available, currency));
    for (name, units) in [("held back", account.pending), ("owed", account.debt)] {
        if !units.is_zero() {
            text.push_str(&format!(", {} {name}", report::amount(units, currency)));
        }
    }
    if account.frozen {
        text.push_str(", FROZEN");
    }
    text
}

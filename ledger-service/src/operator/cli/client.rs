//! `client …`.

use super::{Books, CliError, Report, holds, keys, report, transfers};
use crate::{
    clock::{Clock as _, SystemClock},
    config::{AdjustArgs, ClientArgs, ClientCommand, FreezeArgs, GrantArgs, Span},
    operator::{
        moment::moment,
        work::{
            Adjustment, GrantOrder,
            view::{Account, AccountDetails},
        },
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
        ClientCommand::Grant(arguments) => grant(arguments).await,
        ClientCommand::Refund(arguments) => super::refund::refund(arguments).await,
        ClientCommand::Keys(arguments) => keys::list(arguments).await,
        ClientCommand::MakeKey(arguments) => keys::make(arguments).await,
        ClientCommand::RevokeKey(arguments) => keys::revoke(arguments).await,
        ClientCommand::StopAutoTopUp(arguments) => keys::stop_auto_top_up(arguments).await,
        ClientCommand::Rotate(arguments) => keys::rotate(arguments).await,
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
        lines.extend(granted(details));
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

async fn grant(arguments: GrantArgs) -> Result<Report, CliError> {
    let GrantArgs { client: ClientArgs { client, books }, units, currency, .. } = arguments;
    let GrantArgs { expires_in, reason, reference, .. } = arguments;
    let lasts = |span: Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
    let expires_ms = expires_in.map(|span| SystemClock.now_ms().saturating_add(lasts(span)));
    let wanted = GrantOrder { currency, units, expires_ms, reference, reason };
    let done = Books::open(&books)?.grant(&client, wanted).await?;
    Report::new(vec![summary(&done.subject, &done.account)], &done, books.json)
}

/// What is left of an account's grants, and what was paid for; nothing where nothing was granted.
fn granted(details: &AccountDetails) -> Vec<String> {
    let currency = details.account.currency;
    let lines = details.grants.iter().map(|grant| {
        let until = grant.expires_ms.map_or_else(
            || "never expires".to_owned(),
            |at_ms| format!("expires {}", moment(at_ms)),
        );
        let (left, of) = (grant.left, report::amount(grant.granted, currency));
        let left = report::amount(left, currency);
        format!("granted: {left} left of {of}, {until} ({})", grant.reference)
    });
    let mut lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        lines.push(format!("{} was paid for", report::amount(details.paid, currency)));
    }
    lines
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
    if account.generation > 0 {
        text.push_str(&format!(", id of generation {}", account.generation));
    }
    text
}

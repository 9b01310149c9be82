//! `client show | freeze | unfreeze | adjust`.

use serde_json::{Value, json};

use super::{CliError, Report, operations, report};
use crate::{
    accounting::{Account, AccountKey},
    config::{AdjustArgs, ClientArgs, ClientCommand, FreezeArgs},
    operator::work::{Actor, Adjustment},
};

/// How many deductions are shown one by one.
const RECENT: usize = 10;

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
    let books = operations(&arguments.books)?;
    let store = books.store();
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for key in books.accounts_of(&arguments.client).await? {
        let account = store.account(key).await?;
        let movements = store.movements(key).await?;
        let tallies = store.tallies(key).await?;
        let recent = store.deductions(key, RECENT).await?;
        let (count, spent) = tallies.iter().fold((0_i64, 0_i64), |(count, spent), tally| {
            (count.saturating_add(tally.count), spent.saturating_add(tally.amount))
        });
        lines.push(summary(&key, &account));
        lines.push(format!("{count} requests for {}", report::money(spent, key.currency)));
        lines.push(super::transfers::table_of(&key, &movements));
        let rows = recent.iter().map(|charge| {
            let at = report::moment(charge.id.minted_ms());
            vec![at, charge.route.clone(), report::amount(charge.amount, key.currency)]
        });
        lines.push(report::table(&["last deductions", "route", "amount"], &[2], rows.collect()));
        values.push(json!({
            "subject": key.client.subject(),
            "currency": key.currency,
            "available": account.available,
            "pending": account.pending,
            "debt": account.debt,
            "frozen": account.frozen,
            "requests": count,
            "spent": spent,
            "movements": movements,
            "recent": recent,
        }));
    }
    Ok(Report::new(lines, Value::Array(values), arguments.books.json))
}

async fn freeze(arguments: FreezeArgs, frozen: bool) -> Result<Report, CliError> {
    let FreezeArgs { client: ClientArgs { client, books }, reason } = arguments;
    let cli = Actor::command_line();
    let accounts = operations(&books)?.freeze(&cli, &client, frozen, &reason).await?;
    let lines = accounts.iter().map(|(key, account)| summary(key, account)).collect();
    let values = accounts.iter().map(|(key, account)| value(key, account)).collect();
    Ok(Report::new(lines, Value::Array(values), books.json))
}

async fn adjust(arguments: AdjustArgs) -> Result<Report, CliError> {
    let AdjustArgs { client: ClientArgs { client, books }, units, currency, reason, reference } =
        arguments;
    let wanted = Adjustment { currency, units, reference, reason };
    let done = operations(&books)?.adjust(&Actor::command_line(), &client, wanted).await?;
    let (key, account) = (done.key, done.account);
    Ok(Report::new(vec![summary(&key, &account)], value(&key, &account), books.json))
}

fn summary(key: &AccountKey, account: &Account) -> String {
    let mut text = format!(
        "client {}  {} available",
        key.client.subject(),
        report::amount(account.available, key.currency)
    );
    for (name, units) in [("held back", account.pending), ("owed", account.debt)] {
        if !units.is_zero() {
            text.push_str(&format!(", {} {name}", report::amount(units, key.currency)));
        }
    }
    if account.frozen {
        text.push_str(", FROZEN");
    }
    text
}

fn value(key: &AccountKey, account: &Account) -> Value {
    json!({"subject": key.client.subject(), "currency": key.currency, "account": account})
}

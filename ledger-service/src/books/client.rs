//! `client show | freeze | unfreeze | adjust`.

use serde_json::{Value, json};
use stripe402_protocol::{ClientId, Units};

use super::{Problem, Report, find, open, report};
use crate::{
    config::{AdjustArgs, ClientArgs, ClientCommand, FreezeArgs},
    ledger::{Account, AccountKey, Kind, Posted, Posting},
    store::Store,
};

/// How many deductions are shown one by one.
const RECENT: usize = 10;

/// Carries out a command on one client.
///
/// # Errors
/// [`Problem`] if there is no such client, the store cannot be read or written, or the books
/// refuse the correction.
pub async fn client(command: ClientCommand) -> Result<Report, Problem> {
    match command {
        ClientCommand::Show(arguments) => show(arguments).await,
        ClientCommand::Freeze(arguments) => freeze(arguments, Kind::Freeze).await,
        ClientCommand::Unfreeze(arguments) => freeze(arguments, Kind::Unfreeze).await,
        ClientCommand::Adjust(arguments) => adjust(arguments).await,
        ClientCommand::Refund(arguments) => super::refund::refund(arguments).await,
    }
}

async fn show(arguments: ClientArgs) -> Result<Report, Problem> {
    let store = open(&arguments.books)?;
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for key in find::accounts(store.as_ref(), &arguments.client).await? {
        let account = store.account(key).await?;
        let movements = store.movements(key).await?;
        let tallies = store.tallies(key).await?;
        let recent = store.charges(key, RECENT).await?;
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

/// Freezes every account of the client: whatever it is suspected of has no currency.
async fn freeze(arguments: FreezeArgs, kind: Kind) -> Result<Report, Problem> {
    let store = open(&arguments.client.books)?;
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for key in find::accounts(store.as_ref(), &arguments.client.client).await? {
        let wanted = kind == Kind::Freeze;
        if store.account(key).await?.frozen != wanted {
            // Frozen and unfrozen again and again, each time is a movement of its own.
            let reference = format!("operator-{}", store.movements(key).await?.len());
            let note = Some(arguments.reason.clone());
            let posting = Posting { kind, reference, amount: Units::ZERO, note };
            done(store.post(key, posting).await?)?;
        }
        let account = store.account(key).await?;
        lines.push(summary(&key, &account));
        values.push(value(&key, &account));
    }
    Ok(Report::new(lines, Value::Array(values), arguments.client.books.json))
}

async fn adjust(arguments: AdjustArgs) -> Result<Report, Problem> {
    let store = open(&arguments.client.books)?;
    let client = only_client(store.as_ref(), &arguments.client.client).await?;
    let key = AccountKey { client, currency: arguments.currency };
    let kind = if arguments.units < 0 { Kind::AdjustmentDown } else { Kind::AdjustmentUp };
    let units = arguments.units.checked_abs().and_then(|units| Units::new(units).ok());
    let amount = units
        .filter(|amount| !amount.is_zero())
        .ok_or_else(|| Problem("--units must be a number other than 0".to_owned()))?;
    let (reference, note) = (arguments.reference, Some(arguments.reason));
    let posting = Posting { kind, reference, amount, note };
    let account = done(store.post(key, posting).await?)?;
    let (lines, value) = (vec![summary(&key, &account)], value(&key, &account));
    Ok(Report::new(lines, value, arguments.client.books.json))
}

/// A client's id may be given before it has an account in this currency.
async fn only_client(store: &dyn Store, name: &str) -> Result<ClientId, Problem> {
    let found = find::accounts(store, name).await?;
    let first = found.first().ok_or_else(|| Problem("there is no such client".to_owned()))?;
    Ok(first.client)
}

fn done(posted: Posted) -> Result<Account, Problem> {
    match posted {
        Posted::Done(account) | Posted::Repeated(account) => Ok(account),
        Posted::Refused(refusal) => {
            let reason = serde_json::to_value(refusal).unwrap_or_default();
            Err(Problem(format!("the books refuse this: {}", reason.as_str().unwrap_or("refused"))))
        }
    }
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

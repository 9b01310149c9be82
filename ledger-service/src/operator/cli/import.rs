//! `import express`: the balances of the Express middleware's PostgreSQL tables.
//!
//! Source: the middleware's table `stripe402_clients` (protocol, "Redis keys shared with the
//! existing Express middleware"). The middleware must be stopped: what it deducts afterwards is
//! not seen here.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row};
use stripe402_protocol::{ClientId, Currency, Units};

use super::{CliError, Finding, Report, report};
use crate::{
    accounting::{AccountKey, Kind, Order, OrderKind, Posted, Posting},
    clock::SystemClock,
    config::ImportArgs,
    operator::work::{Actor, Operations, OperatorError},
    store::{self, Store},
};

/// The movement's reference: an import that is run again finds it, and changes nothing.
const REFERENCE: &str = "import-express";

/// What became of one row.
enum Outcome {
    Imported,
    Repeated,
    Refused(String),
}

/// A row of the middleware's table.
struct Client {
    id: String,
    customer: String,
    balance: i64,
    currency: String,
}

/// Brings over every client, once. Rows that make no sense are named and left alone.
///
/// # Errors
/// [`CliError`] if either database cannot be reached, or the table is not there.
pub async fn import_express(arguments: ImportArgs) -> Result<Report, CliError> {
    let clients = read(arguments.from.expose()).await?;
    let (books, clock) = (&arguments.books, Arc::new(SystemClock));
    let store = store::open(&books.store, books.store_options(), clock)?;
    let operations = Operations::new(Arc::clone(&store), None, Arc::new(SystemClock));
    let order = Order {
        kind: OrderKind::Import,
        subject: None,
        currency: None,
        units: None,
        reference: Some(REFERENCE.to_owned()),
        reason: Some(format!("{} clients of the Express middleware", clients.len())),
    };
    let work = async {
        let done = import_all(store.as_ref(), clients).await?;
        let detail = format!("{} imported with {} units", done.imported, done.units);
        Ok((done, detail))
    };
    let done = operations.recorded(&Actor::command_line(), order, work).await?;
    let Imported { imported, repeated, units, rows, values } = done;
    let mut lines = vec![format!(
        "{imported} clients imported with {units} units, {repeated} imported before, {} refused",
        rows.len()
    )];
    let good = rows.is_empty();
    if !good {
        lines.push(report::table(&["client", "balance", "refused because"], &[1], rows));
    }
    let value = json!({
        "imported": imported, "units": units, "repeated": repeated, "refused": Value::Array(values),
    });
    let found = Report::new(lines, &value, arguments.books.json)?;
    Ok(if good { found } else { found.found(Finding::Wrong) })
}

/// What became of all rows; those that were refused for people, and for programs.
#[derive(Default)]
struct Imported {
    imported: u64,
    repeated: u64,
    units: i64,
    rows: Vec<Vec<String>>,
    values: Vec<Value>,
}

async fn import_all(store: &dyn Store, clients: Vec<Client>) -> Result<Imported, OperatorError> {
    let mut done = Imported::default();
    for client in clients {
        match import(store, &client).await? {
            Outcome::Imported => {
                done.imported = done.imported.saturating_add(1);
                let units = done.units.checked_add(client.balance);
                done.units = units.ok_or_else(|| {
                    let text = "the balances are too large to be added up: import them in parts";
                    OperatorError::Invalid(text.to_owned())
                })?;
            }
            Outcome::Repeated => done.repeated = done.repeated.saturating_add(1),
            Outcome::Refused(why) => {
                // Beginnings of ids only: they are credentials.
                let name: String = client.id.chars().take(8).collect();
                let row = vec![format!("{name}…"), client.balance.to_string(), why.clone()];
                done.rows.push(row);
                let value = json!({"client": name, "balance": client.balance, "why": why});
                done.values.push(value);
            }
        }
    }
    Ok(done)
}

async fn read(url: &str) -> Result<Vec<Client>, CliError> {
    let mut connection = PgConnection::connect(url).await.map_err(CliError::Express)?;
    sqlx::query(
        "SELECT client_id, stripe_customer_id, balance::bigint AS balance, currency
           FROM stripe402_clients ORDER BY client_id",
    )
    .try_map(|row: sqlx::postgres::PgRow| {
        Ok(Client {
            id: row.try_get("client_id")?,
            customer: row.try_get("stripe_customer_id")?,
            balance: row.try_get("balance")?,
            currency: row.try_get("currency")?,
        })
    })
    .fetch_all(&mut connection)
    .await
    .map_err(CliError::Express)
}

async fn import(store: &dyn Store, client: &Client) -> Result<Outcome, OperatorError> {
    let refused = |why: &str| Ok(Outcome::Refused(why.to_owned()));
    let Ok(id) = client.id.parse::<ClientId>() else {
        return refused("its id is not a client id (64 lowercase hex digits)");
    };
    let Ok(currency) = client.currency.to_ascii_lowercase().parse::<Currency>() else {
        return refused("its currency is not one that Stripe charges in");
    };
    let Ok(amount) = Units::new(client.balance) else {
        return refused("its balance is not between 0 and 2^53 - 1 units");
    };
    if !client.customer.is_empty() {
        let known = store.remember_customer(id, client.customer.clone()).await?;
        if known != client.customer {
            return refused("the books have another Stripe customer for it");
        }
    }
    let posting = Posting {
        kind: Kind::ExternalUp,
        reference: REFERENCE.to_owned(),
        amount,
        note: Some("imported from the Express middleware".to_owned()),
    };
    Ok(match store.post(AccountKey { client: id, currency }, posting).await? {
        Posted::Done(_) => Outcome::Imported,
        Posted::Repeated(_) => Outcome::Repeated,
        Posted::Refused(_) => Outcome::Refused(
            "imported before with another balance: correct it with client adjust".to_owned(),
        ),
    })
}

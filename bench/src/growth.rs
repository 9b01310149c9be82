//! How many bytes each thing that a ledger keeps takes, on each store.

mod bytes;
mod thing;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use self::{bytes::Server, thing::Thing};
use crate::{Result, accounts};

/// How many of each thing are added. Pages and hash tables grow in steps: few would say little.
const MANY: u64 = 20_000;

/// Measures, and prints a table.
///
/// # Errors
/// If something cannot be started, or a store fails.
pub async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = stripe402_tests::redis::Redis::start().await?;
    let postgres = stripe402_tests::postgres::Postgres::start().await?;
    let servers = [
        Server::File(folder.path().join("ledger.redb")),
        Server::Redis { url: redis.url(), port: redis.port() },
        Server::Postgres(postgres.url()),
    ];
    let mut rows: Vec<_> = Thing::ALL.iter().map(|thing| vec![thing.name().to_owned()]).collect();
    for server in &servers {
        // Tables and pages that are there once are nobody's.
        thing::add(&*accounts::open(&server.url())?, Thing::Client, MANY, 100).await?;
        for (place, thing) in Thing::ALL.into_iter().enumerate() {
            let before = server.bytes().await?;
            let store = accounts::open(&server.url())?;
            thing::add(&*store, thing, 0, MANY).await?;
            drop(store);
            let after = server.bytes().await?;
            let each = after.saturating_sub(before) / MANY;
            anstream::eprintln!("  {}: {}: {each} bytes", server.name(), thing.name());
            rows[place].push(each.to_string());
        }
    }
    for (row, thing) in rows.iter_mut().zip(Thing::ALL) {
        row.push(thing.bound().to_owned());
    }
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["bytes for each", "file", "Redis", "PostgreSQL", "goes"]);
    table.add_rows(rows);
    for column in 1..=servers.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    anstream::println!("{table}");
    Ok(())
}

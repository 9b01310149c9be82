//! Ledgers under measurement: a program, on a store of its own.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use stripe402_tests::{
    ledger::{Ledger, LedgerOptions},
    ports,
    process::Inherit,
    redis::Redis,
    secrets::Secrets,
    stripe_sim::SECRET_KEY,
};

use super::connection::Connection;
use crate::{Result, accounts, cpu, figures::Round};

/// Nobody is charged here, so nobody answers as Stripe.
const NO_STRIPE: &str = "http://127.0.0.1:9";
/// For a file's writing thread to end.
const LETS_GO_WITHIN: Duration = Duration::from_millis(500);

/// A ledger, and what it keeps its books in.
pub(super) struct Subject {
    pub(super) name: String,
    ledger: Ledger,
    connection: Connection,
    /// Its data go with it.
    _redis: Option<Redis>,
}

impl Subject {
    /// Starts `program` on a store of this kind, with a client that has credit there.
    pub(super) async fn start(program: &Path, kind: &str, folder: &Path) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let redis = match kind {
            "redis" => Some(Redis::start_with("everysec").await?),
            "file" => None,
            other => return Err(format!("--stores {other}: there are redis and file").into()),
        };
        let file = folder.join(format!("{}.redb", ports::free()?));
        let store = redis.as_ref().map_or_else(|| format!("file:{}", file.display()), Redis::url);
        credit(&store).await?;
        let secrets = Secrets::random()?;
        let options = LedgerOptions {
            name: format!("{name} on {kind}"),
            port: ports::free()?,
            admin_port: ports::free()?,
            webhook_port: ports::free()?,
            store,
            secrets: secrets.clone(),
            stripe_secret_key: SECRET_KEY.to_owned(),
            stripe_api_base: Some(NO_STRIPE.to_owned()),
            more: BTreeMap::new(),
            inherit: Inherit::Bare,
            log: folder.join("ledger.log"),
        };
        let ledger = start(program, options).await?;
        let connection = Connection::open(ledger.address(), &secrets.ledger_token).await?;
        Ok(Self { name: format!("{name}, {kind}"), ledger, connection, _redis: redis })
    }

    /// Keeps so many calls of so many charges each under way, for a time.
    pub(super) async fn round(
        &mut self,
        in_flight: usize,
        charges: usize,
        time: Duration,
    ) -> Result<Round> {
        let pid = self.ledger.process().pid();
        let (began, asker, server) = (Instant::now(), cpu::own(), cpu::of(pid));
        let calls = (0..in_flight).map(|_| async {
            let mut made = 0_u64;
            while began.elapsed() < time {
                self.connection.call(charges).await?;
                made += 1;
            }
            Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(made)
        });
        let count = try_join_all(calls).await?.iter().sum();
        Ok(Round {
            count,
            took: began.elapsed(),
            asker: cpu::own().saturating_sub(asker),
            server: cpu::of(pid).saturating_sub(server),
        })
    }
}

/// Before the ledger starts: a file has one owner at a time, and its writing thread takes a moment to let go.
async fn credit(store: &str) -> Result<()> {
    let books = accounts::open(store)?;
    accounts::credit(books.as_ref(), accounts::client(0)).await?;
    drop(books);
    tokio::time::sleep(LETS_GO_WITHIN).await;
    Ok(())
}

async fn start(program: &Path, options: LedgerOptions) -> Result<Ledger> {
    let mut ledger = Ledger::spawn_program(program.to_owned(), &options)?;
    ledger.ready().await?;
    Ok(ledger)
}

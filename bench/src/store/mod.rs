//! Batch deductions on each store, beside the server's own benchmark with the same work.

mod load;
mod postgres;
mod redis;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use stripe402_ledger::store::Store;

pub use self::load::deduction;
use self::load::{CLIENTS, Spread};
pub(crate) use self::postgres::bytes as postgres_bytes;
use crate::{
    Result, accounts, cpu,
    figures::{Figures, Round},
};

/// Rounds of every row, taking turns; the first is for warming up.
const ROUNDS: usize = 5;
/// How long a round of a row lasts.
const ROUND: Duration = Duration::from_secs(2);

const MANY: &str = "1,000 clients";
const REDIS_BENCHMARK: &str = "redis-benchmark, same script";
const PGBENCH: &str = "pgbench, same statement";

/// A store under measurement.
struct Subject {
    name: &'static str,
    store: Arc<dyn Store>,
    /// The server's process; none for the store that is a file.
    server: Option<u32>,
    /// What its books must say was taken.
    made: u64,
    /// How many deductions the last round of many clients made.
    last_many: u64,
}

impl Subject {
    async fn new(name: &'static str, url: &str, server: Option<u32>) -> Result<Self> {
        let store = accounts::open(url)?;
        load::fund(store.as_ref()).await?;
        Ok(Self { name, store, server, made: 0, last_many: 0 })
    }

    fn server_cpu(&self) -> Duration {
        self.server.map_or(Duration::ZERO, cpu::of)
    }

    async fn round(&mut self, spread: Spread) -> Result<Round> {
        let (began, asker, server) = (Instant::now(), cpu::own(), self.server_cpu());
        let count = load::drive(&self.store, spread, ROUND).await?;
        let round = Round {
            count,
            took: began.elapsed(),
            asker: cpu::own().saturating_sub(asker),
            server: self.server_cpu().saturating_sub(server),
        };
        self.made = self.made.saturating_add(count);
        if spread == Spread::Many {
            self.last_many = count;
        }
        Ok(round)
    }

    /// A round that somebody else drove, whose own CPU time is not of interest.
    fn by_another(&self, count: u64, took: Duration, before: Duration) -> Round {
        let server = self.server_cpu().saturating_sub(before);
        Round { count, took, asker: Duration::ZERO, server }
    }

    /// # Errors
    /// If the books do not say what was done.
    async fn check(&self) -> Result<()> {
        let taken = load::taken(self.store.as_ref()).await?;
        if taken == self.made {
            return Ok(());
        }
        Err(format!("{}: {} charged, {taken} taken", self.name, self.made).into())
    }
}

/// Measures, and prints a table.
///
/// # Errors
/// If something cannot be started, or the books do not add up in the end.
pub async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = format!("file:{}", folder.path().join("ledger.redb").display());
    let redis_server = stripe402_tests::redis::Redis::start().await?;
    let mut postgres_server = stripe402_tests::postgres::Postgres::start().await?;
    let postgres_pid = postgres_server.process().pid();
    let mut embedded = Subject::new("embedded", &file, None).await?;
    let mut redis = Subject::new("Redis", &redis_server.url(), Some(redis_server.pid())).await?;
    let url = postgres_server.url();
    let mut postgres = Subject::new("PostgreSQL", &url, Some(postgres_pid)).await?;
    let call = redis::call(redis.store.as_ref(), redis_server.port()).await?;
    redis.made = redis.made.saturating_add(1);

    let mut figures = Figures::default();
    for round in 0..=ROUNDS {
        let mut add = |name: &str, figure: Round| {
            anstream::eprintln!("  round {round} of {ROUNDS}: {name}");
            if round > 0 {
                figures.add(name, figure);
            }
        };
        for subject in [&mut embedded, &mut redis, &mut postgres] {
            add(&format!("{}, {MANY}", subject.name), subject.round(Spread::Many).await?);
            add(&format!("{}, one client", subject.name), subject.round(Spread::One).await?);
        }
        let (before, count) = (redis.server_cpu(), redis.last_many);
        let rate = redis::benchmark(redis_server.port(), &call, count)?;
        redis.made = redis.made.saturating_add(count);
        let took = Duration::from_secs_f64(count as f64 / rate);
        add(REDIS_BENCHMARK, redis.by_another(count, took, before));
        let before = postgres.server_cpu();
        let count = postgres::benchmark(&url, folder.path(), ROUND)?;
        postgres.made = postgres.made.saturating_add(count);
        add(PGBENCH, postgres.by_another(count, ROUND, before));
    }
    for subject in [&embedded, &redis, &postgres] {
        subject.check().await?;
    }
    print(&figures);
    let bytes = [
        (&embedded, std::fs::metadata(folder.path().join("ledger.redb"))?.len()),
        (&redis, redis::bytes(redis_server.port())?),
        (&postgres, postgres::bytes(&url)?),
    ];
    anstream::println!("  kept for each deduction, all told (bytes):");
    for (subject, bytes) in bytes {
        anstream::println!("    {:<12}{}", subject.name, bytes / subject.made.max(1));
    }
    Ok(())
}

fn print(figures: &Figures) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "deductions/s", "µs CPU, ledger", "µs CPU, server", "of the benchmark"]);
    let against = |name: &str| match name {
        "Redis, 1,000 clients" => Some(REDIS_BENCHMARK),
        "PostgreSQL, 1,000 clients" => Some(PGBENCH),
        _ => None,
    };
    for (name, row) in figures.rows() {
        let ratio = against(&name).map(|other| row.rate / figures.row(other).rate);
        let shown = |value: f64| if value > 0.0 { format!("{value:.1}") } else { "–".to_owned() };
        table.add_row([
            name,
            format!("{:.0}", row.rate),
            shown(row.asker),
            shown(row.server),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    anstream::println!(
        "\n  batches of {}, {} at once; medians of {ROUNDS} rounds; {CLIENTS} clients\n{table}\n  \
         balances exact on every store",
        load::BATCH,
        load::IN_FLIGHT,
    );
}

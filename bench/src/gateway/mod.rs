//! Requests through a gateway, beside plain Envoy, in rounds that take turns.

mod plot;
mod subject;
mod wrk;

use std::{path::Path, time::Duration};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use stripe402_tests::{ports, postgres::Postgres, redis::Redis};

use self::subject::{CREDIT, Subject};
use crate::{Result, cpu};

/// Rounds of every row, taking turns; one before them is for warming up.
const ROUNDS: usize = 5;
/// How long a round of a row lasts.
const ROUND: Duration = Duration::from_secs(4);
/// Connections at once.
const CONNECTIONS: u32 = 32;

/// What is asked, and of which gateway.
struct Row {
    name: &'static str,
    subject: usize,
    path: &'static str,
    /// Whether the client pays, and is served.
    pays: bool,
    /// Whether every answer is a 402.
    refused: bool,
    rounds: Vec<Round>,
}

/// One round of a row.
#[derive(Clone, Copy, Debug)]
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
    /// CPU microseconds for each request.
    envoy: f64,
    ledger: f64,
    store: f64,
    api: f64,
}

/// A row's medians.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was asked.
    pub name: &'static str,
    /// Requests a second.
    pub rate: f64,
    /// Half of all answers came within so many microseconds.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// CPU microseconds of Envoy for each request.
    pub envoy: f64,
    /// Of the ledger, or of the authoriser.
    pub ledger: f64,
    /// Of the store, if it is a server.
    pub store: f64,
    /// Of the API.
    pub api: f64,
}

impl Figure {
    /// CPU microseconds of everything but the load generator.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        self.envoy + self.ledger + self.store + self.api
    }
}

/// Measures, prints a table, and writes `results.json` and `results.svg` into that folder.
///
/// # Errors
/// If something cannot be started, an answer was wrong, or a balance does not add up.
pub async fn run(folder: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let api_port = ports::free()?;
    let api = subject::api(api_port, work.path()).await?;
    let redis = Redis::start().await?;
    let mut postgres = Postgres::start().await?;
    let (redis_url, postgres_url) = (redis.url(), postgres.url());
    let on_redis = (redis_url.as_str(), redis.pid());
    let on_postgres = (postgres_url.as_str(), postgres.process().pid());
    anstream::eprintln!("  starting five gateways");
    let mut subjects = [
        Subject::plain(api_port).await?,
        Subject::paid(api_port, None).await?,
        Subject::paid(api_port, Some(on_redis)).await?,
        Subject::paid(api_port, Some(on_postgres)).await?,
        Subject::ext_authz(api_port, on_redis).await?,
    ];
    let row = |name, subject, path, pays, refused| Row {
        name,
        subject,
        path,
        pays,
        refused,
        rounds: Vec::new(),
    };
    let mut rows = [
        row("plain Envoy", 0, "/api/joke", false, false),
        row("filter disabled on the route", 1, "/off", false, false),
        row("free route", 1, "/api/health", false, false),
        row("402", 1, "/api/joke", false, true),
        row("paid, embedded", 1, "/api/joke", true, false),
        row("paid, Redis", 2, "/api/joke", true, false),
        row("paid, PostgreSQL", 3, "/api/joke", true, false),
        row("ext_authz, Redis", 4, "/api/joke", true, false),
    ];
    let mut served = [0_u64; 5];
    for number in 0..=ROUNDS {
        for row in &mut rows {
            let Some(subject) = subjects.get_mut(row.subject) else { continue };
            let (round, requests) = measure(row, subject, api.pid()).await?;
            anstream::eprintln!(
                "  round {number} of {ROUNDS}: {:<30}{:>8.0}/s",
                row.name,
                round.rate
            );
            if let Some(sum) = served.get_mut(row.subject).filter(|_| row.pays) {
                *sum += requests;
            }
            if number > 0 {
                row.rounds.push(round);
            }
        }
    }
    for (subject, served) in subjects.iter().zip(served).skip(1) {
        check(subject, served).await?;
    }
    let figures: Vec<Figure> = rows.iter().map(Row::figure).collect();
    print(&figures);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("results.json"), serde_json::to_vec_pretty(&figures)?)?;
    std::fs::write(folder.join("results.svg"), plot::draw(&figures))?;
    anstream::println!("  {}", folder.join("results.svg").display());
    Ok(())
}

/// One round; and how many requests were answered.
async fn measure(row: &Row, subject: &mut Subject, api: u32) -> Result<(Round, u64)> {
    let url = subject.stack.url(row.path);
    let payment = subject.payment.clone().filter(|_| row.pays);
    let envoy = subject.stack.envoy.process().pid();
    let ledger = match &subject.authorizer {
        Some(authorizer) => authorizer.pid(),
        None => subject.stack.ledger()?.process().pid(),
    };
    let pids = [Some(envoy), Some(ledger), subject.store.filter(|_| row.pays), Some(api)];
    let used = || pids.map(|pid| pid.map_or(Duration::ZERO, cpu::of));
    let before = used();
    let load =
        tokio::task::spawn_blocking(move || wrk::run(&url, payment.as_deref(), CONNECTIONS, ROUND));
    let load = load.await??;
    let after = used();
    let expected = if row.refused { load.requests } else { 0 };
    if load.refused != expected || load.requests == 0 {
        return Err(format!(
            "{}: {} of {} answers were no success",
            row.name, load.refused, load.requests
        )
        .into());
    }
    let micros = |after: Duration, before| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / load.requests as f64
    };
    let ([envoy, ledger, store, api], [envoy_0, ledger_0, store_0, api_0]) = (after, before);
    let round = Round {
        rate: load.requests as f64 / load.took.as_secs_f64(),
        p50: load.p50.as_secs_f64() * 1e6,
        p99: load.p99.as_secs_f64() * 1e6,
        envoy: micros(envoy, envoy_0),
        ledger: micros(ledger, ledger_0),
        store: micros(store, store_0),
        api: micros(api, api_0),
    };
    Ok((round, load.requests))
}

/// What was answered was deducted, once; a run that ends leaves at most one request on each
/// connection without an answer that somebody counted.
async fn check(subject: &Subject, served: u64) -> Result<()> {
    // The last voids ride with later batches.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = u64::try_from(CREDIT - subject.left().await?)?;
    let looks = 2;
    let cut_off = u64::from(CONNECTIONS) * (ROUNDS as u64 + 1);
    if (served + looks..=served + looks + cut_off).contains(&spent) {
        return Ok(());
    }
    Err(format!("{served} served, {spent} units spent").into())
}

impl Row {
    fn figure(&self) -> Figure {
        let median = |of: fn(&Round) -> f64| {
            let mut all: Vec<f64> = self.rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Figure {
            name: self.name,
            rate: median(|round| round.rate),
            p50: median(|round| round.p50),
            p99: median(|round| round.p99),
            envoy: median(|round| round.envoy),
            ledger: median(|round| round.ledger),
            store: median(|round| round.store),
            api: median(|round| round.api),
        }
    }
}

fn print(figures: &[Figure]) {
    let Some(plain) = figures.first() else { return };
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "", "req/s", "× plain", "p50 µs", "p99 µs", "CPU µs", "× plain", "Envoy", "ledger",
        "store", "API",
    ]);
    for figure in figures {
        let whole = |value: f64| format!("{value:.0}");
        table.add_row([
            figure.name.to_owned(),
            whole(figure.rate),
            format!("{:.2}", figure.rate / plain.rate),
            whole(figure.p50),
            whole(figure.p99),
            whole(figure.cpu()),
            format!("{:.2}", figure.cpu() / plain.cpu()),
            whole(figure.envoy),
            whole(figure.ledger),
            whole(figure.store),
            whole(figure.api),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    anstream::println!(
        "\n  {CONNECTIONS} connections, HTTP/1.1, one Envoy worker; medians of {ROUNDS} rounds that \
         took turns\n{table}\n  balances add up on every store",
    );
}

//! Books of a million clients: how long an operator's jobs take on them, and what requests that are paid
//! meanwhile notice of it.

mod load;
mod rows;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use stripe402_ledger::{
    clock::SystemClock,
    config::{Cli, Command},
    operator::{
        cli::{Finding, Report, reconcile, verify},
        work::{Filter, Operations, OperatorError},
    },
};
use stripe402_tests::{
    ports,
    postgres::Postgres,
    stripe_sim::{SECRET_KEY, StripeSim, StripeSimOptions},
};

use self::load::Load;
use crate::{Result, accounts};

/// How often a page is asked for.
const LOOKS: usize = 100;

/// How many accounts and deductions there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Clients, each with one account.
    pub clients: u64,
    /// Deductions, spread over them by chance.
    pub deductions: u64,
}

/// Fills a store, does each job on it, and prints a table. `postgres` is a server of its own, whose rows are
/// written at once; without a store it is a file of its own.
///
/// # Errors
/// If something cannot be started, a job fails, or finds a difference.
pub async fn run(size: Size, url: Option<String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger.redb");
    let server = match url.as_deref() {
        Some("postgres") => Some(Postgres::start().await?),
        _ => None,
    };
    let own = server.as_ref().map(Postgres::url);
    let (url, is_file) = match own.or(url) {
        Some(url) => (url, false),
        None => (format!("file:{}", file.display()), true),
    };
    let store = accounts::open(&url)?;
    let began = Instant::now();
    if server.is_some() {
        store.ping().await?;
        rows::write(&url, size)?;
    } else {
        load::fill(&*store, size).await?;
    }
    anstream::eprintln!("  filled in {:.0} s", began.elapsed().as_secs_f64());
    let load = Load::new(Arc::clone(&store), size.clients);
    let mut rows = Vec::new();
    let alone = load.while_running(tokio::time::sleep(Duration::from_secs(10))).await?;
    rows.push(row("nothing", None, Some(alone.1)));

    let operations = Operations::new(Arc::clone(&store), None, Arc::new(SystemClock));
    let began = Instant::now();
    let (shown, slowest) = load.while_running(operations.overview()).await?;
    shown?;
    rows.push(row("the overview", Some(began), Some(slowest)));
    looks(&load, &operations, &mut rows).await?;
    if is_file {
        let began = Instant::now();
        let copy = folder.path().join("copy.redb");
        let (copied, slowest) = load.while_running(store.back_up(&copy)).await?;
        copied?;
        rows.push(row("a backup", Some(began), Some(slowest)));
        // As the operator API does it; the command below has the file for itself.
        let began = Instant::now();
        let (verified, slowest) = load.while_running(operations.verify()).await?;
        let verified = verified?;
        if !verified.differ.is_empty() || !verified.damaged.is_empty() {
            return Err("the books do not add up".into());
        }
        rows.push(row("verify, by the API", Some(began), Some(slowest)));
    }
    let sim = StripeSim::start(&StripeSimOptions {
        port: ports::free()?,
        state_dir: folder.path().join("stripe"),
        webhook_url: String::new(),
        webhook_secret: String::new(),
        log: folder.path().join("stripe.log"),
    })
    .await?;
    let stripe = sim.url("");
    let reconcile = ["reconcile", "--since", "1h", "--stripe-secret-key", SECRET_KEY];
    let reconcile = reconcile.into_iter().chain(["--stripe-api-base", &stripe]).collect();
    let jobs: [Vec<&str>; 2] = [vec!["verify"], reconcile];
    if is_file {
        // A file serves one process.
        drop((operations, load, store));
        for job in jobs {
            let began = Instant::now();
            good(command(&url, &job).await?)?;
            rows.push(row(job.first().copied().unwrap_or_default(), Some(began), None));
        }
    } else {
        for job in jobs {
            let began = Instant::now();
            let (report, slowest) = load.while_running(command(&url, &job)).await?;
            good(report?)?;
            rows.push(row(job.first().copied().unwrap_or_default(), Some(began), Some(slowest)));
        }
    }
    show(size, rows);
    Ok(())
}

/// Pages of a table as operators ask for them, the slowest of some.
async fn looks(load: &Load, operations: &Operations, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let subject = accounts::client(7).client.subject();
    let all = Filter::default();
    let one = Filter { client: Some(subject), ..Filter::default() };
    let named = Filter { about: Some("nobody".to_owned()), ..Filter::default() };
    for (name, filter) in [
        ("a page of movements", all),
        ("a page of one client's", one),
        ("a search that finds none among 10,000", named),
    ] {
        let asked = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..LOOKS {
                let began = Instant::now();
                operations.movements(&filter, None, 50).await?;
                slowest = slowest.max(began.elapsed());
            }
            Ok::<_, OperatorError>(slowest)
        };
        let (took, slowest) = load.while_running(asked).await?;
        rows.push(row_of(name, Some(took?), Some(slowest)));
    }
    Ok(())
}

fn good(report: Report) -> Result<()> {
    if report.finding == Finding::Good { Ok(()) } else { Err("the books do not add up".into()) }
}

async fn command(url: &str, job: &[&str]) -> Result<Report> {
    use clap::Parser as _;
    let words = ["stripe402-ledger"].into_iter().chain(job.iter().copied());
    match Cli::try_parse_from(words.chain(["--store", url]))?.command {
        Command::Verify(arguments) => Ok(verify(arguments).await?),
        Command::Reconcile(arguments) => Ok(reconcile(arguments).await?),
        _ => Err("no such job".into()),
    }
}

fn row(job: &str, began: Option<Instant>, slowest: Option<f64>) -> Vec<String> {
    row_of(job, began.map(|began| began.elapsed()), slowest)
}

fn row_of(job: &str, took: Option<Duration>, slowest: Option<f64>) -> Vec<String> {
    let took = took.map(|took| format!("{:.3}", took.as_secs_f64()));
    let slowest = slowest.map(|ms| format!("{ms:.1}"));
    vec![job.to_owned(), took.unwrap_or_default(), slowest.unwrap_or_else(|| "stopped".to_owned())]
}

fn show(size: Size, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["job", "s", "p99 of a batch meanwhile, ms"]);
    table.add_rows(rows);
    for column in 1..=2 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    anstream::println!("{} clients, {} deductions\n{table}", size.clients, size.deductions);
}

//! `make bench-large`.

use clap::Parser;
use stripe402_bench::large::{Size, run};

/// How long an operator's jobs take on large books, and what requests notice of it
#[derive(Debug, Parser)]
struct Options {
    /// Clients, each with one account
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
    /// Deductions
    #[arg(long, default_value_t = 10_000_000)]
    deductions: u64,
    /// An empty store, as LEDGER_STORE names it; `postgres` for a server of its own, a file of its own
    /// if there is none
    #[arg(long)]
    store: Option<String>,
}

#[tokio::main]
async fn main() -> stripe402_bench::Result<()> {
    let Options { clients, deductions, store } = Options::parse();
    run(Size { clients, deductions }, store).await
}

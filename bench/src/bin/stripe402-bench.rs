//! `make bench`, `make bench-full`.

use clap::Parser;

#[tokio::main]
async fn main() -> stripe402_bench::Result<()> {
    stripe402_bench::gateway::run(&stripe402_bench::gateway::Options::parse()).await
}

//! What one call of `POST /v1/batch` costs a ledger.

use clap::Parser as _;
use stripe402_bench::{Result, call};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    call::run(&call::Options::parse()).await
}

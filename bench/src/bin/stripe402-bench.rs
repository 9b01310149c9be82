//! `make bench`: writes its results into the folder that it is given.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> stripe402_bench::Result<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("bench"), PathBuf::from);
    stripe402_bench::gateway::run(&folder).await
}

//! `make bench-store`.

#[tokio::main]
async fn main() -> stripe402_bench::Result<()> {
    stripe402_bench::store::run().await
}

//! `make bench-growth`.

#[tokio::main]
async fn main() -> stripe402_bench::Result<()> {
    stripe402_bench::growth::run().await
}

//! `make bench-check`.

use clap::Parser;

fn main() -> stripe402_bench::Result<()> {
    stripe402_bench::steps::run(&stripe402_bench::steps::Options::parse())
}
